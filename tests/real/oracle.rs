//! The decoder against SQL: tables with random names, types, values and replica identities are written to at random, and
//! every change that the plugin prints is held against what SQL returns for the row: names, types, values, nulls, which
//! columns an old row has. Half of the tables are read under the program's own settings; of those the events are held
//! against what SQL makes of the values too.
//!
//! A seed decides everything. `PGSLUICE_ORACLE_SEED`, `_TABLES` and `_MAJORS` (`all`, or `13,16`) change what is run; a
//! failure names the seed of its table, which is found again with `PGSLUICE_ORACLE_SEED=… PGSLUICE_ORACLE_TABLES=1`.
#![expect(clippy::indexing_slicing, reason = "an index out of bounds fails the test and names the place")]

mod compare;
mod events;
mod kinds;
mod numbers;
mod rows;
mod table;
mod values;
mod words;

use std::time::Instant;

use pgsluice::decode::Decoded;
use pgsluice::decode::test_decoding::TestDecoding;

use self::compare::Seen;
use self::events::Events;
use self::rows::{Change, Writer};
use self::table::Table;
use crate::context::Context;
use crate::corpus;
use crate::random::Random;
use crate::suite::Suite;
use crate::support::postgres::MAJORS;
use crate::support::session::{Session, literal};
use crate::support::{Result, tell};
use crate::values::PINNED;
use crate::values::types::SETUP;

/// In a plain run.
const TABLES: u64 = 40;
const SEED: u64 = 1;
/// Changes of one table.
const CHANGES: u64 = 24;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(majors(), "oracle::decoded_rows_are_what_sql_returns", async |context| {
        everything(context).await
    });
}

fn majors() -> Vec<u16> {
    let chosen = std::env::var("PGSLUICE_ORACLE_MAJORS").unwrap_or_else(|_| "12,15,18".to_owned());
    MAJORS
        .into_iter()
        .filter(|major| chosen == "all" || chosen.split(',').any(|one| one == major.to_string()))
        .collect()
}

fn variable(name: &str, otherwise: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(otherwise), |value| Ok(value.parse()?))
}

/// What was compared.
#[derive(Default)]
struct Counts {
    changes: usize,
    seen: Seen,
    /// Values in events.
    json: usize,
}

async fn everything(context: &Context) -> Result<()> {
    let started = Instant::now();
    let (seed, tables) =
        (variable("PGSLUICE_ORACLE_SEED", SEED)?, variable("PGSLUICE_ORACLE_TABLES", TABLES)?);
    let address = context.postgres()?;
    let mut session = Session::open(&address, &address.database)?;
    for statement in SETUP {
        session.query(statement)?;
    }
    let slot = context.prefix();
    session.query(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"))?;
    let mut events = Events::new(&address)?;
    let mut counts = Counts::default();
    for seed in seed..seed.saturating_add(tables) {
        let mut session = Session::open(&address, &address.database)?;
        one_table(context, &mut session, &mut events, seed, &mut counts)
            .await
            .map_err(|error| format!("seed {seed}: {error}"))?;
    }
    let Counts { changes, seen, json } = counts;
    let Seen { values, nulls, unchanged, old_rows, empty_old_rows, absent_old_rows } = seen;
    tell(&format!(
        "oracle on PostgreSQL {}: seeds {seed} to {}, {tables} tables, {changes} changes, {values} values compared \
         ({nulls} nulls, {unchanged} unchanged), {old_rows} old rows ({empty_old_rows} more without columns, \
         {absent_old_rows} changes without one), {json} values in events; {:.1} s",
        context.major()?,
        seed.saturating_add(tables) - 1,
        started.elapsed().as_secs_f64()
    ));
    // Fewer tables need not have everything.
    let everything = [changes, values, json, nulls, unchanged, old_rows, absent_old_rows];
    assert!(tables < TABLES || everything.iter().all(|count| *count > 0), "something did not come up");
    Ok(())
}

async fn one_table(
    context: &Context,
    session: &mut Session,
    events: &mut Events,
    seed: u64,
    counts: &mut Counts,
) -> Result<()> {
    let mut random = Random::new(seed.wrapping_mul(0x9E37_79B9));
    let major = context.major()?;
    let table = Table::random(seed, major, &mut random);
    for statement in &table.setup {
        session.query(statement)?;
    }
    let with_json = random.percent(50);
    if with_json {
        session.query(PINNED)?;
    } else {
        session.query(&odd_settings(&table, &mut random))?;
    }
    // A table without rows that are changed in two halves: before it is altered, and after.
    let mut writer = Writer::new(session, &table, major, with_json, &mut random)?;
    for half in 0..2 {
        if half == 1 {
            for statement in &table.later {
                writer.session.query(statement)?;
            }
            writer.altered()?;
        }
        let mut changes = vec![writer.insert()?];
        for _ in 0..CHANGES / 2 {
            changes.push(writer.anything()?);
        }
        if with_json {
            events.look_up(&table).await?;
        }
        let events = with_json.then_some(&mut *events);
        check(&mut writer, context.prefix(), &changes, events, counts)
            .map_err(|error| format!("{error}\n{}", table.setup.join(";\n")))?;
    }
    Ok(())
}

/// What values look like depends on these.
fn odd_settings(table: &Table, random: &mut Random) -> String {
    let one = |random: &mut Random, name: &str, values: &[&str]| {
        format!("SET {name} = {}; ", random.one_of(values))
    };
    let path = match random.between(0, 2) {
        0 => "''".to_owned(),
        1 => "public, pg_catalog".to_owned(),
        _ => format!("{}, public", crate::support::session::quoted(&table.schema)),
    };
    [
        format!("SET search_path = {path}; "),
        one(random, "datestyle", &["'ISO, DMY'", "'SQL, DMY'", "'German'", "'Postgres, MDY'"]),
        one(random, "intervalstyle", &["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        one(random, "timezone", &["'UTC'", "'Asia/Kathmandu'", "'America/St_Johns'"]),
        one(random, "bytea_output", &["hex", "escape"]),
        one(random, "extra_float_digits", &["-15", "-2", "0", "1", "3"]),
        one(random, "quote_all_identifiers", &["on", "off"]),
    ]
    .concat()
}

/// Reads what the slot has, and holds each change against what was done.
fn check(
    writer: &mut Writer<'_>,
    slot: &str,
    changes: &[Change],
    mut events: Option<&mut Events>,
    counts: &mut Counts,
) -> Result<()> {
    let rows = writer.session.query(&format!(
        "SELECT pg_catalog.encode(data, 'hex') FROM pg_logical_slot_get_binary_changes({}, NULL, NULL)",
        literal(slot)
    ))?;
    let payloads: Vec<Vec<u8>> =
        rows.into_iter().flatten().flatten().map(|data| corpus::unhex(&data)).collect();
    let mut decoder = TestDecoding::new();
    let mut expected = changes.iter();
    for payload in &payloads {
        let shown = || {
            let shown = payload.escape_ascii().to_string();
            shown.chars().take(6000).collect::<String>()
        };
        let decoded = match decoder.decode(payload).map_err(|error| format!("{error}: {}", shown()))? {
            Decoded::Begin(_) | Decoded::Commit(_) => continue,
            Decoded::Change(change) => change,
            other => return Err(format!("{other:?}").into()),
        };
        let change = expected.next().ok_or_else(|| format!("one more came: {}", shown()))?;
        let told = |error: Box<dyn std::error::Error + Send + Sync>| {
            let statement: String = change.statement.chars().take(6000).collect();
            format!("{error}\n  decoded: {}\n  of: {statement}", shown())
        };
        compare::compare(writer.table, &writer.described, change, &decoded, &mut counts.seen)
            .map_err(told)?;
        if let Some(events) = &mut events {
            counts.json += events.compare(writer.table, &writer.described, change, &decoded).map_err(told)?;
        }
        counts.changes += 1;
    }
    expected.next().map_or(Ok(()), |change| Err(format!("this did not come: {}", change.statement).into()))
}
