//! The order of one partition.
//!
//! What is new must follow what is known, and what is repeated must be repeated as it was: the source sends again from
//! a transaction's beginning on, everything, until it is told to stop.

use std::collections::{HashMap, HashSet};

use super::{Fault, Kind, Record};

/// Where a record belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Of its change.
    pub(super) number: usize,
    pub(super) part: usize,
    pub(super) transaction: u64,
    pub(super) ordinal: u64,
}

#[derive(Debug, Default)]
pub(super) struct Partition {
    /// The rank of each record, in the order in which they came first, and whether it begins a transaction.
    ranks: HashMap<(usize, usize), (usize, bool)>,
    /// The rank of the record that came last.
    last_rank: Option<usize>,
    /// The place that the newest rank has.
    newest: Option<Place>,
    transactions: HashSet<u64>,
    /// The greatest `seq` of a change, by key.
    by_key: HashMap<i64, u64>,
    /// Of every change, and of the last truncation: those concern every key.
    greatest: u64,
    truncated: u64,
}

impl Partition {
    /// Takes the next record.
    pub(super) fn take(&mut self, place: Place, record: &Record, seq: u64) -> Option<Fault> {
        let known = self.ranks.get(&(place.number, place.part)).copied();
        let (rank, fault) = match known {
            Some((rank, begins)) => (rank, self.repeat_is_bad(rank, begins).then_some(())),
            None => return self.first(place, record, seq),
        };
        self.last_rank = Some(rank);
        fault.map(|()| Fault::BadRepeat(record.clone()))
    }

    /// It goes on, or goes back to a transaction's beginning.
    fn repeat_is_bad(&self, rank: usize, begins: bool) -> bool {
        let goes_on = self.last_rank.is_some_and(|last| rank == last + 1);
        let goes_back = self.last_rank.is_some_and(|last| rank <= last) && begins;
        !goes_on && !goes_back
    }

    fn first(&mut self, place: Place, record: &Record, seq: u64) -> Option<Fault> {
        let rank = self.ranks.len();
        let follows = self.last_rank.is_none_or(|last| last + 1 == rank);
        let before = self.newest.replace(place).filter(|before| before.transaction == place.transaction);
        self.ranks.insert((place.number, place.part), (rank, before.is_none()));
        self.last_rank = Some(rank);
        let in_order = match before {
            Some(before) => (before.ordinal, before.part) < (place.ordinal, place.part),
            None => self.transactions.insert(place.transaction),
        };
        let in_order = self.key_is_in_order(record, seq) && in_order;
        if !in_order {
            Some(Fault::Reordered(record.clone()))
        } else if !follows {
            Some(Fault::BadRepeat(record.clone()))
        } else {
            None
        }
    }

    fn key_is_in_order(&mut self, record: &Record, seq: u64) -> bool {
        let before = match (record.kind, record.key) {
            (Kind::Truncate, _) => {
                self.truncated = seq;
                self.greatest
            }
            (_, Some(key)) => self.by_key.insert(key, seq).unwrap_or_default().max(self.truncated),
            (_, None) => self.truncated,
        };
        self.greatest = self.greatest.max(seq);
        before <= seq
    }
}
