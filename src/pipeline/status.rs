//! What a pipeline tells about itself, for status line, log and tests.

use crate::pipeline::acknowledgement::Positions;
use crate::time::UnixMicros;

/// Counters and positions, published a few times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipelineStatus {
    /// Whether a stream is open.
    pub streaming: bool,
    /// Whether the reader finds a backlog.
    pub behind: bool,
    /// Changes decoded since the start.
    pub changes: u64,
    /// Records produced since the start.
    pub records: u64,
    /// Bytes of stream read since the start.
    pub bytes: u64,
    /// Deletes of tables without a key, for which no event could be made.
    pub deletes_without_key: u64,
    /// Records in flight.
    pub in_flight: usize,
    /// The positions.
    pub positions: Positions,
    /// Commit time of the last transaction read.
    pub last_commit: Option<UnixMicros>,
}
