//! `pgsluice run`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::IsTerminal;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app;
use crate::cli::FileArg;
use crate::cli::status_line::{self, Style};
use crate::clock::Clock;
use crate::config::{parse, resolve};
use crate::error::{Exit, Failure};
use crate::lsn::Lsn;
use crate::pipeline::PipelineStatus;
use crate::pipeline::start::Supervised;
use crate::task;

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    file: FileArg,
    /// Go on at the slot's own position although changes before it are missing.
    #[arg(long)]
    accept_gap: bool,
    /// Stop once everything that committed before this position is confirmed, as for a cut-over.
    #[arg(long, value_name = "LSN")]
    end_lsn: Option<Lsn>,
}

/// Runs the pipeline until SIGTERM or SIGINT.
pub async fn execute(args: RunArgs) -> Result<(), Failure> {
    let config = parse::load(&args.file.file).map_err(|error| Failure::new(Exit::Configuration, &error))?;
    let resolved = resolve::resolve(&config).map_err(|error| Failure::new(Exit::Configuration, &error))?;
    let mut pipeline = resolved.pipeline;
    pipeline.accept_gap = args.accept_gap;
    pipeline.end_lsn = args.end_lsn;

    #[cfg(feature = "sabotage")]
    sabotage();
    let (status, watched) = watch::channel(PipelineStatus::default());
    let style = if std::io::stderr().is_terminal() { Style::Line } else { Style::Log };
    let reporter = status_line::report(pipeline.login.clone(), watched, style);
    let stop = stop_on_signal()?;
    let seed = random();
    let instance = format!("{:016x}{:016x}", random(), seed);
    let pipeline = Supervised::new(pipeline, resolved.kafka, instance, Clock::system());
    let outcome = tokio::select! {
        outcome = app::run(pipeline, seed, stop, &status) => outcome,
        () = reporter => Ok(()),
    };
    status_line::end(style);
    if outcome.is_ok() {
        let positions = status.borrow().positions;
        tracing::info!(confirmed = %positions.confirmed, "stopped; everything delivered is confirmed");
    }
    outcome
}

/// Chooses the fault that the environment names, for tests that must find one in the running program.
#[cfg(feature = "sabotage")]
fn sabotage() {
    use crate::sabotage::{Fault, choose};
    let fault = match std::env::var("PGSLUICE_SABOTAGE").as_deref() {
        Ok("acknowledge-on-receipt") => Some(Fault::AcknowledgeOnReceipt),
        Ok("confirm-before-record") => Some(Fault::ConfirmBeforeRecord),
        _ => None,
    };
    tracing::error!(?fault, "this build breaks its promises on purpose");
    choose(fault);
}

/// Turns true with the first SIGTERM or SIGINT.
pub fn stop_on_signal() -> Result<watch::Receiver<bool>, Failure> {
    let (sender, receiver) = watch::channel(false);
    let failed = |error: std::io::Error| Failure::new(Exit::Fatal, &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let listener = task::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        }
        sender.send_replace(true);
        // A second signal must not be lost in silence: the default action ends the process.
        std::future::pending::<()>().await;
    });
    listener.detach();
    Ok(receiver)
}

/// Eight bytes from the system's source of randomness, by way of the hasher's keys: unique is all they must be.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
