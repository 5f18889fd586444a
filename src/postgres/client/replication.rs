//! Replication commands and the stream (manual, "Streaming Replication Protocol").
//!
//! [`ReplicationStream`] gives its user the read buffer: look ahead over the frames in it with
//! [`Frames`](crate::postgres::protocol::frame::Frames), turn one after the other into a [`StreamEvent`], consume.
//! Nothing is copied and nothing allocated per frame.

use std::borrow::Cow;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::connect::{Connection, terminate};
use super::query::ResultSet;
use crate::lsn::Lsn;
use crate::postgres::error::ClientError;
use crate::postgres::protocol::backend::BackendMessage;
use crate::postgres::protocol::copy_both::{CopyBoth, CopyEvent};
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{Frame, Frames, Limits, Phase};
use crate::postgres::protocol::frontend;
use crate::postgres::protocol::notice::{ServerError, escape};
use crate::postgres::protocol::replication::{Keepalive, ReplicationMessage, StandbyStatusUpdate, XLogData};
use crate::postgres::protocol::startup::Session;
use crate::postgres::protocol::walsender::{self, CreateSlot};
use crate::postgres::transport::framed::Framed;
use crate::time::UnixMicros;

/// The read buffer of a stream: what a long nap lets the kernel collect, and a transaction to look ahead over.
const STREAM_BUFFER: usize = 512 << 10;

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster's identifier, the same on primary and standbys.
    pub system_id: u64,
    /// The timeline now.
    pub timeline: u32,
    /// The server's flushed end of WAL.
    pub flush_lsn: Lsn,
    /// The database of a logical walsender.
    pub database: Option<String>,
}

/// The answer to `CREATE_REPLICATION_SLOT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedSlot {
    /// The slot's name.
    pub name: String,
    /// The slot's first position: everything that commits behind it will be streamed.
    pub consistent_point: Lsn,
    /// The exported snapshot's name, if one was exported.
    pub snapshot: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Which server and database this is.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, ClientError> {
        let command = walsender::IDENTIFY_SYSTEM;
        let result = single_row(self.query(command).await?, command)?;
        let problem = "a column is missing or not a number";
        let number = ClientError::UnexpectedResult { query: command, problem };
        let parsed = (
            result.value(0, "systemid").and_then(|text| text.parse().ok()),
            result.value(0, "timeline").and_then(|text| text.parse().ok()),
            result.value(0, "xlogpos").and_then(|text| text.parse().ok()),
        );
        let (Some(system_id), Some(timeline), Some(flush_lsn)) = parsed else { return Err(number) };
        let database = result.value(0, "dbname").map(str::to_owned);
        Ok(SystemIdentity { system_id, timeline, flush_lsn, database })
    }

    /// Where `timeline` ends in the history of timeline `of`; `None` if that history does not go through it.
    pub async fn timeline_end(&mut self, of: u32, timeline: u32) -> Result<Option<Lsn>, ClientError> {
        let query = "TIMELINE_HISTORY";
        let result = single_row(self.query(&walsender::timeline_history(of)).await?, query)?;
        let history = result.value(0, "content").unwrap_or_default();
        Ok(walsender::timeline_end(history, timeline))
    }

    /// A setting's value.
    pub async fn show(&mut self, setting: &str) -> Result<String, ClientError> {
        let result = single_row(self.query(&walsender::show(setting)).await?, "SHOW")?;
        let value = result.rows.into_iter().flatten().flatten().next();
        value.ok_or(ClientError::UnexpectedResult { query: "SHOW", problem: "it has no value" })
    }

    /// Creates a logical slot. The server waits, without a limit, for every transaction now running to end.
    pub async fn create_slot(&mut self, slot: &CreateSlot<'_>) -> Result<CreatedSlot, ClientError> {
        let query = "CREATE_REPLICATION_SLOT";
        let version = self.server_version().ok_or(ClientError::UnexpectedResult {
            query,
            problem: "the server has not told its version, which decides the command's syntax",
        })?;
        let result = single_row(self.query(&walsender::create_slot(slot, version)).await?, query)?;
        let name = result.value(0, "slot_name").map(str::to_owned);
        let point = result.value(0, "consistent_point").and_then(|text| text.parse().ok());
        let (Some(name), Some(consistent_point)) = (name, point) else {
            let problem = "the name or the consistent point is missing";
            return Err(ClientError::UnexpectedResult { query, problem });
        };
        let snapshot = result.value(0, "snapshot_name").map(str::to_owned);
        Ok(CreatedSlot { name, consistent_point, snapshot })
    }

    /// Drops a slot; `wait` until nobody uses it instead of failing.
    pub async fn drop_slot(&mut self, name: &str, wait: bool) -> Result<(), ClientError> {
        self.query(&walsender::drop_slot(name, wait)).await.map(drop)
    }

    /// Starts streaming. The server goes on at the later of `start` and its own confirmed position.
    ///
    /// The connection is used up: on an error it is closed.
    pub async fn start_replication(
        mut self,
        slot: &str,
        start: Lsn,
        options: &[(&str, &str)],
    ) -> Result<ReplicationStream<S>, ClientError> {
        self.send_query(&walsender::start_replication(slot, start, options)).await?;
        loop {
            let limits = Limits::query(self.max_query_row);
            let header = self.framed.read_frame(&limits).await;
            let header = header.map_err(|error| ClientError::receiving(error, "before the stream began"))?;
            let Some(frame) = self.framed.frame(header) else { continue };
            let started = before_stream(&frame, &mut self.session)?;
            self.framed.consume(header.total());
            if started {
                self.framed.resize(STREAM_BUFFER, self.max_stream_message);
                return Ok(ReplicationStream {
                    framed: self.framed,
                    session: self.session,
                    limits: Limits::streaming(self.max_stream_message),
                    flushed: Lsn::INVALID,
                });
            }
        }
    }
}

fn before_stream(frame: &Frame<'_>, session: &mut Session) -> Result<bool, ClientError> {
    match BackendMessage::parse(frame)? {
        BackendMessage::CopyBothResponse => return Ok(true),
        BackendMessage::ErrorResponse(body) => {
            return Err(ClientError::Server(Box::new(ServerError::parse(body, true)?)));
        }
        BackendMessage::NoticeResponse(body) => {
            let notice = ServerError::parse(body, true)?;
            tracing::info!(%notice, "the server has a notice");
        }
        BackendMessage::ParameterStatus { name, value } => session.parameters.set(name, value)?,
        BackendMessage::NotificationResponse => {}
        _ => {
            let tag = frame.header.tag;
            return Err(ProtocolError::UnexpectedMessage { tag, phase: Phase::Query }.into());
        }
    }
    Ok(false)
}

/// The one result with its one row.
fn single_row(results: Vec<ResultSet>, query: &'static str) -> Result<ResultSet, ClientError> {
    match <[ResultSet; 1]>::try_from(results) {
        Ok([result]) if result.rows.len() == 1 => Ok(result),
        _ => Err(ClientError::UnexpectedResult { query, problem: "it has not one row" }),
    }
}

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
        Ok(match CopyEvent::parse(frame)? {
            CopyEvent::Replication(ReplicationMessage::XLogData(message)) => Self::XLogData(message),
            CopyEvent::Replication(ReplicationMessage::Keepalive(message)) => Self::Keepalive(message),
            CopyEvent::Notice(notice) => Self::Notice(notice),
            CopyEvent::ParameterStatus { name, value } => {
                Self::ParameterStatus { name: plain(name), value: plain(value) }
            }
            CopyEvent::Notification => Self::Notification,
            CopyEvent::CopyDone | CopyEvent::Completed => Self::Ended,
            CopyEvent::Error(error) => return Err(ClientError::Server(error)),
            CopyEvent::Ready(_) => {
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
        // An update that still waits for a full socket goes first, so that they cannot pile up.
        self.framed.flush().await?;
        self.flushed = self.flushed.max(flush);
        let update =
            StandbyStatusUpdate { write, flush: self.flushed, apply, sent_at: now, reply_requested: reply };
        frontend::status_update(&update, self.framed.write_buffer());
        self.flush().await
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
