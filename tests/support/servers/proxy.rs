//! A TCP proxy that misbehaves on demand: it cuts connections, or lets nothing through and says nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::{Result, nap};

/// How long a thread sleeps in a read or a pause before it looks around.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// A proxy to one server on 127.0.0.1. Dropping it cuts everything.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    closed: AtomicBool,
    /// The connections up to this number carry nothing any more.
    stalled: AtomicUsize,
    /// The connections up to this number are gone.
    cut: AtomicUsize,
    accepted: AtomicUsize,
}

impl Proxy {
    /// Listens on a free port and passes connections on to `port`.
    pub(crate) fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, super::ports::free()?))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared::default());
        let proxy = Self { port: listener.local_addr()?.port(), shared: Arc::clone(&shared) };
        std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            while !shared.closed.load(Ordering::Relaxed) {
                match listener.accept() {
                    // A connection that cannot be passed on is closed, as the network would.
                    Ok((client, _)) => drop(join(client, server, &shared)),
                    Err(_) => nap(LOOK_AROUND),
                }
            }
        })?;
        Ok(proxy)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there have been.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Resets every connection there is (RST, not an orderly end).
    pub(crate) fn cut(&self) {
        self.shared.cut.store(self.accepted(), Ordering::Relaxed);
    }

    /// Lets nothing through the connections there are, which stay open. New ones work.
    pub(crate) fn stall(&self) {
        self.shared.stalled.store(self.accepted(), Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

fn join(client: TcpStream, server: SocketAddr, shared: &Arc<Shared>) -> Result<()> {
    client.set_nonblocking(false)?;
    let server = TcpStream::connect(server)?;
    let number = shared.accepted.fetch_add(1, Ordering::Relaxed) + 1;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK_AROUND))?;
    }
    for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let shared = Arc::clone(shared);
        std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || copy(from, to, number, &shared))?;
    }
    Ok(())
}

/// One direction, until either end is gone.
fn copy(mut from: TcpStream, mut to: TcpStream, number: usize, shared: &Shared) {
    let mut buffer = vec![0; 64 << 10];
    while !shared.closed.load(Ordering::Relaxed) {
        if number <= shared.cut.load(Ordering::Relaxed) {
            // With linger 0 the last close is a reset.
            set_socket_linger(&from, Some(Duration::ZERO)).ok();
            return;
        }
        if number <= shared.stalled.load(Ordering::Relaxed) {
            nap(LOOK_AROUND);
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    // The other direction ends with this one.
    from.shutdown(std::net::Shutdown::Both).ok();
    to.shutdown(std::net::Shutdown::Both).ok();
}
