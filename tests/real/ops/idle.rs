//! A database in which nothing happens keeps no WAL on a busy server.

use std::time::Duration;

use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::suite::Suite;

/// How long the slot may take.
const ADVANCE_LIMIT: Duration = Duration::from_secs(15);

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "an_idle_database_keeps_no_wal", async |context| {
        // Transactions of other tests would hold restart_lsn on the shared server.
        let server = context.own_postgres(&[])?;
        server.create_database("idle", "UTF8")?;
        let address = crate::support::session::Address { database: "idle".to_owned(), ..server.address() };
        let pipeline = Pipeline::new(context, &address, &context.kafka()?);
        let sluice = pipeline.stream()?;

        let mut busy = server.session("postgres")?;
        busy.query("CREATE TABLE t (a int, filler text)")?;
        busy.query("INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n")?;
        let end = slot::wal_end(&mut busy)?;
        let before = slot::get(&mut busy, &pipeline.slot)?;
        assert!(before.restart < end);
        // A checkpoint logs which transactions run, which is what lets the slot let go.
        busy.query("CHECKPOINT")?;
        slot::until("both positions pass what the busy database wrote", ADVANCE_LIMIT, || {
            busy.query("INSERT INTO t VALUES (0, 'more')")?;
            let now = slot::get(&mut busy, &pipeline.slot)?;
            Ok(now.confirmed >= end && now.restart >= end)
        })?;
        sluice.terminate()?;
        Ok(())
    });
}
