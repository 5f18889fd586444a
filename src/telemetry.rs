//! Log lines, on standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines of `level` and above to standard error. `PGSLUICE_LOG` may name other levels for single
/// modules, in the form `info,pgsluice::pipeline=debug`.
pub fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_env("PGSLUICE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let is_terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || Lines { is_terminal });
    let started = match format {
        LogFormat::Text => lines.with_ansi(is_terminal).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("log lines already have a destination");
    }
}

/// Standard error, where on a terminal a log line first takes the place of the living status line.
struct Lines {
    is_terminal: bool,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut output = io::stderr().lock();
        if self.is_terminal {
            output.write_all(b"\r\x1b[2K")?;
        }
        // The subscriber writes a line at once, and ignores how much of it was taken.
        output.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
