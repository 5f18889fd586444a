//! The broker goes silent, away, or dies. Neither a row nor the connection to PostgreSQL is lost, and memory stays
//! bounded.

use std::time::Duration;

use crate::context::Context;
use crate::ops::load::{Load, Seen, verify};
use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::suite::Suite;
use crate::support::kafka::Kafka;
use crate::support::{Result, nap};

/// Without `max_in_flight` at its default of 4 MiB the backlog below would not fit.
const MEMORY_LIMIT: u64 = 48 << 20;
/// The server cuts off a client it has not heard of for this long.
const SENDER_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "a_silent_broker_costs_no_connection", async |context| {
        let seen = without_broker(context, |broker| {
            broker.pause()?;
            nap(SENDER_TIMEOUT * 2 + SENDER_TIMEOUT / 2);
            broker.resume()
        })?;
        assert_eq!(seen.repeats, 0, "a record was produced again although no connection broke");
        Ok(())
    });
    suite.postgres([15], "a_restarted_broker_loses_nothing", async |context| {
        without_broker(context, |broker| {
            broker.stop()?;
            nap(SENDER_TIMEOUT + SENDER_TIMEOUT / 4);
            broker.start_again()
        })?;
        Ok(())
    });
    suite.postgres([15], "a_killed_broker_loses_nothing", async |context| {
        without_broker(context, |broker| {
            broker.kill9()?;
            broker.start_again()
        })?;
        Ok(())
    });
}

/// Streams a load with a large backlog in the middle of it while something happens to the broker.
fn without_broker(context: &Context, event: impl FnOnce(&Kafka) -> Result<()>) -> Result<Seen> {
    let timeout = format!("{}s", SENDER_TIMEOUT.as_secs());
    let server = context.own_postgres(&[("wal_sender_timeout", &timeout)])?;
    let broker = context.own_kafka(&[])?;
    let pipeline = Pipeline::new(context, &server.address(), &broker.bootstrap());
    let mut session = pipeline.session()?;
    Load::prepare(&mut session)?;
    session.query("CREATE TABLE wide (id int PRIMARY KEY, filler text)")?;
    let sluice = pipeline.stream()?;
    let load = Load::start(&server.address())?;
    load.writes(50)?;
    let before = slot::get(&mut session, &pipeline.slot)?.reader;
    assert!(before.is_some());
    let rows = 60_000;
    let backlog =
        format!("INSERT INTO wide SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, {rows}) n");
    session.query(&backlog)?;
    event(&broker)?;
    load.writes(50)?;
    load.finish()?;
    pipeline.catches_up(&sluice)?;
    let peak = sluice.peak_memory()?;
    assert!(peak < MEMORY_LIMIT, "{} MiB at the most", peak >> 20);
    assert_eq!(slot::get(&mut session, &pipeline.slot)?.reader, before, "the walsender is another one");
    sluice.terminate()?;
    let wide = pipeline.events("public.wide")?;
    let ids = wide.iter().map(|event| &event.id).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(ids.len(), rows);
    let seen = verify(&pipeline)?;
    Ok(Seen { repeats: seen.repeats + wide.len() - rows, ..seen })
}
