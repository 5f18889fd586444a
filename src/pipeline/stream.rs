//! One connection's life: read, process, settle, acknowledge, until it is told to stop or something fails.
//!
//! The loop only dispatches. What is confirmed is decided in [`acknowledgement`](super::acknowledgement), when to
//! read in [`reader`](super::reader), what becomes of a message in [`emitter`](super::emitter).

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::Clock;
use crate::decode::test_decoding::TestDecoding;
use crate::lsn::Lsn;
use crate::pipeline::emitter::{Emitter, Taken};
use crate::pipeline::error::PipelineError;
use crate::pipeline::heartbeat::Heartbeat;
use crate::pipeline::look_ahead::{Found, LookAhead};
use crate::pipeline::options::Intervals;
use crate::pipeline::reader::{DRY_READ, GULP, Reader, Step};
use crate::pipeline::status::PipelineStatus;
use crate::pipeline::transaction::{CommitTime, OpenTransaction};
use crate::postgres::client::{Dial, Login, ReplicationStream, StreamEvent};
use crate::postgres::error::ClientError;
use crate::postgres::protocol::replication::XLogData;
use crate::sink::Sink;

/// Unprocessed bytes above which nothing more is read.
const READ_AHEAD: usize = 512 << 10;
/// How often the sink is asked for reports while records are in flight.
const POLL: Duration = Duration::from_millis(5);
/// How often it is asked while the budget is used up.
const POLL_BLOCKED: Duration = Duration::from_millis(1);
/// How many messages are processed between two looks at the clock.
const MESSAGES_PER_CLOCK: u32 = 32;
/// How often positions are looked at and published.
const TICK: Duration = Duration::from_millis(250);
/// How long the sink may take nothing before the connection is given up: a walsender whose client does not read can
/// hold up the server's checkpoints.
const STALL_LIMIT: Duration = Duration::from_mins(5);
/// How long the server may take to end the stream once it has been asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a stream ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, and everything in flight is confirmed.
    Stopped,
    /// The server is shutting down.
    ServerShutdown,
}

/// A stream and everything that goes with it.
pub struct Session<'a, C, S, D: Dial = Login> {
    /// The connection.
    pub stream: ReplicationStream<C>,
    /// What becomes of messages.
    pub emitter: Emitter<'a, S, D>,
    /// When to read.
    pub reader: Reader,
    /// Times to keep to.
    pub intervals: Intervals,
    /// Where to stop; `None` to stop only when told to.
    pub end_lsn: Option<Lsn>,
    /// Where the state is published.
    pub status: &'a watch::Sender<PipelineStatus>,
    /// Wall-clock time.
    pub clock: Clock,
}

impl<C, S, D: Dial> std::fmt::Debug for Session<'_, C, S, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("reader", &self.reader).finish_non_exhaustive()
    }
}

/// How much of the buffer is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    /// Up to the end of the transaction that is open.
    OpenTransaction,
}

/// The loop's own state.
struct Progress {
    decoder: TestDecoding,
    look_ahead: LookAhead,
    /// The budget was used up before the buffer was empty.
    blocked: bool,
    /// Since when nothing at all could be processed.
    blocked_since: Option<Instant>,
    /// Until when messages may be processed; `None` to go on.
    wave_ends: Option<Instant>,
    /// Messages processed: the clock is looked at once for several.
    messages: u32,
    /// The server has ended the stream.
    ended: bool,
    /// When the server was last heard of, or not listened to.
    last_heard: Instant,
    next_tick: Instant,
    next_record: Instant,
    next_status: Instant,
    /// Records and bytes before this stream, so that the published counts go on.
    before: PipelineStatus,
    bytes: u64,
}

impl Progress {
    /// Whether the time to process messages is up; the clock is looked at for every so many.
    fn is_wave_over(&mut self) -> bool {
        let Some(end) = self.wave_ends else { return false };
        self.messages = self.messages.wrapping_add(1);
        self.messages.is_multiple_of(MESSAGES_PER_CLOCK) && Instant::now() >= end
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin, S: Sink, D: Dial> Session<'_, C, S, D> {
    /// Streams until `stop` turns true, the server shuts down, or something fails.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<Ended, PipelineError> {
        let now = Instant::now();
        let mut progress = Progress {
            decoder: TestDecoding::new(),
            look_ahead: LookAhead::default(),
            blocked: false,
            blocked_since: None,
            wave_ends: None,
            messages: 0,
            ended: false,
            last_heard: now,
            next_tick: now,
            next_record: now,
            next_status: now,
            before: *self.status.borrow(),
            bytes: 0,
        };
        loop {
            let now = Instant::now();
            let next_read = self.reader.step(now);
            let poll_at = now + if progress.blocked { POLL_BLOCKED } else { POLL };
            tokio::select! {
                biased;
                _ = stop.wait_for(|told| *told) => break,
                () = sleep_until(progress.next_tick) => self.tick(&mut progress)?,
                read = read(&mut self.stream, next_read), if !progress.blocked => {
                    if let Some(bytes) = read? {
                        let now = Instant::now();
                        progress.bytes += bytes as u64;
                        if bytes > 0 {
                            progress.last_heard = now;
                        }
                        self.reader.read(bytes, now);
                    }
                }
                () = sleep_until(poll_at), if !self.emitter.delivery.is_settled() => {}
            }
            self.emitter.now = self.clock.now();
            self.emitter.settle()?;
            if let Some(wave) = self.reader.wave(Instant::now(), self.emitter.delivery.is_settled()) {
                progress.wave_ends = wave.ends;
                self.process(&mut progress, Scope::Everything).await?;
                self.emitter.settle()?;
            }
            self.acknowledge(&mut progress).await?;
            if progress.ended {
                return Ok(Ended::ServerShutdown);
            }
            if self.is_at_end() {
                break;
            }
        }
        self.drain(progress).await?;
        Ok(Ended::Stopped)
    }

    fn is_at_end(&self) -> bool {
        let received = self.emitter.ack.positions().received;
        self.emitter.open.is_none() && self.end_lsn.is_some_and(|end| received >= end)
    }

    /// Processes the whole frames in the buffer, as far as the budgets allow.
    async fn process(&mut self, progress: &mut Progress, scope: Scope) -> Result<(), PipelineError> {
        let mut consumed = 0;
        let outcome = self.process_frames(progress, scope, &mut consumed).await;
        self.stream.consume(consumed);
        outcome
    }

    async fn process_frames(
        &mut self,
        progress: &mut Progress,
        scope: Scope,
        consumed: &mut usize,
    ) -> Result<(), PipelineError> {
        let limits = self.stream.limits();
        while scope == Scope::Everything || self.emitter.open.is_some() {
            progress.blocked = !self.emitter.delivery.has_capacity();
            if progress.blocked {
                progress.blocked_since.get_or_insert_with(Instant::now);
                return Ok(());
            }
            progress.blocked_since = None;
            if progress.is_wave_over() {
                return Ok(());
            }
            let (buffer, sender) = self.stream.split();
            let buffer = buffer.get(*consumed..).unwrap_or_default();
            let Some((event, length)) = StreamEvent::next(buffer, limits)? else { return Ok(()) };
            match event {
                StreamEvent::XLogData(message) => {
                    let Some(time) = commit_time(&message, &mut progress.look_ahead, buffer, &limits)? else {
                        return Ok(());
                    };
                    let decoded = progress
                        .decoder
                        .decode(message.payload)
                        .map_err(|source| PipelineError::Decode { lsn: message.wal_start, source })?;
                    if let Some(rest) = self.emitter.message(decoded, message.wal_start, time)? {
                        let heartbeat = Heartbeat {
                            sender,
                            status: self.emitter.ack.status(),
                            clock: self.clock,
                            next: &mut progress.next_status,
                            every: self.intervals.status,
                            last_heard: &mut progress.last_heard,
                        };
                        let work = self.emitter.finish(rest, message.wal_start);
                        if heartbeat.beside(work).await?? == Taken::InPart {
                            // The same message again, once there is room.
                            continue;
                        }
                    }
                }
                StreamEvent::Keepalive(keepalive) => {
                    self.emitter.keepalive(keepalive.wal_end, keepalive.reply_requested);
                }
                StreamEvent::Notice(notice) => tracing::warn!(%notice, "the server says"),
                StreamEvent::ParameterStatus { name, value } => {
                    tracing::info!(%name, %value, "a server parameter changed");
                }
                StreamEvent::Notification => {}
                StreamEvent::Ended => progress.ended = true,
            }
            *consumed += length;
        }
        Ok(())
    }

    /// Records progress and tells the server, where either is due.
    async fn acknowledge(&mut self, progress: &mut Progress) -> Result<(), PipelineError> {
        let now = Instant::now();
        let emitter = &mut self.emitter;
        let delivered = emitter.ack.positions().delivered;
        let asked = emitter.ack.reply_wanted() && emitter.delivery.is_settled();
        if emitter.delivery.has_progress(delivered) && (asked || now >= progress.next_record) {
            emitter.delivery.record_progress(delivered)?;
            progress.next_record = now + self.intervals.progress;
        }
        let heartbeat = now >= progress.next_status;
        if emitter.ack.status_due() || heartbeat {
            self.send_status(heartbeat).await?;
            progress.next_status = now + self.intervals.status;
        }
        Ok(())
    }

    /// Sends where we stand. `ask` for a sign of life, which a server that has nothing to send would not give.
    async fn send_status(&mut self, ask: bool) -> Result<(), ClientError> {
        let status = self.emitter.ack.status();
        self.stream.send_status(status.write, status.flush, status.flush, self.clock.now(), ask).await?;
        self.emitter.ack.sent(status);
        Ok(())
    }

    fn tick(&mut self, progress: &mut Progress) -> Result<(), PipelineError> {
        progress.next_tick = Instant::now() + TICK.min(self.intervals.status);
        self.clock = self.clock.again();
        if progress.blocked_since.is_some_and(|since| since.elapsed() > STALL_LIMIT) {
            return Err(PipelineError::Stalled);
        }
        self.emitter.delivery.forget_predecessor()?;
        if progress.blocked {
            progress.last_heard = Instant::now();
        } else if progress.last_heard.elapsed() > self.intervals.silence {
            return Err(
                ClientError::Closed { when: "without a word: it has been silent for too long" }.into()
            );
        }
        self.publish(progress, true);
        Ok(())
    }

    fn publish(&self, progress: &Progress, streaming: bool) {
        let (emitter, before) = (&self.emitter, &progress.before);
        self.status.send_replace(PipelineStatus {
            streaming,
            behind: self.reader.is_behind(),
            changes: before.changes + emitter.counts.changes,
            records: emitter.delivery.produced(),
            bytes: before.bytes + progress.bytes,
            deletes_without_key: before.deletes_without_key + emitter.counts.deletes_without_key,
            in_flight: emitter.delivery.in_flight(),
            positions: emitter.ack.positions(),
            last_commit: emitter.counts.last_commit_time.or(before.last_commit),
        });
    }

    /// Stops in order: the transaction at hand if it is in the buffer, then everything in flight, then the last
    /// position, then the connection.
    async fn drain(mut self, mut progress: Progress) -> Result<(), PipelineError> {
        let deadline = Instant::now() + self.intervals.drain;
        loop {
            self.emitter.settle()?;
            // A transaction whose COMMIT is in the buffer is finished, so that its records are not sent again.
            let unfinished = self.emitter.open.as_ref().is_some_and(OpenTransaction::is_buffered);
            if unfinished {
                self.process(&mut progress, Scope::OpenTransaction).await?;
            }
            let delivered = self.emitter.ack.positions().delivered;
            if !unfinished
                && self.emitter.delivery.has_progress(delivered)
                && self.emitter.delivery.is_settled()
            {
                self.emitter.delivery.record_progress(delivered)?;
            }
            if self.emitter.ack.status_due() || Instant::now() >= progress.next_status {
                self.send_status(false).await?;
                progress.next_status = Instant::now() + self.intervals.status;
            }
            if !unfinished
                && self.emitter.delivery.is_settled()
                && !self.emitter.delivery.has_progress(delivered)
            {
                break;
            }
            if Instant::now() >= deadline {
                return Err(PipelineError::DrainDeadline { in_flight: self.emitter.delivery.in_flight() });
            }
            sleep(POLL_BLOCKED).await;
        }
        self.send_status(false).await?;
        self.publish(&progress, false);
        match self.stream.stop(STOP_TIMEOUT).await {
            Ok(how) => tracing::debug!(?how, "the stream is closed"),
            // Everything is confirmed; how the connection ends is of no importance.
            Err(error) => tracing::debug!(%error, "the stream ended otherwise"),
        }
        Ok(())
    }
}

/// Reads as the reader says. `None`: there was no read, only a pause.
///
/// Cancel-safe: it awaits one read, one timer or one turn of the runtime, and keeps nothing of its own.
async fn read<C: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut ReplicationStream<C>,
    step: Step,
) -> Result<Option<usize>, ClientError> {
    if stream.buffered().len() >= READ_AHEAD && !is_incomplete(stream) {
        if step != Step::WhenReadable {
            // What is there waits for its wave.
            sleep(POLL_BLOCKED).await;
        }
        return Ok(None);
    }
    match step {
        Step::WhenReadable => stream.fill().await.map(Some),
        Step::Drain => drain_socket(stream).await.map(Some),
        Step::NotBefore(instant) => {
            sleep_until(instant).await;
            Ok(None)
        }
    }
}

/// Takes what the server has waiting, quickly and before any of it is processed: while the socket has room the
/// server pays the way through the network for each message.
///
/// Cancel-safe: it awaits one turn of the runtime, and what was read is in the stream's buffer.
async fn drain_socket<C: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut ReplicationStream<C>,
) -> Result<usize, ClientError> {
    let mut drained = 0;
    loop {
        let read = if let Some(bytes) = stream.fill_now().await? {
            bytes
        } else {
            // After a short read the runtime takes the socket for empty until it has looked again.
            yield_now().await;
            stream.fill_now().await?.unwrap_or(0)
        };
        drained += read;
        if read < DRY_READ || stream.buffered().len() >= GULP {
            return Ok(drained);
        }
    }
}

/// Whether the buffer does not even hold one whole frame.
fn is_incomplete<C>(stream: &ReplicationStream<C>) -> bool {
    stream.frames().next().is_none()
}

/// The commit time of a BEGIN; anything else has none. `None`: more bytes may bring the COMMIT.
fn commit_time(
    message: &XLogData<'_>,
    look_ahead: &mut LookAhead,
    buffer: &[u8],
    limits: &crate::postgres::protocol::frame::Limits,
) -> Result<Option<CommitTime>, ClientError> {
    let estimate = CommitTime::Estimated(message.sent_at);
    if !message.payload.starts_with(b"BEGIN") {
        return Ok(Some(estimate));
    }
    Ok(match look_ahead.search(buffer, limits)? {
        Found::Commit(time) => Some(CommitTime::Known(time)),
        Found::TooFar => Some(estimate),
        Found::NotYet => None,
    })
}
