//! From decoded messages to records on their way: the single choke point between stream and sink.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::decode::{Decoded, LogicalMessage, Relation, RowChange, Truncate};
use crate::encode::terminal::TerminalEncoder;
use crate::encode::{Encoder, Outcome};
use crate::event::Source;
use crate::lsn::Lsn;
use crate::pipeline::acknowledgement::Acknowledgement;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::error::{EmitError, PipelineError};
use crate::pipeline::plans::{Plans, Treatment};
use crate::pipeline::table_filter::TableFilter;
use crate::pipeline::transaction::{CommitTime, OpenTransaction, XidEpoch};
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{Dial, Login};
use crate::record::Record;
#[cfg(feature = "sabotage")]
use crate::sabotage::{self, Fault};
use crate::sink::Sink;
use crate::table::TableName;
use crate::time::UnixMicros;

/// The form of the output.
#[derive(Debug)]
pub enum Format<D: Dial = Login> {
    /// Events with keys and headers, for which tables are looked up in the catalog.
    Events(Box<EventFormat<D>>),
    /// Lines for people, which need no catalog.
    Lines {
        /// Writes them.
        encoder: TerminalEncoder,
        /// Which tables are shown.
        filter: TableFilter,
    },
}

/// What events are made with.
#[derive(Debug)]
pub struct EventFormat<D: Dial = Login> {
    /// Writes them.
    pub encoder: Encoder,
    /// The tables' plans.
    pub plans: Plans,
    /// Where tables are looked up.
    pub catalog: Catalog<D>,
    /// The topic of logical messages.
    pub message_topic: String,
}

/// Counts of what went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Changes decoded.
    pub changes: u64,
    /// Deletes for which the server sent no key.
    pub deletes_without_key: u64,
    /// Commit time of the last transaction.
    pub last_commit_time: Option<UnixMicros>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is done with.
    Whole,
    /// There was no room for all of its records. It has to be handed in again when there is; what is done of it is
    /// not done twice.
    InPart,
}

/// What is left of a message, and may have to wait.
#[derive(Debug)]
pub enum Unfinished<'m> {
    /// The table of a change, at its place in the transaction, needs a new plan.
    Change(RowChange<'m>, Source),
    /// Tables to be looked up.
    Truncate(Truncate<'m>),
    /// Its topic may have to be made.
    Message(LogicalMessage<'m>),
}

/// Turns messages into records and keeps the books on transactions and positions.
#[derive(Debug)]
pub struct Emitter<'a, S, D: Dial = Login> {
    /// The form of the output.
    pub format: &'a mut Format<D>,
    /// Where records go.
    pub delivery: &'a mut Delivery<S>,
    /// What the server is told.
    pub ack: Acknowledgement,
    /// Widens transaction ids.
    pub epoch: XidEpoch,
    /// The transaction being read.
    pub open: Option<OpenTransaction>,
    /// End of the last transaction read.
    pub last_commit: Option<Lsn>,
    /// The time of handling, taken once a read.
    pub now: UnixMicros,
    /// What went through.
    pub counts: Counts,
}

impl<S: Sink, D: Dial> Emitter<'_, S, D> {
    /// Takes one decoded message with its `dataStart`, as far as that goes without waiting: nearly every one is dealt
    /// with here. What is left comes back, for [`Emitter::finish`]. `commit_time` is for a BEGIN.
    pub fn message<'m>(
        &mut self,
        decoded: Decoded<'m>,
        lsn: Lsn,
        commit_time: CommitTime,
    ) -> Result<Option<Unfinished<'m>>, PipelineError> {
        self.ack.received(lsn);
        match decoded {
            Decoded::Begin(_) if self.open.is_some() => return Err(unexpected(lsn, NESTED)),
            Decoded::Begin(begin) => {
                let xid = self.epoch.widen(begin.xid.unwrap_or(0));
                self.open = Some(OpenTransaction::new(xid, commit_time));
                self.ack.begin();
            }
            Decoded::Commit(commit) => self.commit(commit.xid, lsn)?,
            Decoded::Change(change) => {
                let waits = self.change(&change, lsn)?;
                return Ok(waits.map(|source| Unfinished::Change(change, source)));
            }
            Decoded::Truncate(truncate) => return Ok(Some(Unfinished::Truncate(truncate))),
            Decoded::Message(message) => return Ok(Some(Unfinished::Message(message))),
            Decoded::TwoPhase(_) => return Err(unexpected(lsn, TWO_PHASE)),
            Decoded::Streamed(_) => return Err(unexpected(lsn, STREAMED)),
        }
        Ok(None)
    }

    /// Does the rest, which may wait for the catalog and for topics to be made.
    pub async fn finish(&mut self, rest: Unfinished<'_>, lsn: Lsn) -> Result<Taken, PipelineError> {
        match rest {
            Unfinished::Change(change, source) => {
                self.load(change.relation, Some(&change), lsn).await?;
                if self.try_change(&change, &source)? {
                    Ok(Taken::Whole)
                } else {
                    Err(unexpected(lsn, CONTRADICTION))
                }
            }
            Unfinished::Truncate(truncate) => self.truncate(&truncate, lsn).await,
            Unfinished::Message(message) => {
                self.logical_message(&message, lsn).await?;
                Ok(Taken::Whole)
            }
        }
    }

    /// Takes a keepalive.
    pub fn keepalive(&mut self, wal_end: Lsn, reply_requested: bool) {
        if let Some(position) = self.ack.keepalive(wal_end, reply_requested) {
            #[cfg(feature = "sabotage")]
            if sabotage::is(Fault::KeepaliveInFlight) {
                self.ack.delivered(position);
            }
            self.delivery.ends_at(position);
        }
    }

    fn commit(&mut self, xid: Option<u32>, end: Lsn) -> Result<(), PipelineError> {
        let open = self.open.take().ok_or_else(|| unexpected(end, OUTSIDE))?;
        if xid.is_some_and(|xid| !open.has_xid(xid)) {
            return Err(unexpected(end, OTHER_XID));
        }
        self.counts.last_commit_time = Some(open.commit_time());
        let position = self.ack.commit(end);
        #[cfg(feature = "sabotage")]
        let position = Lsn(position.0 + u64::from(sabotage::is(Fault::OneByteFurther)));
        self.delivery.ends_at(position);
        self.last_commit = Some(end);
        Ok(())
    }

    fn next_change(&mut self, lsn: Lsn) -> Result<Source, PipelineError> {
        self.counts.changes += 1;
        let open = self.open.as_mut().ok_or_else(|| unexpected(lsn, OUTSIDE))?;
        Ok(open.next_change(lsn, self.last_commit))
    }

    /// Takes a change; its place in the transaction comes back if its table needs a new plan first.
    fn change(&mut self, change: &RowChange<'_>, lsn: Lsn) -> Result<Option<Source>, PipelineError> {
        let source = self.next_change(lsn)?;
        #[cfg(feature = "sabotage")]
        if sabotage::skips_row(lsn) {
            return Ok(None);
        }
        #[cfg(feature = "sabotage")]
        if sabotage::is(Fault::RowAsPosition) {
            self.delivery.ends_at(lsn);
        }
        Ok(if self.try_change(change, &source)? { None } else { Some(source) })
    }

    /// Encodes a change. `false`: its table needs a new plan first.
    fn try_change(&mut self, change: &RowChange<'_>, source: &Source) -> Result<bool, PipelineError> {
        let delivery = &mut *self.delivery;
        let (plans, encoder) = match self.format {
            Format::Events(format) => (&mut format.plans, &mut format.encoder),
            Format::Lines { encoder, filter } => {
                if shows(filter, change.relation) {
                    delivery.produce(&line(encoder.change(change, source)))?;
                }
                return Ok(true);
            }
        };
        let planned = match plans.get(change.relation) {
            None => return Ok(false),
            Some(Treatment::Excluded) => return Ok(true),
            Some(Treatment::Planned(planned)) => planned,
        };
        let mut emit = |record: Record<'_>| delivery.produce(&record).map_err(EmitError::from);
        let outcome = encoder
            .encode_change(&planned.plan, change, source, self.now, &mut emit)
            .map_err(|error| error.at(source.lsn))?;
        match outcome {
            Outcome::StalePlan => return Ok(false),
            Outcome::DeleteWithoutKey => {
                self.counts.deletes_without_key += 1;
                if !std::mem::replace(&mut planned.warned_of_deletes, true) {
                    tracing::warn!(
                        table = %planned.plan.name(),
                        "deletes of this table carry no key, so no event is made of them; give it a primary key, \
                         or ALTER TABLE … REPLICA IDENTITY FULL"
                    );
                }
            }
            Outcome::Written { .. } | Outcome::Skipped => {}
        }
        Ok(true)
    }

    async fn truncate(&mut self, truncate: &Truncate<'_>, lsn: Lsn) -> Result<Taken, PipelineError> {
        let interrupted = self.open.as_mut().and_then(OpenTransaction::resume_truncate);
        let (source, done) = match interrupted {
            Some(interrupted) => interrupted,
            None => (self.next_change(lsn)?, 0),
        };
        if let Format::Lines { encoder, filter } = self.format {
            if truncate.tables().any(|relation| shows(filter, relation)) {
                self.delivery.produce(&line(encoder.truncate(truncate, &source)))?;
            }
            return Ok(Taken::Whole);
        }
        for (number, relation) in truncate.tables().enumerate().skip(done) {
            // A TRUNCATE of many tables can become more records than there is room for.
            if !self.delivery.has_capacity()
                && let Some(open) = &mut self.open
            {
                open.interrupt_truncate(source, number);
                return Ok(Taken::InPart);
            }
            if !self.try_truncate(relation, &source)? {
                self.load(relation, None, lsn).await?;
                if !self.try_truncate(relation, &source)? {
                    return Err(unexpected(lsn, CONTRADICTION));
                }
            }
        }
        Ok(Taken::Whole)
    }

    fn try_truncate(&mut self, relation: Relation<'_>, source: &Source) -> Result<bool, PipelineError> {
        let Format::Events(format) = self.format else { return Ok(true) };
        let delivery = &mut *self.delivery;
        let plan = match format.plans.get(relation) {
            None => return Ok(false),
            Some(Treatment::Excluded) => return Ok(true),
            Some(Treatment::Planned(planned)) => &planned.plan,
        };
        let mut emit = |record: Record<'_>| delivery.produce(&record).map_err(EmitError::from);
        let outcome = format
            .encoder
            .encode_truncate(plan, source, self.now, &mut emit)
            .map_err(|error| error.at(source.lsn))?;
        Ok(outcome != Outcome::StalePlan)
    }

    async fn logical_message(&mut self, message: &LogicalMessage<'_>, lsn: Lsn) -> Result<(), PipelineError> {
        if message.candidates > 1 {
            tracing::warn!(%lsn, "a logical message can be read in more than one way; the shortest prefix is taken");
        }
        let source = if message.transactional {
            self.next_change(lsn)?
        } else {
            self.counts.changes += 1;
            Source {
                lsn,
                transaction: None,
                ordinal: 1,
                time: self.now,
                commit_time_known: false,
                last_commit: self.last_commit,
            }
        };
        let delivery = &mut *self.delivery;
        match self.format {
            Format::Lines { encoder, .. } => delivery.produce(&line(encoder.message(message, &source)))?,
            Format::Events(format) => {
                if format.plans.is_new_topic(&format.message_topic) {
                    delivery.sink().prepare_topic(&format.message_topic).await?;
                }
                let mut emit = |record: Record<'_>| delivery.produce(&record).map_err(EmitError::from);
                let _written = format
                    .encoder
                    .encode_message(message, &source, self.now, &mut emit)
                    .map_err(|error| error.at(lsn))?;
            }
        }
        if !message.transactional
            && let Some(position) = self.ack.message_outside(lsn)
        {
            self.delivery.ends_at(position);
        }
        Ok(())
    }

    async fn load(
        &mut self,
        relation: Relation<'_>,
        change: Option<&RowChange<'_>>,
        lsn: Lsn,
    ) -> Result<(), PipelineError> {
        let Format::Events(format) = self.format else { return Ok(()) };
        let EventFormat { encoder, plans, catalog, .. } = &mut **format;
        if let Some(open) = &self.open {
            wait_until_visible(catalog, open.xid(), lsn).await?;
        }
        if let Some(topic) = plans.load(relation, change, catalog, encoder, lsn).await?
            && plans.is_new_topic(&topic)
        {
            self.delivery.sink().prepare_topic(&topic).await?;
        }
        Ok(())
    }

    /// Takes what has come back from the sink.
    pub fn settle(&mut self) -> Result<(), PipelineError> {
        let settled = self.delivery.settle()?;
        if let Some(lsn) = settled.delivered {
            self.ack.delivered(lsn);
        }
        if let Some(lsn) = settled.recorded {
            self.ack.recorded(lsn);
        }
        Ok(())
    }
}

/// How often and how long the catalog is asked for a transaction. It ends in time for the next status update.
const VISIBLE_POLL: Duration = Duration::from_millis(5);
const VISIBLE_LIMIT: Duration = Duration::from_secs(3);

/// Waits until the catalog shows what the transaction being read has done to it.
///
/// The server streams a transaction as soon as its commit is in the WAL, and shows it to others only after that: a
/// table made and filled in one transaction could otherwise be looked up before it is there, and its rows would go
/// out without a key. The wait has an end, because a commit that waits for a synchronous standby can wait for us.
async fn wait_until_visible<D: Dial>(
    catalog: &mut Catalog<D>,
    xid: u64,
    lsn: Lsn,
) -> Result<(), PipelineError> {
    let started = Instant::now();
    while !catalog.sees(xid).await? {
        if started.elapsed() > VISIBLE_LIMIT {
            tracing::warn!(
                %lsn, xid,
                "a transaction is still not visible although it has committed; its tables are taken as they were \
                 before it. Does synchronous_standby_names hold up commits?"
            );
            return Ok(());
        }
        sleep(VISIBLE_POLL).await;
    }
    Ok(())
}

const TWO_PHASE: &str = "the slot has two-phase decoding, which shows transactions before they commit; \
                         make a slot without two_phase";
const STREAMED: &str = "the plugin streams transactions in progress (option stream-changes), which shows no rows; \
                        the option must not be set";
const NESTED: &str = "a BEGIN stands inside a transaction";
const OTHER_XID: &str = "a COMMIT names another transaction than its BEGIN";
const OUTSIDE: &str =
    "a change or COMMIT stands outside of BEGIN and COMMIT (plugin option skip-empty-xacts?)";
const CONTRADICTION: &str =
    "the old and the new row of a change have different columns, or the old one lacks the key";

fn unexpected(lsn: Lsn, reason: &'static str) -> PipelineError {
    PipelineError::Unexpected { lsn, reason }
}

fn line(text: &[u8]) -> Record<'_> {
    Record { topic: "", key: None, value: Some(text), headers: &[] }
}

/// Whether lines of a table are wanted. Names that are not UTF-8 match no pattern but `*`.
fn shows(filter: &TableFilter, relation: Relation<'_>) -> bool {
    let text = |name: &[u8]| {
        std::str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), str::to_owned)
    };
    let schema = text(&relation.schema.unquoted());
    filter.includes(&TableName { schema, table: text(&relation.table.unquoted()) })
}
