//! What `run` shows while it runs: one living line on a terminal, a log line now and then elsewhere.

use std::io::Write;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cli::slot::bytes;
use crate::clock::Clock;
use crate::lsn::Lsn;
use crate::pipeline::PipelineStatus;
use crate::postgres::catalog::Catalog;
use crate::postgres::client::Login;

/// How the state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One line that is written over.
    Line,
    /// Log lines.
    Log,
}

const LINE_EVERY: Duration = Duration::from_millis(500);
const LOG_EVERY: Duration = Duration::from_secs(10);
/// How often the server is asked where its WAL ends.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Shows the state until it is dropped.
pub async fn report(login: Login, status: watch::Receiver<PipelineStatus>, style: Style) {
    let mut catalog = Catalog::new(login);
    let mut wal_end: Option<Lsn> = None;
    let mut asked: Option<Instant> = None;
    let mut before = (Instant::now(), *status.borrow());
    let mut ticks = interval(if style == Style::Line { LINE_EVERY } else { LOG_EVERY });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = *status.borrow();
        if now.streaming && asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            // A failed question is the pipeline's to report: it asks the same server.
            wal_end = current_wal_end(&mut catalog).await;
            asked = Some(Instant::now());
        }
        let elapsed = before.0.elapsed();
        let rate = rate(now.changes.saturating_sub(before.1.changes), elapsed);
        let lag = Lag::of(&now, wal_end);
        match style {
            Style::Line => show(&now, rate, &lag),
            Style::Log if now.streaming => log(&now, rate, &lag),
            Style::Log => {}
        }
        before = (Instant::now(), now);
    }
}

async fn current_wal_end(catalog: &mut Catalog) -> Option<Lsn> {
    let sql =
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END";
    let answer = catalog.query(sql).await.ok()?;
    answer.rows.first()?.first()?.as_deref()?.parse().ok()
}

/// How far behind the server the confirmed position is.
struct Lag {
    bytes: Option<u64>,
    time: Option<Duration>,
}

impl Lag {
    fn of(status: &PipelineStatus, wal_end: Option<Lsn>) -> Self {
        let positions = status.positions;
        let confirmed = positions.confirmed.is_valid().then_some(positions.confirmed);
        let bytes = confirmed.zip(wal_end).map(|(confirmed, end)| end.bytes_since(confirmed));
        // Caught up: what was read is delivered, so no transaction is waiting.
        let caught_up = !status.behind && status.in_flight == 0;
        let time = if caught_up {
            Some(Duration::ZERO)
        } else {
            status.last_commit.map(|commit| Clock::system().now().since(commit))
        };
        Self { bytes, time }
    }
}

fn rate(changes: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    changes.saturating_mul(1000) / millis
}

fn show(status: &PipelineStatus, rate: u64, lag: &Lag) {
    let state = match (status.streaming, status.behind) {
        (false, _) => "connecting",
        (true, true) => "catching up",
        (true, false) => "streaming",
    };
    let lag_bytes = lag.bytes.map_or_else(|| "?".to_owned(), bytes);
    let lag_time = lag.time.map_or_else(|| "?".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
    let line = format!(
        "{state}: {rate} rows/s, lag {lag_bytes}, {lag_time}, in flight {}, confirmed {}",
        status.in_flight, status.positions.confirmed
    );
    // The terminal may be gone; the pipeline is not here to draw.
    drop(write!(std::io::stderr(), "\r\x1b[2K{line}"));
}

fn log(status: &PipelineStatus, rate: u64, lag: &Lag) {
    tracing::info!(
        rows_per_s = rate,
        rows = status.changes,
        records = status.records,
        lag_bytes = lag.bytes,
        lag_ms = lag.time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        in_flight = status.in_flight,
        confirmed = %status.positions.confirmed,
        "state"
    );
}

/// Leaves the living line.
pub fn end(style: Style) {
    if style == Style::Line {
        drop(writeln!(std::io::stderr()));
    }
}
