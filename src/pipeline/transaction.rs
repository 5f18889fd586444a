//! The open transaction: its id, the ordinal of the next change, its commit time. Pure.

use crate::event::{Source, TransactionId};
use crate::lsn::Lsn;
use crate::time::UnixMicros;

/// Widens the 32-bit transaction ids of the stream to 64 bits.
///
/// The plugin prints ids without their epoch. Ids in the WAL are near the server's next id, so the right epoch
/// is the one that brings the id nearest to a known 64-bit id (manual, "Transactions and Identifiers").
#[derive(Clone, Copy, Debug)]
pub struct XidEpoch {
    reference: u64,
}

impl XidEpoch {
    /// From the server's next transaction id, in 64 bits.
    pub fn new(next_xid: u64) -> Self {
        Self { reference: next_xid }
    }

    /// The 64-bit id. Later ids move the reference on.
    pub fn widen(&mut self, xid: u32) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is compared")]
        let ahead = xid.wrapping_sub(self.reference as u32).cast_signed();
        let widened = self.reference.saturating_add_signed(i64::from(ahead));
        self.reference = self.reference.max(widened);
        widened
    }
}

/// When the transaction committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitTime {
    /// As the COMMIT line says.
    Known(UnixMicros),
    /// The COMMIT is too far away: the time at which the server sent the BEGIN.
    Estimated(UnixMicros),
}

/// The transaction that is being read.
#[derive(Clone, Copy, Debug)]
pub struct OpenTransaction {
    xid: u64,
    time: CommitTime,
    /// Set with the first change.
    id: Option<TransactionId>,
    next_ordinal: u64,
    /// The TRUNCATE for which room ran out, and how many of its tables are done.
    unfinished_truncate: Option<(Source, usize)>,
}

impl OpenTransaction {
    /// A transaction whose BEGIN has been read.
    pub fn new(xid: u64, time: CommitTime) -> Self {
        Self { xid, time, id: None, next_ordinal: 1, unfinished_truncate: None }
    }

    /// Whether `xid`, 32 bits as printed, is this transaction's.
    pub fn has_xid(&self, xid: u32) -> bool {
        self.xid & u64::from(u32::MAX) == u64::from(xid)
    }

    /// Its 64-bit id.
    pub fn xid(&self) -> u64 {
        self.xid
    }

    /// Whether the whole transaction is known to be in the read buffer.
    pub fn is_buffered(&self) -> bool {
        matches!(self.time, CommitTime::Known(_))
    }

    /// The commit time, known or estimated.
    pub fn commit_time(&self) -> UnixMicros {
        match self.time {
            CommitTime::Known(time) | CommitTime::Estimated(time) => time,
        }
    }

    /// Remembers a TRUNCATE of which `done` tables are done, until it comes again.
    pub fn interrupt_truncate(&mut self, source: Source, done: usize) {
        self.unfinished_truncate = Some((source, done));
    }

    /// Takes up the TRUNCATE that was interrupted, if one was.
    pub fn resume_truncate(&mut self) -> Option<(Source, usize)> {
        self.unfinished_truncate.take()
    }

    /// The source of the next change, which counts before any filter.
    pub fn next_change(&mut self, lsn: Lsn, last_commit: Option<Lsn>) -> Source {
        let id = *self.id.get_or_insert(TransactionId { xid: self.xid, first_lsn: lsn });
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        Source {
            lsn,
            transaction: Some(id),
            ordinal,
            time: self.commit_time(),
            commit_time_known: self.is_buffered(),
            last_commit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CommitTime, OpenTransaction, XidEpoch};
    use crate::lsn::Lsn;
    use crate::time::UnixMicros;

    #[test]
    fn ids_get_the_nearest_epoch() {
        let mut epoch = XidEpoch::new((3 << 32) + 10);
        assert_eq!(epoch.widen(9), (3 << 32) + 9);
        assert_eq!(epoch.widen(4_294_967_290), (2 << 32) + 4_294_967_290, "from before the wrap");
        assert_eq!(epoch.widen(11), (3 << 32) + 11);
        let mut early = XidEpoch::new(750);
        assert_eq!(early.widen(745), 745);
        assert_eq!(early.widen(760), 760);
    }

    #[test]
    fn the_reference_follows_the_stream_over_a_wrap() {
        let mut epoch = XidEpoch::new(4_294_967_000);
        assert_eq!(epoch.widen(4_294_967_295), 4_294_967_295);
        assert_eq!(epoch.widen(3), (1 << 32) + 3);
        assert_eq!(epoch.widen(2_000_000_000), (1 << 32) + 2_000_000_000);
    }

    #[test]
    fn the_id_is_that_of_the_first_change_and_ordinals_count_up() {
        let mut open = OpenTransaction::new(7, CommitTime::Known(UnixMicros(5)));
        let first = open.next_change(Lsn(100), None);
        let second = open.next_change(Lsn(90), Some(Lsn(50)));
        assert_eq!(first.transaction, second.transaction);
        assert_eq!(first.transaction.unwrap().first_lsn, Lsn(100));
        assert_eq!((first.ordinal, second.ordinal), (1, 2));
        assert!(first.commit_time_known);
    }
}
