//! Delivery reports: one byte a record, in a ring of fixed size.
//!
//! A ticket is the index of a slot. The pipeline hands a slot out, the sink writes the outcome into it, the
//! pipeline reads it and hands it out again. As many slots as records may be in flight: the ring can be
//! neither full nor grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Index of a record's slot in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub usize);

const PENDING: u8 = 0;
const DELIVERED: u8 = 1;

/// The ring, shared by the pipeline and the sink's callbacks.
#[derive(Clone, Debug)]
pub struct Reports {
    slots: Arc<[AtomicU8]>,
}

impl Reports {
    /// A ring for `capacity` records in flight.
    pub fn new(capacity: usize) -> Self {
        Self { slots: (0..capacity).map(|_| AtomicU8::new(PENDING)).collect() }
    }

    /// How many records may be in flight.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The record of `ticket` is durable.
    pub fn delivered(&self, ticket: Ticket) {
        if let Some(slot) = self.slots.get(ticket.0) {
            slot.store(DELIVERED, Ordering::Release);
        }
    }

    /// Whether the record of `ticket` is durable. A positive answer frees the slot.
    pub fn take(&self, ticket: Ticket) -> bool {
        let Some(slot) = self.slots.get(ticket.0) else { return false };
        if slot.load(Ordering::Acquire) != DELIVERED {
            return false;
        }
        slot.store(PENDING, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Reports, Ticket};

    #[test]
    fn a_report_is_taken_once() {
        let reports = Reports::new(2);
        assert!(!reports.take(Ticket(1)));
        reports.delivered(Ticket(1));
        assert!(!reports.take(Ticket(0)));
        assert!(reports.take(Ticket(1)));
        assert!(!reports.take(Ticket(1)));
    }

    #[test]
    fn a_foreign_ticket_is_never_delivered() {
        let reports = Reports::new(1);
        reports.delivered(Ticket(7));
        assert!(!reports.take(Ticket(7)));
        assert!(!reports.take(Ticket(0)));
    }
}
