//! The request for TLS and its one-byte answer (manual, "SSL Session Encryption").
//!
//! The answer is read as exactly one byte, and nothing may stand behind it: a server that says yes waits for the
//! client's first message. Bytes that are there already were put there by somebody in between, to be taken for the
//! server's once the handshake is done (CVE-2021-23222).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::error::TlsError;

/// The message: its length, and a version that no protocol has.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
}

/// Asks for TLS.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<Answer, TlsError> {
    let byte = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    match byte.await.map_err(TlsError::Request)? {
        b'S' => {
            expect_silence(stream).await?;
            Ok(Answer::Yes)
        }
        b'N' => Ok(Answer::No),
        b'E' => Err(TlsError::RequestFailed),
        byte => Err(TlsError::UnexpectedAnswer { byte }),
    }
}

/// Looks once, without waiting, whether something is there.
async fn expect_silence<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), TlsError> {
    let mut byte = [0];
    let looked: Option<io::Result<usize>> = poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut byte);
        Poll::Ready(match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
            Poll::Ready(outcome) => Some(outcome.map(|()| buf.filled().len())),
            Poll::Pending => None,
        })
    })
    .await;
    match looked {
        None => Ok(()),
        Some(Ok(0)) => Err(TlsError::Request(io::ErrorKind::UnexpectedEof.into())),
        Some(Ok(_)) => Err(TlsError::BytesInTheClear),
        Some(Err(error)) => Err(TlsError::Request(error)),
    }
}
