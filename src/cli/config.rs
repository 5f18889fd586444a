//! `pgsluice config print / schema`.

use std::io::Write;

use clap::Subcommand;

use crate::cli::FileArg;
use crate::config::{Config, parse, resolve};
use crate::error::{Exit, Failure};

/// The two questions.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the configuration with every default filled in and every secret redacted.
    Print(FileArg),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
}

/// Answers one of them.
pub fn execute(command: &ConfigCommand) -> Result<(), Failure> {
    let text = match command {
        ConfigCommand::Print(arg) => {
            let config = parse::load(&arg.file).map_err(|e| Failure::new(Exit::Configuration, &e))?;
            resolve::resolve(&config).map_err(|e| Failure::new(Exit::Configuration, &e))?;
            toml::to_string(&resolve::redacted(&config)).map_err(|e| Failure::new(Exit::Fatal, &e))?
        }
        ConfigCommand::Schema => {
            let schema = schemars::schema_for!(Config);
            serde_json::to_string_pretty(&schema).map_err(|e| Failure::new(Exit::Fatal, &e))? + "\n"
        }
    };
    write_out(text.as_bytes())
}

/// Writes to standard output. A reader that has gone away has had enough: no error.
pub fn write_out(text: &[u8]) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Fatal, &error))
        }
        _ => Ok(()),
    }
}
