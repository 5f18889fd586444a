//! What will be streamed, and what cannot be?

use crate::check::Report;
use crate::pipeline::PipelineOptions;
use crate::pipeline::start::topics_of;
use crate::postgres::catalog::{Catalog, Persistence, RelationKind, TableEntry};
use crate::table::{ReplicaIdentity, TableName};

/// Tables named one by one for one kind of warning; more are only counted.
const NAMED: usize = 20;

/// Looks at the tables; returns the topics they need.
pub(super) async fn check(
    report: &mut Report,
    catalog: &mut Catalog,
    options: &PipelineOptions,
) -> Vec<String> {
    let all = match catalog.tables().await {
        Ok(all) => all,
        Err(error) => {
            report.fail("tables", crate::error::chain(&error), "");
            return Vec::new();
        }
    };
    let names: Vec<TableName> = all.iter().map(|table| table.name.clone()).collect();
    for pattern in options.tables.unmatched(&names) {
        report.warn(
            "tables",
            format!("no table matches {pattern:?}"),
            "correct include in [[tables]]; a table that is made later is streamed then",
        );
    }
    let tables: Vec<TableEntry> =
        all.into_iter().filter(|table| options.tables.includes(&table.name)).collect();
    report.pass("tables", format!("{} of {}", tables.len(), names.len()));
    each(report, "primary key", tables.iter().filter(|table| lacks_key(table)), |table| {
        let name = &table.name;
        match (table.replica_identity, &table.primary_key) {
            (ReplicaIdentity::Nothing, _) => (
                format!("{name} has REPLICA IDENTITY NOTHING: its deletes give no event"),
                format!("ALTER TABLE {name} REPLICA IDENTITY DEFAULT, or FULL"),
            ),
            (_, Some(_)) => (
                format!(
                    "{name} has a deferrable primary key, which is no identity: its deletes give no event"
                ),
                format!("ALTER TABLE {name} REPLICA IDENTITY FULL"),
            ),
            _ => (
                format!("{name} has no primary key: its deletes give no event"),
                format!("ALTER TABLE {name} ADD PRIMARY KEY (…), or REPLICA IDENTITY FULL"),
            ),
        }
    });
    each(
        report,
        "unlogged",
        tables.iter().filter(|table| table.persistence == Persistence::Unlogged),
        |table| {
            (
                format!("{} is unlogged: it is not in the WAL and will not be streamed", table.name),
                format!("ALTER TABLE {} SET LOGGED", table.name),
            )
        },
    );
    match topics_of(&tables, &options.encode.topic, &options.encode.prefix) {
        Ok(topics) => topics,
        Err(error) => {
            report.fail("topic names", error.to_string(), "");
            Vec::new()
        }
    }
}

/// Rows of a partitioned table are those of its leaves.
fn lacks_key(table: &TableEntry) -> bool {
    table.kind != RelationKind::Partitioned
        && table.persistence == Persistence::Permanent
        && !table.key_is_logged()
}

/// A warning for each table, up to a number.
fn each<'a>(
    report: &mut Report,
    name: &'static str,
    mut tables: impl Iterator<Item = &'a TableEntry>,
    describe: impl Fn(&TableEntry) -> (String, String),
) {
    for table in tables.by_ref().take(NAMED) {
        let (seen, repair) = describe(table);
        report.warn(name, seen, repair);
    }
    let more = tables.count();
    if more > 0 {
        report.warn(name, format!("the same of {more} more tables"), "");
    }
}
