//! Free ports of 127.0.0.1.
//!
//! They lie below the range from which the kernel serves outgoing connections: a server that a test stops and starts
//! again would otherwise find its port taken by some client's connection. Two processes can still choose the same
//! port at the same moment, so whoever starts a server asks again when it cannot bind.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use super::Result;

/// The ports from here to the kernel's own range are tried.
const LOWEST: u16 = 15_000;
/// Where the kernel's range starts when it cannot be read.
const USUAL_EPHEMERAL_START: u16 = 32_768;

/// A port nobody listens on, never given out before by this process.
pub(crate) fn free() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let span = u64::from(ephemeral_start().saturating_sub(LOWEST).max(1));
    for _ in 0..1000 {
        let offset = std::hash::RandomState::new().build_hasher().finish() % span;
        let port = LOWEST.saturating_add(u16::try_from(offset)?);
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    Err("no free port on 127.0.0.1 in 1000 tries".into())
}

fn ephemeral_start() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|start| *start > LOWEST)
        .unwrap_or(USUAL_EPHEMERAL_START)
}
