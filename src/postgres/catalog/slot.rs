//! A replication slot (manual, "`pg_replication_slots`").

use super::{Row, flag, parsed, text};
use crate::lsn::Lsn;

/// The state of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// `logical` or `physical`.
    pub slot_type: String,
    /// The output plugin of a logical slot.
    pub plugin: Option<String>,
    /// The database of a logical slot.
    pub database: Option<String>,
    /// Whether it goes with its connection.
    pub temporary: bool,
    /// Who streams it, if anybody does.
    pub holder: Option<Holder>,
    /// The oldest WAL it keeps.
    pub restart_lsn: Option<Lsn>,
    /// What its consumer has confirmed.
    pub confirmed_flush_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`; unknown before 13.
    pub wal_status: Option<String>,
    /// Bytes of WAL until it is in danger, where there is a limit.
    pub safe_wal_size: Option<i64>,
    /// Why it cannot be used any more (16 on).
    pub invalidation_reason: Option<String>,
    /// Whether it shows prepared transactions before they are committed (14 on).
    pub two_phase: bool,
    /// The end of the server's WAL when the slot was looked at.
    pub wal_end: Lsn,
}

/// Who streams a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process on the server.
    pub pid: i32,
    /// Its `application_name`, as far as the role may see it.
    pub application: Option<String>,
    /// Its address; `None` for a Unix socket.
    pub address: Option<String>,
}

impl Slot {
    pub(super) fn from_row(name: &str, row: &Row) -> Option<Self> {
        let holder = parsed(row, 5).map(|pid| Holder {
            pid,
            application: text(row, 12).map(str::to_owned),
            address: text(row, 13).map(str::to_owned),
        });
        Some(Self {
            name: name.to_owned(),
            slot_type: text(row, 0)?.to_owned(),
            plugin: text(row, 1).map(str::to_owned),
            database: text(row, 2).map(str::to_owned),
            temporary: flag(row, 3)?,
            holder: holder.filter(|_| flag(row, 4).unwrap_or(false)),
            restart_lsn: parsed(row, 6),
            confirmed_flush_lsn: parsed(row, 7),
            wal_status: text(row, 8).map(str::to_owned),
            safe_wal_size: parsed(row, 9),
            invalidation_reason: text(row, 10).map(str::to_owned),
            two_phase: flag(row, 14).unwrap_or(false),
            wal_end: parsed(row, 11)?,
        })
    }

    /// Bytes of WAL the server keeps for it.
    pub fn retained_bytes(&self) -> Option<u64> {
        self.restart_lsn.map(|restart| self.wal_end.bytes_since(restart))
    }

    /// Bytes of WAL that its consumer has not confirmed.
    pub fn lag_bytes(&self) -> Option<u64> {
        self.confirmed_flush_lsn.map(|confirmed| self.wal_end.bytes_since(confirmed))
    }

    /// Whether the WAL it needs is gone.
    pub fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost") || self.invalidation_reason.is_some()
    }
}
