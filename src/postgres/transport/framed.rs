//! A stream with its two buffers.
//!
//! [`Framed`] reads what is there and hands out whole frames; what they mean it does not know. Everything it has
//! received or was given to send is kept in its own fields, never in a future, which is why its methods can be
//! cancelled in a `select!`.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::read_buffer::ReadBuffer;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{Frame, FrameHeader, HEADER_LEN, Limits, peek};

/// The read buffer during login and queries.
const SMALL_BUFFER: usize = 16 << 10;

/// The most bytes held before [`Framed::resize`] says otherwise: the longest message of a login and a read more.
const SMALL_LIMIT: usize = 128 << 10;

/// A frame did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Reading failed.
    #[error("reading from the server failed")]
    Io(#[from] io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// What arrived is not a frame that may come here.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// A stream, what was read from it and not consumed, and what is to be written to it.
#[derive(Debug)]
pub struct Framed<S> {
    stream: S,
    read: ReadBuffer,
    write: BytesMut,
}

impl<S> Framed<S> {
    /// Buffers a fresh stream, with the small limits of a login.
    pub fn new(stream: S) -> Self {
        Self { stream, read: ReadBuffer::new(SMALL_BUFFER, SMALL_LIMIT), write: BytesMut::new() }
    }

    /// Sets the read buffer's capacity in steady state and the largest frame that must fit in it.
    pub fn resize(&mut self, steady: usize, largest_frame: usize) {
        self.read.resize(steady, largest_frame.saturating_add(HEADER_LEN).saturating_add(steady));
    }

    /// What was read and not consumed.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        self.read.filled()
    }

    /// Forgets the first `n` buffered bytes.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.read.consume(n);
    }

    /// Bytes of memory the read buffer holds.
    pub fn read_capacity(&self) -> usize {
        self.read.capacity()
    }

    /// The write buffer, to append whole messages to. They leave with [`Framed::flush`].
    pub fn write_buffer(&mut self) -> &mut BytesMut {
        &mut self.write
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// What was read and not consumed, and the sending side: one can be looked at while the other is used.
    #[inline]
    pub fn split(&mut self) -> (&[u8], Outgoing<'_, S>) {
        (self.read.filled(), Outgoing { stream: &mut self.stream, write: &mut self.write })
    }

    /// The whole frame that starts the buffer.
    pub fn frame(&self, header: FrameHeader) -> Option<Frame<'_>> {
        let body = self.buffered().get(HEADER_LEN..header.total())?;
        Some(Frame { start: 0, header, body })
    }
}

impl<S: AsyncRead + Unpin> Framed<S> {
    /// Waits until something can be read and does one read. 0: the server closed the connection.
    ///
    /// Cancel-safe: the only await is one `read_buf`, which has either appended its bytes to the buffer or read
    /// nothing.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.read.make_room()?;
        self.stream.read_buf(self.read.tail()).await
    }

    /// One read if something is there now; `None` when it would have to wait.
    ///
    /// Cancel-safe for the same reason as [`Framed::fill`]; it never waits.
    pub async fn fill_now(&mut self) -> io::Result<Option<usize>> {
        self.read.make_room()?;
        let mut read = std::pin::pin!(self.stream.read_buf(self.read.tail()));
        poll_fn(|cx| {
            Poll::Ready(match read.as_mut().poll(cx) {
                Poll::Ready(result) => result.map(Some),
                Poll::Pending => Ok(None),
            })
        })
        .await
    }

    /// Waits until the buffer starts with a whole frame; [`Framed::frame`] then borrows it and
    /// [`Framed::consume`] removes it.
    ///
    /// Cancel-safe: it consumes nothing, and what [`Framed::fill`] read so far stays in the buffer.
    pub async fn read_frame(&mut self, limits: &Limits) -> Result<FrameHeader, ReceiveError> {
        loop {
            if let Some(header) = peek(self.buffered(), limits)?
                && self.buffered().len() >= header.total()
            {
                return Ok(header);
            }
            if self.fill().await? == 0 {
                return Err(ReceiveError::Closed);
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Framed<S> {
    /// Writes the write buffer out.
    ///
    /// Cancel-safe: `write_buf` removes from the buffer exactly what the stream took, so a later call goes on at
    /// that byte. Messages that were appended are not lost by cancelling, only late.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.split().1.flush().await
    }

    /// Writes a frame that holds a secret, straight from the caller's memory, which overwrites itself.
    ///
    /// **Not** cancel-safe: a part of the frame may have left. Only a login calls it, and a login that is
    /// cancelled closes its connection.
    pub async fn send_secret(&mut self, frame: &[u8]) -> io::Result<()> {
        self.flush().await?;
        self.stream.write_all(frame).await?;
        self.stream.flush().await
    }

    /// Closes the sending side. Cancel-safe: at worst it is not closed yet, and dropping closes it.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }
}

/// The sending side of a [`Framed`].
#[derive(Debug)]
pub struct Outgoing<'a, S> {
    stream: &'a mut S,
    write: &'a mut BytesMut,
}

impl<S> Outgoing<'_, S> {
    /// As [`Framed::write_buffer`].
    pub fn write_buffer(&mut self) -> &mut BytesMut {
        self.write
    }
}

impl<S: AsyncWrite + Unpin> Outgoing<'_, S> {
    /// As [`Framed::flush`], and cancel-safe like it.
    pub async fn flush(&mut self) -> io::Result<()> {
        while self.write.has_remaining() {
            if self.stream.write_buf(self.write).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.stream.flush().await
    }
}
