//! What the server says of a slot.

use std::time::{Duration, Instant};

use crate::support::session::Session;
use crate::support::{Result, nap};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) confirmed: u64,
    pub(crate) restart: u64,
    /// The walsender that reads it.
    pub(crate) reader: Option<u32>,
}

pub(crate) fn find(session: &mut Session, name: &str) -> Result<Option<Slot>> {
    let rows = session.query(&format!(
        "SELECT confirmed_flush_lsn, restart_lsn, active_pid FROM pg_replication_slots WHERE slot_name = '{name}'"
    ))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let position = |column: usize| row.get(column).and_then(Option::as_deref).map_or(Ok(0), lsn);
    let reader = row.get(2).and_then(Option::as_deref).map(str::parse).transpose()?;
    Ok(Some(Slot { confirmed: position(0)?, restart: position(1)?, reader }))
}

pub(crate) fn get(session: &mut Session, name: &str) -> Result<Slot> {
    find(session, name)?.ok_or_else(|| format!("there is no slot {name}").into())
}

/// The end of everything committed so far.
pub(crate) fn wal_end(session: &mut Session) -> Result<u64> {
    lsn(&value(session, "SELECT pg_current_wal_lsn()")?)
}

/// How many messages of the plugin the slot still holds: BEGIN, changes, COMMIT.
pub(crate) fn waiting(session: &mut Session, name: &str) -> Result<u32> {
    // The walsender of a client that has ended takes a moment to notice.
    until("nobody reads the slot", Duration::from_secs(10), || Ok(get(session, name)?.reader.is_none()))?;
    let sql = format!("SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{name}', NULL, NULL)");
    Ok(value(session, &sql)?.parse()?)
}

/// The one value of a query.
pub(crate) fn value(session: &mut Session, sql: &str) -> Result<String> {
    let value = session.query(sql)?.into_iter().flatten().flatten().next();
    value.ok_or_else(|| format!("no answer to {sql}").into())
}

/// Waits for what a server does by itself.
pub(crate) fn until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > limit {
            return Err(format!("not within {limit:?}: {what}").into());
        }
        nap(Duration::from_millis(20));
    }
    Ok(start.elapsed())
}

pub(crate) fn lsn(text: &str) -> Result<u64> {
    let (high, low) = text.split_once('/').ok_or("not an LSN")?;
    Ok((u64::from_str_radix(high, 16)? << 32) | u64::from_str_radix(low, 16)?)
}
