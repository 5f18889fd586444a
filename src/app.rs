//! The supervisor: attempt, judge the error, pause, attempt again; stop when told to.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::error::{Disposition, Exit, Failure, chain};
use crate::pipeline::broker::Broker;
use crate::pipeline::start::Supervised;
use crate::pipeline::stream::Ended;
use crate::pipeline::{PipelineError, PipelineStatus};
use crate::postgres::client::Dial;

/// The first pause between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The first pause after a refusal: attempts that are refused are counted somewhere.
const FIRST_PAUSE_REFUSED: Duration = Duration::from_secs(1);
/// The longest pause after one, and the longest that anybody who wants to be left alone is given.
const LONGEST_PAUSE_REFUSED: Duration = Duration::from_mins(5);

/// Runs a pipeline until `stop` turns true or something fails for good. `seed` decides the pauses between attempts.
///
/// Until the first stream is open, attempts end after `start_timeout`: a wrong address should not look like an
/// outage. After that an outage of either side is waited out, however long.
pub async fn run<B: Broker, D: Dial + Clone>(
    mut pipeline: Supervised<B, D>,
    seed: u64,
    stop: watch::Receiver<bool>,
    status: &watch::Sender<PipelineStatus>,
) -> Result<(), Failure> {
    let start_timeout = pipeline.start_timeout();
    let started = Instant::now();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, seed);
    let mut refusals = Backoff::new(FIRST_PAUSE_REFUSED, LONGEST_PAUSE_REFUSED, seed);
    let mut has_streamed = false;
    loop {
        let attempt_started = Instant::now();
        let bytes_before = status.borrow().bytes;
        let outcome = interruptible(&mut pipeline, &stop, status).await;
        let streamed = status.borrow().positions.received.is_valid() || status.borrow().bytes > 0;
        has_streamed |= streamed;
        if streamed && attempt_started.elapsed() > LONGEST_PAUSE {
            backoff.reset();
        }
        if status.borrow().bytes > bytes_before {
            refusals.reset();
        }
        let mut pause = backoff.next_pause();
        match outcome {
            Ok(Ended::Stopped) => return finish(&mut pipeline).await,
            Ok(Ended::ServerShutdown) => {
                tracing::warn!(pause_ms = millis(pause), "the server is shutting down; connecting again");
            }
            Err(error) => {
                let disposition = error.disposition();
                pause = match disposition {
                    Disposition::Refused(_) => refusals.next_pause(),
                    _ => pause.max(error.retry_after().unwrap_or_default().min(LONGEST_PAUSE_REFUSED)),
                };
                match disposition {
                    Disposition::Stop(Exit::Clean) => return Ok(()),
                    Disposition::Stop(exit) => return Err(failure(exit, &error)),
                    Disposition::Refused(exit) if !has_streamed => return Err(failure(exit, &error)),
                    Disposition::Retry(exit)
                        if !has_streamed && started.elapsed() + pause > start_timeout =>
                    {
                        return Err(failure(exit, &error));
                    }
                    Disposition::Retry(_) | Disposition::Refused(_) => {
                        tracing::warn!(error = line(&error), pause_ms = millis(pause), "trying again");
                    }
                }
            }
        }
        if wait(pause, &stop).await {
            return finish(&mut pipeline).await;
        }
    }
}

/// The end of a pipeline that was told to stop: what a broken stream left in flight still settles and is recorded.
async fn finish<B: Broker, D: Dial + Clone>(pipeline: &mut Supervised<B, D>) -> Result<(), Failure> {
    pipeline.finish().await.map_err(|error| failure(error.disposition().exit(), &error))
}

/// One attempt. A stop that comes before the stream is open ends it at once.
async fn interruptible<B: Broker, D: Dial + Clone>(
    pipeline: &mut Supervised<B, D>,
    stop: &watch::Receiver<bool>,
    status: &watch::Sender<PipelineStatus>,
) -> Result<Ended, PipelineError> {
    let mut told = stop.clone();
    let mut opened = status.subscribe();
    let attempt = pipeline.attempt(stop, status);
    tokio::pin!(attempt);
    tokio::select! {
        biased;
        outcome = &mut attempt => return outcome,
        _ = opened.wait_for(|status| status.streaming) => {}
        _ = told.wait_for(|told| *told) => return Ok(Ended::Stopped),
    }
    attempt.await
}

/// Pauses; `true` when told to stop meanwhile.
async fn wait(pause: Duration, stop: &watch::Receiver<bool>) -> bool {
    let mut stop = stop.clone();
    tokio::select! {
        biased;
        () = sleep(pause) => false,
        // A closed channel means that nobody is left to say stop.
        told = stop.wait_for(|told| *told) => told.is_ok(),
    }
}

fn failure(exit: Exit, error: &PipelineError) -> Failure {
    Failure::text(exit, line(error))
}

/// The error, its causes and what to do, in one line.
pub fn line(error: &PipelineError) -> String {
    let mut line = chain(error);
    if let Some(hint) = error.hint() {
        line.push_str(" (");
        line.push_str(hint);
        line.push(')');
    }
    line
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}
