//! The history checker itself: a history without a fault passes, and each fault is found and called by its name.

use crate::history::judge::judge;
use crate::history::truth::{Change, Op, Truth};
use crate::history::{Fault, Findings, Kind, Record, Recorded};

/// Three transactions on one table, the second with everything in it; and one that was rolled back, whose token is 9.
fn truth() -> Truth {
    let change = |seq, xid, ordinal, op, key, token| Change {
        seq,
        xid,
        ordinal,
        table: "t".to_owned(),
        op,
        key: Some(key),
        token,
    };
    let changes = vec![
        change(1, 70, 1, Op::Insert, 1, 1),
        change(1, 70, 2, Op::Insert, 2, 2),
        change(2, 71, 1, Op::Update, 1, 3),
        change(2, 71, 2, Op::Move { new_key: 5 }, 2, 4),
        change(2, 71, 3, Op::Delete, 1, 0),
        change(3, 75, 1, Op::Update, 5, 5),
    ];
    Truth { changes, last_token: 9, tables: [("t".to_owned(), [(5, 5)].into())].into(), confirmed: 100 }
}

/// What a consumer reads when nothing is repeated.
fn records() -> Vec<Record> {
    let records = |change: &Change| {
        let change = change.clone();
        change.parts().into_iter().map(move |part| Record {
            table: change.table.clone(),
            partition: 0,
            kind: part.kind,
            key: part.key,
            token: part.token,
            other_key: part.other_key,
            xid: change.xid,
            first_lsn: change.xid * 1000,
            ordinal: change.ordinal,
        })
    };
    truth().changes.iter().flat_map(records).collect()
}

fn progress(positions: &[u64]) -> Vec<Recorded> {
    positions.iter().map(|end_lsn| Recorded { instance: "a".to_owned(), end_lsn: *end_lsn }).collect()
}

fn judged(records: &[Record]) -> Findings {
    judge(&truth(), records, &progress(&[40, 100]))
}

/// The history's only fault.
fn the_fault(records: &[Record]) -> Fault {
    let findings = judged(records);
    assert_eq!(findings.fault_count, 1, "{:#?}", findings.faults);
    assert!(findings.verdict().is_err());
    findings.faults.into_iter().next().unwrap()
}

#[test]
fn a_whole_history_passes() {
    let findings = judged(&records());
    assert_eq!(findings.faults, []);
    assert_eq!((findings.changes, findings.transactions), (6, 3));
    assert_eq!((findings.records, findings.repeats), (9, 0));
    assert_eq!(findings.verdict(), Ok(()));
}

#[test]
fn repeats_from_the_beginning_of_a_transaction_are_counted_and_pass() {
    let all = records();
    // Broken off in the middle of the second transaction, then inside the repeat, then not any more.
    let read = [&all[..6], &all[2..4], &all[..2], &all[2..]].concat();
    let findings = judged(&read);
    assert_eq!(findings.faults, []);
    assert_eq!(findings.repeats, read.len() - all.len());
}

#[test]
fn a_lost_record_is_missing() {
    for lost in 0..records().len() {
        let mut read = records();
        let record = read.remove(lost);
        let findings = judged(&read);
        let missing = |fault: &Fault| matches!(fault, Fault::Missing { change, kind } if change.xid == record.xid && *kind == record.kind);
        assert!(findings.faults.iter().any(missing), "{lost}: {:#?}", findings.faults);
    }
}

#[test]
fn a_lost_tombstone_is_missing() {
    let mut read = records();
    read.remove(7);
    let fault = the_fault(&read);
    assert!(matches!(&fault, Fault::Missing { kind: Kind::Tombstone, .. }), "{fault:?}");
}

#[test]
fn a_change_that_was_rolled_back_is_found() {
    let mut read = records();
    let aborted = Record { kind: Kind::Create, key: Some(8), token: Some(9), xid: 74, ..read[0].clone() };
    read.insert(8, aborted.clone());
    assert!(judged(&read).faults.contains(&Fault::RolledBack(aborted)));
    // So is a savepoint's, in a transaction that did commit.
    let mut read = records();
    let aborted = Record { token: Some(9), ..read[8].clone() };
    read.insert(8, aborted.clone());
    assert_eq!(the_fault(&read), Fault::RolledBack(aborted));
}

#[test]
fn a_change_that_nobody_made_is_found() {
    let mut read = records();
    let invented = Record { token: Some(10), ..read[8].clone() };
    read.insert(8, invented.clone());
    assert_eq!(the_fault(&read), Fault::Invented(invented));
    let mut read = records();
    let invented = Record { xid: 99, ..read[6].clone() };
    read.insert(8, invented.clone());
    assert_eq!(the_fault(&read), Fault::Invented(invented));
}

#[test]
fn a_wrong_ordinal_or_transaction_is_found() {
    let all = records();
    let wrong = [
        Record { ordinal: 2, ..all[2].clone() },
        Record { ordinal: 7, ..all[2].clone() },
        Record { xid: 75, ..all[2].clone() },
        Record { ordinal: 9, ..all[6].clone() },
    ];
    for record in wrong {
        let mut read = records();
        read.insert(3, record.clone());
        let fault = the_fault(&read);
        assert!(matches!(&fault, Fault::WrongId { record: found, .. } if *found == record), "{fault:?}");
    }
}

#[test]
fn another_id_on_a_repeat_is_found() {
    let mut read = records();
    read.push(Record { first_lsn: 1, ..read[8].clone() });
    assert!(matches!(the_fault(&read), Fault::IdChanged { first_lsn: 75_000, .. }));
}

#[test]
fn a_record_that_says_something_else_is_found() {
    let all = records();
    for (place, wrong) in [
        (0, Record { key: Some(4), ..all[0].clone() }),
        (2, Record { kind: Kind::Create, ..all[2].clone() }),
        (3, Record { other_key: None, ..all[3].clone() }),
        (5, Record { other_key: Some(3), ..all[5].clone() }),
    ] {
        let mut read = records();
        read[place] = wrong.clone();
        let findings = judged(&read);
        let differs = |fault: &Fault| matches!(fault, Fault::Differs { record, .. } if *record == wrong);
        assert!(findings.faults.iter().any(differs), "{:#?}", findings.faults);
    }
}

#[test]
fn a_wrong_order_is_found() {
    // Of two changes of a key.
    let mut read = records();
    read.swap(0, 2);
    assert!(judged(&read).faults.iter().any(|fault| matches!(fault, Fault::Reordered(_))));
    // Inside a changed key.
    let mut read = records();
    read.swap(3, 4);
    assert!(judged(&read).faults.iter().any(|fault| matches!(fault, Fault::Reordered(_))));
    // Of two transactions mixed.
    let mut read = records();
    let record = read.remove(8);
    read.insert(6, record);
    assert!(judged(&read).faults.iter().any(|fault| matches!(fault, Fault::Reordered(_))));
}

#[test]
fn a_repeat_out_of_order_is_found() {
    let all = records();
    // Not from the beginning of a transaction; with something left out; going on behind what is new.
    for read in [
        [&all[..], &all[3..]].concat(),
        [&all[..], &all[2..3], &all[5..]].concat(),
        [&all[..6], &all[2..3], &all[6..]].concat(),
    ] {
        let findings = judged(&read);
        assert!(findings.faults.iter().any(|fault| matches!(fault, Fault::BadRepeat(_))), "{findings:?}");
    }
}

#[test]
fn a_topic_that_ends_otherwise_than_its_table_is_found() {
    // What came last is an older change: a late repeat of one that is long superseded.
    let mut truth = truth();
    truth.tables.insert("t".to_owned(), [(5, 4)].into());
    let findings = judge(&truth, &records(), &progress(&[100]));
    assert_eq!(
        findings.faults,
        [Fault::Fold { table: "t".to_owned(), key: 5, topic: Some(5), row: Some(4) }]
    );
    truth.tables.insert("t".to_owned(), [].into());
    let findings = judge(&truth, &records(), &progress(&[100]));
    assert_eq!(findings.faults, [Fault::Fold { table: "t".to_owned(), key: 5, topic: Some(5), row: None }]);
    truth.tables.insert("t".to_owned(), [(5, 5), (6, 8)].into());
    let findings = judge(&truth, &records(), &progress(&[100]));
    assert_eq!(findings.faults, [Fault::Fold { table: "t".to_owned(), key: 6, topic: None, row: Some(8) }]);
}

#[test]
fn a_truncation_stands_between_what_was_before_and_after() {
    let mut truth = truth();
    let truncate = Change {
        seq: 4,
        xid: 80,
        ordinal: 1,
        op: Op::Truncate,
        key: None,
        token: 0,
        ..truth.changes[0].clone()
    };
    truth.changes.push(truncate);
    truth.tables.insert("t".to_owned(), [].into());
    let truncated =
        Record { kind: Kind::Truncate, key: None, token: None, xid: 80, ordinal: 1, ..records()[0].clone() };
    let mut read = records();
    read.push(truncated.clone());
    assert_eq!(judge(&truth, &read, &progress(&[100])).faults, []);
    read.swap(8, 9);
    let faults = judge(&truth, &read, &progress(&[100])).faults;
    assert!(faults.contains(&Fault::Reordered(read[9].clone())), "{faults:#?}");
}

#[test]
fn a_message_outside_of_transactions_may_outlive_a_rollback() {
    let mut truth = truth();
    let message = Change {
        seq: 4,
        xid: 0,
        ordinal: 1,
        table: "message".to_owned(),
        op: Op::Message,
        key: None,
        token: 7,
    };
    truth.changes.push(message);
    let mut read = records();
    let sent = Record {
        table: "message".to_owned(),
        kind: Kind::Message,
        key: None,
        token: Some(7),
        xid: 0,
        first_lsn: 5,
        ordinal: 1,
        ..read[0].clone()
    };
    let outlived = Record { token: Some(8), first_lsn: 6, ..sent.clone() };
    read.push(outlived);
    assert!(matches!(&judge(&truth, &read, &progress(&[100])).faults[..], [Fault::Missing { .. }]));
    read.push(sent.clone());
    assert_eq!(judge(&truth, &read, &progress(&[100])).faults, []);
    read.push(Record { first_lsn: 9, ..sent });
    assert!(matches!(&judge(&truth, &read, &progress(&[100])).faults[..], [Fault::IdChanged { .. }]));
}

#[test]
fn positions_that_go_back_or_run_ahead_are_found() {
    let found = |positions: &[u64]| judge(&truth(), &records(), &progress(positions)).faults;
    assert!(matches!(&found(&[100, 40])[..], [Fault::ProgressWentBack(Recorded { end_lsn: 40, .. })]));
    assert_eq!(found(&[40, 99]), [Fault::ConfirmedAhead { confirmed: 100, recorded: 99 }]);
}
