//! The broker: topics that store in order and report late, and a progress topic that is compacted.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use pgsluice::pipeline::broker::Broker as PipelineBroker;
use pgsluice::progress::{ReadError, Recorded};
use pgsluice::record::Record;
use pgsluice::sink::reports::{Reports, Ticket};
use pgsluice::sink::{Sink, SinkError};
use tokio::time::{Instant, sleep, sleep_until};

use super::history::Stored;
use super::plan::Plan;
use super::rng::Rng;
use super::walsender::lacking_before;
use super::world::{Shared, World, lsn};

const PROGRESS: &str = "pgsluice.progress.sim";

/// A record that is not stored yet.
struct Pending {
    topic: String,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    transaction: String,
    ordinal: u64,
    estimated: bool,
    ticket: Ticket,
    size: usize,
}

/// When something happens; the number keeps those of one instant apart.
type When = (Instant, u64);

struct Producer {
    reports: Reports,
    alive: bool,
    /// Its records fail from now on.
    failed: bool,
    fails_at: Option<Instant>,
    pending: BTreeMap<When, Pending>,
    due: BTreeMap<When, (Ticket, usize)>,
    /// Per topic, when its last record is stored.
    last: BTreeMap<String, Instant>,
    /// Records and bytes that were not reported yet.
    unreported: (usize, usize),
    change: Option<(String, u64)>,
}

pub(crate) struct Broker {
    rng: Rng,
    latency: u64,
    producers: Vec<Producer>,
    progress: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Nothing is stored and nothing answered until then.
    pub(crate) stalled_until: Instant,
    /// The next so many calls fail.
    pub(crate) refusals: u64,
    number: u64,
    recorded: u64,
    /// Records stored, progress left out.
    pub(crate) stored: u64,
}

impl Broker {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            rng: Rng::new(plan.seed, 5),
            latency: plan.latency,
            producers: Vec::new(),
            progress: Vec::new(),
            stalled_until: Instant::now(),
            refusals: 0,
            number: 0,
            recorded: 0,
            stored: 0,
        }
    }

    /// The greatest position in the progress topic.
    pub(crate) fn recorded(&self) -> u64 {
        self.recorded
    }

    fn when(&mut self, at: Instant) -> When {
        self.number += 1;
        (at, self.number)
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, world: &Shared) {
        let now = Instant::now();
        if now < self.stalled_until {
            return;
        }
        for producer in 0..self.producers.len() {
            while let Some(entry) = self.producers[producer].pending.first_entry()
                && entry.key().0 <= now
            {
                let record = entry.remove();
                self.store(producer, record, world);
            }
            let producer = &mut self.producers[producer];
            while let Some(entry) = producer.due.first_entry()
                && entry.key().0 <= now
            {
                let (ticket, size) = entry.remove();
                if producer.alive {
                    producer.unreported.0 -= 1;
                    producer.unreported.1 -= size;
                    producer.reports.delivered(ticket);
                }
            }
        }
    }

    fn store(&mut self, producer: usize, record: Pending, world: &Shared) {
        let now = Instant::now();
        if record.topic == PROGRESS {
            self.store_progress(record.key.unwrap_or_default(), record.value, world);
        } else {
            self.stored += 1;
            world.tally("records with an estimated time", u64::from(record.estimated));
            let stored = Stored {
                topic: &record.topic,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                transaction: &record.transaction,
                ordinal: record.ordinal,
                estimated: record.estimated,
            };
            world
                .note(format_args!("  stored {} {} in {}", record.transaction, record.ordinal, record.topic));
            if let Err(violation) = world.database.borrow_mut().history.stored(&stored) {
                world.fail(violation);
            }
        }
        let delay = if world.stormy.get() && self.rng.chance(10) {
            world.count("late acknowledgement");
            self.rng.between(50, 3000)
        } else {
            self.rng.between(0, self.latency)
        };
        if world.stormy.get() && self.producers[producer].alive && self.rng.chance(1) {
            world.count("lost acknowledgement");
            self.producers[producer].fails_at = Some(now + Duration::from_millis(self.rng.between(10, 2000)));
            return;
        }
        let when = self.when(now + Duration::from_millis(delay));
        self.producers[producer].due.insert(when, (record.ticket, record.size));
    }

    fn store_progress(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, world: &Shared) {
        if let Some(value) = &value {
            let mut one = Recorded::default();
            one.take(Some(&key), Some(value)).expect("a progress record");
            let position = one.latest().expect("a position").end_lsn.0;
            world.note(format_args!("  recorded {} by {}", lsn(position), key.escape_ascii()));
            if !world.server.borrow().positions.contains(&position) {
                world.fail_on_the_way(format_args!("{} is recorded, which is no position", lsn(position)));
            }
            if let Some(lacking) = lacking_before(world, position) {
                world.fail_on_the_way(format_args!(
                    "{} is recorded, but {lacking} is not in the topics",
                    lsn(position)
                ));
            }
        } else {
            world.note(format_args!("  removed {}", key.escape_ascii()));
        }
        self.progress.push((key, value));
        self.recorded = self.read().latest().map_or(0, |position| position.end_lsn.0);
        let confirmed = world.server.borrow().confirmed_ever;
        if self.recorded < confirmed {
            let recorded = lsn(self.recorded);
            world.fail_on_the_way(format_args!(
                "{} is confirmed, but only {recorded} is still recorded",
                lsn(confirmed)
            ));
        }
    }

    fn read(&self) -> Recorded {
        let mut recorded = Recorded::default();
        for (key, value) in &self.progress {
            recorded.take(Some(key), value.as_deref()).expect("a progress record");
        }
        recorded
    }

    /// Keeps the last record of each key, as the broker's cleaner does.
    fn compact(&mut self) {
        let mut last = BTreeMap::new();
        for (number, (key, _)) in self.progress.iter().enumerate() {
            last.insert(key.clone(), number);
        }
        let mut number = 0;
        self.progress.retain(|(key, value)| {
            number += 1;
            last[key] == number - 1 && value.is_some()
        });
    }

    /// What becomes of a producer's records when it fails or its process dies: of each topic a part from the front
    /// was already on its way.
    fn abandon(&mut self, producer: usize) {
        let mut ended: BTreeMap<String, bool> = BTreeMap::new();
        let usual = *self.rng.pick(&[0, 100, 500, 1000]);
        let pending = std::mem::take(&mut self.producers[producer].pending);
        for (when, record) in pending {
            let lost = self.rng.chance(usual);
            let ended = ended.entry(record.topic.clone()).or_default();
            *ended |= lost;
            if *ended {
                continue;
            }
            // A dead instance's progress record can come very late.
            let late = if record.topic == PROGRESS { self.rng.scale(1, 60_000) } else { 0 };
            self.producers[producer].pending.insert((when.0 + Duration::from_millis(late), when.1), record);
        }
    }

    /// A new producer: what the old ones had sent has arrived by now, or never will.
    fn succeed(&mut self, reports: Reports, world: &Shared) -> usize {
        for producer in 0..self.producers.len() {
            let pending = std::mem::take(&mut self.producers[producer].pending);
            for (when, record) in pending {
                if record.topic == PROGRESS {
                    self.producers[producer].pending.insert(when, record);
                } else {
                    self.store(producer, record, world);
                }
            }
        }
        self.producers.push(Producer {
            reports,
            alive: true,
            failed: false,
            fails_at: None,
            pending: BTreeMap::new(),
            due: BTreeMap::new(),
            last: BTreeMap::new(),
            unreported: (0, 0),
            change: None,
        });
        self.producers.len() - 1
    }

    /// Whether the living producer has no failure before it.
    pub(crate) fn is_sound(&self) -> bool {
        self.producers.last().is_some_and(|producer| producer.alive && producer.fails_at.is_none())
    }

    /// Lets the living producer fail.
    pub(crate) fn fail(&mut self) {
        if let Some(producer) = self.producers.last_mut() {
            producer.fails_at = Some(Instant::now());
        }
    }

    fn check(&mut self, producer: usize) -> Result<(), SinkError> {
        let state = &mut self.producers[producer];
        if !state.failed && state.fails_at.is_some_and(|at| at <= Instant::now()) {
            state.failed = true;
            self.abandon(producer);
        }
        if self.producers[producer].failed { Err(refused("a record failed")) } else { Ok(()) }
    }

    fn take(&mut self, producer: usize, record: &Record<'_>, ticket: Ticket, world: &World) {
        let now = Instant::now();
        let header = |name: &str| {
            let header = record.headers.iter().find(|header| header.name == name)?;
            Some(String::from_utf8(header.value.to_vec()).expect("text"))
        };
        let size = record.size();
        let pending = Pending {
            topic: record.topic.to_owned(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            transaction: header("pgsluice.tx").unwrap_or_default(),
            ordinal: header("pgsluice.ordinal").and_then(|text| text.parse().ok()).unwrap_or_default(),
            estimated: header("pgsluice.commit_time").is_some(),
            ticket,
            size,
        };
        let delay = Duration::from_millis(self.rng.between(0, self.latency));
        let state = &mut self.producers[producer];
        judge_budgets(state, &pending, world);
        state.unreported.0 += 1;
        state.unreported.1 += size;
        let at = state.last.get(record.topic).map_or(now, |last| now.max(*last)) + delay / 4;
        state.last.insert(pending.topic.clone(), at);
        self.number += 1;
        state.pending.insert((at, self.number), pending);
    }
}

/// Nothing of a new change may be taken once a budget is used up.
fn judge_budgets(state: &mut Producer, record: &Pending, world: &World) {
    let (records, bytes) = state.unreported;
    if records >= world.plan.max_records {
        world.fail_on_the_way(format_args!("{records} records in flight"));
    }
    if record.topic == PROGRESS {
        return;
    }
    let change = Some((record.transaction.clone(), record.ordinal));
    if state.change != change && bytes >= world.plan.max_bytes {
        world.fail_on_the_way(format_args!("{bytes} bytes in flight before a new change"));
    }
    state.change = change;
}

fn refused(reason: &str) -> SinkError {
    SinkError::Retry { reason: reason.to_owned(), hint: "trying again" }
}

/// The way to the simulated broker.
#[derive(Clone)]
pub(crate) struct SimBroker(pub(crate) Shared);

impl SimBroker {
    /// A call that waits for the broker.
    async fn call(&self) -> Result<(), SinkError> {
        let (pause, refuse) = {
            let mut broker = self.0.broker.borrow_mut();
            let refuse = broker.refusals > 0;
            broker.refusals = broker.refusals.saturating_sub(1);
            let latency = broker.latency;
            (broker.rng.between(0, latency), refuse)
        };
        sleep(Duration::from_millis(pause)).await;
        if refuse {
            return Err(refused("the broker refuses"));
        }
        let until = self.0.broker.borrow().stalled_until;
        let patience = Instant::now() + Duration::from_secs(10);
        sleep_until(until.min(patience)).await;
        if until > patience { Err(refused("the broker does not answer")) } else { Ok(()) }
    }
}

impl PipelineBroker for SimBroker {
    type Sink = SimSink;

    fn max_records(&self) -> usize {
        self.0.plan.max_records
    }

    fn max_bytes(&self) -> usize {
        self.0.plan.max_bytes
    }

    async fn read_back(&self, topic: &str) -> Result<Recorded, ReadError> {
        assert_eq!(topic, PROGRESS);
        self.call().await?;
        let mut broker = self.0.broker.borrow_mut();
        broker.advance(&self.0);
        if broker.rng.chance(300) {
            broker.compact();
        }
        let recorded = broker.read();
        self.0.note(format_args!("progress read: {:?}", recorded.latest().map(|position| position.end_lsn)));
        Ok(recorded)
    }

    async fn connect(&self, _topics: &[String], reports: Reports) -> Result<SimSink, SinkError> {
        self.call().await?;
        let mut broker = self.0.broker.borrow_mut();
        broker.advance(&self.0);
        let producer = broker.succeed(reports, &self.0);
        self.0.note(format_args!("producer {producer}"));
        Ok(SimSink { broker: self.clone(), producer })
    }
}

pub(crate) struct SimSink {
    broker: SimBroker,
    producer: usize,
}

impl Sink for SimSink {
    fn produce(&mut self, record: &Record<'_>, ticket: Ticket) -> Result<(), SinkError> {
        let world = Rc::clone(&self.broker.0);
        let mut broker = world.broker.borrow_mut();
        broker.check(self.producer)?;
        if world.stormy.get() && world.plan.fault_gap > 0 && broker.rng.between(0, 3000) == 0 {
            world.count("produce refused");
            return Err(refused("the queue is full"));
        }
        broker.take(self.producer, record, ticket, &world);
        Ok(())
    }

    fn poll(&mut self) -> Result<(), SinkError> {
        let world = &self.broker.0;
        let mut broker = world.broker.borrow_mut();
        broker.advance(world);
        broker.check(self.producer)
    }

    async fn prepare_topic(&mut self, _topic: &str) -> Result<(), SinkError> {
        self.broker.call().await
    }
}

impl Drop for SimSink {
    fn drop(&mut self) {
        // A panic that unwinds through here must not become an abort.
        let Ok(mut broker) = self.broker.0.broker.try_borrow_mut() else { return };
        broker.abandon(self.producer);
        broker.producers[self.producer].alive = false;
    }
}
