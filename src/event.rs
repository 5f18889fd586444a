//! Where a change comes from: what every event tells beside the row itself.

use crate::lsn::Lsn;
use crate::time::UnixMicros;

/// Identifies a source transaction: known with its first change, and the same on every replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionId {
    /// Transaction id, widened to 64 bits by the epoch.
    pub xid: u64,
    /// LSN of the transaction's first decoded change.
    pub first_lsn: Lsn,
}

/// The origin of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// LSN of the change.
    pub lsn: Lsn,
    /// Its transaction; `None` for a logical message outside of one.
    pub transaction: Option<TransactionId>,
    /// Which change of its transaction it is, counted before any filter.
    pub ordinal: u64,
    /// When the transaction committed, or the time of sending when that is not known.
    pub time: UnixMicros,
    /// Whether `time` is the commit time.
    pub commit_time_known: bool,
    /// End LSN of the last commit before this change; `None` before the first.
    pub last_commit: Option<Lsn>,
}
