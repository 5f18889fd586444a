//! SCRAM-SHA-256 (RFC 5802, RFC 7677; manual, "SASL Authentication"), also bound to the server's certificate
//! (RFC 5929, `tls-server-end-point`).
//!
//! The hashing, the nonce check and the comparison of the server's signature are `postgres-protocol`'s. Its
//! memory is not overwritten on drop; the exchange is therefore dropped as soon as the login is decided.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use zeroize::Zeroizing;

use super::{AuthError, Method};
use crate::secret::Secret;

/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// Its name with channel binding.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What the exchange is bound to. The server checks that it fits what it has offered, so that nobody between can
/// take the offer away unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// To nothing, and we could not have.
    None,
    /// To nothing, because the server offers no more. One that did will notice.
    NotOffered,
    /// To the certificate with this hash.
    EndPoint(Vec<u8>),
}

impl Binding {
    /// The mechanism that goes with it.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::None | Self::NotOffered => MECHANISM,
            Self::EndPoint(_) => MECHANISM_PLUS,
        }
    }
}

/// The most iterations done for a server, which nobody has authenticated yet. It bounds the CPU time of the one
/// expensive step; `postgres-protocol` has the same limit.
pub const ITERATION_LIMIT: u32 = 100_000;

/// One exchange.
pub struct Scram {
    exchange: ScramSha256,
    method: Method,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scram(…)")
    }
}

impl Scram {
    /// Draws a nonce.
    pub fn start(password: &Secret, binding: Binding) -> Self {
        let (binding, method) = match binding {
            Binding::None => (ChannelBinding::unsupported(), Method::ScramSha256),
            Binding::NotOffered => (ChannelBinding::unrequested(), Method::ScramSha256),
            Binding::EndPoint(hash) => (ChannelBinding::tls_server_end_point(hash), Method::ScramSha256Plus),
        };
        Self { exchange: ScramSha256::new(password.expose().as_bytes(), binding), method }
    }

    /// What it comes to when it is done.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The client-first-message.
    pub fn first_message(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.exchange.message().to_vec())
    }

    /// The client-final-message for the server-first-message: hashes as often as the server wants, up to
    /// [`ITERATION_LIMIT`].
    pub fn prove(&mut self, server_first: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        check_iterations(server_first)?;
        self.exchange.update(server_first).or(Err(AuthError::BadScramMessage {
            problem: "the nonce, the salt or the iteration count of its first message",
        }))?;
        Ok(Zeroizing::new(self.exchange.message().to_vec()))
    }

    /// Checks the server-final-message: the proof that the server knows the password too.
    pub fn verify(mut self, server_final: &[u8]) -> Result<(), AuthError> {
        if server_final.starts_with(b"e=") {
            return Err(AuthError::BadScramMessage { problem: "it ended the exchange with an error" });
        }
        self.exchange.finish(server_final).or(Err(AuthError::ServerNotAuthentic))
    }
}

/// Says which setting is too high before the crate refuses with words of its own, and refuses a count of zero.
fn check_iterations(server_first: &[u8]) -> Result<(), AuthError> {
    let problem = "its iteration count";
    let count = server_first.split(|&b| b == b',').find_map(|part| part.strip_prefix(b"i="));
    let digits = count.and_then(|digits| std::str::from_utf8(digits).ok());
    let digits = digits.filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    let iterations: u64 = match digits.map(str::parse) {
        Some(Ok(iterations)) => iterations,
        // Digits that no u64 holds are too many as well.
        Some(Err(_)) => u64::MAX,
        None => return Err(AuthError::BadScramMessage { problem }),
    };
    if iterations > u64::from(ITERATION_LIMIT) {
        return Err(AuthError::TooManyIterations { iterations, limit: ITERATION_LIMIT });
    }
    if iterations == 0 { Err(AuthError::BadScramMessage { problem }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
