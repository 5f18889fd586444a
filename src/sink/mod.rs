//! Where records go.
//!
//! A [`Sink`] takes records one by one, copies what it needs, and reports later, by [`Ticket`], that the
//! record is durable. Reports are small integers in a ring of fixed size ([`reports`]), so nothing that
//! comes back can grow without bound.

#[cfg(feature = "kafka")]
pub mod kafka;
pub mod reports;
pub mod terminal;

use std::future::Future;

use crate::record::Record;
use crate::sink::reports::Ticket;

/// A destination of records.
///
/// The contract: `produce` keeps the order of records of one key; each ticket handed to `produce` is
/// completed once in the [`reports::Reports`] the sink was made with, and only when the record is durable;
/// a record that fails makes the whole sink fail, and nothing produced after it counts as delivered.
pub trait Sink {
    /// Takes one record. Never waits: the caller keeps within the sink's budgets.
    fn produce(&mut self, record: &Record<'_>, ticket: Ticket) -> Result<(), SinkError>;

    /// Serves what has come back. Call it often while anything is in flight; it does not wait.
    fn poll(&mut self) -> Result<(), SinkError>;

    /// Makes sure that `topic` can be written to. Called once for each topic, before its first record.
    fn prepare_topic(&mut self, topic: &str) -> impl Future<Output = Result<(), SinkError>>;
}

/// Why a sink cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The broker cannot be reached, or asks to come back later: a new sink may succeed.
    #[error("Kafka: {reason} ({hint})")]
    Retry {
        /// What the client library or the broker said.
        reason: String,
        /// What a person can do about it.
        hint: &'static str,
    },
    /// Trying again cannot help.
    #[error("Kafka: {reason}; {hint}")]
    Fatal {
        /// What the client library or the broker said.
        reason: String,
        /// What a person can do about it.
        hint: &'static str,
    },
    /// One record is larger than the topic takes.
    #[error(
        "a record of {size} bytes for topic {topic} with key {key} exceeds the limit of {limit} bytes; raise \
         max.message.bytes of the topic (and message.max.bytes in [sink.kafka.librdkafka]), or leave the table out"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The record's key, shortened.
        key: String,
        /// Key, value, headers and framing.
        size: usize,
        /// The smaller of the topic's and the client's limit.
        limit: usize,
    },
    /// The sink has to be made again with other settings; no fault.
    #[error(
        "Kafka: topic {topic} takes batches of at most {limit} bytes; starting again with smaller batches"
    )]
    SmallerBatches {
        /// The topic.
        topic: String,
        /// Its `max.message.bytes`.
        limit: usize,
    },
    /// Standard output is closed: whoever was reading has had enough.
    #[error("the output was closed")]
    Closed,
    /// Standard output cannot be written to.
    #[error("cannot write to the output: {0}")]
    Output(std::io::ErrorKind),
}
