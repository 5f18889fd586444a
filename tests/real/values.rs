//! That no value of any type is lost or changed: a column of each type, its array, domains over both and arrays of its
//! domain, in rows that were inserted and deleted, beside what SQL makes of the same values.
#![expect(clippy::indexing_slicing, reason = "an index out of bounds fails the test and names the place")]

pub(crate) mod columns;
pub(crate) mod types;

use self::columns::{Column, SHAPES, Shape};
use self::types::{SETUP, TYPES, Type, WITHOUT_INPUT};
use crate::context::Context;
use crate::json::Json;
use crate::pgsluice::Pgsluice;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::broker_client::ConsumedRecord;
use crate::support::postgres::MAJORS;
use crate::support::session::{Rows, Session};

/// The settings that the texts of values depend on, as the program pins them.
pub(crate) const PINNED: &str = "SET search_path = ''; SET datestyle = ISO; SET intervalstyle = postgres; SET timezone = 'UTC'; \
                      SET lc_monetary = 'C'; SET bytea_output = hex; SET extra_float_digits = 1; \
                      SET xmloption = content";
/// How many differing values are shown.
const SHOWN: usize = 40;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "values::of_every_type_are_kept", async |context| {
        every_value_is_kept(context).await
    });
}

async fn every_value_is_kept(context: &Context) -> Result<()> {
    let major = context.major()?;
    let types: Vec<&'static Type> = TYPES.iter().filter(|known| known.since <= major).collect();
    let database = context.postgres()?;
    let mut session = Session::open(&database, &database.database)?;
    for statement in SETUP {
        session.query(statement)?;
    }
    every_built_in_type_is_there(&mut session, &types)?;
    let mut tables = Vec::new();
    for shape in SHAPES {
        let columns: Vec<Column> =
            types.iter().enumerate().map(|(number, known)| Column::new(known, shape, number)).collect();
        create(&mut session, shape, &columns)?;
        tables.push((shape, columns));
    }
    session.query(PINNED)?;
    let pgsluice = Pgsluice::start(context, &database, 1, "")?;
    let mut expected = Vec::new();
    for (shape, columns) in &tables {
        fill(&mut session, *shape, columns)?;
        expected.push(ask(&mut session, *shape, columns)?);
        session.query(&format!("DELETE FROM public.{}", shape.table()))?;
    }
    pgsluice.deliver(&mut session)?;
    pgsluice.stop()?;

    let mut faults = Vec::new();
    for ((shape, columns), rows) in tables.iter().zip(&expected) {
        let topic = context.topic(&format!("public.{}", shape.table()));
        let records = context.read_all(&context.kafka()?, &[&topic]).await?;
        compare(*shape, columns, rows, &records, &mut faults)?;
    }
    let count = faults.len();
    faults.truncate(SHOWN);
    if count == 0 { Ok(()) } else { Err(format!("{count} differ:\n{}", faults.join("\n")).into()) }
}

/// A type that a later server brings must not be forgotten.
fn every_built_in_type_is_there(session: &mut Session, types: &[&Type]) -> Result<()> {
    let known: Vec<String> = types.iter().map(|known| format!("'{}'::regtype", known.name)).collect();
    let without_input: Vec<String> = WITHOUT_INPUT.iter().map(|name| format!("'{name}'")).collect();
    let missing = session.query(&format!(
        "SELECT format_type(oid, NULL) FROM pg_type
         WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm')
           AND NOT (typcategory = 'A' AND typelem <> 0 AND typname LIKE '\\_%')
           AND typname NOT IN ({}) AND oid NOT IN ({})",
        without_input.join(", "),
        known.join(", "),
    ))?;
    if missing.is_empty() { Ok(()) } else { Err(format!("types without values: {missing:?}").into()) }
}

fn create(session: &mut Session, shape: Shape, columns: &[Column]) -> Result<()> {
    for column in columns {
        if let Some(statement) = column.create_domain() {
            session.query(&statement)?;
        }
    }
    let table = shape.table();
    let declared: Vec<String> = columns.iter().map(Column::declaration).collect();
    session.query(&format!("CREATE TABLE {table} (id int PRIMARY KEY, {})", declared.join(", ")))?;
    // A deleted row then shows every value once more, as an old row does.
    session.query(&format!("ALTER TABLE {table} REPLICA IDENTITY FULL"))?;
    Ok(())
}

/// As many rows as the column with the most values needs, and one of NULLs; the other columns begin again.
fn fill(session: &mut Session, shape: Shape, columns: &[Column]) -> Result<()> {
    let rows = columns.iter().map(|column| column.values().len()).max().unwrap_or_default();
    for row in 0..rows {
        let values: Vec<&str> =
            columns.iter().map(|column| column.values()[row % column.values().len()].as_str()).collect();
        session.query(&format!(
            "INSERT INTO public.{} VALUES ({row}, {})",
            shape.table(),
            values.join(", ")
        ))?;
    }
    session.query(&format!("INSERT INTO public.{} (id) VALUES ({rows})", shape.table()))?;
    Ok(())
}

/// What SQL makes of the values.
fn ask(session: &mut Session, shape: Shape, columns: &[Column]) -> Result<Rows> {
    let json: Vec<String> = columns.iter().map(Column::json).collect();
    session.query(&format!("SELECT {} FROM public.{} ORDER BY id", json.join(", "), shape.table()))
}

/// Each row was inserted and deleted, which left a tombstone; in which order rows are deleted is the server's choice.
fn compare(
    shape: Shape,
    columns: &[Column],
    rows: &Rows,
    records: &[ConsumedRecord],
    faults: &mut Vec<String>,
) -> Result<()> {
    if records.len() != rows.len() * 3 {
        return Err(format!("{shape:?}: {} records of {} rows", records.len(), rows.len()).into());
    }
    for (id, row) in rows.iter().enumerate() {
        let key = format!("{{\"id\":{id}}}");
        let of_row: Vec<_> =
            records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes())).collect();
        let &[inserted, deleted, tombstone] = of_row.as_slice() else {
            return Err(format!("{shape:?}: {} records of row {id}", of_row.len()).into());
        };
        assert!(tombstone.value.is_none(), "{shape:?}: a third event of row {id}");
        for (side, record) in [("after", inserted), ("before", deleted)] {
            let text = str::from_utf8(record.value.as_deref().ok_or("a tombstone")?)?;
            let value = Json::parse(text)?;
            let sent = value.get(side).ok_or("no row")?.fields();
            let names: Vec<&str> = sent.iter().map(|(name, _)| name.as_str()).collect();
            let wanted: Vec<&str> =
                std::iter::once("id").chain(columns.iter().map(|column| column.name.as_str())).collect();
            if names != wanted || sent[0].1 != Json::Scalar(id.to_string()) {
                return Err(format!("{shape:?}: {side} of row {id} has {names:?}").into());
            }
            for ((column, (_, sent)), expected) in columns.iter().zip(&sent[1..]).zip(row) {
                let expected = Json::parse_spaced(expected.as_deref().unwrap_or("null"))?;
                if !sent.means(&expected) {
                    faults.push(format!("{shape:?} {} {side}: {sent}, not {expected}", column.of_type.name));
                }
            }
        }
    }
    Ok(())
}
