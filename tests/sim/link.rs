//! A connection in memory that can be cut at any byte, in either direction, in every way a network cuts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::rng::Rng;

/// Bytes of the client that the network holds.
const UP_CAPACITY: usize = 64 << 10;

/// How a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both sides get an error at once; what was under way is lost.
    Reset,
    /// Both sides read what is under way, then the end.
    Closed,
    /// The client gets an error, the server hears nothing more.
    HalfOpen,
    /// Nobody hears anything more.
    Silent,
}

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
struct Lane {
    bytes: VecDeque<u8>,
    closed: bool,
    /// Bytes until the cut.
    budget: Option<u64>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

#[derive(Debug)]
struct State {
    /// Client to server.
    up: Lane,
    /// Server to client.
    down: Lane,
    capacity: usize,
    /// The most bytes one read of the client brings.
    chunk: u64,
    rng: Rng,
    kind: Cut,
    cut: Option<Cut>,
    /// The client's end is gone.
    abandoned: bool,
    /// Whether the cut came at the byte it was planned for.
    planned: bool,
    /// The client waits without a limit, and only its kernel can tell it that nobody is there.
    patient: bool,
}

/// What a link is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) capacity: usize,
    pub(crate) chunk: u64,
    pub(crate) cut: Option<(Cut, Way, u64)>,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    state: Rc<RefCell<State>>,
    server: Rc<Notify>,
}

/// What the server finds when it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Bytes,
    Nothing,
    End,
}

impl Link {
    pub(crate) fn new(weather: Weather, rng: Rng) -> Self {
        let mut state = State {
            up: Lane::default(),
            down: Lane::default(),
            capacity: weather.capacity,
            chunk: weather.chunk,
            rng,
            kind: Cut::Reset,
            cut: None,
            abandoned: false,
            planned: false,
            patient: false,
        };
        if let Some((kind, direction, bytes)) = weather.cut {
            state.kind = kind;
            let lane = if direction == Way::Up { &mut state.up } else { &mut state.down };
            lane.budget = Some(bytes);
        }
        Self { state: Rc::new(RefCell::new(state)), server: Rc::new(Notify::new()) }
    }

    /// Wakes the server's side when something has happened on the link.
    pub(crate) fn server(&self) -> Rc<Notify> {
        Rc::clone(&self.server)
    }

    /// Whether the cut came at the byte it was planned for.
    pub(crate) fn was_cut_at_its_byte(&self) -> bool {
        self.state.borrow().planned
    }

    /// Cuts the connection now.
    pub(crate) fn cut(&self, kind: Cut) {
        self.state.borrow_mut().cut(kind);
        self.server.notify_one();
    }

    /// No cut is to come any more.
    pub(crate) fn disarm(&self) {
        let mut state = self.state.borrow_mut();
        (state.up.budget, state.down.budget) = (None, None);
    }

    /// The client waits without a limit of its own.
    pub(crate) fn is_waited_for(&self) {
        self.state.borrow_mut().patient = true;
    }

    pub(crate) fn is_patient(&self) -> bool {
        self.state.borrow().patient
    }

    /// The kernels find out that a silent connection is dead.
    pub(crate) fn bury(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(Cut::HalfOpen | Cut::Silent) = state.cut {
            state.cut = Some(Cut::Reset);
            state.up.wake();
            state.down.wake();
            drop(state);
            self.server.notify_one();
        }
    }

    /// The server closes its end.
    pub(crate) fn close_server(&self) {
        let mut state = self.state.borrow_mut();
        state.down.closed = true;
        state.up.closed = true;
        state.down.wake();
        state.up.wake();
    }

    /// Reads all that is there into `out`.
    pub(crate) fn hear(&self, out: &mut Vec<u8>) -> Heard {
        let mut state = self.state.borrow_mut();
        match state.cut {
            Some(Cut::Reset) => return Heard::End,
            Some(Cut::HalfOpen | Cut::Silent) => return Heard::Nothing,
            Some(Cut::Closed) | None => {}
        }
        if state.up.bytes.is_empty() {
            return if state.up.closed { Heard::End } else { Heard::Nothing };
        }
        out.extend(state.up.bytes.drain(..));
        state.up.wake();
        Heard::Bytes
    }

    /// Takes as many of `bytes` as there is room for; `None` when the client is gone.
    pub(crate) fn say(&self, bytes: &[u8]) -> Option<usize> {
        let mut state = self.state.borrow_mut();
        match state.cut {
            Some(Cut::Reset | Cut::Closed) => return None,
            // The server's own queue takes a while to fill.
            Some(Cut::HalfOpen | Cut::Silent) => return Some(bytes.len()),
            None if state.abandoned => return None,
            None => {}
        }
        let mut room = state.capacity.saturating_sub(state.down.bytes.len()).min(bytes.len());
        let mut cut = false;
        if let Some(budget) = &mut state.down.budget {
            room = room.min(usize::try_from(*budget).unwrap_or(usize::MAX));
            *budget -= room as u64;
            cut = *budget == 0;
        }
        state.down.bytes.extend(&bytes[..room]);
        state.down.wake();
        if cut {
            let kind = state.kind;
            state.planned = true;
            state.cut(kind);
            self.server.notify_one();
        }
        Some(room)
    }
}

impl State {
    fn cut(&mut self, kind: Cut) {
        if self.cut.is_some() {
            return;
        }
        self.cut = Some(kind);
        match kind {
            Cut::Reset => {
                self.up.bytes.clear();
                self.down.bytes.clear();
            }
            Cut::Closed => (self.up.closed, self.down.closed) = (true, true),
            Cut::HalfOpen => self.down.bytes.clear(),
            Cut::Silent => {}
        }
        self.up.wake();
        self.down.wake();
    }

    fn is_broken(&self) -> bool {
        matches!(self.cut, Some(Cut::Reset | Cut::HalfOpen))
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// The client's end.
#[derive(Debug)]
pub(crate) struct ClientEnd(pub(crate) Link);

impl AsyncRead for ClientEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state.borrow_mut();
        if state.is_broken() {
            return Poll::Ready(Err(reset()));
        }
        if state.down.bytes.is_empty() {
            if state.down.closed && state.cut != Some(Cut::Silent) {
                return Poll::Ready(Ok(()));
            }
            state.down.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = state.chunk;
        let chunk = usize::try_from(state.rng.between(1, most)).unwrap_or(usize::MAX);
        let count = chunk.min(buf.remaining()).min(state.down.bytes.len());
        let (front, back) = state.down.bytes.as_slices();
        let first = count.min(front.len());
        buf.put_slice(&front[..first]);
        buf.put_slice(&back[..count - first]);
        state.down.bytes.drain(..count);
        state.down.wake();
        drop(state);
        self.0.server.notify_one();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.state.borrow_mut();
        match state.cut {
            Some(Cut::Reset | Cut::HalfOpen) => return Poll::Ready(Err(reset())),
            Some(Cut::Closed) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Some(Cut::Silent) => return Poll::Ready(Ok(bytes.len())),
            None if state.up.closed => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            None => {}
        }
        // The kernel takes more status updates than a client ever has under way.
        let mut room = UP_CAPACITY.saturating_sub(state.up.bytes.len()).min(bytes.len());
        if room == 0 {
            state.up.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut cut = false;
        if let Some(budget) = &mut state.up.budget {
            room = room.min(usize::try_from(*budget).unwrap_or(usize::MAX));
            *budget -= room as u64;
            cut = *budget == 0;
        }
        state.up.bytes.extend(&bytes[..room]);
        if cut {
            let kind = state.kind;
            state.planned = true;
            state.cut(kind);
        }
        drop(state);
        self.0.server.notify_one();
        // A cut shows with the next call.
        Poll::Ready(Ok(room.max(1)))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.state.borrow_mut().up.closed = true;
        self.0.server.notify_one();
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.up.closed = true;
        state.abandoned = true;
        drop(state);
        self.0.server.notify_one();
    }
}
