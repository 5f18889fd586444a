//! A stream as it is read and written: in the clear, or through TLS.
//!
//! Which of the two is one branch a call. rustls takes 4 KiB from its source at a time, so a buffered reader stands
//! below it; and it hands out one record at a time, so [`Stream`] asks it again until the caller's buffer is full or
//! the socket is dry. What one read brings then means the same as without TLS: a short one is the last for now.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::socket::Socket;

/// What is read from the socket at once below TLS.
pub(super) const BELOW_TLS: usize = 32 << 10;

/// A stream over a socket, or over anything else in a test.
#[derive(Debug)]
pub enum Stream<S = Socket> {
    /// In the clear.
    Plain(S),
    /// Through TLS.
    Tls(Box<TlsStream<BufReader<S>>>),
}

impl<S: AsyncRead> Stream<S> {
    /// What it runs over.
    pub fn below(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0.get_ref(),
        }
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl Stream {
    /// Whether it leads through a Unix-domain socket, whose queue is the sender's: a reader that naps starves it.
    pub fn is_unix(&self) -> bool {
        self.below().is_unix()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => poll_read_tls(Pin::new(stream), cx, buf),
        }
    }
}

/// Reads records until the buffer is full or nothing more is there. What failed behind bytes that were read fails
/// again at the next call.
fn poll_read_tls<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: Pin<&mut Box<TlsStream<BufReader<S>>>>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let before = buf.filled().len();
    while buf.remaining() > 0 {
        let so_far = buf.filled().len();
        let outcome = match stream.as_mut().poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() > so_far => continue,
            Poll::Ready(outcome) => Poll::Ready(outcome.or_else(ended_without_a_word)),
            Poll::Pending => Poll::Pending,
        };
        return if so_far > before { Poll::Ready(Ok(())) } else { outcome };
    }
    Poll::Ready(Ok(()))
}

/// A server that dies sends no `close_notify`. The protocol above has lengths and an end of its own, so a missing
/// one says nothing that the end of the stream does not.
fn ended_without_a_word(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
