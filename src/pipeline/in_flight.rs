//! What has been handed to the sink and is not yet known to be durable. Pure.
//!
//! Records settle in the order they were produced: a report behind an open one waits. A *mark* stands
//! between two records and says what becomes true once every record before it is durable.

use std::collections::VecDeque;

use crate::lsn::Lsn;
use crate::sink::reports::Ticket;

/// What becomes true at a point of the record sequence. Of two marks of one kind the later position is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Everything the server sent up to this position is durable.
    Delivered(Lsn),
    /// The progress record that names this position is durable.
    Recorded(Lsn),
}

/// The positions that `settle` has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Records that became durable.
    pub records: usize,
    /// The furthest `Delivered` mark passed.
    pub delivered: Option<Lsn>,
    /// The furthest `Recorded` mark passed.
    pub recorded: Option<Lsn>,
}

/// Tickets in order of production, with their sizes.
#[derive(Debug)]
pub struct InFlight {
    sizes: Box<[u32]>,
    /// Records settled since the start. `settled <= issued <= settled + sizes.len()`.
    settled: u64,
    /// Records produced since the start.
    issued: u64,
    bytes: usize,
    /// In order; each holds once `settled` has reached its number.
    marks: VecDeque<(u64, Mark)>,
}

impl InFlight {
    /// Room for `capacity` records.
    pub fn new(capacity: usize) -> Self {
        Self {
            sizes: vec![0; capacity.max(1)].into_boxed_slice(),
            settled: 0,
            issued: 0,
            bytes: 0,
            marks: VecDeque::new(),
        }
    }

    /// Records in flight.
    pub fn records(&self) -> usize {
        usize::try_from(self.issued - self.settled).unwrap_or(usize::MAX)
    }

    /// Bytes in flight.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many more records can be taken.
    pub fn room(&self) -> usize {
        self.sizes.len() - self.records()
    }

    /// Whether nothing is outstanding.
    pub fn is_empty(&self) -> bool {
        self.issued == self.settled
    }

    /// A ticket for a record of `size` bytes; `None` when there is no room.
    pub fn issue(&mut self, size: usize) -> Option<Ticket> {
        if self.room() == 0 {
            return None;
        }
        let slot = self.slot(self.issued);
        *self.sizes.get_mut(slot)? = u32::try_from(size).unwrap_or(u32::MAX);
        self.bytes += size;
        self.issued += 1;
        Some(Ticket(slot))
    }

    /// Takes the last ticket back: the sink did not accept its record.
    pub fn withdraw(&mut self) {
        if self.issued > self.settled {
            self.issued -= 1;
            let slot = self.slot(self.issued);
            self.bytes -= self.sizes.get(slot).map_or(0, |size| *size as usize);
        }
    }

    /// Sets a mark behind the last record produced.
    pub fn mark(&mut self, mark: Mark) {
        // Of marks of one kind at one place the furthest stays, so their number is bounded by the records'. It need
        // not be the last one: a keepalive right behind a COMMIT can name the start of the commit's record.
        let place = self.issued;
        let same = |(at, old): &&mut (u64, Mark)| {
            *at == place && std::mem::discriminant(old) == std::mem::discriminant(&mark)
        };
        match self.marks.iter_mut().rev().take(2).find(same) {
            Some(old) => old.1 = old.1.max(mark),
            None => self.marks.push_back((place, mark)),
        }
    }

    /// Moves on over every record at the front for which `is_durable` says yes.
    pub fn settle(&mut self, mut is_durable: impl FnMut(Ticket) -> bool) -> Settled {
        let mut outcome = Settled::default();
        while self.settled < self.issued {
            let slot = self.slot(self.settled);
            if !is_durable(Ticket(slot)) {
                break;
            }
            self.bytes -= self.sizes.get(slot).map_or(0, |size| *size as usize);
            self.settled += 1;
            outcome.records += 1;
        }
        while let Some((place, mark)) = self.marks.front().copied() {
            if place > self.settled {
                break;
            }
            match mark {
                Mark::Delivered(lsn) => outcome.delivered = outcome.delivered.max(Some(lsn)),
                Mark::Recorded(lsn) => outcome.recorded = outcome.recorded.max(Some(lsn)),
            }
            self.marks.pop_front();
        }
        outcome
    }

    fn slot(&self, number: u64) -> usize {
        usize::try_from(number % self.sizes.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
