//! What is kept when the checker has found a fault: everything it was given, and the server's own account of the same
//! changes, from a slot that nobody ever advanced.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::world::World;
use crate::history::Record;
use crate::history::truth::Truth;
use crate::support::Result;

const WITNESS: &str = "witness";

/// Makes the slot. It keeps all WAL, so it is for runs whose WAL has room.
pub(super) fn prepare(world: &World<'_>) -> Result<()> {
    world
        .session()?
        .query(&format!("SELECT pg_create_logical_replication_slot('{WITNESS}', 'test_decoding')"))
        .map(drop)
}

/// Writes it all down beside the product's log; where.
pub(super) fn keep(
    world: &World<'_>,
    steps: &[String],
    truth: &Truth,
    records: &[Record],
) -> Result<PathBuf> {
    let mut text = steps.join("\n") + "\n";
    for change in &truth.changes {
        writeln!(text, "truth  {change:?}")?;
    }
    for record in records {
        writeln!(text, "record {record:?}")?;
    }
    let sql = format!(
        "SELECT lsn, xid, left(data, 160) FROM pg_logical_slot_peek_changes('{WITNESS}', NULL, NULL)"
    );
    for row in world.session()?.query(&sql)? {
        writeln!(text, "server {}", row.into_iter().flatten().collect::<Vec<_>>().join(" "))?;
    }
    let path = world.log().with_extension("history");
    fs::write(&path, text)?;
    Ok(path)
}
