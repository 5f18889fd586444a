//! `make demo`: changes travel from a PostgreSQL server through pgsluice to a Kafka broker, before one's eyes.
//!
//! It starts both servers (or takes those named in the environment, see [`servers`]), a small shop's life as load,
//! and the real `pgsluice run` as a process of its own, and prints what comes back from Kafka beside the slot's lag.
//! On a terminal it goes on until Ctrl-C; without one it ends by itself once every kind of event has been seen and
//! the slot has no lag. Nothing it started outlives it.

mod envelope;
mod line;
mod load;
mod pipeline;
mod reader;
mod screen;
mod seen;
mod servers;
mod shop;
mod show;
mod stop;
mod watcher;

#[path = "../support/servers/mod.rs"]
mod support;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use pgsluice::postgres::client::Login;

use crate::pipeline::Pipeline;
use crate::screen::Screen;
use crate::servers::Servers;
use crate::show::Show;
use crate::support::Result;

fn main() -> ExitCode {
    let attended = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let outcome = stop::prepare(attended).and_then(|()| demo(attended));
    let succeeded = outcome.is_ok();
    if let Err(error) = outcome {
        // A closed standard error leaves the exit code to say it.
        drop(writeln!(std::io::stderr(), "demo: failed: {error}"));
    }
    if let Ok(run) = support::run::current() {
        let logs = run.logs().display();
        drop(writeln!(std::io::stderr(), "demo: stopping the servers; all logs are kept in {logs}"));
    }
    stop::over(succeeded);
    support::finish();
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn demo(attended: bool) -> Result<()> {
    let screen = Screen::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let servers = Servers::start(&screen)?;
    let shown = runtime.block_on(show(&screen, &servers, attended));
    // What was made on a server of the user's own goes, also after a failure.
    let cleaned = runtime.block_on(servers.clean_up(&screen));
    shown.and(cleaned)
}

/// However it ends, pgsluice has ended too.
async fn show(screen: &Screen, servers: &Servers, attended: bool) -> Result<()> {
    let mut told = stop::from_now_on_in_good_order(attended);
    let (pipeline, login) = tokio::select! {
        prepared = prepare(screen, servers) => prepared?,
        _ = told.wait_for(|told| *told) => return Ok(()),
    };
    let seen = Show::new(screen, servers, &pipeline, attended).run(&login, told).await?;
    screen.step(&format!("came back from Kafka: {seen}"))?;
    pipeline.stop(screen)
}

async fn prepare(screen: &Screen, servers: &Servers) -> Result<(Pipeline, Login)> {
    screen.step("making the shop: customers, orders with items, prices, and an audit table without a key")?;
    let login = servers.make_database().await?;
    shop::create(&login).await?;
    let pipeline = Pipeline::start(screen, servers)?;
    pipeline.wait_until_it_streams(&login).await?;
    Ok((pipeline, login))
}
