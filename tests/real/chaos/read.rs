//! The truth and the records, as the checker wants them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schema::{JOURNAL, KEYED, MESSAGES, PREFIX};
use super::world::World;
use crate::history::truth::{Change, Op, Truth};
use crate::history::{Kind, Record, Recorded};
use crate::ops::slot;
use crate::support::Result;
use crate::support::broker_client::{ConsumedRecord, read_all};
use crate::support::session::Session;

/// What the database says.
pub(crate) fn truth(world: &World<'_>) -> Result<Truth> {
    let mut session = world.session()?;
    let rows = session.query("SELECT seq, xid, ordinal, tbl, op, key, new_key, token FROM truth")?;
    let changes: Result<_> = rows.iter().map(|row| change(row)).collect();
    let mut tables = BTreeMap::new();
    for table in KEYED {
        tables.insert(table.to_owned(), rows_of(&mut session, table)?);
    }
    Ok(Truth {
        changes: changes?,
        last_token: slot::value(&mut session, "SELECT last_value FROM tokens")?.parse()?,
        tables,
        confirmed: slot::get(&mut session, &world.pipeline.slot)?.confirmed,
    })
}

/// What a consumer reads.
pub(crate) fn records(world: &World<'_>) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for table in KEYED.into_iter().chain([JOURNAL, MESSAGES]) {
        for consumed in read_all(&world.kafka.bootstrap(), &[&world.topic(table)])? {
            records.push(record(table, &consumed).map_err(|error| format!("{error}, in {consumed:?}"))?);
        }
    }
    Ok(records)
}

/// The positions that were recorded.
pub(crate) fn progress(world: &World<'_>) -> Result<Vec<Recorded>> {
    let topic = format!("pgsluice.progress.{}", world.pipeline.slot);
    let mut progress = Vec::new();
    for consumed in read_all(&world.kafka.bootstrap(), &[&topic])? {
        // An instance that is gone is forgotten.
        let (Some(key), Some(value)) = (consumed.key, consumed.value) else { continue };
        let value: Value = serde_json::from_slice(&value)?;
        let end_lsn = value.get("end_lsn").and_then(Value::as_str).ok_or("a position without an LSN")?;
        progress.push(Recorded { instance: String::from_utf8(key)?, end_lsn: slot::lsn(end_lsn)? });
    }
    Ok(progress)
}

fn rows_of(session: &mut Session, table: &str) -> Result<BTreeMap<i64, u64>> {
    let rows = session.query(&format!("SELECT id, token FROM {table}"))?;
    rows.iter().map(|row| Ok((number(row, 0)?, number(row, 1)?))).collect()
}

fn change(row: &[Option<String>]) -> Result<Change> {
    let key = row.get(5).and_then(Option::as_deref).map(str::parse).transpose()?;
    let op = match text(row, 4)? {
        "insert" => Op::Insert,
        "update" => Op::Update,
        "move" => Op::Move { new_key: number(row, 6)? },
        "delete" => Op::Delete,
        "truncate" => Op::Truncate,
        "message" => Op::Message,
        other => return Err(format!("an operation {other}").into()),
    };
    Ok(Change {
        seq: number(row, 0)?,
        xid: number(row, 1)?,
        ordinal: number(row, 2)?,
        table: text(row, 3)?.to_owned(),
        op,
        key,
        token: number(row, 7)?,
    })
}

fn text(row: &[Option<String>], column: usize) -> Result<&str> {
    Ok(row.get(column).and_then(Option::as_deref).ok_or("a column without a value")?)
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    row: &[Option<String>],
    column: usize,
) -> Result<T> {
    Ok(text(row, column)?.parse()?)
}

fn record(table: &str, consumed: &ConsumedRecord) -> Result<Record> {
    let header = |name: &str| {
        let found = consumed.headers.iter().find(|(found, _)| found == name);
        found.and_then(|(_, value)| str::from_utf8(value.as_deref()?).ok())
    };
    let id = |json: &Value| json.get("id").and_then(Value::as_i64);
    let id_of = |json: &str| Ok::<_, serde_json::Error>(id(&serde_json::from_str(json)?));
    let value: Option<Value> = consumed.value.as_deref().map(serde_json::from_slice).transpose()?;
    let op = value.as_ref().and_then(|value| value.get("op")).and_then(Value::as_str);
    let kind = match (&value, op) {
        (None, _) => Kind::Tombstone,
        (_, Some("c")) => Kind::Create,
        (_, Some("u")) => Kind::Update,
        (_, Some("d")) => Kind::Delete,
        (_, Some("t")) => Kind::Truncate,
        (_, Some("m")) => Kind::Message,
        (_, other) => return Err(format!("an operation {other:?}").into()),
    };
    let token = match (&value, kind) {
        (Some(value), Kind::Message) => Some(message(value)?),
        (Some(value), _) => value.get("after").and_then(|after| after.get("token")?.as_u64()),
        (None, _) => None,
    };
    let key: Option<Value> = consumed.key.as_deref().map(serde_json::from_slice).transpose()?;
    let transaction = header("pgsluice.tx").ok_or("no pgsluice.tx")?;
    let (xid, first_lsn) = transaction.split_once(':').ok_or("a transaction's id without a colon")?;
    let other_key = header("__debezium.newkey").or_else(|| header("__debezium.oldkey"));
    Ok(Record {
        table: table.to_owned(),
        partition: consumed.partition,
        kind,
        key: key.as_ref().and_then(id),
        token,
        other_key: other_key.map(id_of).transpose()?.flatten(),
        xid: xid.parse()?,
        first_lsn: first_lsn.parse()?,
        ordinal: header("pgsluice.ordinal").ok_or("no pgsluice.ordinal")?.parse()?,
    })
}

/// The token that a message is.
fn message(value: &Value) -> Result<u64> {
    let message = value.get("message").ok_or("no message")?;
    if message.get("prefix").and_then(Value::as_str) != Some(PREFIX) {
        return Err("a message of somebody else".into());
    }
    let content = message.get("content").and_then(Value::as_str).ok_or("a message without content")?;
    Ok(String::from_utf8(base64(content)?)?.parse()?)
}

fn base64(text: &str) -> Result<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|known| *known == digit).ok_or("not base64")?;
        bits = (bits << 6) | u32::try_from(value)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xFF)?);
        }
    }
    Ok(bytes)
}
