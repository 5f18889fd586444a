//! Keepalives and status updates: enough of them that no server gives the client up, and no more.

use std::time::Duration;

use tokio::time::Instant;

use super::support::held_sink::Hold;
use super::support::scripted::keepalive;
use super::support::walsender::{Rig, Walsender, begin, commit, insert, long_insert, transaction};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Within this time of a request the answer must have left: a nap of a reader that is behind, and a turn.
const SOON: Duration = Duration::from_millis(25);

/// Positions that rise are confirmed once an interval; nothing else is a reason to answer.
#[tokio::test(start_paused = true)]
async fn keepalives_that_ask_for_nothing_are_not_answered_one_by_one() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            for number in 1..=10_000 {
                server.send(&[keepalive(0x100 + number, false)]).await;
                server.pause(MILLISECOND).await;
            }
            server.settle().await;
            assert_eq!(server.flush(), 0x100 + 10_000);
            let told = server.ledger.told().len();
            assert!((10..=16).contains(&told), "{told} updates in 13 s");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keepalives_at_once_are_one_reason_to_answer() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.settle().await;
            let before = server.ledger.told().len();
            let burst: Vec<_> = (1..=10_000).map(|number| keepalive(number, false)).collect();
            server.send(&burst).await;
            server.settle().await;
            assert_eq!(server.flush(), 10_000);
            let told = server.ledger.told().len() - before;
            assert!(told <= 3, "{told}");
        })
        .await;
}

/// A server whose position does not move answers an update that says nothing new with another keepalive, at once.
#[tokio::test(start_paused = true)]
async fn no_ping_pong() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            let (start, mut answered) = (Instant::now(), 0);
            server.send(&[keepalive(0x100, false)]).await;
            while start.elapsed() < 60 * SECOND {
                let told = server.ledger.told().len();
                if told > answered {
                    answered = told;
                    server.send(&[keepalive(0x100, false)]).await;
                }
                server.pause(MILLISECOND).await;
            }
            // The first, the confirmation, and the timer's.
            assert!(answered <= 9, "{answered} updates in a minute");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_that_asks_is_answered_at_once() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.settle().await;
        for _ in 0..20 {
            let before = server.ledger.told().len();
            server.send(&[keepalive(0, true)]).await;
            server.until(SOON, |server| server.ledger.told().len() > before).await;
            server.pause(100 * MILLISECOND).await;
            assert_eq!(server.ledger.told().len(), before + 1, "one answer to one question");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_question_inside_a_transaction_is_answered_at_once() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.send(&[begin(0x100, 7), long_insert(0x110, 1)]).await;
            server.settle().await;
            let before = server.ledger.told().len();
            server.send(&[keepalive(0x200, true)]).await;
            server.until(SOON, |server| server.ledger.told().len() > before).await;
            assert_eq!((server.last().write, server.flush()), (0x200, 0));
        })
        .await;
}

/// A reader that is behind sleeps between reads; a question does not wait longer than a nap.
#[tokio::test(start_paused = true)]
async fn a_question_behind_a_backlog_is_answered_within_a_nap() {
    let mut rig = Rig { lazy: true, capacity: 1 << 20, ..Rig::default() };
    rig.play(async |server: &mut Walsender| {
        for _ in 0..10 {
            server.send(&[begin(0x100, 7), long_insert(0x110, 1), insert(0x120, 2)]).await;
            server.until(SOON, |server| server.wire.borrow().read > 300 << 10).await;
            let before = server.ledger.told().len();
            server.send(&[keepalive(0x130, true)]).await;
            server.until(2 * SOON, |server| server.ledger.told().len() > before).await;
            server.send(&[commit(0x150, 7)]).await;
        }
    })
    .await;
}

/// The server's own question queues behind the data that nobody reads; the timer needs no question.
#[tokio::test(start_paused = true)]
async fn the_timer_goes_on_while_the_sink_stalls_and_nothing_is_read() {
    let mut rig = Rig::default();
    rig.intervals.status = 2 * SECOND;
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        let rows: Vec<_> = (0..100_000).map(|id| insert(0x110, id)).collect();
        let taken = server.send_within(&[begin(0x100, 7), rows.concat()], 40 * SECOND).await;
        assert!(!taken, "nobody reads so much");
        let told = server.ledger.told();
        assert!((20..=23).contains(&told.len()), "{} updates in 40 s", told.len());
        let pauses = told.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(pauses.max().unwrap() <= 2 * SECOND + 250 * MILLISECOND);
        assert!(told.iter().all(|(_, status)| status.flush == 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_timer_goes_on_while_a_transaction_is_held_back_for_its_commit() {
    let mut rig = Rig::default();
    rig.intervals.status = 2 * SECOND;
    rig.play(async |server: &mut Walsender| {
        server.send(&[begin(0x100, 7), insert(0x110, 1)]).await;
        server.pause(60 * SECOND).await;
        assert!((29..=35).contains(&server.ledger.told().len()), "{}", server.ledger.told().len());
        assert!(server.produced().is_empty());
    })
    .await;
}

/// A server that shuts down asks again and again until its own position is confirmed.
#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_is_satisfied_promptly() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            server.sink.delay(Duration::from_millis(5));
            server.send(&[transaction(0x100, 7, 0..3, 0x200)]).await;
            server.settle().await;
            // Progress was recorded just now: the interval must not be waited for.
            server.send(&[transaction(0x200, 8, 3..4, 0x300)]).await;
            server.until(2 * SECOND, |server| server.flush() == 0x300).await;
            server.send(&[transaction(0x300, 9, 4..9, 0x400)]).await;
            let start = Instant::now();
            while server.flush() < 0x480 {
                assert!(start.elapsed() < 100 * MILLISECOND, "{:?}", server.ledger.entries());
                server.send(&[keepalive(0x480, true)]).await;
                server.pause(MILLISECOND).await;
            }
            assert_eq!(server.sink.progress().last(), Some(&0x480));
        })
        .await;
}

/// Inside a transaction there is nothing to confirm, and asking does not change that.
#[tokio::test(start_paused = true)]
async fn questions_record_nothing_twice() {
    Rig::default()
        .play(async |server: &mut Walsender| {
            for _ in 0..500 {
                server.send(&[keepalive(0x100, true)]).await;
                server.pause(MILLISECOND).await;
            }
            assert_eq!(server.sink.progress(), [0x100]);
            assert_eq!(server.flush(), 0x100);
        })
        .await;
}
