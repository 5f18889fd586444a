//! A replication stream: its frames, the order they may come in, and the search for a COMMIT among them.
//!
//! Input: a byte that chooses the pieces, and what the server sends behind its `CopyBothResponse`.
//!
//! Promised: [`CopyBoth`] takes a message exactly where the manual's order has a place for it. What a `CopyData`
//! says writes the same bytes again. [`LookAhead`] finds the commit time of the first COMMIT, however the bytes
//! arrive, and never one that the decoder reads otherwise.

use bytes::BytesMut;
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Commit, Decoded, timestamp};
use pgsluice::lsn::Lsn;
use pgsluice::pipeline::look_ahead::{Found, LookAhead};
use pgsluice::postgres::protocol::copy_both::{CopyBoth, CopyEvent};
use pgsluice::postgres::protocol::frame::{DEFAULT_STREAM_LIMIT, Frames, Limits};
use pgsluice::postgres::protocol::frontend;
use pgsluice::postgres::protocol::replication::{
    Keepalive, ReplicationMessage, StandbyStatusUpdate, XLogData,
};
use pgsluice::time::UnixMicros;

use crate::plain;

/// Microseconds from 1970 to 2000.
const EPOCH: i64 = 946_684_800_000_000;

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Some((&pieces, stream)) = input.split_first() else { return };
    let limits = Limits::streaming(DEFAULT_STREAM_LIMIT);
    follow(stream, limits);
    look_ahead(stream, pieces, limits);
}

/// Every frame through the states of the stream.
fn follow(stream: &[u8], limits: Limits) {
    let mut copy = CopyBoth::new();
    let mut history = Vec::new();
    for frame in Frames::new(stream, limits).map_while(Result::ok) {
        let tag = frame.header.tag;
        let fits = is_event(tag, frame.body) && has_place(&history, tag);
        match copy.handle(&frame) {
            Ok(event) => {
                assert!(fits, "{event:?} behind {}", history.escape_ascii());
                if let CopyEvent::Replication(message) = &event {
                    same_body(message, frame.body);
                }
                if let Some(letter) = letter(&event) {
                    history.push(letter);
                }
            }
            Err(error) => {
                assert!(!fits, "{error}: {} behind {}", tag.escape_ascii(), history.escape_ascii());
                return;
            }
        }
        assert_eq!(copy.is_over(), history.ends_with(b"Z"));
        assert_eq!(copy.may_close(), is_end(&history), "{}", history.escape_ascii());
    }
}

/// What the history keeps of an event: `F` is an error that ends the connection.
fn letter(event: &CopyEvent<'_>) -> Option<u8> {
    match event {
        CopyEvent::Replication(_) => Some(b'd'),
        CopyEvent::Notice(_) | CopyEvent::ParameterStatus { .. } | CopyEvent::Notification => None,
        CopyEvent::CopyDone => Some(b'c'),
        CopyEvent::Completed => Some(b'C'),
        CopyEvent::Error(error) => Some(if error.severity.ends_connection() { b'F' } else { b'E' }),
        CopyEvent::Ready(_) => Some(b'Z'),
    }
}

/// Whether the body is right for its tag.
fn is_event(tag: u8, body: &[u8]) -> bool {
    match tag {
        b'd' => match body.first() {
            Some(b'w') => body.len() >= 25,
            Some(b'k') => body.len() == 18 && body[17] <= 1,
            _ => false,
        },
        b'E' | b'N' => plain::report(body).is_some(),
        _ => plain::is_message(tag, body),
    }
}

/// Whether a message of type `tag` may come behind these.
fn has_place(history: &[u8], tag: u8) -> bool {
    let count = |letter| history.iter().filter(|found| **found == letter).count();
    let (done, completed, failed) = (count(b'c') > 0, count(b'C'), count(b'E') > 0);
    if history.ends_with(b"Z") || history.ends_with(b"F") {
        return false;
    }
    match tag {
        b'N' | b'S' | b'A' | b'E' => true,
        b'd' => completed == 0 && !failed,
        b'c' => !done && completed == 0 && !failed,
        // A server that shuts down completes without an end of its own.
        b'C' => !failed && (!done || completed < 2),
        b'Z' => failed || completed > 0,
        _ => false,
    }
}

/// Whether the connection may end behind these.
fn is_end(history: &[u8]) -> bool {
    match history.last() {
        Some(b'Z' | b'F') => true,
        Some(b'C') => !history.contains(&b'c'),
        _ => false,
    }
}

/// `body` is what `message` says.
fn same_body(message: &ReplicationMessage<'_>, body: &[u8]) {
    // Instants beyond the range are pulled into it.
    let wire = |at: UnixMicros, place: &[u8]| {
        let sent = i64::from_be_bytes(place.try_into().expect("eight bytes"));
        assert_eq!(at.0, sent.saturating_add(EPOCH));
        place.to_vec()
    };
    let written = match message {
        ReplicationMessage::XLogData(XLogData { wal_start, wal_end, sent_at, payload }) => {
            let update = StandbyStatusUpdate {
                write: *wal_start,
                flush: *wal_end,
                apply: Lsn(payload.len() as u64),
                sent_at: *sent_at,
                reply_requested: payload.len() % 2 == 1,
            };
            status(&update);
            let (start, end) = (wal_start.0.to_be_bytes(), wal_end.0.to_be_bytes());
            [b"w", &start[..], &end, &wire(*sent_at, &body[17..25]), payload].concat()
        }
        ReplicationMessage::Keepalive(Keepalive { wal_end, sent_at, reply_requested }) => {
            let end = wal_end.0.to_be_bytes();
            [b"k", &end[..], &wire(*sent_at, &body[9..17]), &[u8::from(*reply_requested)]].concat()
        }
    };
    assert_eq!(written, body);
}

/// The client's own message, at the places the manual gives.
fn status(update: &StandbyStatusUpdate) {
    let mut buf = BytesMut::new();
    frontend::status_update(update, &mut buf);
    let at = |place: usize| u64::from_be_bytes(buf[place..place + 8].try_into().expect("eight bytes"));
    assert_eq!((buf.len(), &buf[..6]), (39, &b"d\0\0\0\x26r"[..]));
    assert_eq!((at(6), at(14), at(22)), (update.write.0, update.flush.0, update.apply.0));
    assert_eq!(at(30).cast_signed(), update.sent_at.0.saturating_sub(EPOCH));
    assert_eq!(buf[38], u8::from(update.reply_requested));
}

/// What the first COMMIT among the frames says.
#[derive(Debug)]
enum Commits {
    /// None is there, or what ends the stream comes before it.
    None,
    /// The decoder refuses it, so that nothing comes of its time.
    Refused,
    Read(Found),
}

/// The commit time, with all bytes there and with few bytes more at a time.
fn look_ahead(stream: &[u8], pieces: u8, limits: Limits) {
    let at_once = LookAhead::default().search(stream, &limits);
    match (&at_once, first_commit(stream, limits)) {
        (_, Commits::Refused) => {}
        (Ok(found), Commits::Read(expected)) => assert_eq!(*found, expected),
        (Ok(found), Commits::None) => assert!(!matches!(found, Found::Commit(_)), "{found:?}"),
        (Err(_), expected) => assert!(matches!(expected, Commits::None), "{expected:?}"),
    }
    let mut search = LookAhead::default();
    let mut end = 0;
    let arriving = loop {
        match search.search(&stream[..end], &limits) {
            Ok(Found::NotYet) if end < stream.len() => {}
            result => break result,
        }
        end = (end + usize::from(pieces) + 1).min(stream.len());
    };
    assert_eq!(arriving, at_once);
}

fn first_commit(stream: &[u8], limits: Limits) -> Commits {
    let mut decoder = TestDecoding::new();
    for frame in Frames::new(stream, limits).map_while(Result::ok) {
        if matches!(frame.header.tag, b'E' | b'C' | b'c' | b'Z') {
            return Commits::None;
        }
        let Ok(ReplicationMessage::XLogData(data)) = ReplicationMessage::parse(frame.body) else { continue };
        if frame.header.tag != b'd' || !data.payload.starts_with(b"COMMIT") {
            continue;
        }
        let Ok(Decoded::Commit(Commit { at, .. })) = decoder.decode(data.payload) else {
            return Commits::Refused;
        };
        let time = at.map(|at| timestamp::parse(at).expect("the decoder has checked it"));
        return Commits::Read(time.map_or(Found::TooFar, Found::Commit));
    }
    Commits::None
}
