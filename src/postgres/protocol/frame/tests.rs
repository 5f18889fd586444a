use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{DEFAULT_STREAM_LIMIT, Frames, Limits, Phase, peek};
use crate::postgres::protocol::error::ProtocolError;

const SESSION: &[u8] = include_bytes!("../../../../tests/data/wire/replication-session.backend.bin");

fn header(tag: u8, len: i32) -> Vec<u8> {
    [&[tag][..], &len.to_be_bytes()].concat()
}

/// Frames found without any of the code under test.
fn split_plainly(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let [tag, a, b, c, d, ..] = *bytes {
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        frames.push((tag, &bytes[5..=len]));
        bytes = &bytes[len + 1..];
    }
    frames
}

#[test]
fn a_captured_session_splits_as_it_should() {
    let expected = split_plainly(SESSION);
    assert_eq!(expected.iter().map(|(_, body)| body.len() + 5).sum::<usize>(), SESSION.len());
    let mut frames = Vec::new();
    let mut at = 0;
    // Login, queries and stream have limits of their own, so the phases are walked one after the other.
    for (limits, until) in [
        (Limits::startup(), b'Z'),
        (Limits::query(1 << 20), b'W'),
        (Limits::streaming(1 << 20), b'Z'),
        (Limits::query(1 << 20), b'Z'),
    ] {
        for frame in Frames::starting_at(SESSION, at, limits) {
            let frame = frame.unwrap();
            assert_eq!(frame.start, at);
            at = frame.end();
            frames.push((frame.header.tag, frame.body));
            if frame.header.tag == until {
                break;
            }
        }
    }
    assert_eq!(frames, expected);
}

#[test]
fn lengths_below_four() {
    for len in [0, 1, 3, -1, i32::MIN] {
        let expected = ProtocolError::BadLength { tag: b'R', len };
        assert_eq!(peek(&header(b'R', len), &Limits::startup()), Err(expected));
    }
}

#[test]
fn lengths_at_and_above_the_limit() {
    let data = 1000;
    for limits in [Limits::startup(), Limits::query(data), Limits::streaming(data)] {
        for tag in 0..=u8::MAX {
            let Some(limit) = limits.of(tag) else {
                let phase = limits.phase();
                assert_eq!(peek(&[tag], &limits), Err(ProtocolError::UnexpectedMessage { tag, phase }));
                continue;
            };
            assert_eq!(peek(&[tag], &limits), Ok(None));
            let at_limit = i32::try_from(limit).unwrap();
            let got = peek(&header(tag, at_limit), &limits).unwrap().unwrap();
            assert_eq!((got.tag, got.len, got.total(), got.body_len()), (tag, limit, limit + 1, limit - 4));
            let above = peek(&header(tag, at_limit + 1), &limits);
            let refused = matches!(above, Err(ProtocolError::FrameTooLarge { len, limit: l, .. }) if len == limit + 1 && l == limit);
            assert!(refused, "{above:?}");
        }
    }
}

#[test]
fn limits_before_login_are_small() {
    let limits = Limits::startup();
    let largest = (0..=u8::MAX).filter_map(|tag| limits.of(tag)).max();
    assert_eq!(largest, Some(30_000));
    assert_eq!(limits.of(b'R'), Some(2_000));
    assert_eq!((limits.of(b'd'), limits.of(b'D')), (None, None));
    assert_eq!(limits.phase(), Phase::Startup);
}

#[test]
fn the_largest_frame_of_a_stream_is_taken() {
    let limits = Limits::streaming(DEFAULT_STREAM_LIMIT);
    let one_gib = i32::try_from(DEFAULT_STREAM_LIMIT).unwrap();
    assert!(peek(&header(b'd', one_gib), &limits).unwrap().is_some());
    assert!(peek(&header(b'd', one_gib + 1), &limits).is_err());
}

#[test]
fn missing_bytes() {
    let limits = Limits::streaming(1000);
    let mut bytes = header(b'd', 14);
    bytes.extend([0; 10]);
    for cut in 0..bytes.len() {
        let mut frames = Frames::new(&bytes[..cut], limits);
        assert!(frames.next().is_none());
        assert_eq!(frames.position(), 0);
        assert_eq!(frames.missing(), (cut >= 5).then(|| bytes.len() - cut));
    }
    let mut frames = Frames::new(&bytes, limits);
    assert_eq!(frames.missing(), None, "it is whole");
    assert!(frames.next().unwrap().is_ok());
    assert!((frames.next().is_none(), frames.missing()) == (true, None));
    assert!(Frames::starting_at(&bytes, 99, limits).next().is_none());
}

#[test]
fn nothing_follows_an_error() {
    let bytes = [header(b'c', 4), header(b'?', 4), header(b'c', 4)].concat();
    let mut frames = Frames::new(&bytes, Limits::streaming(1000));
    assert!(frames.next().unwrap().is_ok());
    assert!(frames.next().unwrap().is_err());
    assert!(frames.next().is_none());
}

proptest! {
    /// Whatever comes, frames cover the buffer from its start without a gap, and stop at the first byte that is
    /// not one.
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), tags in prop::collection::vec(prop::sample::select(&b"dcCESANZTD"[..]), 0..9)) {
        let framed: Vec<u8> = tags.iter().flat_map(|tag| [header(*tag, 4 + i32::from(*tag == b'Z')), vec![0; usize::from(*tag == b'Z')]].concat()).collect();
        let whole = [framed, bytes].concat();
        for limits in [Limits::startup(), Limits::query(100), Limits::streaming(100)] {
            let mut at = 0;
            for frame in Frames::new(&whole, limits).map_while(Result::ok) {
                prop_assert_eq!(frame.start, at);
                prop_assert_eq!(frame.body, &whole[at + 5..frame.end()]);
                at = frame.end();
            }
            prop_assert!(at <= whole.len());
        }
    }
}
