//! A history checker: what was committed, as the writers recorded it inside their own transactions, against
//! everything a consumer reads. Pure; how both are had is the caller's matter.
//!
//! It proves, or says where it does not hold:
//! - every record of every committed change is there, a delete's tombstone and a changed key's three records included;
//! - nothing else is there: no change that was rolled back, none that nobody made;
//! - each record carries the transaction and the ordinal that its change had in the database, on every repeat;
//! - in a partition, transactions follow one another unmixed, changes of a key in order of commit, and what is
//!   repeated is repeated from the beginning of a transaction on, in the same order, without a gap;
//! - read from the beginning, each topic ends as its table;
//! - recorded positions never go back, and no position was confirmed that was not recorded.
#![allow(dead_code, reason = "several test binaries include this module and each uses its own part of it")]

pub(crate) mod judge;
mod partition;
pub(crate) mod truth;

use std::fmt;

/// A record as a consumer read it, cut down to what is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// `table`, or `message` for logical messages.
    pub(crate) table: String,
    pub(crate) partition: i32,
    pub(crate) kind: Kind,
    pub(crate) key: Option<i64>,
    /// The token of the row as it became, or of the message.
    pub(crate) token: Option<u64>,
    /// On the records of a changed key: the other key.
    pub(crate) other_key: Option<i64>,
    pub(crate) xid: u64,
    /// The second half of the transaction's id.
    pub(crate) first_lsn: u64,
    pub(crate) ordinal: u64,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
    Tombstone,
    Truncate,
    Message,
}

/// A position as an instance recorded it, in the order of the progress topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) instance: String,
    pub(crate) end_lsn: u64,
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A committed change whose record was never read.
    Missing { change: truth::Change, kind: Kind },
    /// A record of a change that was rolled back.
    RolledBack(Record),
    /// A record of a change that nobody made.
    Invented(Record),
    /// A record of a committed change, under another change's transaction or ordinal.
    WrongId { record: Record, xid: u64, ordinal: u64 },
    /// A record whose id is a committed change's and which says something else than it.
    Differs { record: Record, change: truth::Change },
    /// The same transaction under two ids.
    IdChanged { record: Record, first_lsn: u64 },
    /// Changes of one key, of one transaction or of two, not in the order in which they were made.
    Reordered(Record),
    /// A repeat that does not begin at a transaction's beginning, or leaves something out.
    BadRepeat(Record),
    /// What a topic amounts to is not what its table holds. Tokens; none: no such row.
    Fold { table: String, key: i64, topic: Option<u64>, row: Option<u64> },
    /// An instance recorded a position before one that it had recorded already.
    ProgressWentBack(Recorded),
    /// The slot has confirmed what no instance has recorded.
    ConfirmedAhead { confirmed: u64, recorded: u64 },
}

/// The outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) changes: usize,
    pub(crate) transactions: usize,
    pub(crate) records: usize,
    /// Records beyond the first of each.
    pub(crate) repeats: usize,
    /// The first faults found.
    pub(crate) faults: Vec<Fault>,
    /// How many there are in all.
    pub(crate) fault_count: usize,
}

/// How many faults are kept.
const KEPT_FAULTS: usize = 20;

impl Findings {
    fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < KEPT_FAULTS {
            self.faults.push(fault);
        }
    }

    /// An error that lists the faults, if there are any.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        if self.fault_count == 0 {
            return Ok(());
        }
        let list: Vec<String> = self.faults.iter().map(|fault| format!("{fault:?}")).collect();
        Err(format!(
            "{} faults in the history, the first of them:\n  {}",
            self.fault_count,
            list.join("\n  ")
        ))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, transactions, records, repeats, fault_count, .. } = self;
        write!(
            f,
            "{changes} changes in {transactions} transactions, {records} records, {repeats} of them repeats, \
             {fault_count} faults"
        )
    }
}
