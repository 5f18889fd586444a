//! A blocking PostgreSQL session for what tests need around the code under test: is the server up, make a database,
//! look at a slot. It is not pgsluice's own client, so that a fault there cannot hide itself.
//!
//! Simple queries only, over TCP without TLS; logs in with no password, a clear one, MD5 or SCRAM-SHA-256.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

use super::Result;

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);
/// The longest message taken from a server.
const MESSAGE_LIMIT: usize = 64 << 20;

/// Where a server is and who logs in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    /// The database that always exists; tests make their own.
    pub(crate) database: String,
}

/// The rows of a query: text, or NULL.
pub(crate) type Rows = Vec<Vec<Option<String>>>;
/// The same where the text need not be UTF-8.
pub(crate) type RawRows = Vec<Vec<Option<Vec<u8>>>>;

#[derive(Debug)]
pub(crate) struct Session {
    stream: TcpStream,
}

impl Session {
    /// Logs in and waits until the server is ready for a query.
    pub(crate) fn open(address: &Address, database: &str) -> Result<Self> {
        Self::open_with(address, database, &[])
    }

    /// The same with further parameters of the startup packet, such as `options` and `replication`.
    pub(crate) fn open_with(address: &Address, database: &str, further: &[(&str, &str)]) -> Result<Self> {
        let Address { host, port, user, password, .. } = address;
        let target = (host.as_str(), *port).to_socket_addrs()?.next().ok_or("the host has no address")?;
        let stream = TcpStream::connect_timeout(&target, ANSWER_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let mut session = Self { stream };
        let parameters = [("user", user.as_str()), ("database", database), ("client_encoding", "UTF8")];
        let parameters = parameters.into_iter().chain(further.iter().copied());
        session.send(|out| frontend::startup_message(parameters, out))?;
        session.log_in(user, password.as_deref().unwrap_or_default())?;
        session.rows()?;
        Ok(session)
    }

    /// Runs one or more statements; the rows of all of them, one after the other.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Rows> {
        let text = |value: Option<Vec<u8>>| Ok(value.map(String::from_utf8).transpose()?);
        let rows = self.query_raw(sql)?.into_iter();
        rows.map(|row| row.into_iter().map(text).collect()).collect()
    }

    /// The same for text that need not be UTF-8.
    pub(crate) fn query_raw(&mut self, sql: &str) -> Result<RawRows> {
        self.send(|out| frontend::query(sql, out))?;
        self.rows().map_err(|error| format!("{error}, in: {sql}").into())
    }

    /// Runs a `COPY … FROM STDIN` with these lines, each ended by a newline.
    pub(crate) fn copy_in(&mut self, sql: &str, lines: &str) -> Result<()> {
        self.send(|out| frontend::query(sql, out))?;
        loop {
            match self.message()? {
                (b'G', _) => break,
                // Nothing was begun, so nothing has to be ended.
                (b'E', body) => {
                    let text = error_text(&body);
                    if !text.starts_with("FATAL") {
                        self.rows()?;
                    }
                    return Err(format!("{text}, in: {sql}").into());
                }
                _ => {}
            }
        }
        self.send(|out| {
            frontend::CopyData::new(lines.as_bytes())?.write(out);
            frontend::copy_done(out);
            Ok(())
        })?;
        self.rows().map(drop).map_err(|error| format!("{error}, in: {sql}").into())
    }

    fn log_in(&mut self, user: &str, password: &str) -> Result<()> {
        let mut scram = None;
        loop {
            let (tag, mut body) = self.message()?;
            match tag {
                b'R' => {}
                b'E' => return Err(error_text(&body).into()),
                _ => continue,
            }
            match body.try_get_i32()? {
                0 => return Ok(()),
                3 => self.send(|out| frontend::password_message(password.as_bytes(), out))?,
                5 => {
                    let mut salt = [0; 4];
                    body.try_copy_to_slice(&mut salt)?;
                    let hash = md5_hash(user.as_bytes(), password.as_bytes(), salt);
                    self.send(|out| frontend::password_message(hash.as_bytes(), out))?;
                }
                10 => {
                    let first =
                        scram.insert(ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported()));
                    let message = first.message().to_vec();
                    self.send(|out| frontend::sasl_initial_response(SCRAM_SHA_256, &message, out))?;
                }
                11 => {
                    let scram = scram.as_mut().ok_or("SASL went on before it began")?;
                    scram.update(&body)?;
                    let message = scram.message().to_vec();
                    self.send(|out| frontend::sasl_response(&message, out))?;
                }
                12 => scram.as_mut().ok_or("SASL ended before it began")?.finish(&body)?,
                other => {
                    return Err(
                        format!("the server wants authentication {other}, which tests do not do").into()
                    );
                }
            }
        }
    }

    /// Reads up to the next `ReadyForQuery`.
    pub(super) fn rows(&mut self) -> Result<RawRows> {
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            match self.message()? {
                (b'Z', _) => break,
                (b'D', body) => rows.push(row(body)?),
                (b'E', body) => {
                    let text = error_text(&body);
                    // After a FATAL error there is no ReadyForQuery.
                    if text.starts_with("FATAL") {
                        return Err(text.into());
                    }
                    failure.get_or_insert(text);
                }
                _ => {}
            }
        }
        failure.map_or(Ok(rows), |text| Err(text.into()))
    }

    pub(super) fn send(&mut self, encode: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<()> {
        let mut out = BytesMut::new();
        encode(&mut out)?;
        Ok(self.stream.write_all(&out)?)
    }

    pub(super) fn message(&mut self) -> Result<(u8, Bytes)> {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header)?;
        let mut header = header.as_slice();
        let tag = header.get_u8();
        let length =
            usize::try_from(header.get_i32())?.checked_sub(4).filter(|length| *length <= MESSAGE_LIMIT);
        let mut body = vec![0; length.ok_or("a message of impossible length")?];
        self.stream.read_exact(&mut body)?;
        Ok((tag, body.into()))
    }
}

fn row(mut body: Bytes) -> Result<Vec<Option<Vec<u8>>>> {
    let columns = body.try_get_u16()?;
    let mut row = Vec::with_capacity(usize::from(columns));
    for _ in 0..columns {
        let length = body.try_get_i32()?;
        let Ok(length) = usize::try_from(length) else {
            row.push(None);
            continue;
        };
        let mut value = vec![0; length];
        body.try_copy_to_slice(&mut value)?;
        row.push(Some(value));
    }
    Ok(row)
}

/// `FATAL 57P03: the database system is starting up`.
pub(super) fn error_text(body: &[u8]) -> String {
    let fields: Vec<(u8, String)> = body
        .split(|byte| *byte == 0)
        .filter_map(|field| field.split_first())
        .map(|(kind, text)| (*kind, text.utf8_chunks().map(|chunk| chunk.valid()).collect()))
        .collect();
    let field = |kind| fields.iter().find(|(k, _)| *k == kind).map_or("", |(_, text)| text.as_str());
    format!("{} {}: {}", field(b'V'), field(b'C'), field(b'M'))
}

/// A name as SQL wants it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL wants it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
