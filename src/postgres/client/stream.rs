//! The stream behind `START_REPLICATION` (manual, "Streaming Replication Protocol").
//!
//! [`ReplicationStream`] gives its user the read buffer: look ahead over the frames in it with [`Frames`], turn
//! one after the other into a [`StreamEvent`], consume. Nothing is copied and nothing allocated per frame.

use std::borrow::Cow;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::connect::terminate;
use crate::lsn::Lsn;
use crate::postgres::error::ClientError;
use crate::postgres::protocol::copy_both::{CopyBoth, CopyEvent};
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{Frame, Frames, Limits, Phase};
use crate::postgres::protocol::frontend;
use crate::postgres::protocol::notice::{ServerError, escape};
use crate::postgres::protocol::replication::{Keepalive, ReplicationMessage, StandbyStatusUpdate, XLogData};
use crate::postgres::protocol::startup::Session;
use crate::postgres::transport::framed::{Framed, Outgoing};
use crate::time::UnixMicros;

/// The read buffer of a stream: what a long nap lets the kernel collect, and a transaction to look ahead over.
const STREAM_BUFFER: usize = 1280 << 10;

/// What the next frame of a running stream means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// A message of the output plugin.
    XLogData(XLogData<'a>),
    /// A sign of life; a status update is due at once if it asks for one.
    Keepalive(Keepalive),
    /// The server had something to say.
    Notice(Box<ServerError>),
    /// A parameter changed: after a reload of the server's configuration.
    ParameterStatus {
        /// Its name.
        name: Cow<'a, str>,
        /// Its value now.
        value: Cow<'a, str>,
    },
    /// A notification, of no interest here.
    Notification,
    /// The server ended the stream in order: it is shutting down. Nothing useful follows.
    Ended,
}

impl<'a> StreamEvent<'a> {
    /// The event of a frame that was walked with the limits of the stream. An `ErrorResponse` is an error: the
    /// stream is over.
    #[inline]
    pub fn from_frame(frame: &Frame<'a>) -> Result<Self, ClientError> {
        if frame.header.tag == b'd' {
            return Ok(match ReplicationMessage::parse(frame.body)? {
                ReplicationMessage::XLogData(message) => Self::XLogData(message),
                ReplicationMessage::Keepalive(message) => Self::Keepalive(message),
            });
        }
        Self::from_rare_frame(frame)
    }

    /// Everything but `CopyData`.
    fn from_rare_frame(frame: &Frame<'a>) -> Result<Self, ClientError> {
        Ok(match CopyEvent::parse(frame)? {
            CopyEvent::Notice(notice) => Self::Notice(notice),
            CopyEvent::ParameterStatus { name, value } => {
                Self::ParameterStatus { name: plain(name), value: plain(value) }
            }
            CopyEvent::Notification => Self::Notification,
            CopyEvent::CopyDone | CopyEvent::Completed => Self::Ended,
            CopyEvent::Error(error) => return Err(ClientError::Server(error)),
            CopyEvent::Replication(_) | CopyEvent::Ready(_) => {
                let tag = frame.header.tag;
                return Err(ProtocolError::UnexpectedMessage { tag, phase: Phase::Streaming }.into());
            }
        })
    }

    /// The event of the first frame of `buf` and the frame's length, to be consumed when the event has been dealt
    /// with. `None`: the frame is not there whole.
    #[inline]
    pub fn next(buf: &'a [u8], limits: Limits) -> Result<Option<(Self, usize)>, ClientError> {
        let Some(frame) = Frames::new(buf, limits).next().transpose()? else { return Ok(None) };
        Ok(Some((Self::from_frame(&frame)?, frame.end())))
    }
}

fn plain(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains(char::is_control) => Cow::Borrowed(text),
        _ => Cow::Owned(escape(text)),
    }
}

/// How a stream was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The server answered in full, and both sides know.
    Clean,
    /// The server closed, as one that shuts down does.
    Closed,
    /// The deadline came first; the slot is safe all the same.
    Deadline,
}

/// Sends the status updates of a stream.
#[derive(Debug)]
pub struct StatusSender<'a, S> {
    outgoing: Outgoing<'a, S>,
    flushed: &'a mut Lsn,
}

impl<S: AsyncWrite + Unpin> StatusSender<'_, S> {
    /// As [`ReplicationStream::send_status`], and cancel-safe like it.
    pub async fn send(
        &mut self,
        write: Lsn,
        flush: Lsn,
        apply: Lsn,
        now: UnixMicros,
        reply: bool,
    ) -> Result<(), ClientError> {
        // An update that still waits for a full socket goes first, so that they cannot pile up.
        self.outgoing.flush().await?;
        *self.flushed = flush.max(*self.flushed);
        let update =
            StandbyStatusUpdate { write, flush: *self.flushed, apply, sent_at: now, reply_requested: reply };
        frontend::status_update(&update, self.outgoing.write_buffer());
        Ok(self.outgoing.flush().await?)
    }
}

/// A running stream.
#[derive(Debug)]
pub struct ReplicationStream<S> {
    framed: Framed<S>,
    session: Session,
    limits: Limits,
    /// The highest flush position sent: a server may take back what a smaller one says, and repeat.
    flushed: Lsn,
}

impl<S> ReplicationStream<S> {
    /// A stream whose `CopyBothResponse` was consumed.
    pub(super) fn new(mut framed: Framed<S>, session: Session, max_message: usize) -> Self {
        framed.resize(STREAM_BUFFER, max_message);
        Self { framed, session, limits: Limits::streaming(max_message), flushed: Lsn::INVALID }
    }

    /// The limits its frames obey, for [`Frames::new`].
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What was received and not consumed; starts at the first byte of a frame if only whole frames were consumed.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        self.framed.buffered()
    }

    /// The frames in the buffer, without consuming them.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self.buffered(), self.limits)
    }

    /// Forgets the first `n` bytes of the buffer: the frames that have been dealt with.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.framed.consume(n);
    }

    /// Bytes of memory the read buffer holds.
    pub fn read_capacity(&self) -> usize {
        self.framed.read_capacity()
    }

    /// What the server told at login. Parameters that change later arrive as events.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The highest flush position sent so far.
    pub fn flushed(&self) -> Lsn {
        self.flushed
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        self.framed.stream()
    }

    /// What [`ReplicationStream::buffered`] gives, and what sends status updates while it is looked at.
    #[inline]
    pub fn split(&mut self) -> (&[u8], StatusSender<'_, S>) {
        let (buffered, outgoing) = self.framed.split();
        (buffered, StatusSender { outgoing, flushed: &mut self.flushed })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ReplicationStream<S> {
    /// Waits until something can be read and does one read. The end of the connection is
    /// [`ClientError::Closed`]; look at the events in the buffer first, a shutdown announces itself there.
    ///
    /// Cancel-safe: what was read is in the buffer, or was not read.
    pub async fn fill(&mut self) -> Result<usize, ClientError> {
        match self.framed.fill().await? {
            0 => Err(ClientError::Closed { when: "while streaming" }),
            n => Ok(n),
        }
    }

    /// One read if something is there now, `None` when it would have to wait: how a reader drains the socket
    /// after a nap. Never waits, so there is nothing to cancel.
    pub async fn fill_now(&mut self) -> Result<Option<usize>, ClientError> {
        match self.framed.fill_now().await? {
            Some(0) => Err(ClientError::Closed { when: "while streaming" }),
            read => Ok(read),
        }
    }

    /// Sends a status update. `flush` never goes back on a connection: a smaller one is sent as the highest so far.
    ///
    /// Cancel-safe: the update is in the write buffer before the first await, whole, and a later call or
    /// [`ReplicationStream::flush`] sends what is left of it. The server reads updates even while it cannot send.
    pub async fn send_status(
        &mut self,
        write: Lsn,
        flush: Lsn,
        apply: Lsn,
        now: UnixMicros,
        reply: bool,
    ) -> Result<(), ClientError> {
        self.split().1.send(write, flush, apply, now, reply).await
    }

    /// Sends what an update that was cancelled left behind. Cancel-safe: it goes on where it stopped.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        Ok(self.framed.flush().await?)
    }

    /// Ends the stream: `CopyDone`, then everything the server still sends is dropped until it is done or the
    /// deadline is over (in the middle of a transaction it sends the rest of it first), then `Terminate`.
    ///
    /// Send the last status update before. Frames that are buffered and not consumed are dropped; the server
    /// sends them again after a reconnect.
    pub async fn stop(mut self, deadline: Duration) -> Result<Stopped, ClientError> {
        let until = Instant::now() + deadline;
        let outcome = timeout_at(until, self.drain()).await.unwrap_or(Ok(Stopped::Deadline));
        // A deadline used up by draining still leaves a moment to say good-bye.
        terminate(&mut self.framed, until.max(Instant::now() + Duration::from_millis(100))).await;
        outcome
    }

    async fn drain(&mut self) -> Result<Stopped, ClientError> {
        frontend::copy_done(self.framed.write_buffer());
        self.framed.flush().await?;
        let mut copy = CopyBoth::new();
        let mut failure = None;
        while !copy.is_over() {
            let header = match self.framed.read_frame(&self.limits).await {
                Ok(header) => header,
                Err(error) => {
                    return match (failure, copy.may_close()) {
                        (Some(error), _) => Err(ClientError::Server(error)),
                        (None, true) => Ok(Stopped::Closed),
                        (None, false) => Err(ClientError::receiving(error, "while the stream was ending")),
                    };
                }
            };
            let Some(frame) = self.framed.frame(header) else { continue };
            if let CopyEvent::Error(error) = copy.handle(&frame)? {
                failure = Some(error);
            }
            self.framed.consume(header.total());
        }
        failure.map_or(Ok(Stopped::Clean), |error| Err(ClientError::Server(error)))
    }
}
