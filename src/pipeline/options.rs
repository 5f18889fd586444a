//! The options of a pipeline, filled in by whoever starts it.

use std::time::Duration;

use crate::encode::EncodeOptions;
use crate::lsn::Lsn;
use crate::pipeline::table_filter::TableFilter;
use crate::postgres::client::Login;

/// Which slot is read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotOptions {
    /// Its name.
    pub name: String,
    /// Whether it is made when it does not exist.
    pub create: bool,
    /// Its output plugin.
    pub plugin: &'static str,
}

/// Times that a stream keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Longest pause between two progress records while there is progress.
    pub progress: Duration,
    /// Longest pause between two status updates.
    pub status: Duration,
    /// How long the server may be silent, although it is asked for a sign of life with every status update.
    pub silence: Duration,
    /// How long a stop waits for records in flight.
    pub drain: Duration,
}

impl Intervals {
    /// The intervals for a server with this `wal_sender_timeout`: the server must hear from us more than twice in
    /// it, because its own request for a reply queues behind data.
    pub fn for_server(wal_sender_timeout: Option<Duration>, drain: Duration) -> Self {
        let status = wal_sender_timeout.map_or(MAX_STATUS, |timeout| (timeout / 3).min(MAX_STATUS));
        let silence = wal_sender_timeout.map_or(MIN_SILENCE, |timeout| (timeout * 2).max(MIN_SILENCE));
        Self { progress: Duration::from_secs(1), status, silence, drain }
    }
}

/// A server that decodes a long stretch of WAL may have nothing to say for a while.
const MIN_SILENCE: Duration = Duration::from_mins(1);
/// The longest pause between status updates.
const MAX_STATUS: Duration = Duration::from_secs(10);

/// A pipeline from a slot to a sink.
#[derive(Clone, Debug)]
pub struct PipelineOptions<D = Login> {
    /// Its name, which its progress is kept under.
    pub name: String,
    /// How to log in to the server.
    pub login: D,
    /// The slot.
    pub slot: SlotOptions,
    /// The tables.
    pub tables: TableFilter,
    /// The form of the events.
    pub encode: EncodeOptions,
    /// How long a start keeps trying.
    pub start_timeout: Duration,
    /// How long a stop waits for records in flight.
    pub drain_timeout: Duration,
    /// Whether to go on at the slot's position although changes are missing before it.
    pub accept_gap: bool,
    /// Where to stop.
    pub end_lsn: Option<Lsn>,
}
