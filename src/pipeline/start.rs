//! What happens before a stream: log in, look at the slot, read progress back, decide where to go on.
//!
//! An attempt is made again and again by the supervisor. What outlives a broken connection to the server is the
//! delivery: records in flight settle first, then the next attempt goes on behind them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::encode::Encoder;
use crate::encode::charset::Charset;
use crate::encode::topic::TopicTemplate;
use crate::lsn::Lsn;
use crate::pipeline::acknowledgement::Acknowledgement;
use crate::pipeline::broker::Broker;
use crate::pipeline::delivery::{Delivery, ProgressTarget};
use crate::pipeline::emitter::{Counts, Emitter, EventFormat, Format};
use crate::pipeline::error::PipelineError;
use crate::pipeline::options::{Intervals, PipelineOptions};
use crate::pipeline::plans::Plans;
use crate::pipeline::reader::Reader;
use crate::pipeline::slot;
use crate::pipeline::status::PipelineStatus;
use crate::pipeline::stream::{Ended, Session};
use crate::pipeline::transaction::XidEpoch;
use crate::postgres::catalog::{Catalog, Persistence, RelationKind, Server, Slot, TableEntry};
use crate::postgres::client::{Connection, Dial, Login, Mode};
use crate::postgres::protocol::walsender::{CreateSlot, SnapshotAction};
use crate::progress::identity::{Gap, SlotState, resume};
use crate::progress::{Position, ProgressKey, Recorded, Resume, SourceIdentity};
use crate::sink::SinkError;
use crate::sink::reports::Reports;

/// The receive buffer that keeps a near walsender cheap: it then only appends to its own queue.
const NEAR_RECEIVE_BUFFER: u32 = 64 << 10;
/// A server whose round trip is longer than this is left to the kernel's own buffer sizes.
const NEAR: Duration = Duration::from_micros(500);
/// How long records in flight may take to settle before a new connection is made.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Options of the plugin: transaction ids and commit times.
pub const PLUGIN_OPTIONS: [(&str, &str); 2] = [("include-xids", "1"), ("include-timestamp", "1")];

/// The progress topic of a pipeline.
pub fn progress_topic(pipeline: &str) -> String {
    format!("pgsluice.progress.{pipeline}")
}

/// What stays from one attempt to the next.
pub struct Supervised<B: Broker, D = Login> {
    options: PipelineOptions<D>,
    broker: B,
    clock: Clock,
    /// Distinguishes this process's progress records from those of others.
    instance: String,
    delivery: Option<Running<B::Sink>>,
    /// Sinks made so far. Each has a progress key of its own: a record that an earlier one had under way can come
    /// behind the first ones of the next.
    sinks: u64,
    /// Topics that turned out to need smaller batches than the producer was made for.
    small_topics: BTreeSet<String>,
}

/// A delivery with the stream it was started for.
struct Running<S> {
    delivery: Delivery<S>,
    source: SourceIdentity,
    /// The position recorded before this process.
    start: Option<Position>,
}

impl<B: Broker, D: Dial + Clone> Supervised<B, D> {
    /// A pipeline that has not started.
    pub fn new(options: PipelineOptions<D>, broker: B, instance: String, clock: Clock) -> Self {
        Self { options, broker, clock, instance, delivery: None, sinks: 0, small_topics: BTreeSet::new() }
    }

    /// How long a start keeps trying.
    pub fn start_timeout(&self) -> Duration {
        self.options.start_timeout
    }

    /// One attempt: from logging in to the end of the stream.
    pub async fn attempt(
        &mut self,
        stop: &watch::Receiver<bool>,
        status: &watch::Sender<PipelineStatus>,
    ) -> Result<Ended, PipelineError> {
        let outcome = self.stream(stop, status).await;
        status.send_modify(|status| status.streaming = false);
        if let Err(PipelineError::Sink(error)) = &outcome {
            self.delivery = None;
            if let SinkError::SmallerBatches { topic, .. } = error {
                self.small_topics.insert(topic.clone());
            }
        }
        outcome
    }

    /// Waits until what is in flight has settled and is recorded, at most for `drain_timeout`.
    pub async fn finish(&mut self) -> Result<(), PipelineError> {
        let Some(running) = &mut self.delivery else { return Ok(()) };
        let deadline = Instant::now() + self.options.drain_timeout;
        if running.delivery.finish(deadline).await? {
            return Ok(());
        }
        Err(PipelineError::DrainDeadline { in_flight: running.delivery.in_flight() })
    }

    async fn stream(
        &mut self,
        stop: &watch::Receiver<bool>,
        status: &watch::Sender<PipelineStatus>,
    ) -> Result<Ended, PipelineError> {
        #[cfg(feature = "sabotage")]
        crate::sabotage::connects(self.delivery.is_some());
        if let Some(running) = &mut self.delivery
            && !running.delivery.finish(Instant::now() + SETTLE_TIMEOUT).await?
        {
            return Err(PipelineError::Stalled);
        }
        let mut catalog = Catalog::new(self.options.login.clone());
        let server = catalog.server().await?;
        let charset = Charset::from_server_encoding(&server.encoding)?;
        let near = is_near(&mut catalog).await?;
        let tables = included_tables(&self.options, &mut catalog).await?;
        let mut encode = self.options.encode.clone();
        encode.database.clone_from(&server.database);
        let mut topics = topics_of(&tables, &encode.topic, &encode.prefix)?;
        topics.extend(self.small_topics.iter().cloned());
        topics.dedup();

        let recorded = self.recorded().await?;
        let receive_buffer = near.then_some(NEAR_RECEIVE_BUFFER);
        let mut connection = self.options.login.dial_with_buffer(Mode::Replication, receive_buffer).await?;
        // A Unix-domain socket's queue holds too little for a nap.
        let lazy = connection.round_trip().is_some();
        let state = self.find_slot(&server, &mut catalog, &mut connection, recorded.latest()).await?;
        let start = self.start_position(recorded.latest(), &state)?;
        if self.delivery.is_none() {
            self.delivery = Some(self.deliver(recorded, &state, &topics).await?);
            warn_of_keyless(&tables);
        }
        let Some(running) = &mut self.delivery else { return Err(PipelineError::Stalled) };

        let stream = connection.start_replication(&self.options.slot.name, start, &PLUGIN_OPTIONS).await?;
        tracing::info!(slot = self.options.slot.name, %start, server = server.version_text, "streaming");
        let mut format = Format::Events(Box::new(EventFormat {
            encoder: Encoder::new(&encode, charset.clone())?,
            plans: Plans::new(self.options.tables.clone(), charset),
            catalog,
            message_topic: format!("{}.message", encode.prefix),
        }));
        let clock = self.clock.again();
        let session = Session {
            reader: Reader::new(Instant::now(), lazy),
            stream,
            emitter: Emitter {
                format: &mut format,
                delivery: &mut running.delivery,
                ack: Acknowledgement::new(start),
                epoch: XidEpoch::new(server.next_xid),
                open: None,
                last_commit: None,
                now: clock.now(),
                counts: Counts::default(),
            },
            intervals: Intervals::for_server(server.wal_sender_timeout, self.options.drain_timeout),
            end_lsn: self.options.end_lsn,
            status,
            clock,
        };
        session.run(stop.clone()).await
    }

    /// What is recorded: in the topic at a first start, by the delivery itself after that.
    async fn recorded(&self) -> Result<Recorded, PipelineError> {
        let Some(running) = &self.delivery else {
            return Ok(self.broker.read_back(&progress_topic(&self.options.name)).await?);
        };
        let own = running.delivery.recorded();
        let position = if own.is_valid() {
            Some(Position::new(running.source.clone(), own))
        } else {
            running.start.clone()
        };
        let key = ProgressKey::of_sink(&self.instance, self.sinks);
        Ok(Recorded { positions: position.into_iter().map(|position| (key.clone(), position)).collect() })
    }

    /// Looks the slot up, or makes it, and says where server and slot stand.
    async fn find_slot(
        &self,
        server: &Server,
        catalog: &mut Catalog<D>,
        connection: &mut Connection<D::Stream>,
        recorded: Option<&Position>,
    ) -> Result<SlotState, PipelineError> {
        let wanted = &self.options.slot;
        let system = connection.identify_system().await?;
        let source = SourceIdentity {
            system_identifier: system.system_id.to_string(),
            timeline: system.timeline,
            database: server.database.clone(),
            slot: wanted.name.clone(),
            plugin: wanted.plugin.to_owned(),
        };
        let branched_at = match recorded {
            Some(recorded) if recorded.source.timeline != system.timeline => {
                connection.timeline_end(system.timeline, recorded.source.timeline).await?
            }
            _ => None,
        };
        let (confirmed, just_created) = match catalog.slot(&wanted.name, server.version).await? {
            Some(found) => {
                slot::verify(&found, wanted, &server.database)?;
                slot::verify_free(&found)?;
                (confirmed_of(&found), false)
            }
            None => (self.make_slot(server, connection, recorded).await?, true),
        };
        let wal_end = system.flush_lsn.max(confirmed);
        Ok(SlotState { source, confirmed, wal_end, branched_at, just_created })
    }

    async fn make_slot(
        &self,
        server: &Server,
        connection: &mut Connection<D::Stream>,
        recorded: Option<&Position>,
    ) -> Result<Lsn, PipelineError> {
        let slot = &self.options.slot;
        if let Some(recorded) = recorded.filter(|_| !self.options.accept_gap) {
            return Err(PipelineError::SlotGone { slot: slot.name.clone(), recorded: recorded.end_lsn });
        }
        if !slot.create {
            return Err(PipelineError::SlotMissing { slot: slot.name.clone(), plugin: slot.plugin });
        }
        create_slot(server, connection, &slot.name, slot.plugin).await
    }

    fn start_position(&self, recorded: Option<&Position>, state: &SlotState) -> Result<Lsn, Gap> {
        match resume(recorded, state) {
            Ok(Resume::FromSlot) => Ok(Lsn::INVALID),
            Ok(Resume::At(lsn)) => Ok(lsn),
            Err(gap) if self.options.accept_gap => {
                tracing::warn!(%gap, "going on at the slot's position, as told");
                Ok(Lsn::INVALID)
            }
            Err(gap) => Err(gap),
        }
    }

    async fn deliver(
        &mut self,
        recorded: Recorded,
        state: &SlotState,
        topics: &[String],
    ) -> Result<Running<B::Sink>, PipelineError> {
        let reports = Reports::new(self.broker.max_records());
        let sink = self.broker.connect(topics, reports.clone()).await?;
        self.sinks += 1;
        let target = ProgressTarget {
            topic: progress_topic(&self.options.name),
            key: ProgressKey::of_sink(&self.instance, self.sinks),
            source: state.source.clone(),
            predecessors: recorded.positions.keys().cloned().collect(),
        };
        let start = recorded.latest().filter(|_| !self.options.accept_gap).cloned();
        let delivery = Delivery::new(sink, reports, self.broker.max_bytes(), Some(target));
        Ok(Running { delivery, source: state.source.clone(), start })
    }
}

impl<B: Broker, D> std::fmt::Debug for Supervised<B, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervised")
            .field("instance", &self.instance)
            .field("small_topics", &self.small_topics)
            .finish_non_exhaustive()
    }
}

/// Whether the server's answers come at once. The shortest of a few round trips counts: any of them can be late
/// because a machine is busy.
async fn is_near<D: Dial>(catalog: &mut Catalog<D>) -> Result<bool, PipelineError> {
    let Some(mut shortest) = catalog.connection().await?.round_trip() else { return Ok(true) };
    for _ in 0..5 {
        let asked = Instant::now();
        catalog.query("").await?;
        shortest = shortest.min(asked.elapsed());
    }
    Ok(shortest < NEAR)
}

/// Makes a slot, and says so while the server waits for running transactions.
pub async fn create_slot<C: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    connection: &mut Connection<C>,
    name: &str,
    plugin: &str,
) -> Result<Lsn, PipelineError> {
    verify_wal_level(server)?;
    tracing::info!(slot = name, "making the slot; the server waits for every transaction now running to end");
    let slot = CreateSlot { name, plugin, temporary: false, snapshot: SnapshotAction::Nothing };
    let created = connection.create_slot(&slot).await?;
    tracing::info!(slot = name, position = %created.consistent_point, "slot made");
    Ok(created.consistent_point)
}

/// Whether the server decodes at all.
pub fn verify_wal_level(server: &Server) -> Result<(), PipelineError> {
    if server.wal_level == "logical" {
        return Ok(());
    }
    Err(PipelineError::WalLevel { found: server.wal_level.clone() })
}

fn confirmed_of(slot: &Slot) -> Lsn {
    slot.confirmed_flush_lsn.unwrap_or_default()
}

/// The tables that will be streamed, as far as they exist now.
async fn included_tables<D: Dial>(
    options: &PipelineOptions<D>,
    catalog: &mut Catalog<D>,
) -> Result<Vec<TableEntry>, PipelineError> {
    let all = catalog.tables().await?;
    let names: Vec<_> = all.iter().map(|table| table.name.clone()).collect();
    for pattern in options.tables.unmatched(&names) {
        tracing::warn!(pattern, "no table matches this pattern of [[tables]]");
    }
    Ok(all.into_iter().filter(|table| options.tables.includes(&table.name)).collect())
}

/// The topics of these tables. Rows of a partitioned table come under the names of its leaves.
pub fn topics_of(tables: &[TableEntry], template: &str, prefix: &str) -> Result<Vec<String>, PipelineError> {
    let template = TopicTemplate::new(template, prefix)?;
    let mut by_topic: HashMap<String, &TableEntry> = HashMap::new();
    for table in tables {
        if table.kind == RelationKind::Partitioned || table.persistence == Persistence::Unlogged {
            continue;
        }
        let topic = template.render(&table.name)?;
        if let Some(other) = by_topic.insert(topic.clone(), table) {
            return Err(PipelineError::TopicClash {
                first: other.name.to_string(),
                second: table.name.to_string(),
                topic,
            });
        }
    }
    let mut topics: Vec<String> = by_topic.into_keys().collect();
    topics.sort_unstable();
    Ok(topics)
}

/// Deletes of these tables cannot become events.
fn warn_of_keyless(tables: &[TableEntry]) {
    for table in tables {
        if table.kind != RelationKind::Partitioned && !table.key_is_logged() {
            tracing::warn!(
                table = %table.name,
                "the WAL holds no key of this table's rows: deletes give no event; add a primary key, or \
                 ALTER TABLE … REPLICA IDENTITY FULL"
            );
        }
    }
}
