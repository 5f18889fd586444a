//! Frames: a type byte, an `Int32` length that counts itself, a body (manual, "Messages").
//!
//! A header is judged before a byte is reserved for its body: the type must have a place in the phase, and the
//! length must be within the limit of that type in that phase. Before the login is done the limits are small,
//! because anybody may be at the other end.

use std::fmt;

use super::error::ProtocolError;

/// Bytes before the body: the type and the length.
pub const HEADER_LEN: usize = 5;

/// What the length field counts besides the body: itself.
const LENGTH_FIELD: usize = 4;

/// The longest `CopyData` taken in a stream unless told otherwise: the 1 GiB a server can allocate for one text,
/// and room for the headers.
pub const DEFAULT_STREAM_LIMIT: usize = (1 << 30) + (64 << 10);

/// The longest row taken as the answer to a query unless told otherwise.
pub const DEFAULT_QUERY_LIMIT: usize = 64 << 20;

/// The longest error or notice taken after login.
const REPORT_LIMIT: usize = 1 << 20;

/// The longest of the small messages taken after login.
const SMALL_LIMIT: usize = 64 << 10;

/// Where the conversation stands, as far as framing is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the first `ReadyForQuery`.
    Startup,
    /// A simple query and its answer, or the answer to a replication command.
    Query,
    /// CopyBoth, until the `ReadyForQuery` behind it.
    Streaming,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "during login",
            Self::Query => "in the answer to a query",
            Self::Streaming => "in a replication stream",
        })
    }
}

/// How long each message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    phase: Phase,
    /// The limit of rows and `CopyData`; the other messages have fixed ones.
    data: usize,
}

impl Limits {
    /// The small limits that hold until login is done.
    pub fn startup() -> Self {
        Self { phase: Phase::Startup, data: 0 }
    }

    /// The limits of a query's answer; `data` bounds a row.
    pub fn query(data: usize) -> Self {
        Self { phase: Phase::Query, data }
    }

    /// The limits of a stream; `data` bounds a `CopyData`.
    pub fn streaming(data: usize) -> Self {
        Self { phase: Phase::Streaming, data }
    }

    /// The phase these limits belong to.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The greatest length field of a message; `None` where the message has no place.
    #[inline]
    pub fn of(&self, tag: u8) -> Option<usize> {
        match self.phase {
            Phase::Startup => startup_limit(tag),
            Phase::Query => query_limit(tag, self.data),
            Phase::Streaming => streaming_limit(tag, self.data),
        }
    }
}

fn startup_limit(tag: u8) -> Option<usize> {
    match tag {
        b'R' | b'v' => Some(2_000),
        b'E' | b'N' => Some(30_000),
        b'S' => Some(8 << 10),
        b'K' => Some(LENGTH_FIELD + 4 + 256),
        b'Z' => Some(LENGTH_FIELD + 1),
        _ => None,
    }
}

fn query_limit(tag: u8, data: usize) -> Option<usize> {
    match tag {
        b'D' | b'd' => Some(data),
        b'T' | b'E' | b'N' => Some(REPORT_LIMIT),
        b'A' | b'C' | b'G' | b'H' | b'S' | b'W' => Some(SMALL_LIMIT),
        b'Z' => Some(LENGTH_FIELD + 1),
        b'I' | b'c' => Some(LENGTH_FIELD),
        _ => None,
    }
}

#[inline]
fn streaming_limit(tag: u8, data: usize) -> Option<usize> {
    match tag {
        b'd' => Some(data),
        b'E' | b'N' => Some(REPORT_LIMIT),
        b'A' | b'C' | b'S' => Some(SMALL_LIMIT),
        b'Z' => Some(LENGTH_FIELD + 1),
        b'c' => Some(LENGTH_FIELD),
        _ => None,
    }
}

/// A checked header: the type has a place here and the length is within its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The message's type.
    pub tag: u8,
    /// The length field: at least 4, counts itself and the body, not the type byte.
    pub len: usize,
}

impl FrameHeader {
    /// Bytes of the whole frame.
    #[inline]
    pub fn total(self) -> usize {
        self.len + 1
    }

    /// Bytes of the body.
    #[inline]
    pub fn body_len(self) -> usize {
        self.len - LENGTH_FIELD
    }
}

/// Judges the header at the start of `buf`. `None`: more bytes are needed to tell.
///
/// A type that has no place is refused on its own, without waiting for the length.
#[inline]
pub fn peek(buf: &[u8], limits: &Limits) -> Result<Option<FrameHeader>, ProtocolError> {
    let Some((&tag, rest)) = buf.split_first() else { return Ok(None) };
    let Some(limit) = limits.of(tag) else {
        return Err(ProtocolError::UnexpectedMessage { tag, phase: limits.phase });
    };
    let Some((&length, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let signed = i32::from_be_bytes(length);
    match usize::try_from(signed) {
        Ok(len) if len > limit => Err(ProtocolError::FrameTooLarge { tag, len, limit, phase: limits.phase }),
        Ok(len) if len >= LENGTH_FIELD => Ok(Some(FrameHeader { tag, len })),
        _ => Err(ProtocolError::BadLength { tag, len: signed }),
    }
}

/// One whole frame, borrowed from the buffer it arrived in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where the frame starts in the buffer that was walked.
    pub start: usize,
    /// Its header.
    pub header: FrameHeader,
    /// What stands behind the header.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Where the frame ends in the buffer that was walked: what to consume up to and with this frame.
    #[inline]
    pub fn end(&self) -> usize {
        self.start + self.header.total()
    }
}

/// Walks the whole frames at the start of a buffer without consuming them.
///
/// It stops at the first frame that is not there whole ([`Frames::missing`] tells what it lacks), and for good
/// behind an error.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    buf: &'a [u8],
    at: usize,
    limits: Limits,
    failed: bool,
}

impl<'a> Frames<'a> {
    /// Starts at the first byte of `buf`, which must be the first byte of a frame.
    #[inline]
    pub fn new(buf: &'a [u8], limits: Limits) -> Self {
        Self::starting_at(buf, 0, limits)
    }

    /// Starts at an offset of `buf` where a frame starts, for example at [`Frame::end`] of one walked before.
    #[inline]
    pub fn starting_at(buf: &'a [u8], at: usize, limits: Limits) -> Self {
        Self { buf, at, limits, failed: false }
    }

    /// The offset of the first byte that no frame so far has covered.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes the frame at [`Frames::position`] still lacks; `None` while its header is not there, and
    /// when it is whole.
    pub fn missing(&self) -> Option<usize> {
        let rest = self.buf.get(self.at..)?;
        let header = peek(rest, &self.limits).ok().flatten()?;
        header.total().checked_sub(rest.len()).filter(|&missing| missing > 0)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, ProtocolError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let rest = self.buf.get(self.at..)?;
        match peek(rest, &self.limits) {
            Ok(Some(header)) => {
                let body = rest.get(HEADER_LEN..header.total())?;
                let frame = Frame { start: self.at, header, body };
                self.at = frame.end();
                Some(Ok(frame))
            }
            Ok(None) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests;
