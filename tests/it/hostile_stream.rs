//! What no stream should bring: each ends the session with an error, and nothing from there on is confirmed.

use std::time::Duration;

use pgsluice::error::{Disposition, Exit};
use pgsluice::pipeline::PipelineError;
use pgsluice::pipeline::stream::Ended;
use pgsluice::postgres::error::ClientError;

use super::support::held_sink::Hold;
use super::support::scripted::{
    complete, copy_both, copy_data, error, keepalive, message, parameter, ready, report, xlog,
};
use super::support::walsender::{Options, Rig, Walsender, begin, commit, insert, long_insert, transaction};

const SECOND: Duration = Duration::from_secs(1);

/// Plays a good transaction that ends at 0x200, then `bytes`, then more that is good; returns the error and what was
/// produced. Whatever comes, no more than 0x200 is confirmed.
async fn ends_with(bytes: &[u8]) -> (PipelineError, Vec<String>) {
    let mut rig = Rig { max_stream_message: 1 << 20, ..Rig::default() };
    let outcome = rig
        .play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..1, 0x200)]).await;
            server.settle().await;
            server.send_bytes(bytes).await;
            server.send_within(&[transaction(0x500, 9, 8..9, 0x600), keepalive(0x700, true)], SECOND).await;
            let outcome = server.outcome().await;
            server.settle().await;
            assert_eq!(server.flush(), 0x200);
            assert!(!server.is_asked_to_end());
            outcome
        })
        .await;
    assert_eq!(rig.sink.progress(), [0x200]);
    let produced = rig.sink.data().iter().map(|record| record.text().to_owned()).collect();
    (outcome.expect_err("the session fails"), produced)
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_payload_stops_with_lsn_table_and_offset() {
    let bad = xlog(0x16_B374_D848, b"table public.orders: INSERT: id[integer]:1 card[text]:'4111' oops");
    let (error, produced) =
        ends_with(&[begin(0x200, 8), insert(0x210, 1), bad, commit(0x300, 8)].concat()).await;
    assert!(matches!(error, PipelineError::Decode { .. }), "{error:?}");
    let text = error.to_string();
    for part in ["16/B374D848", "public.orders", "byte 65", "nothing from this change on is acknowledged"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains("4111"), "{text}");
    assert_eq!(produced.len(), 2, "what stands before it in the transaction is sent, and not confirmed");
    assert_eq!(error.disposition(), Disposition::Stop(Exit::Fatal));
}

/// Records that were in flight before it still count for nothing behind it.
#[tokio::test(start_paused = true)]
async fn an_undecodable_payload_behind_records_in_flight_confirms_none_of_them() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        server.send(&[transaction(0x100, 7, 0..3, 0x200), xlog(0x210, b"nonsense")]).await;
        let outcome = server.outcome().await;
        assert!(matches!(outcome, Err(PipelineError::Decode { .. })), "{outcome:?}");
        server.sink.release();
        server.settle().await;
        assert_eq!(server.flush(), 0);
    })
    .await;
    // What is durable all the same is recorded for the next connection.
    let deadline = tokio::time::Instant::now() + SECOND;
    assert!(rig.delivery.finish(deadline).await.unwrap());
    assert_eq!(rig.delivery.recorded().0, 0x200);
}

#[tokio::test(start_paused = true)]
async fn payloads_that_are_no_line_of_the_plugin() {
    for payload in [
        &b""[..],
        b"\0",
        b"BEGIN 7 ",
        b"BEGIN -1",
        b"BEGIN 99999999999",
        b"table public.t: INSERT:\xff",
        b"pgoutput",
    ] {
        let (error, _) = ends_with(&xlog(0x210, payload)).await;
        assert!(matches!(error, PipelineError::Decode { .. }), "{} {error:?}", payload.escape_ascii());
        assert!(error.to_string().starts_with("at LSN 0/210: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn lines_that_this_slot_must_not_have() {
    for (payload, word) in [
        (&b"PREPARE TRANSACTION 'g', txid 745"[..], "two-phase"),
        (b"COMMIT PREPARED 'g', txid 745", "two-phase"),
        (b"ROLLBACK PREPARED 'g', txid 745", "two-phase"),
        (b"opening a streamed block for transaction TXN 745", "stream-changes"),
        (b"streaming change for TXN 745", "stream-changes"),
        (b"streaming truncate for transaction", "stream-changes"),
        (b"closing a streamed block for transaction TXN 745", "stream-changes"),
        (b"committing streamed transaction TXN 745", "stream-changes"),
        (b"aborting streamed (sub)transaction TXN 745", "stream-changes"),
    ] {
        let (error, produced) = ends_with(&xlog(0x210, payload)).await;
        let text = error.to_string();
        assert!(text.starts_with("at LSN 0/210: ") && text.contains(word), "{text}");
        assert!(matches!(error, PipelineError::Unexpected { .. }), "{error:?}");
        assert_eq!(produced.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_outside_of_a_transaction() {
    for bytes in [
        insert(0x210, 1),
        xlog(0x210, b"table public.t: TRUNCATE: (no-flags)"),
        xlog(0x210, b"message: transactional: 1 prefix: p, sz: 1 content:x"),
        commit(0x210, 8),
        [begin(0x208, 8), long_insert(0x208, 1), commit(0x210, 9)].concat(),
        [begin(0x208, 8), long_insert(0x208, 1), begin(0x210, 9)].concat(),
    ] {
        let (error, _) = ends_with(&bytes).await;
        assert!(matches!(error, PipelineError::Unexpected { .. }), "{error:?}");
        assert!(error.to_string().starts_with("at LSN 0/210: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_no_stream_has() {
    let body_of = |frame: &[u8], length: usize| copy_data(&frame[5..5 + length]);
    let whole = keepalive(0x400, false);
    let mut flagged = whole.clone();
    *flagged.last_mut().unwrap() = 2;
    for bytes in [
        copy_data(b""),
        copy_data(b"w"),
        body_of(&insert(0x210, 1), 24),
        body_of(&whole, 17),
        copy_data(b"h12345678"),
        copy_data(b"\0"),
        flagged,
        ready(),
        copy_both(),
        message(b'D', b"\0\0"),
        message(b'R', b"\0\0\0\0"),
        message(b'?', b""),
        b"d\0\0\0\x03".to_vec(),
        b"d\xff\xff\xff\xff".to_vec(),
        b"d\x7f\xff\xff\xff".to_vec(),
        b"d\0\x10\0\x01".to_vec(),
        b"N\0\x10\0\x05".to_vec(),
        b"E\x10\0\0\0".to_vec(),
    ] {
        let (error, _) = ends_with(&bytes).await;
        let shown = bytes.escape_ascii();
        assert!(is_of_the_frame(&error), "{shown} {error:?}");
        assert_eq!(error.disposition(), Disposition::Stop(Exit::Fatal), "{shown}");
    }
}

/// The same inside a transaction that is held back for its COMMIT: the wait ends there.
#[tokio::test(start_paused = true)]
async fn a_bad_frame_behind_a_begin_is_not_waited_out() {
    for bytes in [b"d\x7f\xff\xff\xff".to_vec(), message(b'?', b""), ready(), copy_data(b"h")] {
        let held_back = [begin(0x200, 8), insert(0x210, 1), bytes].concat();
        let (error, _) = ends_with(&held_back).await;
        assert!(is_of_the_frame(&error), "{error:?}");
    }
}

fn is_of_the_frame(error: &PipelineError) -> bool {
    matches!(error, PipelineError::Client(ClientError::Protocol(_) | ClientError::FrameTooLarge { .. }))
}

/// A length that is legal costs nothing before the bytes are there, and the connection lives on meanwhile.
#[tokio::test(start_paused = true)]
async fn a_long_message_that_does_not_come_is_waited_for() {
    let mut rig = Rig::default();
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..1, 0x200)]).await;
        server.send_bytes(b"d\x3f\xff\xff\xffw").await;
        server.pause(60 * SECOND).await;
        assert!(!server.is_over());
        assert_eq!(server.flush(), 0x200);
        assert!(server.ledger.told().len() >= 6);
        server.hang_up().await;
        let outcome = server.outcome().await;
        assert!(matches!(outcome, Err(PipelineError::Client(ClientError::Closed { .. }))), "{outcome:?}");
    })
    .await;
}

/// What the server says before it closes is told, not that it closed.
#[tokio::test(start_paused = true)]
async fn an_error_response_ends_the_stream() {
    let too_large = error("ERROR", "XX000", "invalid memory alloc request size 1200000003");
    for before in [
        Vec::new(),
        // Inside a transaction: nothing more of it will come.
        [begin(0x200, 8), insert(0x210, 1)].concat(),
        [begin(0x200, 8), long_insert(0x210, 1)].concat(),
    ] {
        // The connection stays open behind an error that is not FATAL.
        let (error, _) = ends_with(&[before.clone(), too_large.clone(), ready()].concat()).await;
        assert!(error.to_string().contains("invalid memory alloc request size"), "{error}");
        let fatal = report(b'E', "FATAL", "57P01", "terminating connection due to administrator command");
        let (error, _) = ends_with(&[before.clone(), fatal].concat()).await;
        assert!(error.to_string().contains("57P01"), "{error}");
        assert!(matches!(error.disposition(), Disposition::Retry(_)), "{error:?}");
    }
}

/// The same when the server closes at once, and when it shuts down in the middle of a transaction.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_behind_a_begin_is_heard() {
    let held_back = [begin(0x200, 8), insert(0x210, 1)].concat();
    let fatal = error("FATAL", "57P01", "terminating connection due to administrator command");
    for (end, shutdown) in [(fatal, false), (complete("COPY 0"), true)] {
        let mut rig = Rig::default();
        rig.play(async |server: &mut Walsender| {
            server.send_bytes(&held_back).await;
            server.settle().await;
            server.send(&[end]).await;
            server.hang_up().await;
            match server.outcome().await {
                Ok(Ended::ServerShutdown) => assert!(shutdown),
                Err(PipelineError::Client(ClientError::Server(_))) => assert!(!shutdown),
                other => panic!("{other:?}"),
            }
            assert_eq!(server.flush(), 0);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_in_the_middle_of_a_frame() {
    let bytes = [transaction(0x200, 8, 1..3, 0x300), keepalive(0x400, true)].concat();
    for length in 0..bytes.len() {
        let mut rig = Rig::default();
        rig.play(async |server: &mut Walsender| {
            server.send_bytes(&bytes[..length]).await;
            server.hang_up().await;
            let outcome = server.outcome().await;
            let Err(error) = outcome else { panic!("{outcome:?}") };
            assert!(matches!(error, PipelineError::Client(ClientError::Closed { .. })), "{error:?}");
            assert!(matches!(error.disposition(), Disposition::Retry(_)));
            assert_eq!(server.flush(), 0);
        })
        .await;
        let whole = length >= transaction(0x200, 8, 1..3, 0x300).len();
        assert_eq!(rig.sink.data().len(), if whole { 2 } else { 0 }, "{length}");
    }
}

/// Things that may come at any time change nothing.
#[tokio::test(start_paused = true)]
async fn notices_and_parameters_are_no_harm_anywhere() {
    let asides = || {
        [
            report(b'N', "WARNING", "55000", "waiting"),
            parameter("TimeZone", "Asia/Tokyo"),
            message(b'A', b"\0\0\0\x01c\0p\0"),
        ]
        .concat()
    };
    Rig::default()
        .play(async |server: &mut Walsender| {
            let aside = asides();
            server.send(&[aside.clone(), begin(0x100, 7), aside.clone(), insert(0x110, 1)]).await;
            server.settle().await;
            assert!(server.produced().is_empty(), "the COMMIT is still looked for");
            server.send(&[aside.clone(), commit(0x200, 7), aside]).await;
            server.settle().await;
            assert_eq!((server.produced().len(), server.flush()), (1, 0x200));
        })
        .await;
}

/// What the sink has no room for does not hide what is wrong with it once there is room.
#[tokio::test(start_paused = true)]
async fn a_bad_payload_behind_a_full_budget_is_found_when_there_is_room() {
    Rig::new(Options { records: 10, ..Options::default() })
        .play(async |server: &mut Walsender| {
            server.sink.hold(Hold::Everything);
            server.send(&[transaction(0x100, 7, 0..20, 0x200), xlog(0x210, b"nonsense")]).await;
            server.settle().await;
            assert!(!server.is_over());
            server.sink.release();
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Err(PipelineError::Decode { .. })), "{outcome:?}");
            assert_eq!(server.produced().len(), 20);
        })
        .await;
}
