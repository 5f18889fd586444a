//! Every reason not to start: one line that says what to do, and an exit code of its own.

use crate::context::Context;
use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::suite::Suite;
use crate::support::broker_client::{create_topic, topics};
use crate::support::postgres::{MAJORS, PASSWORD};
use crate::support::session::{Address, Session};
use crate::support::{Result, ports};

/// Where the server's words matter, which differ by major.
const OLDEST_TO_NEWEST: [u16; 3] = [12, 15, 18];

pub(crate) fn register(suite: &mut Suite) {
    logins(suite);
    slots(suite);
    gaps(suite);
    settings(suite);
    sinks(suite);
}

fn logins(suite: &mut Suite) {
    suite.postgres(OLDEST_TO_NEWEST, "a_wrong_password_is_code_4", async |context| {
        for user in ["pw_user", "md5_user", "scram_user"] {
            let address = Address { user: user.to_owned(), ..context.postgres()? };
            let pipeline = Pipeline::new(context, &address, &context.kafka()?).with(
                "source.auth",
                "require_auth",
                "\"password,md5,scram-sha-256\"",
            );
            pipeline.refusal()?.refused(4, &["password authentication failed", user, "pg_hba.conf"]);
        }
        Ok(())
    });
    suite.postgres(OLDEST_TO_NEWEST, "a_password_in_the_clear_is_code_4", async |context| {
        for (user, method) in [("pw_user", "password"), ("md5_user", "md5")] {
            let address = Address { user: user.to_owned(), ..context.postgres()? };
            let pipeline = Pipeline::new(context, &address, &context.kafka()?);
            pipeline
                .refusal()?
                .refused(4, &[&format!("require_auth = {method}"), "scram-sha-256", "sslmode"]);
        }
        Ok(())
    });
    suite.postgres(OLDEST_TO_NEWEST, "a_role_without_replication_is_code_4", async |context| {
        let address = context.postgres()?;
        let role = context.prefix();
        let mut session = Session::open(&address, &address.database)?;
        session.query(&format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE scram_group"))?;
        let login = Address { user: role.to_owned(), password: Some(PASSWORD.to_owned()), ..address };
        let ended = Pipeline::new(context, &login, &context.kafka()?).refusal();
        session.query(&format!("DROP ROLE {role}"))?;
        ended?.refused(4, &["ALTER ROLE", "REPLICATION"]);
        Ok(())
    });
    suite.postgres([15], "an_unreachable_server_is_code_14", async |context| {
        let address = Address { port: ports::free()?, ..context.postgres()? };
        let pipeline =
            Pipeline::new(context, &address, &context.kafka()?).with("", "start_timeout", "\"1s\"");
        pipeline.refusal()?.refused(14, &["cannot connect to 127.0.0.1", "refused"]);
        Ok(())
    });
}

fn slots(suite: &mut Suite) {
    suite.postgres(OLDEST_TO_NEWEST, "a_slot_that_does_not_fit_has_a_code", async |context| {
        let address = context.postgres()?;
        let other = context.postgres()?;
        let pipeline =
            Pipeline::new(context, &address, &context.kafka()?).with("source.replication", "create", "false");
        let mut session = pipeline.session()?;
        let name = |kind: &str| format!("{}_{kind}", context.prefix());
        pipeline.refusal()?.refused(9, &[&pipeline.slot, "pg_create_logical_replication_slot"]);

        let make = |session: &mut Session, kind: &str, plugin: &str| {
            let name = name(kind);
            session.query(&format!("SELECT pg_create_logical_replication_slot('{name}', '{plugin}')"))
        };
        make(&mut session, "pgoutput", "pgoutput")?;
        let slot = name("pgoutput");
        pipeline.clone().slot(&slot).refusal()?.refused(11, &[&slot, "pgoutput", "test_decoding"]);

        let slot = name("physical");
        session.query(&format!("SELECT pg_create_physical_replication_slot('{slot}')"))?;
        let ended = pipeline.clone().slot(&slot).refusal();
        // It belongs to no database, so nobody else would drop it.
        session.query(&format!("SELECT pg_drop_replication_slot('{slot}')"))?;
        ended?.refused(11, &[&slot, "physical", "test_decoding"]);

        make(&mut Session::open(&other, &other.database)?, "elsewhere", "test_decoding")?;
        let slot = name("elsewhere");
        pipeline.clone().slot(&slot).refusal()?.refused(12, &[&slot, &other.database, &address.database]);
        Ok(())
    });
    suite.postgres([14, 18], "a_slot_with_two_phase_decoding_is_refused", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        let slot = pipeline.slot.as_str();
        session.query(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding', false, true)"
        ))?;
        let before = slot::get(&mut session, slot)?;
        session.query("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'never'")?;
        pipeline.refusal()?.refused(1, &[slot, "two-phase", "pg_drop_replication_slot"]);
        let checked = pipeline.command(&["check"])?.ended()?;
        assert_eq!(checked.code, Some(8), "{}", checked.output);
        assert!(checked.output.contains("two-phase"), "{}", checked.output);
        session.query("ROLLBACK PREPARED 'never'")?;
        // What was never committed has not been sent.
        assert_eq!(slot::get(&mut session, slot)?, before);
        let topics = topics(&pipeline.bootstrap, &pipeline.topic("public"))?;
        assert!(topics.is_empty(), "{topics:?}");
        Ok(())
    });
    suite.postgres(OLDEST_TO_NEWEST, "a_slot_in_use_is_code_10", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let sluice = pipeline.stream()?;
        let mut session = pipeline.session()?;
        let reader = slot::get(&mut session, &pipeline.slot)?.reader.ok_or("nobody reads it")?;
        let second = pipeline.clone().with("", "start_timeout", "\"1s\"");
        second.refusal()?.refused(10, &[&pipeline.slot, &reader.to_string(), "in use"]);
        assert_eq!(slot::get(&mut session, &pipeline.slot)?.reader, Some(reader));
        sluice.terminate().map(drop)
    });
    suite.postgres([13, 14, 15, 16, 17, 18], "a_lost_slot_is_code_5", async |context| {
        let server = context.own_postgres(&[
            ("max_slot_wal_keep_size", "1MB"),
            ("max_wal_size", "32MB"),
            ("min_wal_size", "32MB"),
        ])?;
        let pipeline = Pipeline::new(context, &server.address(), &context.kafka()?);
        pipeline.stream()?.terminate()?;
        let mut session = pipeline.session()?;
        for _ in 0..4 {
            session.query("CREATE TABLE t (a int); DROP TABLE t; SELECT pg_switch_wal()")?;
        }
        session.query("CHECKPOINT")?;
        pipeline.refusal()?.refused(5, &[&pipeline.slot, "max_slot_wal_keep_size", "--accept-gap"]);
        Ok(())
    });
}

fn gaps(suite: &mut Suite) {
    suite.postgres(OLDEST_TO_NEWEST, "a_slot_that_was_advanced_is_code_5", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = gap(&pipeline)?;
        let slot = &pipeline.slot;
        session.query(&format!("SELECT pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"))?;
        accept(context, &pipeline, &mut session)
    });
    suite.postgres(OLDEST_TO_NEWEST, "a_dropped_slot_is_code_5", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = gap(&pipeline)?;
        session.query(&format!("SELECT pg_drop_replication_slot('{}')", pipeline.slot))?;
        accept(context, &pipeline, &mut session)
    });
}

/// Streams row 1 and stops; row 2 commits meanwhile.
fn gap(pipeline: &Pipeline<'_>) -> Result<Session> {
    let mut session = pipeline.session()?;
    session.query("CREATE TABLE t (id int PRIMARY KEY)")?;
    let sluice = pipeline.stream()?;
    session.query("INSERT INTO t VALUES (1)")?;
    pipeline.catches_up(&sluice)?;
    sluice.terminate()?;
    session.query("INSERT INTO t VALUES (2)")?;
    Ok(session)
}

/// A start is refused until the gap is accepted; from then on an ordinary one works.
fn accept(context: &Context, pipeline: &Pipeline<'_>, session: &mut Session) -> Result<()> {
    pipeline.refusal()?.refused(5, &[&pipeline.slot, "--accept-gap"]);
    let sluice = pipeline.command(&["run", "--accept-gap"])?;
    sluice.streams()?;
    session.query("INSERT INTO t VALUES (3)")?;
    pipeline.catches_up(&sluice)?;
    sluice.terminate()?;
    session.query("INSERT INTO t VALUES (4)")?;
    let sluice = pipeline.stream()?;
    pipeline.catches_up(&sluice)?;
    sluice.terminate()?;
    let keys: Vec<String> = pipeline.events("public.t")?.iter().map(|event| event.key.to_string()).collect();
    assert_eq!(keys, [r#"{"id":1}"#, r#"{"id":3}"#, r#"{"id":4}"#], "{}", context.prefix());
    Ok(())
}

fn settings(suite: &mut Suite) {
    suite.postgres(MAJORS, "wal_level_replica_is_code_13", async |context| {
        let server = context.own_postgres(&[("wal_level", "replica")])?;
        let pipeline = Pipeline::new(context, &server.address(), &context.kafka()?);
        pipeline.refusal()?.refused(13, &["wal_level", "replica", "ALTER SYSTEM SET wal_level = logical"]);
        Ok(())
    });
    suite.broker("a_wrong_configuration_is_code_3", async |context| {
        let nowhere = Address {
            host: "127.0.0.1".to_owned(),
            port: ports::free()?,
            user: "nobody".to_owned(),
            password: None,
            database: "nowhere".to_owned(),
        };
        let pipeline = Pipeline::new(context, &nowhere, &context.kafka()?);
        let misspelt = pipeline.clone().with("source.replication", "slto", "\"x\"");
        misspelt.refusal()?.refused(3, &["pgsluice.toml", "`slto`", "did you mean `slot`?"]);
        let misspelt = pipeline.clone().with("source.auth", "pasword", "\"plan7ed-postgres-secret\"");
        misspelt.refusal()?.refused(3, &["`pasword`", "did you mean `password`?"]);
        let wrong = pipeline.clone().with("", "start_timeout", "5");
        wrong.refusal()?.refused(3, &["line 1", "a number with its unit"]);
        let owned = pipeline.clone().librdkafka("acks", "0");
        owned.refusal()?.refused(3, &["acks"]);
        let empty = pipeline.clone().with("source.auth", "password", "{ env = \"NOT_SET\" }");
        empty.refusal()?.refused(3, &["NOT_SET"]);
        Ok(())
    });
}

fn sinks(suite: &mut Suite) {
    suite.postgres([15], "an_unreachable_broker_is_code_15", async |context| {
        let nowhere = format!("127.0.0.1:{}", ports::free()?);
        let pipeline =
            Pipeline::new(context, &context.postgres()?, &nowhere).with("", "start_timeout", "\"1s\"");
        pipeline.refusal()?.refused(15, &[&nowhere, "bootstrap.servers"]);
        Ok(())
    });
    suite.postgres([15], "an_option_librdkafka_does_not_know_is_refused", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let unknown = pipeline.clone().librdkafka("linger.msec", "5");
        unknown.refusal()?.refused(3, &["linger.msec"]);
        let wrong = pipeline.clone().librdkafka("linger.ms", "soon");
        wrong.refusal()?.refused(3, &["linger.ms", "soon"]);
        Ok(())
    });
    suite.postgres([15], "a_missing_topic_is_refused", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?).with(
            "sink.kafka.topics",
            "create",
            "false",
        );
        pipeline.session()?.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        let topic = pipeline.topic("public.t");
        pipeline.refusal()?.refused(1, &[&topic, "create = true"]);
        Ok(())
    });
    suite.postgres([12, 18], "a_record_above_the_topics_limit_stops_it", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let topic = pipeline.topic("public.t");
        create_topic(&pipeline.bootstrap, &topic, 1, &[("max.message.bytes", "10000")]).await?;
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        let sluice = pipeline.stream()?;
        session.query("INSERT INTO t SELECT n, repeat('x', 3000) FROM generate_series(1, 10) n")?;
        pipeline.catches_up(&sluice)?;
        session.query("INSERT INTO t VALUES (11, repeat('x', 20000))")?;
        session.query("INSERT INTO t VALUES (12, 'behind it')")?;
        let words = [topic.as_str(), "{\"id\":11}", "10000", "max.message.bytes"];
        sluice.ended()?.refused(1, &words);
        // It stays so, nothing is stepped over.
        pipeline.refusal()?.refused(1, &words);
        assert_eq!(pipeline.events("public.t")?.len(), 10);
        assert_eq!(
            slot::waiting(&mut session, &pipeline.slot)?,
            6,
            "both transactions are still in the slot"
        );
        Ok(())
    });
}
