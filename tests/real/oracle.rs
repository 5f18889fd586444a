//! The decoder against SQL: tables with random names, types, values and replica identities are written to at random, and
//! every change that the plugin prints is held against what SQL returns for the row: names, types, values, nulls, which
//! columns an old row has. Half of the tables are read under the program's own settings; of those the events are held
//! against what SQL makes of the values too.
//!
//! A seed decides everything of a table. A plain run has those that are always the same, in which every type comes up,
//! and some that are new in each run. `PGSLUICE_ORACLE_SEED`, `_TABLES` and `_MAJORS` (`all`, or `13,16`) run others; a
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

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use pgsluice::decode::Decoded;
use pgsluice::decode::print::print;
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
use crate::values::types::{SETUP, TYPES};

/// The tables of a plain run, by their seeds: the same in all runs, in which every type comes up.
const FIXED: std::ops::RangeInclusive<u64> = 1..=32;
/// And so many with seeds of that run.
const NEW: u64 = 8;
/// Changes of one table.
const CHANGES: u64 = 24;
/// Tables with a fault after which no further one is looked at.
const FAULTS: usize = 5;

pub(crate) fn register(suite: &mut Suite) {
    let tables = variable("PGSLUICE_ORACLE_TABLES").ok().flatten().unwrap_or_default();
    let limit = Duration::from_mins(5) + Duration::from_secs(tables.saturating_mul(2));
    suite.postgres_within(limit, majors(), "oracle::decoded_rows_are_what_sql_returns", async |context| {
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

fn variable(name: &str) -> Result<Option<u64>> {
    std::env::var(name).ok().map(|value| Ok(value.parse()?)).transpose()
}

/// The seeds of the run, and whether it is a plain one.
fn seeds() -> Result<(Vec<u64>, bool)> {
    let (first, tables) = (variable("PGSLUICE_ORACLE_SEED")?, variable("PGSLUICE_ORACLE_TABLES")?);
    let new = || 1_000 + RandomState::new().build_hasher().finish() % 1_000_000_000;
    let from = |first: u64, tables: u64| first..first.saturating_add(tables);
    Ok(match (first, tables) {
        (None, None) => (FIXED.chain(from(new(), NEW)).collect(), true),
        (first, tables) => (from(first.unwrap_or_else(new), tables.unwrap_or(1)).collect(), false),
    })
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
    let (seeds, is_plain) = seeds()?;
    let address = context.postgres()?;
    let mut session = Session::open(&address, &address.database)?;
    for statement in SETUP {
        session.query(statement)?;
    }
    let slot = literal(context.prefix());
    session.query(&format!("SELECT pg_create_logical_replication_slot({slot}, 'test_decoding')"))?;
    let mut events = Events::new(&address)?;
    let mut counts = Counts::default();
    let mut faults: Vec<String> = Vec::new();
    for seed in &seeds {
        let mut own = Session::open(&address, &address.database)?;
        let outcome = one_table(context, &mut own, &mut events, *seed, &mut counts).await;
        if let Err(error) = outcome {
            faults.push(format!("seed {seed}: {error}"));
            if faults.len() == FAULTS {
                break;
            }
            // What the next table is not to be given.
            session.query(&format!(
                "SELECT count(*) FROM pg_logical_slot_get_binary_changes({slot}, NULL, NULL)"
            ))?;
        }
    }
    tell(&told(context.major()?, &seeds, &counts, started.elapsed()));
    if !faults.is_empty() {
        return Err(faults.join("\n").into());
    }
    if is_plain { everything_came_up(&mut session, &counts) } else { Ok(()) }
}

fn told(major: u16, seeds: &[u64], counts: &Counts, took: Duration) -> String {
    let Counts { changes, seen, json } = counts;
    let Seen { values, nulls, unchanged, types, old_rows, empty_old_rows, absent_old_rows } = seen;
    let (tables, types, seconds) = (seeds.len(), types.len(), took.as_secs_f64());
    // Runs of seeds, as they follow one another.
    let runs: Vec<String> = seeds
        .chunk_by(|one, next| one + 1 == *next)
        .map(|run| format!("{} to {}", run[0], run[run.len() - 1]))
        .collect();
    format!(
        "oracle on PostgreSQL {major}: seeds {}; {tables} tables, {changes} rows compared with {values} values of \
         {types} types ({nulls} nulls, {unchanged} unchanged), {old_rows} old rows ({empty_old_rows} more without \
         columns, {absent_old_rows} changes without one), {json} values in events; {seconds:.1} s",
        runs.join(" and "),
    )
}

/// Nothing that is told is told of nothing.
fn everything_came_up(session: &mut Session, counts: &Counts) -> Result<()> {
    let Counts { changes, seen, json } = counts;
    let Seen { values, nulls, unchanged, types, old_rows, empty_old_rows, absent_old_rows } = seen;
    let all = [changes, values, json, nulls, unchanged, old_rows, empty_old_rows, absent_old_rows];
    if all.contains(&&0) {
        return Err("something did not come up".into());
    }
    let mut missing = BTreeSet::new();
    for name in TYPES.iter().map(|known| kinds::bare(known.name)) {
        // NULL of a type that this major does not have.
        let oids = session.query(&format!("SELECT to_regtype({})::oid::text", literal(name)))?;
        for oid in oids.into_iter().flatten().flatten() {
            if !types.contains(&oid.parse()?) {
                missing.insert(name);
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("no value came up of {missing:?}").into()) }
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
    let mut plugin = TestDecoding::new();
    let mut expected = changes.iter();
    for payload in &payloads {
        let shown = || {
            let shown = payload.escape_ascii().to_string();
            shown.chars().take(6000).collect::<String>()
        };
        let decoded = plugin.decode(payload).map_err(|error| format!("{error}: {}", shown()))?;
        let mut printed = Vec::new();
        print(&decoded, &mut printed);
        if printed != *payload {
            return Err(format!("{} is printed again as {}", shown(), printed.escape_ascii()).into());
        }
        let decoded = match decoded {
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
