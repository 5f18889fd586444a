//! The one place through which records leave: budgets, tickets, progress.
//!
//! It outlives a connection to the server: what is in flight when the server goes away still settles.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::lsn::Lsn;
use crate::pipeline::in_flight::{InFlight, Mark, Settled};
use crate::progress::{Position, ProgressKey, SourceIdentity};
use crate::record::Record;
use crate::sink::reports::Reports;
use crate::sink::{Sink, SinkError};

/// The most records one change can become: delete, tombstone, insert.
const RECORDS_PER_CHANGE: usize = 3;

/// How often the sink is asked for reports while `finish` waits.
const POLL: Duration = Duration::from_millis(2);

/// Where progress records go.
#[derive(Clone, Debug)]
pub struct ProgressTarget {
    /// The progress topic.
    pub topic: String,
    /// This instance's key in it.
    pub key: ProgressKey,
    /// The stream the positions belong to.
    pub source: SourceIdentity,
    /// Keys of instances that are gone; their records are removed once ours is there.
    pub predecessors: Vec<ProgressKey>,
}

/// Records on their way.
#[derive(Debug)]
pub struct Delivery<S> {
    sink: S,
    reports: Reports,
    in_flight: InFlight,
    max_bytes: usize,
    progress: Option<ProgressTarget>,
    /// The position of the last progress record produced.
    progress_sent: Lsn,
    /// The last positions that settled, on whatever connection.
    delivered: Lsn,
    recorded: Lsn,
    produced: u64,
}

impl<S: Sink> Delivery<S> {
    /// A delivery through `sink`, which was made with `reports`. Without a `progress` target a position counts as
    /// recorded as soon as it is delivered.
    pub fn new(sink: S, reports: Reports, max_bytes: usize, progress: Option<ProgressTarget>) -> Self {
        let in_flight = InFlight::new(reports.capacity());
        let progress = progress.map(|mut target| {
            // A record that is read back under our own key is one we shall write over, and not a predecessor's.
            target.predecessors.retain(|key| *key != target.key);
            target
        });
        Self {
            sink,
            reports,
            in_flight,
            max_bytes,
            progress,
            progress_sent: Lsn::INVALID,
            delivered: Lsn::INVALID,
            recorded: Lsn::INVALID,
            produced: 0,
        }
    }

    /// The sink.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Whether one more change can be taken. Room for a progress record is always kept.
    pub fn has_capacity(&self) -> bool {
        self.in_flight.room() > RECORDS_PER_CHANGE + 1 && self.in_flight.bytes() < self.max_bytes
    }

    /// Whether everything has settled.
    pub fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Records in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.records()
    }

    /// Records produced since the start.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Hands one record to the sink.
    pub fn produce(&mut self, record: &Record<'_>) -> Result<(), SinkError> {
        let ticket = self.in_flight.issue(record.size()).ok_or_else(|| SinkError::Retry {
            reason: "a change became more records than there was room for".to_owned(),
            hint: "raise max_in_flight_records in [sink.kafka]",
        })?;
        self.sink.produce(record, ticket).inspect_err(|_| self.in_flight.withdraw())?;
        self.produced += 1;
        Ok(())
    }

    /// `end` is delivered once every record produced so far is durable.
    pub fn ends_at(&mut self, end: Lsn) {
        self.in_flight.mark(Mark::Delivered(end));
    }

    /// Takes what has come back.
    pub fn settle(&mut self) -> Result<Settled, SinkError> {
        self.sink.poll()?;
        let reports = &self.reports;
        let mut settled = self.in_flight.settle(|ticket| reports.take(ticket));
        if self.progress.is_none() {
            settled.recorded = settled.delivered;
        }
        self.delivered = self.delivered.max(settled.delivered.unwrap_or_default());
        self.recorded = self.recorded.max(settled.recorded.unwrap_or_default());
        Ok(settled)
    }

    /// The last recorded position of this delivery; `0/0` before the first.
    pub fn recorded(&self) -> Lsn {
        self.recorded
    }

    /// Waits until nothing is in flight and the last position is recorded, so that a new connection can go on
    /// there and repeats as little as possible. `false` at the deadline.
    pub async fn finish(&mut self, deadline: Instant) -> Result<bool, SinkError> {
        loop {
            self.settle()?;
            if self.is_settled() {
                if !self.has_progress(self.delivered) {
                    return Ok(true);
                }
                self.record_progress(self.delivered)?;
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(POLL).await;
        }
    }

    /// Whether `delivered` is further than what progress was last asked to record.
    pub fn has_progress(&self, delivered: Lsn) -> bool {
        self.progress.is_some() && delivered > self.progress_sent
    }

    /// Produces the progress record for `delivered`, which must have settled.
    pub fn record_progress(&mut self, delivered: Lsn) -> Result<(), SinkError> {
        let Some(target) = &self.progress else { return Ok(()) };
        if self.in_flight.room() == 0 {
            return Ok(());
        }
        let value = Position::new(target.source.clone(), delivered).render();
        let key = target.key.as_str().as_bytes().to_vec();
        let topic = target.topic.clone();
        self.produce(&Record { topic: &topic, key: Some(&key), value: Some(&value), headers: &[] })?;
        self.in_flight.mark(Mark::Recorded(delivered));
        self.progress_sent = delivered;
        Ok(())
    }

    /// Removes one record of an instance that is gone, once a record of our own is durable: until then theirs are
    /// the only ones that tell where the pipeline stands.
    pub fn forget_predecessor(&mut self) -> Result<(), SinkError> {
        if !self.recorded.is_valid() || self.in_flight.room() <= RECORDS_PER_CHANGE + 1 {
            return Ok(());
        }
        let Some(target) = &mut self.progress else { return Ok(()) };
        let Some(key) = target.predecessors.pop() else { return Ok(()) };
        let topic = target.topic.clone();
        self.produce(&Record { topic: &topic, key: Some(key.as_str().as_bytes()), value: None, headers: &[] })
    }
}
