//! The `pgsluice` command.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use pgsluice::cli::Cli;
use pgsluice::error::{Exit, Failure};

/// For the whole process: librdkafka allocates and frees several pieces a record, which is a tenth of the work with
/// glibc's allocator.
#[cfg(feature = "kafka")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => Exit::Clean.into(),
        Err(failure) => {
            // Standard error may be closed; the exit code says it all the same.
            drop(writeln!(std::io::stderr(), "pgsluice: {}", failure.message));
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    // One thread: the pipeline is one task, and the sink's threads are its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Fatal, &error))?;
    let outcome = runtime.block_on(cli.execute());
    // A thread of the client library that still waits for a broker must not hold the exit up.
    runtime.shutdown_background();
    outcome
}
