//! From commit to consumable: 1,000 single-row transactions a second, each timed from the return of its COMMIT until a
//! consumer has its event.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;

use crate::drain::configuration;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::{Result, nap};

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) start_to_first_event: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) samples: usize,
}

const RATE: u32 = 1000;
const DATABASE: &str = "bench_latency";
const SLOT: &str = "bench_latency";

/// Measures for some seconds.
pub(crate) fn measure(program: &Path, postgres: &Postgres, kafka: &Kafka, seconds: u64) -> Result<Latency> {
    postgres.create_database(DATABASE, "UTF8")?;
    let mut session = postgres.session(DATABASE)?;
    // A commit has to be flushed before it can be streamed; the drains' load does not wait for that.
    session.query("SET synchronous_commit = on")?;
    session.query("CREATE TABLE l(id bigint PRIMARY KEY, v text)")?;
    session.query(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding')"))?;
    // Waits in the slot: the first event of the start.
    session.query("INSERT INTO l VALUES (0, 'first')")?;
    let file = configuration(postgres, kafka, DATABASE, SLOT)?;
    let end = session.query("SELECT pg_current_wal_flush_lsn()")?;
    prepare_topics(
        program,
        &file,
        end.into_iter().flatten().flatten().next().as_deref().ok_or("no position")?,
    )?;
    session.query("INSERT INTO l VALUES (-1, 'first')")?;

    let consumer = consumer(kafka)?;
    let topic = format!("{SLOT}.public.l");
    consumer.subscribe(&[&topic])?;
    let waiting = Instant::now();
    while next_id(&consumer, Duration::from_millis(500))? != Some(0) {
        if waiting.elapsed() > Duration::from_secs(30) {
            return Err("the first event is not in the topic".into());
        }
    }

    let started = Instant::now();
    let mut child = Command::new(program)
        .arg("run")
        .arg(&file)
        .args(["--log-level", "warn"])
        .stdin(Stdio::null())
        .spawn()?;
    let outcome = (|| {
        while next_id(&consumer, Duration::from_millis(1))? != Some(-1) {
            if started.elapsed() > Duration::from_secs(30) {
                return Err("no event within 30 s of the start".into());
            }
        }
        let start_to_first_event = started.elapsed();
        let mut latencies = run(&mut session, &consumer, seconds)?;
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 1000).copied().ok_or("no samples");
        Ok(Latency { start_to_first_event, p50: at(500)?, p99: at(990)?, samples: latencies.len() })
    })();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)?;
    child.wait()?;
    outcome
}

/// Has the topics made, so that the start that is timed does not pay for them.
fn prepare_topics(program: &Path, file: &Path, end: &str) -> Result<()> {
    let status = Command::new(program)
        .arg("run")
        .arg(file)
        .args(["--log-level", "warn", "--end-lsn", end])
        .stdin(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("the first run ended with {status}").into()) }
}

/// Writes at a steady rate and reads between the writes.
fn run(
    session: &mut crate::support::session::Session,
    consumer: &BaseConsumer,
    seconds: u64,
) -> Result<Vec<Duration>> {
    let total = u64::from(RATE) * seconds;
    let mut committed: Vec<Option<Instant>> = vec![None; usize::try_from(total)? + 1];
    let mut latencies = Vec::with_capacity(committed.len());
    let started = Instant::now();
    let mut sent: u64 = 0;
    while u64::try_from(latencies.len())? < total {
        let due = u64::try_from(started.elapsed().as_micros())? * u64::from(RATE) / 1_000_000;
        if sent < total && sent <= due {
            sent += 1;
            session.query(&format!("INSERT INTO l VALUES ({sent}, 'value {sent}')"))?;
            if let Some(place) = committed.get_mut(usize::try_from(sent)?) {
                *place = Some(Instant::now());
            }
        }
        while let Some(id) = next_id(consumer, Duration::ZERO)? {
            let at = usize::try_from(id).ok().and_then(|id| committed.get(id).copied().flatten());
            // An event can be there before its COMMIT has returned.
            latencies.push(at.map_or(Duration::ZERO, |at| at.elapsed()));
        }
        if sent > due {
            std::hint::spin_loop();
            nap(Duration::from_micros(50));
        }
        if started.elapsed() > Duration::from_secs(seconds + 30) {
            return Err("events are missing".into());
        }
    }
    Ok(latencies)
}

fn consumer(kafka: &Kafka) -> Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap())
        .set("group.id", "bench-latency")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "5")
        .set("fetch.queue.backoff.ms", "1")
        .create()?)
}

/// The id of the next event, if one comes in time.
fn next_id(consumer: &BaseConsumer, timeout: Duration) -> Result<Option<i64>> {
    let Some(message) = consumer.poll(timeout) else { return Ok(None) };
    let message = message?;
    let key: serde_json::Value = serde_json::from_slice(message.key().unwrap_or_default())?;
    Ok(key.get("id").and_then(serde_json::Value::as_i64))
}
