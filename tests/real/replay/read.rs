//! A slot and the two ways to read it.

use crate::corpus;
use crate::support::Result;
use crate::support::session::{Address, Session, literal};
use crate::support::walsender::{PluginOption, Walsender};
use pgsluice::postgres::client::StreamEvent;
use pgsluice::postgres::protocol::frame::{DEFAULT_STREAM_LIMIT, Limits};

/// A logical message of this prefix ends what is read.
const END: &str = "the end of the replay";

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) lsn: u64,
    pub(crate) payload: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X} {}", self.lsn >> 32, self.lsn & 0xFFFF_FFFF, self.payload.escape_ascii())
    }
}

/// A slot that nothing is confirmed to.
pub(crate) struct Slot {
    address: Address,
    name: String,
}

impl Slot {
    pub(crate) fn create(address: &Address, name: &str, two_phase: bool) -> Result<Self> {
        let slot = Self { address: address.clone(), name: name.to_owned() };
        // Servers before 14 know no such slots, nor the parameter.
        let two_phase = if two_phase { ", false, true" } else { "" };
        slot.session()?.query(&format!(
            "SELECT pg_create_logical_replication_slot({}, 'test_decoding'{two_phase})",
            literal(name)
        ))?;
        Ok(slot)
    }

    /// What is read stops here.
    pub(crate) fn mark_the_end(&self) -> Result<()> {
        let sql = format!("SELECT pg_logical_emit_message(true, {}, '')", literal(END));
        self.session()?.query(&sql).map(drop)
    }

    /// All of it over a replication connection.
    pub(crate) fn stream(&self, settings: &str, options: &[PluginOption]) -> Result<Vec<Frame>> {
        let mut walsender = Walsender::start(&self.address, settings, &self.name, options)?;
        let mut frames = Vec::new();
        while !frames.last().is_some_and(is_end) {
            let message = walsender.message()?;
            let Some((event, length)) = StreamEvent::next(&message, Limits::streaming(DEFAULT_STREAM_LIMIT))?
            else {
                return Err("a message that is whole is taken for a part".into());
            };
            assert_eq!(length, message.len());
            if let StreamEvent::XLogData(data) = event {
                assert_eq!(data.wal_start, data.wal_end, "of a logical slot both positions are the same");
                frames.push(Frame { lsn: data.wal_start.0, payload: data.payload.to_vec() });
            }
        }
        walsender.stop()?;
        Ok(up_to_the_end(frames))
    }

    /// All of it by SQL.
    pub(crate) fn peek(&self, settings: &str, options: &[PluginOption]) -> Result<Vec<Frame>> {
        let option = |(name, value): &PluginOption| {
            format!(", {}, {}", literal(name), literal(value.as_deref().unwrap_or_default()))
        };
        let options = options.iter().map(option).collect::<String>();
        let mut session =
            Session::open_with(&self.address, &self.address.database, &[("options", settings)])?;
        let rows = session.query(&format!(
            "SELECT lsn, encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes({}, NULL, NULL{options})",
            literal(&self.name)
        ))?;
        let frames = rows.into_iter().map(|row| match row.as_slice() {
            [Some(lsn), Some(data)] => Ok(Frame { lsn: corpus::position(lsn), payload: corpus::unhex(data) }),
            other => Err(format!("not a change: {other:?}").into()),
        });
        Ok(up_to_the_end(frames.collect::<Result<_>>()?))
    }

    pub(crate) fn drop(self) -> Result<()> {
        let sql = format!("SELECT pg_drop_replication_slot({})", literal(&self.name));
        self.session()?.query(&sql).map(drop)
    }

    pub(crate) fn version(&self) -> Result<String> {
        let version = self.session()?.query("SHOW server_version")?.into_iter().flatten().flatten().next();
        version.ok_or_else(|| "no version".into())
    }

    fn session(&self) -> Result<Session> {
        Session::open(&self.address, &self.address.database)
    }
}

fn is_end(frame: &Frame) -> bool {
    frame.payload == format!("message: transactional: 1 prefix: {END}, sz: 0 content:").as_bytes()
}

/// Without the message that ends it, nor the BEGIN that this message may stand behind.
fn up_to_the_end(mut frames: Vec<Frame>) -> Vec<Frame> {
    let end = frames.iter().position(is_end).unwrap_or(frames.len());
    frames.truncate(end);
    frames.pop_if(|last| last.payload.starts_with(b"BEGIN"));
    frames
}
