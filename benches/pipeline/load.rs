//! The load: ten columns, the same rows whatever the shape.

use crate::support::Result;
use crate::support::postgres::Postgres;

/// Slots that hold the same changes.
pub(crate) struct Filled {
    /// Their database.
    pub(crate) database: String,
    /// For pgsluice, one a round.
    pub(crate) ours: Vec<String>,
    /// For `pg_recvlogical`, one a round.
    pub(crate) theirs: Vec<String>,
    /// The end of the load.
    pub(crate) end: String,
}

const TABLE: &str = "CREATE TABLE b(id bigint PRIMARY KEY, a integer, n numeric(12,2), t text, v varchar(40), \
                     ts timestamptz, f boolean, j jsonb, u uuid, d double precision)";

const ROW: &str = "g, g % 1000, g * 1.25, 'some text with a '' quote and more text ' || g, 'varchar ' || g, \
                   timestamptz '2026-01-02 03:04:05.678901+00' + g * interval '1 second', g % 2 = 0, \
                   jsonb_build_object('k', g, 'v', 'x'), md5(g::text)::uuid, g * 1.1";

/// Makes a database, a slot for each run, and the load.
pub(crate) fn fill(
    postgres: &Postgres,
    database: &str,
    rows_per_transaction: u64,
    rows: u64,
    rounds: usize,
) -> Result<Filled> {
    postgres.create_database(database, "UTF8")?;
    let mut session = postgres.session(database)?;
    session.query(TABLE)?;
    let slots = |who: &str| (0..rounds).map(|round| format!("{database}_{who}_{round}")).collect::<Vec<_>>();
    let filled =
        Filled { database: database.to_owned(), ours: slots("a"), theirs: slots("b"), end: String::new() };
    let mut all = filled.ours.iter().chain(&filled.theirs);
    let first = all.next().ok_or("no rounds")?;
    session.query(&format!("SELECT pg_create_logical_replication_slot('{first}', 'test_decoding')"))?;
    for slot in all {
        session.query(&format!("SELECT pg_copy_logical_replication_slot('{first}', '{slot}')"))?;
    }
    session.query(&format!(
        "DO $$ BEGIN FOR i IN 0..{} LOOP \
           INSERT INTO b SELECT {ROW} FROM generate_series(i * {rows_per_transaction} + 1, (i + 1) * {rows_per_transaction}) g; \
           COMMIT; END LOOP; END $$",
        rows / rows_per_transaction - 1
    ))?;
    session.query("CHECKPOINT")?;
    let end = session.query("SELECT pg_current_wal_flush_lsn()")?;
    let end = end.into_iter().flatten().flatten().next().ok_or("no position")?;
    Ok(Filled { end, ..filled })
}

/// Drops what is left of a load, so that its WAL can go.
pub(crate) fn forget(postgres: &Postgres, filled: &Filled) -> Result<()> {
    let mut session = postgres.session("postgres")?;
    session.query(&format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{}'",
        filled.database
    ))?;
    session.query(&format!("DROP DATABASE {}", filled.database))?;
    Ok(())
}
