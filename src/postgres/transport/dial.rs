//! Opens a connection to one host: TCP by name or address, or a Unix-domain socket by its folder.
//!
//! The addresses of a name are tried in the order the resolver gives them. The receive buffer is set before
//! `connect`, because the window that TCP announces is fixed by then.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::socket::Socket;

/// A name with more addresses than this is tried with the first ones.
const MAX_ADDRESSES: usize = 16;

/// A peer that is silent for this long is probed, and given up after some probes: what waits without a limit of its
/// own, as for a slot to be made, would otherwise notice a dead network by the kernel's defaults, after hours.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);
/// How long sent bytes may stay unacknowledged by the peer's kernel.
#[cfg(target_os = "linux")]
const UNANSWERED: Duration = Duration::from_mins(1);

/// Where to connect and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// A name, an address, or the folder of a Unix-domain socket: that starts with `/`.
    pub host: String,
    /// The TCP port; also part of the socket's name.
    pub port: u16,
    /// `SO_RCVBUF` in bytes; `None` leaves it to the kernel's tuning.
    pub receive_buffer: Option<u32>,
    /// For resolving and connecting together; the addresses share it.
    pub timeout: Duration,
}

/// An open connection.
#[derive(Debug)]
pub struct Dialed<S> {
    /// The stream.
    pub stream: S,
    /// How long the TCP handshake took: an estimate of the round trip. `None` for a Unix-domain socket.
    pub round_trip: Option<Duration>,
}

/// No connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name cannot be resolved.
    #[error("cannot resolve the host {host}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No address took the connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// The address tried last.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The time was over first.
    #[error("no connection to {address} within {} s", .after.as_secs_f32())]
    Timeout {
        /// The address tried last, or the host while it was being resolved.
        address: String,
        /// How long it was tried.
        after: Duration,
    },
}

/// Opens a connection. Dropping the future closes what is half open.
pub async fn dial(target: &Target) -> Result<Dialed<Socket>, DialError> {
    if target.host.starts_with('/') {
        return dial_unix(target).await;
    }
    let deadline = Instant::now() + target.timeout;
    let addresses = resolve(target).await?;
    let mut last = None;
    let mut left = u32::try_from(addresses.len()).unwrap_or(1);
    for address in addresses {
        // An address that never answers leaves the others their share of the time.
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        let started = Instant::now();
        match timeout(share, connect_tcp(address, target.receive_buffer)).await {
            Ok(Ok(stream)) => {
                return Ok(Dialed { stream: Socket::Tcp(stream), round_trip: Some(started.elapsed()) });
            }
            Ok(Err(source)) => last = Some(DialError::Connect { address: address.to_string(), source }),
            Err(_) => {
                let after = target.timeout;
                last = Some(DialError::Timeout { address: address.to_string(), after });
            }
        }
    }
    Err(last.unwrap_or_else(|| no_address(target)))
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, DialError> {
    let host = || target.host.clone();
    let found = timeout(target.timeout, lookup_host((target.host.as_str(), target.port))).await;
    match found {
        Ok(Ok(addresses)) => Ok(addresses.take(MAX_ADDRESSES).collect()),
        Ok(Err(source)) => Err(DialError::Resolve { host: host(), source }),
        Err(_) => Err(DialError::Timeout { address: host(), after: target.timeout }),
    }
}

fn no_address(target: &Target) -> DialError {
    DialError::Resolve {
        host: target.host.clone(),
        source: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
    }
}

async fn connect_tcp(address: SocketAddr, receive_buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let options = SockRef::from(&socket);
    options.set_tcp_keepalive(&KEEPALIVE)?;
    #[cfg(target_os = "linux")]
    options.set_tcp_user_timeout(Some(UNANSWERED))?;
    // A status update is small and must not wait for the next one.
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

#[cfg(unix)]
async fn dial_unix(target: &Target) -> Result<Dialed<Socket>, DialError> {
    use tokio::net::UnixStream;

    let path = format!("{}/.s.PGSQL.{}", target.host.trim_end_matches('/'), target.port);
    match timeout(target.timeout, UnixStream::connect(&path)).await {
        Ok(Ok(stream)) => Ok(Dialed { stream: Socket::Unix(stream), round_trip: None }),
        Ok(Err(source)) => Err(DialError::Connect { address: path, source }),
        Err(_) => Err(DialError::Timeout { address: path, after: target.timeout }),
    }
}

#[cfg(not(unix))]
async fn dial_unix(target: &Target) -> Result<Dialed<Socket>, DialError> {
    Err(DialError::Connect {
        address: target.host.clone(),
        source: io::Error::new(io::ErrorKind::Unsupported, "Unix-domain sockets exist on Unix only"),
    })
}

#[cfg(test)]
mod tests;
