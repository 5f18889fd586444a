//! The client's end of a pipe, with an eye on what leaves: every status update is held against the rules that hold
//! for all of them, at the moment it leaves.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::held_sink::HeldSink;
use super::ledger::{Entry, Ledger};
use super::scripted::Status;

/// How many bytes the next read may bring.
pub(crate) type Chunks = Box<dyn FnMut() -> usize>;

/// No information.
pub(crate) const NOTHING: Status = Status { write: 0, flush: 0, apply: 0, reply: false };

/// What passed.
pub(crate) struct Wire {
    /// Bytes that left and are no whole frame yet. Before the stream begins nothing is looked at.
    outgoing: Vec<u8>,
    streaming: bool,
    /// The position the stream started at.
    start: u64,
    /// Whether positions are recorded before they are confirmed.
    records_progress: bool,
    last: Option<Status>,
    /// Bytes read since the stream began.
    pub(crate) read: usize,
    chunks: Chunks,
    sink: HeldSink,
    ledger: Ledger,
}

impl Wire {
    pub(crate) fn new(
        start: u64,
        records_progress: bool,
        chunks: Chunks,
        sink: HeldSink,
        ledger: Ledger,
    ) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            outgoing: Vec::new(),
            streaming: false,
            start,
            records_progress,
            last: None,
            read: 0,
            chunks,
            sink,
            ledger,
        }))
    }

    /// The stream begins.
    pub(crate) fn begin(&mut self) {
        self.streaming = true;
        self.read = 0;
    }

    /// The last status update that left; all zeros before the first, which is what a server takes it for.
    pub(crate) fn last(&self) -> Status {
        self.last.unwrap_or(NOTHING)
    }

    fn left(&mut self, bytes: &[u8]) {
        if !self.streaming {
            return;
        }
        self.outgoing.extend_from_slice(bytes);
        while let Some(length) = self.outgoing.get(1..5) {
            let total = 1 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.outgoing.len() < total {
                return;
            }
            let frame: Vec<u8> = self.outgoing.drain(..total).collect();
            match frame[0] {
                b'd' => self.told(Status::parse(&frame[5..])),
                b'c' => self.ledger.note(Entry::CopyDone),
                b'X' => self.ledger.note(Entry::Terminated),
                other => panic!("a stream's client sends no {:?}", char::from(other)),
            }
        }
    }

    fn told(&mut self, status: Status) {
        let before = self.last.replace(status).unwrap_or(NOTHING);
        assert!(status.flush >= before.flush, "the flush position went back: {before:?}, {status:?}");
        assert!(status.write >= before.write, "the write position went back: {before:?}, {status:?}");
        assert_eq!(status.apply, status.flush, "{status:?}");
        assert!(status.write >= status.flush, "flushed what was not received: {status:?}");
        if self.records_progress {
            let recorded = self.start.max(self.sink.recorded());
            assert!(status.flush <= recorded, "{status:?} confirms more than is recorded, {recorded:#x}");
        }
        self.ledger.note(Entry::Told(status));
    }
}

/// The client's end.
pub(crate) struct Tap {
    pipe: DuplexStream,
    wire: Rc<RefCell<Wire>>,
}

impl Tap {
    pub(crate) fn new(pipe: DuplexStream, wire: Rc<RefCell<Wire>>) -> Self {
        Self { pipe, wire }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let chunk = (self.wire.borrow_mut().chunks)().clamp(1, buf.remaining());
        let mut bytes = vec![0; chunk];
        let mut part = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.pipe).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        self.wire.borrow_mut().read += part.filled().len();
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.pipe).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.wire.borrow_mut().left(&bytes[..*count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
