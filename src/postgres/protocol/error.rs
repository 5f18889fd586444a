//! What a peer can do wrong on the wire.

use std::fmt;

use super::frame::Phase;

/// The bytes are not what the protocol allows. Nothing can be read behind such an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A message type that has no place in this phase.
    #[error("message {} has no place {phase}{}", Tag(*.tag), doubt(*.phase))]
    UnexpectedMessage {
        /// The message's type byte.
        tag: u8,
        /// Where the conversation stood.
        phase: Phase,
    },
    /// A message type this client does not know.
    #[error("unknown message type {}", Tag(*.tag))]
    UnknownMessage {
        /// The message's type byte.
        tag: u8,
    },
    /// The length field is below 4, and so shorter than itself.
    #[error("message {} declares a length of {len}, which is shorter than the length field", Tag(*.tag))]
    BadLength {
        /// The message's type byte.
        tag: u8,
        /// The length as it was sent.
        len: i32,
    },
    /// The declared length is above what this client takes for this message now.
    #[error("message {} of {len} bytes is above the limit of {limit} bytes {phase}", Tag(*.tag))]
    FrameTooLarge {
        /// The message's type byte.
        tag: u8,
        /// The declared length, which counts itself and not the type byte.
        len: usize,
        /// The largest length taken.
        limit: usize,
        /// Where the conversation stood.
        phase: Phase,
    },
    /// A message's body is cut off, has bytes too many, or holds a value out of range.
    #[error("malformed {message} message: {problem}")]
    Malformed {
        /// The message's name in the manual.
        message: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server speaks another major version of the protocol.
    #[error("the server offers protocol version {}.{}, this client speaks 3.0", .0 >> 16, .0 & 0xFFFF)]
    UnsupportedVersion(u32),
    /// More messages than any server has for somebody who logs in.
    #[error("the server sent more than {limit} messages during login")]
    TooManyMessages {
        /// How many were taken.
        limit: usize,
    },
    /// More parameters than any server reports.
    #[error("the server reported more than {limit} {what} of parameters")]
    TooManyParameters {
        /// What was counted.
        what: &'static str,
        /// How many were taken.
        limit: usize,
    },
}

/// Before anything has been agreed on, the likeliest fault is another service at that address.
fn doubt(phase: Phase) -> &'static str {
    if phase == Phase::Startup { ": is this a PostgreSQL server?" } else { "" }
}

/// A message type for people: the byte and, where it is known, the manual's name.
pub(super) struct Tag(pub(super) u8);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            b'1' => "ParseComplete",
            b'2' => "BindComplete",
            b'A' => "NotificationResponse",
            b'C' => "CommandComplete",
            b'D' => "DataRow",
            b'E' => "ErrorResponse",
            b'G' => "CopyInResponse",
            b'H' => "CopyOutResponse",
            b'I' => "EmptyQueryResponse",
            b'K' => "BackendKeyData",
            b'N' => "NoticeResponse",
            b'R' => "Authentication",
            b'S' => "ParameterStatus",
            b'T' => "RowDescription",
            b'W' => "CopyBothResponse",
            b'Z' => "ReadyForQuery",
            b'c' => "CopyDone",
            b'd' => "CopyData",
            b'v' => "NegotiateProtocolVersion",
            other => return write!(f, "'{}' (0x{other:02X})", other.escape_ascii()),
        };
        write!(f, "'{}' ({name})", self.0.escape_ascii())
    }
}
