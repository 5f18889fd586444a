//! Messages to the server.
//!
//! Every length is checked against `i32` and every string for zero bytes before a byte is written, so that no
//! value can end its message early and be read as another one. A message that cannot be written leaves the
//! buffer as it was.

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::message::frontend as crate_frontend;
use zeroize::Zeroizing;

use super::replication::StandbyStatusUpdate;

/// A server takes no longer `StartupMessage` than this.
const STARTUP_LIMIT: usize = 10_000;

/// The code that stands where a `StartupMessage` has its version.
const CANCEL_CODE: i32 = 80_877_102;

/// A message cannot be put into a frame. The cause is in what the caller passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It is longer than the protocol, or the server, takes.
    #[error("the {what} is too long to send")]
    TooLong {
        /// Which message.
        what: &'static str,
    },
    /// A zero byte would end the string there.
    #[error("the {what} contains a zero byte")]
    ZeroByte {
        /// Which message.
        what: &'static str,
    },
}

/// Writes a `StartupMessage` of version 3.0 with these parameters, in this order.
pub fn startup(parameters: &[(&str, &str)], buf: &mut BytesMut) -> Result<(), EncodeError> {
    let what = "startup message";
    let pairs = parameters.iter().copied();
    if parameters.iter().any(|(name, value)| name.is_empty() || has_zero(name) || has_zero(value)) {
        return Err(EncodeError::ZeroByte { what });
    }
    let length: usize = parameters.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if length > STARTUP_LIMIT - 9 {
        return Err(EncodeError::TooLong { what });
    }
    whole(buf, what, |buf| crate_frontend::startup_message(pairs, buf))
}

/// Writes a `Query`.
pub fn query(sql: &str, buf: &mut BytesMut) -> Result<(), EncodeError> {
    let what = "query";
    if has_zero(sql) {
        return Err(EncodeError::ZeroByte { what });
    }
    whole(buf, what, |buf| crate_frontend::query(sql, buf))
}

/// Runs one of `postgres-protocol`'s writers and takes back what it wrote if it fails, which with the zero bytes
/// ruled out it does for length alone.
fn whole(
    buf: &mut BytesMut,
    what: &'static str,
    write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
) -> Result<(), EncodeError> {
    let before = buf.len();
    if write(buf).is_err() {
        buf.truncate(before);
        return Err(EncodeError::TooLong { what });
    }
    Ok(())
}

fn has_zero(text: &str) -> bool {
    memchr::memchr(0, text.as_bytes()).is_some()
}

/// A `PasswordMessage`. Built at its full size at once, so that no shorter copy of the password is left behind
/// by a growing buffer, and overwritten when dropped.
pub fn password(password: &[u8]) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let what = "password";
    if memchr::memchr(0, password).is_some() {
        return Err(EncodeError::ZeroByte { what });
    }
    answer(what, &[password, &[0]])
}

/// A `SASLInitialResponse`.
pub fn sasl_initial(mechanism: &str, response: &[u8]) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let what = "SASL response";
    let length = i32::try_from(response.len()).or(Err(EncodeError::TooLong { what }))?;
    answer(what, &[mechanism.as_bytes(), &[0], &length.to_be_bytes(), response])
}

/// A `SASLResponse`.
pub fn sasl_response(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    answer("SASL response", &[response])
}

/// The frame of type `p` that holds these parts.
fn answer(what: &'static str, parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let length = i32::try_from(body + 4).or(Err(EncodeError::TooLong { what }))?;
    let mut frame = Zeroizing::new(Vec::with_capacity(body + 5));
    frame.push(b'p');
    frame.extend_from_slice(&length.to_be_bytes());
    for part in parts {
        frame.extend_from_slice(part);
    }
    Ok(frame)
}

/// Writes a standby status update in its `CopyData`: 39 bytes, of which 34 are the body.
pub fn status_update(update: &StandbyStatusUpdate, buf: &mut BytesMut) {
    buf.reserve(39);
    buf.put_u8(b'd');
    buf.put_i32(4 + 34);
    buf.put_u8(b'r');
    buf.put_u64(update.write.0);
    buf.put_u64(update.flush.0);
    buf.put_u64(update.apply.0);
    buf.put_i64(update.sent_at.to_postgres());
    buf.put_u8(u8::from(update.reply_requested));
}

/// Writes a `CopyDone`.
pub fn copy_done(buf: &mut BytesMut) {
    crate_frontend::copy_done(buf);
}

/// Writes a `Terminate`.
pub fn terminate(buf: &mut BytesMut) {
    crate_frontend::terminate(buf);
}

/// Writes a `CancelRequest`, the only message of its connection.
pub fn cancel_request(process_id: u32, secret: &[u8], buf: &mut BytesMut) -> Result<(), EncodeError> {
    let too_long = EncodeError::TooLong { what: "cancel key" };
    if secret.len() > 256 {
        return Err(too_long);
    }
    let length = i32::try_from(12 + secret.len()).or(Err(too_long))?;
    buf.put_i32(length);
    buf.put_i32(CANCEL_CODE);
    buf.put_u32(process_id);
    buf.put_slice(secret);
    Ok(())
}

#[cfg(test)]
mod tests;
