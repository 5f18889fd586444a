//! What a slot's reader owes the rest of the server: WAL that is let go, commits that are not held up.

use std::time::{Duration, Instant};

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
    suite.postgres([12, 18], "a_commit_that_waits_for_us_ends", async |context| {
        let server = context.own_postgres(&[])?;
        let mut session = server.session("postgres")?;
        session.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        server.create_database("other", "UTF8")?;
        let mut other = server.session("other")?;
        other.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        let pipeline = Pipeline::new(context, &server.address(), &context.kafka()?);
        let sluice = pipeline.stream()?;
        // The product's application_name, as a user could name it, or catch it with `*`.
        server.set_conf("synchronous_standby_names", "pgsluice")?;
        server.reload()?;
        // A reload reaches the processes one by one; a commit before it has would not wait for anybody.
        slot::until("the pipeline counts as the synchronous standby", ADVANCE_LIMIT, || {
            let state = "SELECT coalesce(min(sync_state), '') FROM pg_stat_replication";
            Ok(slot::value(&mut session, state)? == "sync")
        })?;
        let start = Instant::now();
        session.query("INSERT INTO t VALUES (1)")?;
        // Nothing of this one is ever streamed.
        other.query("INSERT INTO t VALUES (1)")?;
        assert!(start.elapsed() < ADVANCE_LIMIT, "two commits took {:?}", start.elapsed());
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;
        let keys: Vec<_> = pipeline.events("public.t")?.into_iter().map(|event| event.key).collect();
        assert_eq!(keys, [serde_json::json!({"id": 1})]);
        // From here on nobody would answer.
        server.set_conf("synchronous_standby_names", "")?;
        server.reload()
    });
}
