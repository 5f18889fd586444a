//! The orderly end: drain, last progress, last status, `CopyDone`; and every way in which it is not orderly.

use std::time::Duration;

use pgsluice::error::{Disposition, Exit};
use pgsluice::pipeline::PipelineError;
use pgsluice::pipeline::stream::Ended;
use tokio::time::Instant;

use super::support::held_sink::Hold;
use super::support::ledger::Entry;
use super::support::scripted::{complete, copy_done, keepalive, xlog};
use super::support::walsender::{Options, Rig, Walsender, begin, commit, insert, long_insert, transaction};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn stopped(outcome: &Result<Ended, PipelineError>) {
    assert!(matches!(outcome, Ok(Ended::Stopped)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_drains_records_confirms_and_ends_the_stream_in_that_order() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
        server.stop();
        server.settle().await;
        assert!(!server.is_over() && !server.is_asked_to_end(), "records are in flight");
        server.sink.deliver(0);
        server.settle().await;
        server.sink.deliver(1);
        server.settle().await;
        assert_eq!((server.sink.progress(), server.flush()), (vec![0x200], 0));
        server.sink.deliver(2);
        server.finish().await;
        stopped(&server.outcome().await);
        assert!(!server.status.borrow().streaming);
        assert_eq!(server.status.borrow().positions.confirmed.0, 0x200);
    })
    .await;
    let entries = rig.ledger.entries();
    let end = [Entry::CopyDone, Entry::Terminated];
    assert_eq!(&entries[entries.len() - 2..], end);
    assert!(
        matches!(entries[entries.len() - 3], Entry::Told(status) if status.flush == 0x200),
        "{entries:?}"
    );
    let durable = rig.ledger.place(|entry| *entry == Entry::Durable(2));
    let confirmed = rig.ledger.place(|entry| matches!(entry, Entry::Told(status) if status.flush == 0x200));
    assert!(durable < confirmed);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_stops_at_once() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.settle().await;
            let start = Instant::now();
            server.stop();
            server.finish().await;
            stopped(&server.outcome().await);
            assert!(start.elapsed() < 20 * MILLISECOND, "{:?}", start.elapsed());
        })
        .await;
}

/// A position that was delivered within the last interval is recorded by the stop.
#[tokio::test(start_paused = true)]
async fn the_last_position_does_not_wait_for_its_interval() {
    let mut rig = Rig::default();
    rig.intervals.progress = 60 * SECOND;
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
        server.send(&[transaction(0x200, 8, 2..4, 0x300), keepalive(0x400, false)]).await;
        server.settle().await;
        assert_eq!(server.flush(), 0x200);
        server.stop();
        server.finish().await;
        stopped(&server.outcome().await);
        assert_eq!(server.flush(), 0x400);
        assert_eq!(server.sink.progress(), [0x200, 0x400]);
    })
    .await;
}

/// The budget was used up in the middle of a transaction that is in the buffer to its end: it is finished, the one
/// behind it is not begun.
#[tokio::test(start_paused = true)]
async fn a_transaction_whose_commit_is_in_the_buffer_is_finished() {
    Rig::new(Options { records: 20, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            server
                .send(&[transaction(0x100, 7, 0..100, 0x200), transaction(0x200, 8, 100..110, 0x300)])
                .await;
            server.settle().await;
            assert!(server.produced().len() <= 20);
            server.stop();
            server.settle().await;
            assert!(server.produced().len() <= 20, "the budget holds for a stop too");
            server.sink.release();
            server.finish().await;
            stopped(&server.outcome().await);
            assert_eq!(server.produced().len(), 100);
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

/// Of a transaction that goes on beyond the buffer nothing is confirmed; it comes again whole.
#[tokio::test(start_paused = true)]
async fn a_transaction_whose_commit_is_not_there_is_left() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..2, 0x200), begin(0x200, 8), long_insert(0x210, 2)]).await;
            server.settle().await;
            server.send(&[insert(0x220, 3), keepalive(0x900, false)]).await;
            server.settle().await;
            assert_eq!(server.produced().len(), 4);
            server.stop();
            server.finish().await;
            stopped(&server.outcome().await);
            assert_eq!((server.flush(), server.sink.progress()), (0x200, vec![0x200]));
        })
        .await;
}

/// A transaction that is held back because its COMMIT is not there has not begun.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_held_back_is_not_begun_by_a_stop() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x200, 8), insert(0x210, 2)]).await;
            server.settle().await;
            server.stop();
            server.finish().await;
            stopped(&server.outcome().await);
            assert!(server.produced().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn records_that_stay_in_flight_end_the_drain_at_its_deadline() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
        server.sink.hold(Hold::Everything);
        server.send(&[transaction(0x200, 8, 2..5, 0x300)]).await;
        server.settle().await;
        let held = server.sink.held();
        server.sink.deliver(held[1]);
        let start = Instant::now();
        server.stop();
        let outcome = server.outcome().await;
        let Err(error) = outcome else { panic!("{outcome:?}") };
        assert!(matches!(error, PipelineError::DrainDeadline { in_flight: 3 }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Stop(Exit::DrainDeadline));
        assert!((30 * SECOND..31 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(server.flush(), 0x200);
        assert!(!server.is_asked_to_end());
    })
    .await;
}

/// A progress record that does not become durable holds the stop up like any other record.
#[tokio::test(start_paused = true)]
async fn a_progress_record_in_flight_ends_the_drain_at_its_deadline() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Progress);
            server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
            server.settle().await;
            server.stop();
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Err(PipelineError::DrainDeadline { in_flight: 1 })), "{outcome:?}");
            assert_eq!(server.flush(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_while_draining_ends_it() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
            server.settle().await;
            server.stop();
            server.settle().await;
            server.sink.deliver(0);
            server.sink.fail();
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Err(PipelineError::Sink(_))), "{outcome:?}");
            assert_eq!(server.flush(), 0);
            assert!(!server.is_asked_to_end());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn status_updates_go_on_while_draining() {
    let mut rig = Rig::default();
    rig.intervals.status = 2 * SECOND;
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
        server.stop();
        let before = server.ledger.told().len();
        server.pause(20 * SECOND).await;
        assert!((9..=11).contains(&(server.ledger.told().len() - before)));
        server.sink.release();
        server.finish().await;
        stopped(&server.outcome().await);
    })
    .await;
}

/// In the middle of a transaction the server sends the rest of it first, however long that is.
#[tokio::test(start_paused = true)]
async fn a_server_that_goes_on_sending_is_left() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x100, 7), long_insert(0x110, 1)]).await;
            server.settle().await;
            server.stop();
            server.until(SECOND, Walsender::is_asked_to_end).await;
            let start = Instant::now();
            while !server.is_over() {
                server.send_within(&[insert(0x120, 2)], 10 * MILLISECOND).await;
                server.pause(10 * MILLISECOND).await;
            }
            stopped(&server.outcome().await);
            assert!(start.elapsed() < 3 * SECOND, "{:?}", start.elapsed());
            assert_eq!(server.flush(), 0);
        })
        .await;
}

/// Once everything is confirmed it is of no importance how the connection ends.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_during_the_stop_is_no_fault() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
            server.settle().await;
            server.stop();
            server.until(SECOND, Walsender::is_asked_to_end).await;
            server.hang_up().await;
            stopped(&server.outcome().await);
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

/// Nobody is left who could say stop.
#[tokio::test(start_paused = true)]
async fn a_stop_whose_sender_is_gone_stops() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
            server.settle().await;
            server.drop_stop();
            server.finish().await;
            stopped(&server.outcome().await);
            assert_eq!(server.flush(), 0x200);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_at_the_very_start_is_heard() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.stop();
            server.finish().await;
            stopped(&server.outcome().await);
        })
        .await;
}

/// A server that shuts down sends `CommandComplete` and closes, once it is satisfied.
#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_ends_the_stream() {
    for farewell in [complete("COPY 0"), copy_done()] {
        let mut rig = Rig::default();
        rig.play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..2, 0x200), keepalive(0x210, true)]).await;
            server.until(SECOND, |server| server.flush() == 0x210).await;
            server.send(&[farewell]).await;
            server.hang_up().await;
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Ok(Ended::ServerShutdown)), "{outcome:?}");
        })
        .await;
    }
}

/// Nothing of the transaction was confirmed, so the server sends it again from its BEGIN.
#[tokio::test(start_paused = true)]
async fn what_is_stopped_in_the_middle_comes_again_whole() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0x100, 7), long_insert(0x110, 0), insert(0x120, 1)]).await;
        server.settle().await;
        server.stop();
        server.finish().await;
        stopped(&server.outcome().await);
    })
    .await;
    assert_eq!((rig.sink.data().len(), rig.delivery.recorded().0), (2, 0));
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0x100, 7), long_insert(0x110, 0), insert(0x120, 1)]).await;
        server
            .send(&[xlog(0x130, b"table public.a, public.b: TRUNCATE: (no-flags)"), commit(0x200, 7)])
            .await;
        server.settle().await;
        assert_eq!((server.flush(), server.produced().len()), (0x200, 5));
    })
    .await;
}
