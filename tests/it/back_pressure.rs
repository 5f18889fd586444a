//! Budgets: what is not read cannot fill memory, and the connection lives on while nothing is read.

use std::time::Duration;

use pgsluice::pipeline::PipelineError;
use pgsluice::pipeline::stream::Ended;
use pgsluice::sink::SinkError;
use tokio::time::Instant;

use super::support::catalog::ScriptedCatalog;
use super::support::held_sink::Hold;
use super::support::scripted::{keepalive, xlog};
use super::support::walsender::{Options, Rig, Walsender, begin, commit, insert, transaction};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Records that are not yet handed to the sink lie in the read buffer: this much, and one read more.
const READ_AHEAD: usize = 512 << 10;
/// The most records one change becomes, and room for a progress record.
const ONE_CHANGE: usize = 4;

/// A transaction that fits no budget here.
fn endless(ids: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    std::iter::once(begin(0x100, 7)).chain(ids.map(|id| insert(0x110, id))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_records_stops_the_reading() {
    Rig::new(Options { records: 50, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            assert!(!server.send_within(&endless(0..100_000), 5 * SECOND).await);
            let held = server.sink.held().len();
            assert!((50 - ONE_CHANGE..=50).contains(&held), "{held}");
            let read = server.wire.borrow().read;
            assert!(read <= 2 * READ_AHEAD, "{read} bytes were read");
            server.pause(60 * SECOND).await;
            assert_eq!(
                (server.sink.held().len(), server.wire.borrow().read),
                (held, read),
                "and it stays so"
            );
            assert_eq!(server.flush(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_bytes_stops_the_reading() {
    let long = "x".repeat(1000);
    Rig::new(Options { records: 10_000, bytes: 64 << 10, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            let row = xlog(0x110, format!("table public.t: INSERT: v[text]:'{long}'").as_bytes());
            let rows = vec![row; 10_000];
            assert!(!server.send_within(&[begin(0x100, 7), rows.concat()], 5 * SECOND).await);
            let (records, bytes) = server.sink.peak();
            assert!((64 << 10..(64 << 10) + 1100).contains(&bytes), "{records} records, {bytes} bytes");
            assert!(server.wire.borrow().read <= 2 * READ_AHEAD);
        })
        .await;
}

/// Every record that waits is sent once, in order, and all of it is confirmed.
#[tokio::test(start_paused = true)]
async fn everything_goes_on_when_reports_come() {
    let mut rig = Rig::new(Options { records: 50, ..Options::default() });
    rig.play(async |server: &mut Walsender| {
        server.sink.delay(3 * MILLISECOND);
        server.send(&endless(0..20_000)).await;
        server.send(&[commit(0x200, 7), keepalive(0x300, true)]).await;
        server.until(60 * SECOND, |server| server.flush() == 0x300).await;
        let lines = server.produced();
        assert_eq!(lines.len(), 20_000);
        for (id, line) in lines.iter().enumerate() {
            assert!(line.ends_with(&format!(" insert   public.t id={id}\n")), "{id}: {line}");
        }
        let (records, _) = server.sink.peak();
        assert!(records <= 50, "{records}");
    })
    .await;
}

/// Reports that free the budget let reading go on from where it stopped.
#[tokio::test(start_paused = true)]
async fn a_stall_that_ends_loses_and_repeats_nothing() {
    Rig::new(Options { records: 50, ..Options::default() })
        .play(async |server: &mut Walsender| {
            for round in 0..5u32 {
                server.sink.hold(Hold::Everything);
                let at = 0x1000 * u64::from(round + 1);
                let first = round as usize * 500;
                server.send(&[transaction(at, 7, first..first + 500, at + 0x800)]).await;
                server.pause(3 * SECOND).await;
                assert!(server.sink.held().len() <= 50);
                server.sink.release();
                server.until(5 * SECOND, |server| server.flush() == at + 0x800).await;
            }
            let lines = server.produced();
            assert_eq!(lines.len(), 2500);
            let in_order = |(id, line): (usize, &String)| line.ends_with(&format!(" id={id}\n"));
            assert!(lines.iter().enumerate().all(in_order));
        })
        .await;
}

/// Only the first record of all is missing: nothing behind it is confirmed, and the budget is what is behind it.
#[tokio::test(start_paused = true)]
async fn one_missing_report_holds_everything_behind_it() {
    Rig::new(Options { records: 50, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            server.send(&[transaction(0x100, 7, 0..1, 0x200)]).await;
            server.pause(SECOND).await;
            server.sink.hold(Hold::Nothing);
            server.send(&[transaction(0x200, 8, 1..200, 0x300)]).await;
            server.pause(10 * SECOND).await;
            assert_eq!(server.flush(), 0);
            assert!(server.produced().len() <= 50);
            server.sink.deliver(0);
            server.settle().await;
            assert_eq!((server.flush(), server.produced().len()), (0x300, 200));
        })
        .await;
}

/// A client that does not read can hold up the server's checkpoints.
#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_nothing_for_minutes_costs_the_connection() {
    Rig::new(Options { records: 50, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            let start = Instant::now();
            server.send(&[transaction(0x100, 7, 0..200, 0x200)]).await;
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Err(PipelineError::Stalled)), "{outcome:?}");
            assert!((300 * SECOND..302 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
            assert_eq!(server.flush(), 0);
        })
        .await;
}

/// As long as anything moves, it is slow and not stuck.
#[tokio::test(start_paused = true)]
async fn a_slow_sink_is_waited_for() {
    Rig::new(Options { records: 50, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            server.send(&[transaction(0x100, 7, 0..60, 0x200)]).await;
            server.pause(SECOND).await;
            for number in 0..2 {
                server.pause(155 * SECOND).await;
                server.sink.deliver(number);
            }
            assert!(!server.is_over());
            server.sink.release();
            server.settle().await;
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_report_ends_the_session_and_confirms_nothing() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..3, 0x200)]).await;
            server.settle().await;
            server.sink.hold(Hold::Everything);
            server.send(&[transaction(0x200, 8, 3..6, 0x300), transaction(0x300, 9, 6..9, 0x400)]).await;
            server.settle().await;
            // The other two of the transaction are durable, the first is not and never will be.
            for number in server.sink.held().into_iter().skip(1) {
                server.sink.deliver(number);
            }
            server.sink.fail();
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Err(PipelineError::Sink(SinkError::Retry { .. }))), "{outcome:?}");
            assert_eq!(server.flush(), 0x200);
            assert!(!server.is_asked_to_end());
        })
        .await;
}

/// A sink that fails although nothing is in flight is noticed too.
#[tokio::test(start_paused = true)]
async fn a_failure_of_an_idle_sink_ends_the_session() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.settle().await;
            server.sink.fail();
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Err(PipelineError::Sink(_))), "{outcome:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_published_counts_what_went_through() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            let sent = [transaction(0x100, 7, 0..3, 0x200), keepalive(0x300, false)];
            let bytes = sent.concat().len() as u64;
            server.send(&sent).await;
            server.settle().await;
            let status = *server.status.borrow();
            assert!(status.streaming && !status.behind);
            assert_eq!((status.changes, status.in_flight, status.bytes), (3, 0, bytes));
            let positions = status.positions;
            let all = [positions.received, positions.delivered, positions.recorded, positions.confirmed];
            assert_eq!(all.map(|lsn| lsn.0), [0x300; 4]);
        })
        .await;
}

/// A changed key becomes three records, and the smallest budget holds them.
#[tokio::test(start_paused = true)]
async fn changes_that_become_three_records_keep_within_the_budget() {
    let mut rig = Rig::new(Options {
        records: 16,
        format: ScriptedCatalog::default().events("*"),
        ..Options::default()
    });
    rig.play(async |server: &mut Walsender| {
        server.sink.delay(MILLISECOND);
        let change = |id: usize| {
            let text = format!(
                "table public.t: UPDATE: old-key: id[integer]:{id} new-tuple: id[integer]:{} v[text]:'x'",
                id + 1
            );
            xlog(0x110, text.as_bytes())
        };
        server.send(&[begin(0x100, 7), (0..200).flat_map(change).collect(), commit(0x200, 7)]).await;
        server.until(10 * SECOND, |server| server.flush() == 0x200).await;
        assert_eq!(server.sink.data().len(), 600);
        let (records, _) = server.sink.peak();
        assert!((12..=16).contains(&records), "{records}");
        assert_eq!(server.sink.prepared(), ["shop.public.t"]);
    })
    .await;
}

/// One TRUNCATE of more tables than the budget has room for waits for room like anything else: status updates go
/// on, and a stop is heard.
#[tokio::test(start_paused = true)]
async fn a_truncate_of_many_tables_waits_for_room_without_starving_anything() {
    let mut rig = Rig::new(Options {
        records: 16,
        format: ScriptedCatalog::default().events("*"),
        ..Options::default()
    });
    rig.intervals.status = 50 * MILLISECOND;
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        let names: Vec<_> = (0..50).map(|number| format!("public.t{number}")).collect();
        let truncate = format!("table {}: TRUNCATE: (no-flags)", names.join(", "));
        server.send(&[begin(0x100, 7), xlog(0x110, truncate.as_bytes()), insert(0x110, 1)]).await;
        server.send(&[commit(0x200, 7)]).await;
        server.until(10 * SECOND, |server| server.sink.held().len() >= 12).await;
        let before = server.ledger.told().len();
        server.until(SECOND, |server| server.ledger.told().len() >= before + 10).await;
        assert!(server.sink.peak().0 <= 16);
        server.stop();
        server.sink.release();
        server.finish().await;
        let outcome = server.outcome().await;
        assert_eq!(server.flush(), 0x200);
        assert!(matches!(outcome, Ok(Ended::Stopped)), "{outcome:?}");
    })
    .await;
    let records = rig.sink.data();
    let tables: Vec<_> = records.iter().map(|record| record.topic.clone()).collect();
    let mut expected: Vec<_> = (0..50).map(|number| format!("shop.public.t{number}")).collect();
    expected.push("shop.public.t".to_owned());
    assert_eq!(tables, expected, "each once, in order");
    let ordinals: Vec<_> = records.iter().map(|record| record.headers["pgsluice.ordinal"].clone()).collect();
    assert_eq!((&ordinals[..50], &*ordinals[50]), (&vec!["1".to_owned(); 50][..], "2"));
}
