//! The command line: what can be asked for, one file a command.

pub mod check;
pub mod config;
pub mod decode;
pub mod run;
pub mod slot;
pub mod source;
pub mod status_line;
pub mod tail;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::Failure;
use crate::telemetry::{self, LogFormat};

/// Streams committed changes out of PostgreSQL into Kafka.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArgs,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  done; `run` was told to stop and has drained
   1  an error that needs a person
   2  the command line is wrong
   3  the configuration is wrong
   4  the login was refused, TLS was not to be had as asked for, or the role may not replicate
   5  the slot is lost, or changes are missing between the recorded position and the slot
   6  records were still in flight at the end of drain_timeout
   8  `check` found that `run` would not work
   9  the slot does not exist
  10  the slot is in use
  11  the slot has another output plugin
  12  the slot belongs to another database
  13  the server's settings do not allow logical decoding
  14  the server could not be reached during start_timeout
  15  no broker could be reached during start_timeout";

#[derive(Debug, Args)]
struct OutputArgs {
    /// Form of the log lines on standard error. Default: text on a terminal, JSON elsewhere.
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
    /// The least severe log lines shown: error, warn, info, debug or trace.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// Whether to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether standard output gets colours.
    pub fn on_stdout(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the pipeline of a configuration file until told to stop.
    Run(run::RunArgs),
    /// Check that `run` would work: one line a check, each with its repair.
    Check(FileArg),
    /// Print changes as they commit, over a temporary slot that leaves nothing behind.
    Tail(tail::TailArgs),
    /// Make, look at or drop the replication slot.
    #[command(subcommand)]
    Slot(slot::SlotCommand),
    /// Turn `test_decoding` payloads on standard input into JSON on standard output.
    Decode(decode::DecodeArgs),
    /// Show the configuration as it was understood, or its JSON Schema.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// The configuration file.
#[derive(Clone, Debug, Args)]
pub struct FileArg {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "pgsluice.toml")]
    pub file: PathBuf,
}

impl Cli {
    /// Does what was asked for.
    pub async fn execute(self) -> Result<(), Failure> {
        let Self { command, output } = self;
        let format = output.log_format.unwrap_or_else(|| {
            if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json }
        });
        // Commands that answer a question keep their output free of progress lines.
        let level = match (&command, output.log_level.as_str()) {
            (Command::Run(_), level) => level.to_owned(),
            (_, "info") => "warn".to_owned(),
            (_, level) => level.to_owned(),
        };
        telemetry::start(format, &level);
        match command {
            Command::Run(args) => Box::pin(run::execute(args)).await,
            Command::Check(args) => check::execute(&args.file, output.color.on_stdout()).await,
            Command::Tail(args) => tail::execute(args, output.color.on_stdout()).await,
            Command::Slot(command) => slot::execute(command).await,
            Command::Decode(args) => decode::execute(&args),
            Command::Config(command) => config::execute(&command),
        }
    }
}
