//! A TCP proxy that misbehaves on demand: it cuts connections, at any byte if need be, lets nothing through and says
//! nothing, or is slow.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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

/// As [`Shared::left`] and [`Shared::rate`]: no limit.
const UNLIMITED: u64 = u64::MAX;

#[derive(Debug)]
struct Shared {
    closed: AtomicBool,
    /// The connections up to this number carry nothing any more.
    stalled: AtomicUsize,
    /// The connections up to this number are gone.
    cut: AtomicUsize,
    /// The connections up to this number come to an orderly end.
    ended: AtomicUsize,
    accepted: AtomicUsize,
    /// How many more bytes pass before every connection ends.
    left: AtomicU64,
    /// Bytes in a second, for each connection and direction.
    rate: AtomicU64,
}

impl Proxy {
    /// Listens on a free port and passes connections on to `port`.
    pub(crate) fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, super::ports::free()?))?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            closed: AtomicBool::new(false),
            stalled: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            left: AtomicU64::new(UNLIMITED),
            rate: AtomicU64::new(UNLIMITED),
        });
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

    /// Lets connections that were stalled carry on, with what was sent into them meanwhile.
    pub(crate) fn resume(&self) {
        self.shared.stalled.store(0, Ordering::Relaxed);
    }

    /// Ends every connection as soon as so many more bytes have passed, be it in the middle of a message. The bytes
    /// before arrive: it is an orderly end.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::Relaxed);
    }

    /// Whether what [`Self::cut_after`] announced is still to come.
    pub(crate) fn will_cut(&self) -> bool {
        self.shared.left.load(Ordering::Relaxed) != UNLIMITED
    }

    /// Takes back what [`Self::cut_after`] announced.
    pub(crate) fn never_mind(&self) {
        self.shared.left.store(UNLIMITED, Ordering::Relaxed);
    }

    /// Lets no more bytes pass in a second, for each connection and direction.
    pub(crate) fn throttle(&self, bytes_per_second: Option<u64>) {
        self.shared.rate.store(bytes_per_second.unwrap_or(UNLIMITED), Ordering::Relaxed);
    }
}

impl Shared {
    /// How many of `length` bytes may pass. Where they are not all of them, every connection ends.
    fn pass(&self, length: u64) -> u64 {
        let spent = |left| (left != UNLIMITED).then(|| if left > length { left - length } else { UNLIMITED });
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent) {
            Ok(left) if left <= length => {
                self.ended.store(self.accepted.load(Ordering::Relaxed), Ordering::Relaxed);
                left.min(length.saturating_sub(1))
            }
            _ => length,
        }
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
        if number <= shared.ended.load(Ordering::Relaxed) {
            break;
        }
        if number <= shared.stalled.load(Ordering::Relaxed) {
            nap(LOOK_AROUND);
            continue;
        }
        let rate = shared.rate.load(Ordering::Relaxed);
        let most = usize::try_from(rate / 50).unwrap_or(usize::MAX).clamp(1, buffer.len());
        match from.read(buffer.get_mut(..most).unwrap_or_default()) {
            Ok(0) => break,
            Ok(length) => {
                let passed = shared.pass(length as u64);
                let bytes = usize::try_from(passed).ok().and_then(|passed| buffer.get(..passed));
                if to.write_all(bytes.unwrap_or_default()).is_err() || passed < length as u64 {
                    break;
                }
                if rate != UNLIMITED {
                    nap(Duration::from_micros(passed * 1_000_000 / rate.max(1)));
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
