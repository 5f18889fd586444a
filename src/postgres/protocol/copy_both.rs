//! The states of CopyBoth (manual, "Streaming Replication Protocol", "COPY Operations").
//!
//! The stream runs until one side ends it. An end asked for by the client is: our `CopyDone`, then whatever was
//! still under way (a whole transaction, if one was being sent), the server's `CopyDone`, two
//! `CommandComplete`s and `ReadyForQuery`. Servers send keepalives behind their own `CopyDone`, against the
//! manual. A server that shuts down sends one `CommandComplete` and closes. An error that is not FATAL is
//! followed by `ReadyForQuery`.

use super::backend::{BackendMessage, TransactionStatus};
use super::error::ProtocolError;
use super::frame::{Frame, Phase};
use super::notice::ServerError;
use super::replication::ReplicationMessage;

/// What a frame of a stream means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyEvent<'a> {
    /// WAL data or a keepalive.
    Replication(ReplicationMessage<'a>),
    /// The server had something to say.
    Notice(Box<ServerError>),
    /// A parameter changed.
    ParameterStatus {
        /// Its name.
        name: &'a [u8],
        /// Its value now.
        value: &'a [u8],
    },
    /// Somebody's notification, of no interest here.
    Notification,
    /// The server sends no more data.
    CopyDone,
    /// A command ended. Where the server had not been asked to end the stream, it is shutting down.
    Completed,
    /// The server failed.
    Error(Box<ServerError>),
    /// The stream is over and the connection takes queries again.
    Ready(TransactionStatus),
}

impl<'a> CopyEvent<'a> {
    /// Reads a frame of a stream, whatever its state.
    #[inline]
    pub fn parse(frame: &Frame<'a>) -> Result<Self, ProtocolError> {
        if frame.header.tag == b'd' {
            return ReplicationMessage::parse(frame.body).map(Self::Replication);
        }
        Ok(match BackendMessage::parse(frame)? {
            BackendMessage::NoticeResponse(body) => Self::Notice(Box::new(ServerError::parse(body, true)?)),
            BackendMessage::ParameterStatus { name, value } => Self::ParameterStatus { name, value },
            BackendMessage::NotificationResponse => Self::Notification,
            BackendMessage::CopyDone => Self::CopyDone,
            BackendMessage::CommandComplete(_) => Self::Completed,
            BackendMessage::ErrorResponse(body) => Self::Error(Box::new(ServerError::parse(body, true)?)),
            BackendMessage::ReadyForQuery(status) => Self::Ready(status),
            _ => return Err(unexpected(frame)),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Data flows.
    Streaming,
    /// The server's `CopyDone` came; it owes the two completions.
    ServerDone { completions: u8 },
    /// A completion came without `CopyDone`: the server is going away.
    GoingAway,
    /// An error came that leaves the connection open.
    Failed,
    /// FATAL: nothing may follow.
    Closing,
    /// `ReadyForQuery` came.
    Over,
}

/// Follows a stream to its end, whoever asked for it.
#[derive(Debug, Clone)]
pub struct CopyBoth {
    state: State,
}

impl Default for CopyBoth {
    fn default() -> Self {
        Self::new()
    }
}

impl CopyBoth {
    /// A stream whose `CopyBothResponse` has just come.
    pub fn new() -> Self {
        Self { state: State::Streaming }
    }

    /// Whether the stream ended with `ReadyForQuery`.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether the end of the connection is the end one expects now: the stream is over, or the server said that
    /// it is going away.
    pub fn may_close(&self) -> bool {
        matches!(self.state, State::Over | State::GoingAway | State::Closing)
    }

    /// Takes one frame and tells what it means, or that it has no place in this state.
    pub fn handle<'a>(&mut self, frame: &Frame<'a>) -> Result<CopyEvent<'a>, ProtocolError> {
        let event = CopyEvent::parse(frame)?;
        self.state = match (&event, self.state) {
            (_, State::Over | State::Closing) => return Err(unexpected(frame)),
            (CopyEvent::Notice(_) | CopyEvent::ParameterStatus { .. } | CopyEvent::Notification, state) => {
                state
            }
            (CopyEvent::Error(error), _) => {
                if error.severity.ends_connection() {
                    State::Closing
                } else {
                    State::Failed
                }
            }
            (CopyEvent::Replication(_), State::Streaming) => State::Streaming,
            // Servers from 13 on send keepalives behind their own CopyDone.
            (CopyEvent::Replication(_), State::ServerDone { completions: 0 }) => {
                State::ServerDone { completions: 0 }
            }
            (CopyEvent::CopyDone, State::Streaming) => State::ServerDone { completions: 0 },
            // Also where our CopyDone is under way: the shutdown may have begun before it arrived.
            (CopyEvent::Completed, State::Streaming | State::GoingAway) => State::GoingAway,
            (CopyEvent::Completed, State::ServerDone { completions }) if completions < 2 => {
                State::ServerDone { completions: completions + 1 }
            }
            (CopyEvent::Ready(_), State::Failed | State::GoingAway) => State::Over,
            (CopyEvent::Ready(_), State::ServerDone { completions }) if completions > 0 => State::Over,
            _ => return Err(unexpected(frame)),
        };
        Ok(event)
    }
}

fn unexpected(frame: &Frame<'_>) -> ProtocolError {
    ProtocolError::UnexpectedMessage { tag: frame.header.tag, phase: Phase::Streaming }
}

#[cfg(test)]
mod tests;
