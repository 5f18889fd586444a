use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{InFlight, Mark};
use crate::lsn::Lsn;
use crate::sink::reports::Ticket;

#[test]
fn a_mark_waits_for_every_record_before_it() {
    let mut flight = InFlight::new(4);
    let first = flight.issue(10).unwrap();
    let second = flight.issue(20).unwrap();
    flight.mark(Mark::Delivered(Lsn(7)));
    let third = flight.issue(30).unwrap();

    // The second and third are durable, the first is not: nothing moves.
    let settled = flight.settle(|t| t == second || t == third);
    assert_eq!((settled.records, settled.delivered), (0, None));
    assert_eq!(flight.bytes(), 60);

    let settled = flight.settle(|t| t == first || t == second);
    assert_eq!((settled.records, settled.delivered), (2, Some(Lsn(7))));
    assert_eq!(flight.bytes(), 30);
}

#[test]
fn a_mark_with_nothing_in_flight_holds_at_once() {
    let mut flight = InFlight::new(1);
    flight.mark(Mark::Delivered(Lsn(3)));
    flight.mark(Mark::Recorded(Lsn(2)));
    flight.mark(Mark::Delivered(Lsn(5)));
    let settled = flight.settle(|_| false);
    assert_eq!((settled.delivered, settled.recorded), (Some(Lsn(5)), Some(Lsn(2))));
}

#[test]
fn a_mark_that_goes_back_takes_nothing_back() {
    let mut flight = InFlight::new(2);
    let first = flight.issue(1).unwrap();
    flight.mark(Mark::Delivered(Lsn(9)));
    flight.mark(Mark::Delivered(Lsn(7)));
    flight.issue(1).unwrap();
    flight.mark(Mark::Delivered(Lsn(8)));
    assert_eq!(flight.settle(|ticket| ticket == first).delivered, Some(Lsn(9)));
    flight.mark(Mark::Delivered(Lsn(10)));
    flight.issue(1).unwrap();
    flight.mark(Mark::Delivered(Lsn(3)));
    assert_eq!(flight.settle(|_| true).delivered, Some(Lsn(10)));
}

#[test]
fn many_marks_at_one_place_do_not_grow() {
    let mut flight = InFlight::new(1);
    flight.issue(1).unwrap();
    for lsn in 0..10_000 {
        flight.mark(Mark::Delivered(Lsn(lsn)));
        flight.mark(Mark::Recorded(Lsn(lsn)));
    }
    assert_eq!(flight.marks.len(), 2);
}

#[test]
fn a_full_table_gives_no_ticket() {
    let mut flight = InFlight::new(2);
    assert_eq!(flight.issue(1), Some(Ticket(0)));
    assert_eq!(flight.issue(1), Some(Ticket(1)));
    assert_eq!(flight.issue(1), None);
    flight.withdraw();
    assert_eq!(flight.issue(5), Some(Ticket(1)));
    assert_eq!(flight.bytes(), 6);
}

proptest! {
    /// Whatever the order of the reports, a position is delivered exactly when all records before it are.
    #[test]
    fn delivered_never_runs_ahead(orders in proptest::collection::vec((0usize..6, any::<bool>()), 1..200)) {
        let mut flight = InFlight::new(5);
        let mut outstanding: Vec<(Ticket, u64)> = Vec::new();
        let mut durable: BTreeSet<usize> = BTreeSet::new();
        let (mut produced, mut delivered) = (0u64, 0u64);
        for (pick, report) in orders {
            if report {
                if outstanding.is_empty() { continue }
                let (ticket, _) = outstanding[pick % outstanding.len()];
                durable.insert(ticket.0);
                let settled = flight.settle(|t| durable.remove(&t.0));
                outstanding.drain(..settled.records);
                if let Some(lsn) = settled.delivered { delivered = lsn.0 }
                // The oldest outstanding record was produced after the delivered position.
                if let Some((_, number)) = outstanding.first() { prop_assert!(delivered < *number) }
                else { prop_assert_eq!(delivered, produced) }
            } else if let Some(ticket) = flight.issue(1) {
                produced += 1;
                outstanding.push((ticket, produced));
                flight.mark(Mark::Delivered(Lsn(produced)));
            } else {
                prop_assert_eq!(outstanding.len(), 5);
            }
            prop_assert_eq!(flight.records(), outstanding.len());
            prop_assert!(flight.marks.len() <= 6);
        }
    }
}
