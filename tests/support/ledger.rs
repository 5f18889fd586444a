//! What a stream did, in one order: what the sink was handed and reported, and what the server was told.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::time::Instant;

use super::scripted::Status;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The sink was handed the record of this number.
    Produced(usize),
    /// The sink reported it durable.
    Durable(usize),
    /// A status update left.
    Told(Status),
    /// `CopyDone` left.
    CopyDone,
    /// `Terminate` left.
    Terminated,
}

/// The list, shared by whoever writes to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Rc<RefCell<Vec<(Instant, Entry)>>>);

impl Ledger {
    pub(crate) fn note(&self, entry: Entry) {
        self.0.borrow_mut().push((Instant::now(), entry));
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.borrow().iter().map(|(_, entry)| *entry).collect()
    }

    /// When status updates left, and what they said.
    pub(crate) fn told(&self) -> Vec<(Instant, Status)> {
        let told = |&(at, entry): &(Instant, Entry)| match entry {
            Entry::Told(status) => Some((at, status)),
            _ => None,
        };
        self.0.borrow().iter().filter_map(told).collect()
    }

    /// Where the first entry like this stands.
    pub(crate) fn place(&self, like: impl Fn(&Entry) -> bool) -> usize {
        self.entries().iter().position(like).unwrap_or_else(|| panic!("not in {:?}", self.entries()))
    }
}
