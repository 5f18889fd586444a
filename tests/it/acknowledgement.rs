//! What the server is told, and when: nothing is confirmed before it is durable and recorded, and nothing that is
//! stays unconfirmed. Rules that hold for every status update are in the tap.

use std::time::Duration;

use super::support::held_sink::Hold;
use super::support::ledger::Entry;
use super::support::scripted::{Status, keepalive};
use super::support::tap::NOTHING;
use super::support::walsender::{
    INSTANCE, Options, Rig, Walsender, begin, commit, insert, lines, logical_message, long_insert, source,
    transaction,
};

#[tokio::test(start_paused = true)]
async fn position_0_is_sent_before_anything_is_recorded() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.pause(Duration::from_millis(1)).await;
            assert_eq!(server.ledger.entries(), [Entry::Told(Status { reply: true, ..NOTHING })]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_recorded_position_is_sent_at_the_start() {
    let mut rig = Rig { start: 0x500, ..Rig::default() };
    rig.play(async |server: &mut Walsender| {
        server.pause(Duration::from_millis(1)).await;
        assert_eq!((server.last().write, server.flush()), (0x500, 0x500));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_row_confirms_nothing() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x100, 7), insert(0x110, 1), long_insert(0x120, 2)]).await;
            server.send(&[insert(0x130, 3)]).await;
            server.pause(Duration::from_secs(30)).await;
            assert_eq!(server.produced().len(), 3);
            assert!(server.sink.held().is_empty(), "all are durable");
            assert_eq!(server.last(), Status { write: 0x130, ..NOTHING });
            assert_eq!(server.sink.progress(), [0; 0]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_with_records_undelivered_confirms_nothing() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Data);
            server.send(&[transaction(0x100, 7, 0..3, 0x200)]).await;
            server.settle().await;
            server.sink.deliver(0);
            server.sink.deliver(1);
            server.pause(Duration::from_secs(30)).await;
            assert_eq!(server.sink.held(), [2]);
            assert_eq!(server.last(), Status { write: 0x200, ..NOTHING });
            assert_eq!(server.sink.progress(), [0; 0]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn delivered_without_a_durable_progress_record_confirms_nothing() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Progress);
            server.send(&[transaction(0x100, 7, 0..3, 0x200)]).await;
            server.pause(Duration::from_secs(30)).await;
            assert_eq!(server.sink.progress(), [0x200]);
            assert_eq!(server.last(), Status { write: 0x200, ..NOTHING });
            server.sink.release();
            server.pause(Duration::from_millis(50)).await;
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn delivered_and_recorded_confirms_exactly_the_commits_data_start() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..3, 0x200)]).await;
            server.settle().await;
            assert_eq!(server.last(), Status { write: 0x200, flush: 0x200, apply: 0x200, reply: false });
        })
        .await;
}

/// Data durable, then the progress record, then that durable, then the confirmation.
#[tokio::test(start_paused = true)]
async fn the_order_of_an_acknowledgement() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.sink.delay(Duration::from_millis(20));
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
    })
    .await;
    let place = |wanted: Entry| rig.ledger.place(|entry| *entry == wanted);
    let told = rig.ledger.place(|entry| matches!(entry, Entry::Told(status) if status.flush == 0x200));
    let order = [
        place(Entry::Produced(0)),
        place(Entry::Produced(1)),
        place(Entry::Durable(0)),
        place(Entry::Durable(1)),
        place(Entry::Produced(2)),
        place(Entry::Durable(2)),
        told,
    ];
    assert!(order.is_sorted(), "{order:?} in {:?}", rig.ledger.entries());
}

#[tokio::test(start_paused = true)]
async fn a_progress_record_names_instance_stream_and_position() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..1, 0x16_B374_D848)]).await;
        server.settle().await;
    })
    .await;
    let record = rig.sink.records().pop().unwrap();
    assert!(record.is_progress());
    assert_eq!(record.key.as_deref(), Some(format!("stream/{INSTANCE}").as_bytes()));
    let source = source();
    assert_eq!(
        record.text(),
        format!(
            r#"{{"version":1,"system_identifier":"{}","timeline":1,"database":"shop","slot":"s","plugin":"test_decoding","end_lsn":"16/B374D848"}}"#,
            source.system_identifier
        )
    );
}

#[tokio::test(start_paused = true)]
async fn reports_out_of_order_confirm_only_what_is_durable_from_the_front() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Data);
            server
                .send(&[
                    transaction(0x100, 7, 0..1, 0x200),
                    transaction(0x200, 8, 1..2, 0x300),
                    transaction(0x300, 9, 2..3, 0x400),
                ])
                .await;
            server.settle().await;
            server.sink.deliver(2);
            server.sink.deliver(1);
            server.settle().await;
            assert_eq!(server.flush(), 0, "only the first is missing");
            server.sink.deliver(0);
            server.settle().await;
            assert_eq!(server.flush(), 0x400);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn transactions_are_confirmed_one_by_one_as_they_become_durable() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Data);
            for number in 0..4u32 {
                let at = u64::from(number) * 0x100;
                let id = number as usize;
                server.send(&[transaction(at + 0x100, 7 + number, id..id + 1, at + 0x200)]).await;
            }
            server.settle().await;
            for number in [0, 1, 2, 3] {
                server.sink.deliver(number);
                server.settle().await;
                // The progress record stands behind all data, and records settle in order.
                assert_eq!(server.sink.recorded(), (number as u64) * 0x100 + 0x200);
            }
            assert_eq!(server.flush(), 0x500);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_inside_a_transaction_confirms_nothing() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x100, 7), long_insert(0x110, 1), keepalive(0x900, false)]).await;
            server.pause(Duration::from_secs(15)).await;
            assert_eq!(server.last(), Status { write: 0x900, ..NOTHING });
            server.send(&[keepalive(0x900, true)]).await;
            server.settle().await;
            assert_eq!(server.last(), Status { write: 0x900, ..NOTHING });
            server.send(&[commit(0x930, 7)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x930);
            assert_eq!(server.sink.progress(), [0x930]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_behind_records_in_flight_confirms_when_they_are_durable() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Data);
            server.send(&[transaction(0x100, 7, 0..2, 0x200), keepalive(0x800, false)]).await;
            server.settle().await;
            server.sink.deliver(1);
            server.settle().await;
            assert_eq!((server.flush(), server.sink.progress()), (0, vec![]));
            server.sink.release();
            server.settle().await;
            assert_eq!(server.flush(), 0x800);
        })
        .await;
}

/// A keepalive that is sent while the COMMIT's record is decoded names the record's start, below the COMMIT's end.
#[tokio::test(start_paused = true)]
async fn a_keepalive_behind_a_commit_and_below_its_end_does_not_hold_it_up() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.delay(Duration::from_millis(20));
            server.send(&[transaction(0x100, 7, 0..2, 0x200), keepalive(0x1D0, false)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_keepalive_confirms_its_wal_end_once_that_is_recorded() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Progress);
            server.send(&[keepalive(0x700, false)]).await;
            server.settle().await;
            assert_eq!((server.flush(), server.sink.progress()), (0, vec![0x700]));
            server.sink.release();
            server.settle().await;
            assert_eq!(server.flush(), 0x700);
            server.send(&[keepalive(0x780, false)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x780);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_that_goes_back_after_a_reconnect_changes_nothing() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..2, 0x500)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x500);
    })
    .await;
    rig.start = rig.delivery.recorded().0;
    rig.play(async |server: &mut Walsender| {
        server.send(&[keepalive(0x300, true), keepalive(0x400, false)]).await;
        server.settle().await;
        assert_eq!((server.last().write, server.flush()), (0x500, 0x500));
        assert_eq!(server.sink.progress(), [0x500]);
        server.send(&[keepalive(0x600, false)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x600);
    })
    .await;
}

/// What a server repeats after it went back to an older position is delivered again and confirms nothing new.
#[tokio::test(start_paused = true)]
async fn transactions_that_are_repeated_do_not_turn_the_position_back() {
    let mut rig = Rig { start: 0x500, ..Rig::default() };
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Data);
        server.send(&[transaction(0x100, 7, 0..2, 0x300), transaction(0x300, 8, 2..3, 0x500)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x500);
        server.sink.release();
        server.send(&[transaction(0x500, 9, 3..4, 0x600)]).await;
        server.settle().await;
        assert_eq!(server.produced().len(), 4);
        assert_eq!(server.flush(), 0x600);
        assert_eq!(server.sink.progress(), [0x500, 0x600]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_outside_a_transaction_confirms_its_data_start() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Data);
            server.send(&[logical_message(0x240, false, "hello")]).await;
            server.pause(Duration::from_secs(15)).await;
            assert_eq!(server.last(), Status { write: 0x240, ..NOTHING });
            server.sink.release();
            server.settle().await;
            assert_eq!(server.flush(), 0x240, "one byte more could skip a transaction");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_transactional_message_confirms_nothing_before_its_commit() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x100, 7), long_insert(0x110, 1), logical_message(0x240, true, "x")]).await;
            server.pause(Duration::from_secs(15)).await;
            assert_eq!(server.produced().len(), 2);
            assert_eq!(server.last(), Status { write: 0x240, ..NOTHING });
            server.send(&[commit(0x260, 7)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x260);
        })
        .await;
}

/// Of a transaction that was rolled back nothing comes but, some time later, a keepalive behind it.
#[tokio::test(start_paused = true)]
async fn what_was_rolled_back_is_confirmed_by_the_keepalive_behind_it() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..1, 0x200)]).await;
            server.pause(Duration::from_mins(1)).await;
            assert_eq!(server.flush(), 0x200);
            server.send(&[keepalive(0x400, false)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x400);
            assert_eq!(server.produced().len(), 1);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_begin_at_0_0_takes_nothing_back() {
    let mut rig = Rig { start: 0x50, ..Rig::default() };
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0, 7), long_insert(0x110, 1)]).await;
        server.pause(Duration::from_secs(15)).await;
        assert_eq!((server.last().write, server.flush()), (0x110, 0x50));
        server.send(&[commit(0x200, 7), begin(0, 8), commit(0x210, 8)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x210);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn rows_below_earlier_commits_move_nothing() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x400, 8, 0..1, 0x500)]).await;
            server.settle().await;
            server.send(&[begin(0x100, 7), insert(0x200, 1), long_insert(0x300, 2)]).await;
            server.pause(Duration::from_secs(15)).await;
            assert_eq!((server.last().write, server.flush()), (0x500, 0x500));
            server.send(&[commit(0x600, 7)]).await;
            server.settle().await;
            assert_eq!((server.last().write, server.flush()), (0x600, 0x600));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_without_rows_is_confirmed() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x100, 7), commit(0x200, 7)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x200);
            assert!(server.produced().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_of_tables_that_are_left_out_is_confirmed() {
    Rig::new(Options { format: lines("*", &["public.t"]), ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..5, 0x200)]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x200);
            assert!(server.produced().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn write_is_the_highest_position_received() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            let mut highest = 0;
            for (message, lsn) in [
                (keepalive(0x100, true), 0x100),
                (logical_message(0x180, false, "x"), 0x180),
                (transaction(0x120, 7, 0..1, 0x200), 0x200),
                (keepalive(0x1F0, true), 0x200),
            ] {
                server.send(&[message, keepalive(1, true)]).await;
                server.pause(Duration::from_millis(300)).await;
                highest = lsn.max(highest);
                assert_eq!(server.last(), Status { write: highest, ..NOTHING });
            }
        })
        .await;
}

/// One record per interval, however many transactions end in it.
#[tokio::test(start_paused = true)]
async fn progress_is_recorded_once_an_interval() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            for number in 0..1000u32 {
                let at = u64::from(number) * 0x100;
                server.send(&[transaction(at + 0x100, 7, 0..1, at + 0x200)]).await;
                server.pause(Duration::from_millis(10)).await;
            }
            server.settle().await;
            assert_eq!(server.flush(), 1000 * 0x100 + 0x100);
            let records = server.sink.progress().len();
            assert!((10..=13).contains(&records), "{records} in 10 s");
        })
        .await;
}

/// The records of instances that are gone are the only ones there are until this instance's own is durable.
#[tokio::test(start_paused = true)]
async fn predecessors_are_forgotten_once_this_instance_has_recorded_its_own_position() {
    let options = Options { predecessors: &["a", "b", INSTANCE], ..Options::default() };
    let mut rig = Rig { start: 0x500, ..Rig::new(options) };
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        server.pause(Duration::from_secs(30)).await;
        assert_eq!(server.sink.progress(), [0x500]);
        assert_eq!(server.sink.records().len(), 1, "nothing is removed yet: {:?}", server.sink.records());
        server.sink.release();
        server.settle().await;
    })
    .await;
    let removed: Vec<_> = rig.sink.records().into_iter().filter(|record| record.value.is_none()).collect();
    assert!(removed.iter().all(super::support::held_sink::Produced::is_progress));
    let mut keys: Vec<_> =
        removed.into_iter().map(|record| String::from_utf8(record.key.unwrap()).unwrap()).collect();
    keys.sort();
    assert_eq!(keys, ["stream/a", "stream/b"], "and never this instance's own");
    assert_eq!(rig.sink.recorded(), 0x500);
}

/// A sink for people keeps no progress: what is delivered is confirmed.
#[tokio::test(start_paused = true)]
async fn without_a_progress_topic_delivered_is_confirmed() {
    Rig::new(Options { progress: false, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Data);
            server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
            server.settle().await;
            server.sink.deliver(1);
            server.settle().await;
            assert_eq!(server.flush(), 0);
            server.sink.deliver(0);
            server.pause(Duration::from_millis(50)).await;
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

/// What was in flight when the connection broke settles, is recorded, and the next connection goes on behind it.
#[tokio::test(start_paused = true)]
async fn a_new_connection_goes_on_behind_what_settled_meanwhile() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        server.send(&[transaction(0x100, 7, 0..2, 0x200), begin(0x200, 8), long_insert(0x210, 2)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0);
    })
    .await;
    rig.sink.release();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    assert!(rig.delivery.finish(deadline).await.unwrap());
    assert_eq!(rig.delivery.recorded().0, 0x200, "the open transaction is not part of it");
    rig.start = 0x200;
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x200, 8, 2..4, 0x300)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x300);
    })
    .await;
}
