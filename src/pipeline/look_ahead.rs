//! Finds the COMMIT of a transaction among the frames that are already in the read buffer. Pure.
//!
//! The plugin tells when a transaction committed only at its end, and every event carries that time. So a
//! transaction's frames stay in the read buffer until its COMMIT is there too, or until so much has come that the
//! transaction is sent on with an estimate.

use crate::decode::timestamp;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{FrameHeader, HEADER_LEN, Limits, peek};
use crate::time::UnixMicros;

/// Bytes of one transaction that are held back while its COMMIT is looked for.
pub const LOOK_AHEAD: usize = 256 << 10;

/// Bytes of an `XLogData` before the payload: its type, two LSNs and a time.
const XLOG_HEADER: usize = 25;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The commit time.
    Commit(UnixMicros),
    /// More bytes may bring it.
    NotYet,
    /// It is too far away.
    TooFar,
}

/// A search that goes on where it stopped when more bytes have come.
#[derive(Clone, Copy, Debug, Default)]
pub struct LookAhead {
    /// Bytes behind the BEGIN's start that have been searched, whole frames.
    searched: usize,
}

impl LookAhead {
    /// Searches `buffer`, which starts with the frame of the BEGIN.
    pub fn search(&mut self, buffer: &[u8], limits: &Limits) -> Result<Found, ProtocolError> {
        loop {
            let rest = buffer.get(self.searched..).unwrap_or_default();
            let header = peek(rest, limits)?;
            let Some(frame) = header.and_then(|header| rest.get(..header.total())) else {
                // A frame that alone is larger than the window decides too.
                let wanted = header.map_or(0, FrameHeader::total).max(rest.len());
                let too_far = self.searched.saturating_add(wanted) > LOOK_AHEAD;
                return Ok(if too_far { self.end(Found::TooFar) } else { Found::NotYet });
            };
            if ends_stream(frame) {
                return Ok(self.end(Found::TooFar));
            }
            if let Some(payload) = payload(frame)
                && payload.starts_with(b"COMMIT")
            {
                // Without a time (an option of the plugin) the estimate is all there is.
                let found = commit_time(payload).map_or(Found::TooFar, Found::Commit);
                return Ok(self.end(found));
            }
            self.searched += frame.len();
            if self.searched > LOOK_AHEAD {
                return Ok(self.end(Found::TooFar));
            }
        }
    }

    /// The next search starts at the next BEGIN.
    fn end(&mut self, found: Found) -> Found {
        self.searched = 0;
        found
    }
}

/// Whether nothing of the transaction can follow: an error, or the end of the stream. What is held back goes on, so
/// that this is reached.
fn ends_stream(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(b'E' | b'C' | b'c' | b'Z'))
}

fn payload(frame: &[u8]) -> Option<&[u8]> {
    let body = frame.get(HEADER_LEN..)?;
    (frame.first() == Some(&b'd') && body.first() == Some(&b'w')).then_some(())?;
    body.get(XLOG_HEADER..)
}

/// The time in `COMMIT [xid] (at …)`.
fn commit_time(payload: &[u8]) -> Option<UnixMicros> {
    let at = memchr::memmem::find(payload, b" (at ")?;
    let text = payload.get(at + 5..)?.strip_suffix(b")")?;
    timestamp::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{Found, LOOK_AHEAD, LookAhead};
    use crate::postgres::protocol::frame::Limits;
    use crate::time::UnixMicros;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![b'd'];
        frame.extend_from_slice(&u32::try_from(4 + 25 + payload.len()).unwrap().to_be_bytes());
        frame.push(b'w');
        frame.extend_from_slice(&[0; 24]);
        frame.extend_from_slice(payload);
        frame
    }

    fn limits() -> Limits {
        Limits::streaming(1 << 30)
    }

    #[test]
    fn finds_the_commit_however_the_bytes_arrive() {
        let mut stream = frame(b"BEGIN 7");
        stream.extend(frame(b"table public.t: INSERT: v[text]:'COMMIT 7 (at 2020-01-01 00:00:00+00)'"));
        let before_commit = stream.len();
        stream.extend(frame(b"COMMIT 7 (at 2026-01-02 03:04:05.678901+00)"));
        stream.extend(frame(b"BEGIN 8"));
        let mut search = LookAhead::default();
        let mut found = Found::NotYet;
        for end in 0..=stream.len() {
            found = search.search(&stream[..end], &limits()).unwrap();
            if found != Found::NotYet {
                assert!(end > before_commit, "at {end}");
                break;
            }
        }
        assert_eq!(found, Found::Commit(UnixMicros(1_767_323_045_678_901)));
    }

    #[test]
    fn gives_up_at_the_window() {
        let mut stream = frame(b"BEGIN 7");
        let mut search = LookAhead::default();
        while search.search(&stream, &limits()).unwrap() == Found::NotYet {
            stream.extend(frame(b"table public.t: INSERT: id[integer]:1"));
            assert!(stream.len() < LOOK_AHEAD + 1000);
        }
        assert!(stream.len() > LOOK_AHEAD);
    }

    #[test]
    fn gives_up_at_a_frame_that_cannot_fit() {
        let mut stream = frame(b"BEGIN 7");
        stream.extend_from_slice(&[b'd', 0x10, 0, 0, 0]);
        assert_eq!(LookAhead::default().search(&stream, &limits()).unwrap(), Found::TooFar);
    }

    #[test]
    fn does_not_wait_behind_the_end_of_the_stream() {
        for (tag, found) in [(b'E', Found::TooFar), (b'C', Found::TooFar), (b'N', Found::NotYet)] {
            let mut stream = frame(b"BEGIN 7");
            stream.extend_from_slice(&[tag, 0, 0, 0, 6, 0, 0]);
            assert_eq!(LookAhead::default().search(&stream, &limits()).unwrap(), found, "{tag}");
        }
    }

    #[test]
    fn a_commit_without_a_time_is_no_reason_to_wait() {
        let mut stream = frame(b"BEGIN 7");
        stream.extend(frame(b"COMMIT 7"));
        assert_eq!(LookAhead::default().search(&stream, &limits()).unwrap(), Found::TooFar);
    }
}
