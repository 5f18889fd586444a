//! Frames: however a server's bytes are cut, and however they arrive, the same frames come out of them.
//!
//! Input: a byte that chooses the limits, a byte that chooses the pieces, and what the server sends.
//!
//! Promised: [`Frames`] and [`Framed`] find what a plain walk of the same bytes finds, frame by frame, up to the
//! same end. A walk that was interrupted goes on where it stopped. Reading can be cancelled at any await. A length
//! costs no memory before its bytes have come.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use pgsluice::postgres::protocol::ProtocolError;
use pgsluice::postgres::protocol::frame::{DEFAULT_STREAM_LIMIT, Frame, Frames, Limits, Phase};
use pgsluice::postgres::transport::framed::{Framed, ReceiveError};
use tokio::io::{AsyncRead, ReadBuf};

use crate::plain::{self, End};

/// Capacity of the read buffer in steady state.
const STEADY: usize = 64;

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Some((&[choice, pieces], stream)) = input.split_first_chunk::<2>() else { return };
    let limits = match choice % 3 {
        0 => Limits::startup(),
        1 => Limits::query(300),
        _ => Limits::streaming(DEFAULT_STREAM_LIMIT),
    };
    limits_hold(&limits);
    let expected = plain::walk(stream, &limits);
    let cut = usize::from(pieces) * stream.len() / 255;
    walks(stream, cut, limits, &expected);
    arrives(stream, pieces, &limits, &expected);
}

/// Before login nobody gets much memory for the asking.
fn limits_hold(limits: &Limits) {
    let most = match limits.phase() {
        Phase::Startup => 30_000,
        Phase::Query => 1 << 20,
        Phase::Streaming => DEFAULT_STREAM_LIMIT,
    };
    assert!((0..=u8::MAX).filter_map(|tag| limits.of(tag)).all(|limit| (4..=most).contains(&limit)));
}

/// Over the bytes up to `cut`, then from there on over all of them.
fn walks(stream: &[u8], cut: usize, limits: Limits, expected: &plain::Walk) {
    let mut early = Frames::new(&stream[..cut], limits);
    let mut found: Vec<Frame<'_>> = early.by_ref().map_while(Result::ok).collect();
    let position = early.position();
    assert!(found.iter().all(|frame| frame.end() <= cut));
    assert!(expected.frames.get(found.len()).is_none_or(|next| next.end > cut));

    let mut late = Frames::starting_at(stream, position, limits);
    let mut error = None;
    for frame in late.by_ref() {
        match frame {
            Ok(frame) => found.push(frame),
            Err(broken) => error = Some(broken),
        }
    }
    assert!(late.next().is_none());
    let whole = expected.frames.last().map_or(0, |range| range.end);
    assert_eq!(late.position(), whole);
    assert_eq!(found.len(), expected.frames.len());
    for (frame, range) in found.iter().zip(&expected.frames) {
        same_frame(frame, &stream[range.clone()]);
        assert_eq!((frame.start, frame.end()), (range.start, range.end));
    }
    match (&expected.end, error) {
        (End::Header, None) => assert_eq!(late.missing(), None),
        (End::Missing(bytes), None) => assert_eq!(late.missing(), Some(*bytes)),
        (end, Some(error)) => assert!(end.is(&error), "{end:?} {error:?}"),
        (end, None) => panic!("no error: {end:?}"),
    }
}

fn same_frame(frame: &Frame<'_>, bytes: &[u8]) {
    assert_eq!((frame.header.tag, frame.body), (bytes[0], &bytes[5..]));
    assert_eq!((frame.header.total(), frame.header.body_len()), (bytes.len(), bytes.len() - 5));
}

/// Over a socket, in pieces.
fn arrives(stream: &[u8], pieces: u8, limits: &Limits, expected: &plain::Walk) {
    let mut framed = Framed::new(Pieces { rest: stream, step: pieces, ready: false });
    framed.resize(STEADY, DEFAULT_STREAM_LIMIT);
    let mut ranges = expected.frames.iter();
    let error = loop {
        let header = match poll(pin!(framed.read_frame(limits)).as_mut()) {
            // The future is dropped and made anew.
            Poll::Pending => continue,
            Poll::Ready(Err(error)) => break error,
            Poll::Ready(Ok(header)) => header,
        };
        assert!(framed.read_capacity() <= 2 * (stream.len() + STEADY), "{}", framed.read_capacity());
        let frame = framed.frame(header).expect("a frame that was read is there");
        same_frame(&frame, &stream[ranges.next().expect("no more frames than bytes").clone()]);
        framed.consume(header.total());
    };
    assert!(ranges.next().is_none(), "{error:?} came too early");
    match (&expected.end, &error) {
        (End::Header | End::Missing(_), ReceiveError::Closed) => {}
        (end, ReceiveError::Protocol(error)) => assert!(end.is(error), "{end:?} {error:?}"),
        (end, error) => panic!("{end:?} {error:?}"),
    }
    assert!(framed.read_capacity() <= 2 * (stream.len() + STEADY), "{}", framed.read_capacity());
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A socket that gives a few bytes at a time, and before each of them lets its reader wait once.
#[derive(Debug)]
struct Pieces<'a> {
    rest: &'a [u8],
    step: u8,
    ready: bool,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.ready = !self.ready;
        if self.ready {
            return Poll::Pending;
        }
        self.step = self.step.rotate_left(3) ^ 0x5A;
        let length = (usize::from(self.step) + 1).min(buf.remaining()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(length);
        buf.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

impl End {
    /// Whether this is the end that `error` tells of.
    fn is(&self, error: &ProtocolError) -> bool {
        match (self, error) {
            (Self::Unexpected(expected), ProtocolError::UnexpectedMessage { tag, .. })
            | (Self::TooShort(expected), ProtocolError::BadLength { tag, .. })
            | (Self::TooLong(expected), ProtocolError::FrameTooLarge { tag, .. }) => expected == tag,
            _ => false,
        }
    }
}
