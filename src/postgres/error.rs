//! What can go wrong with a server, and what it means for the pipeline.
//!
//! [`ClientError`] says what happened; [`ClientError::classify`] decides, in this one place, whether trying again
//! can help, and [`ErrorClass::hint`] tells a person what to do.

mod class;

use std::io;
use std::time::Duration;

use super::auth::AuthError;
use super::protocol::error::ProtocolError;
use super::protocol::frontend::EncodeError;
use super::protocol::notice::ServerError;
use super::protocol::sqlstate::SqlState;
use super::protocol::startup::StartupError;
use super::transport::dial::DialError;
use super::transport::framed::ReceiveError;
use super::transport::tls::TlsError;

pub use class::ErrorClass;

/// A connection, a query or a stream failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// No TLS, or not as it was asked for.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Reading or writing failed.
    #[error("the connection to the server failed")]
    Io(#[from] io::Error),
    /// The server closed the connection without a word: a time-out on its side, a crash or a shutdown.
    #[error("the server closed the connection {when}")]
    Closed {
        /// What was going on.
        when: &'static str,
    },
    /// The bytes are not what the protocol allows.
    #[error(transparent)]
    Protocol(ProtocolError),
    /// A message is longer than is taken.
    #[error("the server sent a message of {len} bytes, above the limit of {limit}")]
    FrameTooLarge {
        /// The message's type byte.
        tag: u8,
        /// Its length.
        len: usize,
        /// The longest length taken.
        limit: usize,
    },
    /// The server reported an error.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// The authentication cannot go on.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The host is not of the kind that is wanted.
    #[error("the server at {host} is not what target_session_attrs = {wanted} asks for")]
    NotWanted {
        /// The host.
        host: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// Something took longer than it may.
    #[error("{doing} took longer than {} s", .after.as_secs_f32())]
    Timeout {
        /// What was going on.
        doing: &'static str,
        /// The time it was given.
        after: Duration,
    },
    /// A message cannot be put into a frame.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The answer to a query is larger than the caller takes.
    #[error("the answer to a query is larger than {limit} bytes")]
    ResultTooLarge {
        /// The most bytes taken.
        limit: usize,
    },
    /// The answer to a query is not what the query asks for.
    #[error("unexpected answer to {query}: {problem}")]
    UnexpectedResult {
        /// The query, or its first word.
        query: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },
    /// A query before this one was not read to its end.
    #[error("the connection is in the middle of an abandoned query and cannot be used again")]
    Unusable,
}

impl From<ProtocolError> for ClientError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::FrameTooLarge { tag, len, limit, .. } => Self::FrameTooLarge { tag, len, limit },
            error => Self::Protocol(error),
        }
    }
}

impl From<StartupError> for ClientError {
    fn from(error: StartupError) -> Self {
        match error {
            StartupError::Protocol(error) => error.into(),
            StartupError::Auth(error) => Self::Auth(error),
            StartupError::Server(error) => Self::Server(error),
            StartupError::Encode(error) => Self::Encode(error),
        }
    }
}

impl ClientError {
    /// A failed receive, with what was going on.
    pub(super) fn receiving(error: ReceiveError, when: &'static str) -> Self {
        match error {
            ReceiveError::Io(error) => Self::Io(error),
            ReceiveError::Closed => Self::Closed { when },
            ReceiveError::Protocol(error) => error.into(),
        }
    }

    /// The server's SQLSTATE, where the server reported one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Server(error) => error.code,
            _ => None,
        }
    }

    /// What this means for the pipeline.
    pub fn classify(&self) -> ErrorClass {
        match self {
            // Which of several hosts is the primary changes.
            Self::Dial(_)
            | Self::Io(_)
            | Self::Closed { .. }
            | Self::Timeout { .. }
            | Self::NotWanted { .. } => ErrorClass::Retry,
            Self::Server(error) => class::classify_server(error),
            Self::Tls(error) if error.is_transient() => ErrorClass::Retry,
            Self::Tls(_) => ErrorClass::TlsRefused,
            Self::Auth(_) => ErrorClass::LoginRefused,
            Self::FrameTooLarge { .. } => ErrorClass::MessageTooLarge,
            Self::Protocol(_)
            | Self::Encode(_)
            | Self::ResultTooLarge { .. }
            | Self::UnexpectedResult { .. }
            | Self::Unusable => ErrorClass::Fatal,
        }
    }
}

#[cfg(test)]
mod tests;
