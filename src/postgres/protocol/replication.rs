//! What `CopyData` carries in a logical stream (manual, "Streaming Replication Protocol").

use super::error::ProtocolError;
use super::reader::Reader;
use crate::lsn::Lsn;
use crate::time::UnixMicros;

/// A message of the server, borrowed from the body of its `CopyData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationMessage<'a> {
    /// `w`: one message of the output plugin.
    XLogData(XLogData<'a>),
    /// `k`: a sign of life.
    Keepalive(Keepalive),
}

/// One message of the output plugin and its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XLogData<'a> {
    /// Where its WAL record starts; of a COMMIT, where the commit record **ends**. `0/0` says nothing.
    pub wal_start: Lsn,
    /// In a logical stream the same as `wal_start`, whatever the manual says.
    pub wal_end: Lsn,
    /// The server's clock when it sent this.
    pub sent_at: UnixMicros,
    /// What the plugin wrote, in the database's encoding. The frame's length is its only end.
    pub payload: &'a [u8],
}

/// The server's sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// The end of the last record decoded, not the end of the server's WAL.
    pub wal_end: Lsn,
    /// The server's clock when it sent this.
    pub sent_at: UnixMicros,
    /// The server wants a status update now, or it will close the connection.
    pub reply_requested: bool,
}

impl<'a> ReplicationMessage<'a> {
    /// Reads the body of a `CopyData`.
    #[inline]
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        match body.first() {
            Some(b'w') => xlog_data(body).map(Self::XLogData),
            Some(b'k') => keepalive(body).map(Self::Keepalive),
            Some(_) => Err(ProtocolError::Malformed {
                message: "CopyData",
                problem: "it is neither WAL data nor a keepalive",
            }),
            None => Err(ProtocolError::Malformed { message: "CopyData", problem: "it is empty" }),
        }
    }
}

/// The one parser that runs for every row: the header's 25 bytes are taken in one step.
#[inline]
fn xlog_data(body: &[u8]) -> Result<XLogData<'_>, ProtocolError> {
    let Some((header, payload)) = body.split_first_chunk::<25>() else {
        return Err(ProtocolError::Malformed { message: "XLogData", problem: "it is cut off" });
    };
    let [_, start @ .., e0, e1, e2, e3, e4, e5, e6, e7, t0, t1, t2, t3, t4, t5, t6, t7] = *header;
    Ok(XLogData {
        wal_start: Lsn(u64::from_be_bytes(start)),
        wal_end: Lsn(u64::from_be_bytes([e0, e1, e2, e3, e4, e5, e6, e7])),
        sent_at: UnixMicros::from_postgres(i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7])),
        payload,
    })
}

fn keepalive(body: &[u8]) -> Result<Keepalive, ProtocolError> {
    let mut reader = Reader::new("primary keepalive", body);
    reader.u8()?;
    let keepalive = Keepalive {
        wal_end: Lsn(reader.u64()?),
        sent_at: UnixMicros::from_postgres(reader.i64()?),
        reply_requested: match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(reader.malformed("the reply flag is neither 0 nor 1")),
        },
    };
    reader.end()?;
    Ok(keepalive)
}

/// What the client tells about its progress. A position of `0/0` says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandbyStatusUpdate {
    /// Received up to here.
    pub write: Lsn,
    /// Safe up to here: the server may forget what is before.
    pub flush: Lsn,
    /// Applied up to here.
    pub apply: Lsn,
    /// The client's clock.
    pub sent_at: UnixMicros,
    /// The client wants a keepalive at once.
    pub reply_requested: bool,
}

#[cfg(test)]
mod tests;
