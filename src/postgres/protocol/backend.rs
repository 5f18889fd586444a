//! Messages from the server, borrowed from their frame (manual, "Message Formats").
//!
//! Only what a client of simple queries and replication can meet. Extended-query messages are refused by the
//! limits of [`frame`](super::frame) before they get here.

use super::error::ProtocolError;
use super::frame::Frame;
use super::reader::Reader;
use crate::postgres::auth::Challenge;

/// A message from the server. Error and notice bodies stay unread until
/// [`ServerError::parse`](super::notice::ServerError::parse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendMessage<'a> {
    /// `R`, all its kinds.
    Authentication(Challenge<'a>),
    /// `K`.
    BackendKeyData(BackendKey),
    /// `v`: the newest version the server speaks. The names of options it does not know are checked and left
    /// out, for this client sends none.
    NegotiateProtocolVersion(u32),
    /// `S`.
    ParameterStatus {
        /// The parameter's name.
        name: &'a [u8],
        /// Its value now.
        value: &'a [u8],
    },
    /// `Z`.
    ReadyForQuery(TransactionStatus),
    /// `E`: the fields.
    ErrorResponse(&'a [u8]),
    /// `N`: the fields.
    NoticeResponse(&'a [u8]),
    /// `A`. This client never listens; somebody else's wish is ignored.
    NotificationResponse,
    /// `T`.
    RowDescription(RowDescription<'a>),
    /// `D`.
    DataRow(DataRow<'a>),
    /// `C`: the command tag.
    CommandComplete(&'a [u8]),
    /// `I`.
    EmptyQueryResponse,
    /// `G`.
    CopyInResponse,
    /// `H`.
    CopyOutResponse,
    /// `W`.
    CopyBothResponse,
    /// `d`.
    CopyData(&'a [u8]),
    /// `c`.
    CopyDone,
}

/// What a `CancelRequest` must repeat.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendKey {
    /// The server process.
    pub process_id: u32,
    /// 4 bytes, up to 256 in protocol 3.2.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendKey").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}

/// The letter of `ReadyForQuery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: no transaction is open.
    Idle,
    /// `T`: one is open.
    InTransaction,
    /// `E`: one is open and failed.
    Failed,
}

/// The columns of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    fields: &'a [u8],
}

impl<'a> RowDescription<'a> {
    /// How many columns there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether a row has no columns at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The names, in order.
    pub fn names(&self) -> Result<Vec<&'a [u8]>, ProtocolError> {
        let mut reader = Reader::new("RowDescription", self.fields);
        let mut names = Vec::new();
        for _ in 0..self.count {
            names.push(reader.cstr()?);
            // Table, attribute, type, size, modifier, format: of no use to readers of text.
            reader.bytes(4 + 2 + 4 + 2 + 4 + 2)?;
        }
        reader.end()?;
        Ok(names)
    }
}

/// One row, read value by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRow<'a> {
    count: u16,
    values: &'a [u8],
}

impl<'a> DataRow<'a> {
    /// How many values it declares.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether it declares none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in order, `None` for null. The row must end behind the last one.
    pub fn values(&self) -> impl Iterator<Item = Result<Option<&'a [u8]>, ProtocolError>> + use<'a> {
        let mut reader = Some(Reader::new("DataRow", self.values));
        let mut left = self.count;
        std::iter::from_fn(move || {
            if left == 0 {
                return reader.take()?.end().err().map(Err);
            }
            left -= 1;
            let value = next_value(reader.as_mut()?);
            if value.is_err() {
                (left, reader) = (0, None);
            }
            Some(value)
        })
    }
}

fn next_value<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, ProtocolError> {
    match reader.i32()? {
        -1 => Ok(None),
        len => match usize::try_from(len) {
            Ok(len) => reader.bytes(len).map(Some),
            Err(_) => Err(reader.malformed("a value has a negative length")),
        },
    }
}

impl<'a> BackendMessage<'a> {
    /// Reads a whole frame.
    pub fn parse(frame: &Frame<'a>) -> Result<Self, ProtocolError> {
        let body = frame.body;
        match frame.header.tag {
            b'R' => authentication(body),
            b'K' => backend_key(body),
            b'v' => negotiate(body),
            b'S' => parameter_status(body),
            b'Z' => ready(body),
            b'E' => Ok(Self::ErrorResponse(body)),
            b'N' => Ok(Self::NoticeResponse(body)),
            b'A' => Ok(Self::NotificationResponse),
            b'T' => {
                let mut reader = Reader::new("RowDescription", body);
                Ok(Self::RowDescription(RowDescription { count: reader.u16()?, fields: reader.rest() }))
            }
            b'D' => {
                let mut reader = Reader::new("DataRow", body);
                Ok(Self::DataRow(DataRow { count: reader.u16()?, values: reader.rest() }))
            }
            b'C' => {
                let mut reader = Reader::new("CommandComplete", body);
                let tag = reader.cstr()?;
                reader.end().map(|()| Self::CommandComplete(tag))
            }
            b'I' => empty("EmptyQueryResponse", body).map(|()| Self::EmptyQueryResponse),
            b'G' => copy_response("CopyInResponse", body).map(|()| Self::CopyInResponse),
            b'H' => copy_response("CopyOutResponse", body).map(|()| Self::CopyOutResponse),
            b'W' => copy_response("CopyBothResponse", body).map(|()| Self::CopyBothResponse),
            b'd' => Ok(Self::CopyData(body)),
            b'c' => empty("CopyDone", body).map(|()| Self::CopyDone),
            tag => Err(ProtocolError::UnknownMessage { tag }),
        }
    }
}

fn empty(message: &'static str, body: &[u8]) -> Result<(), ProtocolError> {
    Reader::new(message, body).end()
}

fn authentication(body: &[u8]) -> Result<BackendMessage<'_>, ProtocolError> {
    let mut reader = Reader::new("Authentication", body);
    let challenge = match reader.u32()? {
        0 => reader.end().map(|()| Challenge::Ok)?,
        3 => reader.end().map(|()| Challenge::Cleartext)?,
        5 => {
            let salt = reader.bytes4()?;
            reader.end().map(|()| Challenge::Md5 { salt })?
        }
        10 => Challenge::Sasl { mechanisms: mechanisms(reader)? },
        11 => Challenge::SaslContinue(reader.rest()),
        12 => Challenge::SaslFinal(reader.rest()),
        code => Challenge::Other { code },
    };
    Ok(BackendMessage::Authentication(challenge))
}

/// The names one after the other, ended by an empty one. `R` is short, and so is the list.
fn mechanisms(mut reader: Reader<'_>) -> Result<Vec<&[u8]>, ProtocolError> {
    let mut names = Vec::new();
    loop {
        match reader.cstr()? {
            [] => break,
            name => names.push(name),
        }
    }
    reader.end()?;
    Ok(names)
}

fn backend_key(body: &[u8]) -> Result<BackendMessage<'_>, ProtocolError> {
    let mut reader = Reader::new("BackendKeyData", body);
    let process_id = reader.u32()?;
    if !(4..=256).contains(&reader.remaining()) {
        return Err(reader.malformed("the key has not 4 to 256 bytes"));
    }
    Ok(BackendMessage::BackendKeyData(BackendKey { process_id, secret: reader.rest().to_vec() }))
}

fn negotiate(body: &[u8]) -> Result<BackendMessage<'_>, ProtocolError> {
    let mut reader = Reader::new("NegotiateProtocolVersion", body);
    let newest = reader.u32()?;
    let unknown = reader.u32()?;
    for _ in 0..unknown {
        // Each name takes at least its zero byte, so the body's end bounds this loop whatever the count says.
        reader.cstr()?;
    }
    reader.end()?;
    Ok(BackendMessage::NegotiateProtocolVersion(newest))
}

fn parameter_status(body: &[u8]) -> Result<BackendMessage<'_>, ProtocolError> {
    let mut reader = Reader::new("ParameterStatus", body);
    let (name, value) = (reader.cstr()?, reader.cstr()?);
    reader.end()?;
    Ok(BackendMessage::ParameterStatus { name, value })
}

fn ready(body: &[u8]) -> Result<BackendMessage<'_>, ProtocolError> {
    let mut reader = Reader::new("ReadyForQuery", body);
    let status = match reader.u8()? {
        b'I' => TransactionStatus::Idle,
        b'T' => TransactionStatus::InTransaction,
        b'E' => TransactionStatus::Failed,
        _ => return Err(reader.malformed("the transaction status is not I, T or E")),
    };
    reader.end()?;
    Ok(BackendMessage::ReadyForQuery(status))
}

/// Format and columns of a copy: checked, not kept.
fn copy_response(message: &'static str, body: &[u8]) -> Result<(), ProtocolError> {
    let mut reader = Reader::new(message, body);
    if reader.u8()? > 1 {
        return Err(reader.malformed("the format is neither text nor binary"));
    }
    let columns = reader.u16()?;
    reader.bytes(usize::from(columns) * 2)?;
    reader.end()
}

#[cfg(test)]
mod tests;
