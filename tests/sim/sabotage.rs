//! Faults that were put into the product on purpose: the simulator must find each, or it is no judge.

use std::io::Write as _;

use pgsluice::sabotage::{Fault, choose};

use super::run::{Mode, run};

/// Seeds within which a fault must be found.
const BOUND: u64 = 3000;

fn find(fault: Fault, mode: Mode) {
    choose(Some(fault));
    let found = (0..BOUND).find_map(|seed| Some((seed, run(seed, mode).violation?)));
    choose(None);
    let judged = if mode.outcome_only { "by its outcome alone" } else { "by the rules" };
    match found {
        Some((seed, violation)) => {
            // Past the harness, which shows what a test prints only when it fails.
            let report = format!("{fault:?}: found {judged} with {} seeds: {violation}\n", seed + 1);
            std::io::stderr().write_all(report.as_bytes()).unwrap();
        }
        None => panic!("{fault:?} was not found {judged} with {BOUND} seeds"),
    }
}

fn by_the_rules(fault: Fault) {
    find(fault, Mode::default());
}

/// Even without a rule about positions: in the end something lacks, or the pipeline stands before a gap.
fn by_the_outcome(fault: Fault) {
    find(fault, Mode { outcome_only: true, ..Mode::default() });
}

#[test]
fn acknowledging_on_receipt_is_found() {
    by_the_rules(Fault::AcknowledgeOnReceipt);
    by_the_outcome(Fault::AcknowledgeOnReceipt);
}

#[test]
fn a_keepalive_acknowledged_with_records_in_flight_is_found() {
    by_the_rules(Fault::KeepaliveInFlight);
    by_the_outcome(Fault::KeepaliveInFlight);
}

#[test]
fn forgetting_the_open_transaction_after_a_reconnect_is_found() {
    by_the_rules(Fault::ResumeByRow);
    by_the_outcome(Fault::ResumeByRow);
}

#[test]
fn confirming_before_progress_is_recorded_is_found() {
    by_the_rules(Fault::ConfirmBeforeRecord);
    by_the_outcome(Fault::ConfirmBeforeRecord);
}

/// The server repeats the whole transaction of a row that is given as a position, so nothing lacks in the end.
#[test]
fn a_row_taken_for_a_position_is_found() {
    by_the_rules(Fault::RowAsPosition);
}

#[test]
fn a_position_one_byte_further_is_found() {
    by_the_rules(Fault::OneByteFurther);
    by_the_outcome(Fault::OneByteFurther);
}
