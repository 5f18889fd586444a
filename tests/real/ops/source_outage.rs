//! The server goes away in every way there is; the pipeline comes back by itself and loses nothing.

use std::time::Duration;

use crate::context::Context;
use crate::ops::load::{Load, verify};
use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::ops::sluice::Sluice;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::{MAJORS, Postgres};
use crate::support::proxy::Proxy;
use crate::support::session::Address;

/// How long a fast shutdown may wait for the product's last answer.
const STOP_LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "a_fast_stop_is_quick_and_loses_nothing", async |context| {
        let server = context.own_postgres(&[])?;
        under_load(context, &server, &server.address(), |sluice| {
            let took = server.stop_fast()?;
            assert!(took < STOP_LIMIT, "the server had to wait {took:?} for the product");
            server.start_again()?;
            sluice.says("\"streaming\"", 2)
        })?;
        // The same with nothing to stream.
        let pipeline = Pipeline::new(context, &server.address(), &context.kafka()?);
        let sluice = pipeline.stream()?;
        let took = server.stop_fast()?;
        assert!(took < STOP_LIMIT, "the idle server had to wait {took:?} for the product");
        server.start_again()?;
        sluice.says("\"streaming\"", 2)?;
        sluice.terminate().map(drop)
    });
    suite.postgres(MAJORS, "a_crash_loses_nothing", async |context| {
        let server = context.own_postgres(&[])?;
        under_load(context, &server, &server.address(), |sluice| {
            server.stop_immediate()?;
            server.start_again()?;
            sluice.says("\"streaming\"", 2)
        })
    });
    suite.postgres([12, 15, 18], "a_terminated_walsender_loses_nothing", async |context| {
        let server = context.own_postgres(&[])?;
        under_load(context, &server, &server.address(), |sluice| {
            let mut session = server.session("postgres")?;
            for times in 2..=3 {
                session.query(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL",
                )?;
                sluice.says("\"streaming\"", times)?;
            }
            Ok(())
        })
    });
    suite.postgres([12, 18], "a_reset_connection_loses_nothing", async |context| {
        let server = context.own_postgres(&[])?;
        let proxy = Proxy::start(server.port())?;
        let through = Address { port: proxy.port(), ..server.address() };
        under_load(context, &server, &through, |sluice| {
            for times in 2..=3 {
                proxy.cut();
                sluice.says("\"streaming\"", times)?;
            }
            Ok(())
        })
    });
    suite.postgres([15], "a_connection_that_goes_silent_is_given_up", async |context| {
        let server = context.own_postgres(&[("wal_sender_timeout", "2s")])?;
        let proxy = Proxy::start(server.port())?;
        let through = Address { port: proxy.port(), ..server.address() };
        under_load(context, &server, &through, |sluice| {
            proxy.stall();
            sluice.says("\"streaming\"", 2)
        })
    });
}

/// Streams a load, has something happen to the server in the middle, and compares in the end. `through` is where the
/// product connects, the load writes to the server itself.
fn under_load(
    context: &Context,
    server: &Postgres,
    through: &Address,
    event: impl FnOnce(&Sluice) -> Result<()>,
) -> Result<()> {
    Load::prepare(&mut server.session("postgres")?)?;
    let pipeline = Pipeline::new(context, through, &context.kafka()?);
    let sluice = pipeline.stream()?;
    let load = Load::start(&server.address())?;
    load.writes(50)?;
    event(&sluice)?;
    load.writes(20)?;
    load.finish()?;
    let direct = pipeline.beside(server.address());
    direct.catches_up(&sluice)?;
    sluice.terminate()?;
    let seen = verify(&direct)?;
    assert!(seen.transactions >= 70, "{seen:?}");
    assert!(slot::get(&mut server.session("postgres")?, &pipeline.slot)?.reader.is_none());
    Ok(())
}
