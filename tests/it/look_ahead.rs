//! The commit time of a transaction that arrives in pieces, and what all events of one transaction share.

use std::time::Duration;

use super::support::catalog::ScriptedCatalog;
use super::support::held_sink::Produced;
use super::support::scripted::{keepalive, xlog};
use super::support::tap::Chunks;
use super::support::walsender::{
    COMMITTED_AT_MICROS, Options, Rig, Walsender, begin, commit, insert, logical_message, transaction,
};

/// When the scripted server sends, in microseconds since 1970: 5 s after PostgreSQL's epoch.
const SENT_AT_MICROS: i64 = 946_684_805_000_000;

/// Events of these tables, and of messages.
fn rig_of(tables: &str) -> Rig {
    Rig::new(Options { format: ScriptedCatalog::default().events(tables), ..Options::default() })
}

fn rig() -> Rig {
    rig_of("*")
}

/// The time, the transaction's id and the ordinal of an event, and whether the time is said to be an estimate.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    micros: i64,
    transaction: String,
    ordinal: String,
    estimated: bool,
}

fn seen(record: &Produced) -> Seen {
    let event: serde_json::Value = serde_json::from_str(record.text()).unwrap();
    assert_eq!(event["source"]["ts_ms"].as_i64(), event["source"]["ts_us"].as_i64().map(|us| us / 1000));
    Seen {
        micros: event["source"]["ts_us"].as_i64().unwrap(),
        transaction: record.headers["pgsluice.tx"].clone(),
        ordinal: record.headers["pgsluice.ordinal"].clone(),
        estimated: record.headers.contains_key("pgsluice.commit_time"),
    }
}

/// What the events of a transaction with `count` messages must show.
fn expected(count: usize, micros: i64, transaction: &str) -> Vec<Seen> {
    let event = |number: usize| Seen {
        micros,
        transaction: transaction.to_owned(),
        ordinal: number.to_string(),
        estimated: micros != COMMITTED_AT_MICROS,
    };
    (1..=count).map(event).collect()
}

/// A transaction of three messages, with signs of life in between, and contents that look like what is looked for.
fn messages() -> Vec<Vec<u8>> {
    vec![
        begin(0x100, 745),
        logical_message(0x110, true, "COMMIT 745 (at 2020-01-01 00:00:00+00)"),
        keepalive(0x118, false),
        logical_message(0x110, true, "BEGIN 746"),
        logical_message(0x120, true, ""),
        commit(0x200, 745),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_commit_time_is_exact_at_every_split_point() {
    let bytes = messages().concat();
    for split in 1..bytes.len() {
        let mut rig = rig();
        rig.play(async |server: &mut Walsender| {
            server.send_bytes(&bytes[..split]).await;
            server.pause(Duration::from_secs(1)).await;
            assert!(server.produced().is_empty(), "at {split}");
            server.send_bytes(&bytes[split..]).await;
            server.settle().await;
            assert_eq!(server.flush(), 0x200);
        })
        .await;
        let seen: Vec<_> = rig.sink.data().iter().map(seen).collect();
        assert_eq!(seen, expected(3, COMMITTED_AT_MICROS, "745:272"), "split at {split}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_commit_time_is_exact_however_small_the_reads_are() {
    for size in [1, 2, 3, 7, 29, 30, 31] {
        let mut rig = rig();
        rig.chunks = match size {
            1 => || -> Chunks { Box::new(|| 1) },
            2 => || -> Chunks { Box::new(|| 2) },
            3 => || -> Chunks { Box::new(|| 3) },
            7 => || -> Chunks { Box::new(|| 7) },
            29 => || -> Chunks { Box::new(|| 29) },
            30 => || -> Chunks { Box::new(|| 30) },
            _ => || -> Chunks { Box::new(|| 31) },
        };
        rig.play(async |server: &mut Walsender| {
            server.send(&[messages(), messages()].concat()[..]).await;
            server.settle().await;
        })
        .await;
        let seen: Vec<_> = rig.sink.data().iter().map(seen).collect();
        let expected: Vec<_> =
            [0, 1].iter().flat_map(|_| expected(3, COMMITTED_AT_MICROS, "745:272")).collect();
        assert_eq!(seen, expected, "reads of {size}");
    }
}

/// A transaction that is longer than what is held back has an estimate, said to be one, the same for all its events,
/// those behind the point at which the COMMIT could be seen too. The next transaction has its own time again.
#[tokio::test(start_paused = true)]
async fn beyond_the_window_all_events_have_one_estimate() {
    let mut rig = rig();
    let long = "x".repeat(10_000);
    let many: Vec<_> = (0..60).map(|_| logical_message(0x110, true, &long)).collect();
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0x100, 745)]).await;
        server.send(&many).await;
        server.settle().await;
        assert!(server.produced().len() >= 59, "{}", server.produced().len());
        server.send(&[logical_message(0x120, true, "the last"), commit(0x200, 745)]).await;
        server.send(&[begin(0x200, 746), logical_message(0x210, true, "short"), commit(0x220, 746)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x220);
    })
    .await;
    let seen: Vec<_> = rig.sink.data().iter().map(seen).collect();
    let mut all = expected(61, SENT_AT_MICROS, "745:272");
    all.extend(expected(1, COMMITTED_AT_MICROS, "746:528"));
    assert_eq!(seen, all);
}

/// Just short of the window a transaction is still held back.
#[tokio::test(start_paused = true)]
async fn the_window_is_used_to_its_end() {
    let mut rig = rig();
    let long = "x".repeat(8_000);
    let many: Vec<_> = (0..32).map(|_| logical_message(0x110, true, &long)).collect();
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0x100, 745)]).await;
        for message in &many {
            server.send_bytes(message).await;
            server.pause(Duration::from_millis(10)).await;
        }
        assert!(server.produced().is_empty());
        server.send(&[commit(0x200, 745)]).await;
        server.settle().await;
    })
    .await;
    let seen: Vec<_> = rig.sink.data().iter().map(seen).collect();
    assert_eq!(seen, expected(32, COMMITTED_AT_MICROS, "745:272"));
}

/// Without commit times (an option of the plugin) nothing is held back for them.
#[tokio::test(start_paused = true)]
async fn a_commit_that_tells_no_time_leaves_the_estimate() {
    let mut rig = rig();
    rig.play(async |server: &mut Walsender| {
        server
            .send(&[begin(0x100, 745), logical_message(0x110, true, "x"), xlog(0x200, b"COMMIT 745")])
            .await;
        server.settle().await;
        assert_eq!(server.flush(), 0x200);
    })
    .await;
    let seen: Vec<_> = rig.sink.data().iter().map(seen).collect();
    assert_eq!(seen, expected(1, SENT_AT_MICROS, "745:272"));
}

/// A message outside of a transaction has no transaction, and is not held back.
#[tokio::test(start_paused = true)]
async fn a_message_outside_a_transaction_is_sent_at_once() {
    let mut rig = rig();
    rig.play(async |server: &mut Walsender| {
        server.send(&[logical_message(0x110, false, "x")]).await;
        server.pause(Duration::from_millis(10)).await;
        assert_eq!(server.produced().len(), 1);
        assert_eq!(server.sink.prepared(), ["shop.message"]);
    })
    .await;
    let record = rig.sink.data().remove(0);
    assert_eq!((&*record.topic, record.key.as_deref()), ("shop.message", Some(&br#"{"prefix":"p"}"#[..])));
    let seen = seen(&record);
    assert_eq!((&*seen.transaction, &*seen.ordinal), ("0:272", "1"));
}

/// The ids of transactions are widened, and each change of a transaction is counted, those of tables that are left out
/// too: the ordinals of the others stay the same when the configuration changes.
#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_counted() {
    let mut rig = rig_of("public.other");
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0x100, 745), insert(0x108, 1), insert(0x110, 2)]).await;
        server.send(&[logical_message(0x110, true, "x"), insert(0x120, 3)]).await;
        server.send(&[logical_message(0x128, true, "x"), commit(0x200, 745)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x200);
        assert_eq!(server.status.borrow().changes, 5);
    })
    .await;
    let seen: Vec<_> = rig.sink.data().iter().map(seen).collect();
    let ordinals: Vec<_> = seen.iter().map(|seen| (&*seen.transaction, &*seen.ordinal)).collect();
    assert_eq!(ordinals, [("745:264", "3"), ("745:264", "5")]);
}

/// The first transactions of a quick succession are sent although the last one is not whole.
#[tokio::test(start_paused = true)]
async fn whole_transactions_do_not_wait_for_the_one_behind_them() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..3, 0x200), begin(0x200, 8), insert(0x210, 3)]).await;
            server.settle().await;
            assert_eq!((server.produced().len(), server.flush()), (3, 0x200));
            server.send(&[commit(0x300, 8)]).await;
            server.settle().await;
            assert_eq!((server.produced().len(), server.flush()), (4, 0x300));
        })
        .await;
}
