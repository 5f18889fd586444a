//! The servers themselves: that they start, stop, crash and come back the way the other tests rely on.

use std::time::Duration;

use crate::suite::Suite;
use crate::support::postgres::{MAJORS, PASSWORD, ROLES};
use crate::support::session::{Address, Session};
use crate::support::{Result, off_thread};

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "is_of_its_major_and_decodes", async |context| {
        let address = context.postgres()?;
        let mut session = Session::open(&address, &address.database)?;
        let version = one(&mut session, "SHOW server_version_num")?;
        assert_eq!(version.parse::<u32>()? / 10_000, u32::from(context.major()?));
        let slot = format!("{}_slot", context.prefix());
        session.query(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"))?;
        session.query("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (7)")?;
        let changes =
            session.query(&format!("SELECT data FROM pg_logical_slot_get_changes('{slot}', NULL, NULL)"))?;
        let row = Some("table public.t: INSERT: id[integer]:7".to_owned());
        assert!(changes.iter().any(|change| change.contains(&row)), "{changes:?}");
        // The slot is left for the context to drop.
        Ok(())
    });
    suite.postgres(MAJORS, "lets_each_role_in_by_its_own_method", async |context| {
        let address = context.postgres()?;
        for role in ROLES {
            let with = |password: &str| Address {
                user: role.to_owned(),
                password: Some(password.to_owned()),
                ..address.clone()
            };
            let right = Session::open(&with(PASSWORD), &address.database);
            assert_eq!(right.is_ok(), role != "reject_user", "{role}: {right:?}");
            let wrong = Session::open(&with("close sesame"), &address.database);
            assert!(wrong.is_err(), "{role} came in with a wrong password");
        }
        Ok(())
    });
    suite.postgres([12, 15, 18], "has_databases_of_other_encodings", async |context| {
        for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
            let address = context.database(encoding)?;
            let mut session = Session::open(&address, &address.database)?;
            assert_eq!(one(&mut session, "SHOW server_encoding")?, encoding);
        }
        Ok(())
    });
    suite.postgres([12, 15, 18], "stops_and_comes_back_with_its_rows", async |context| {
        let server = context.own_postgres(&[("wal_sender_timeout", "5s")])?;
        let port = server.port();
        server.create_database("kept", "UTF8")?;
        let mut session = server.session("kept")?;
        assert_eq!(one(&mut session, "SHOW wal_sender_timeout")?, "5s");
        session.query("CREATE TABLE t AS SELECT 1 AS n")?;
        let took = off_thread({
            let server = std::sync::Arc::clone(&server);
            move || server.stop_fast()
        })
        .await??;
        assert!(took < Duration::from_secs(30), "a fast stop took {took:?}");
        assert!(server.session("kept").is_err(), "it answers although it was stopped");
        for crash in ["none", "immediate", "kill -9"] {
            server.start_again()?;
            assert_eq!(server.port(), port);
            assert_eq!(one(&mut server.session("kept")?, "SELECT n FROM t")?, "1", "after {crash}");
            match crash {
                "none" => server.stop_immediate().map(drop)?,
                "immediate" => server.kill9()?,
                _ => server.restart()?,
            }
        }
        Ok(())
    });
    suite.postgres([15], "takes_a_new_setting_on_reload", async |context| {
        let server = context.own_postgres(&[])?;
        server.set_conf("log_statement", "ddl")?;
        server.reload()?;
        assert_eq!(one(&mut server.session("postgres")?, "SHOW log_statement")?, "ddl");
        assert!(server.socket_folder().join(format!(".s.PGSQL.{}", server.port())).exists());
        Ok(())
    });
    #[cfg(feature = "kafka")]
    broker::register(suite);
}

/// The only value of a query's answer.
fn one(session: &mut Session, sql: &str) -> Result<String> {
    let value = session.query(sql)?.into_iter().flatten().flatten().next();
    value.ok_or_else(|| format!("no answer to {sql}").into())
}

#[cfg(feature = "kafka")]
mod broker {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    use crate::suite::Suite;
    use crate::support::broker_client::create_topic;
    use crate::support::{Result, off_thread};

    pub(super) fn register(suite: &mut Suite) {
        suite.broker("keeps_what_was_committed_and_hides_the_rest", async |context| {
            let bootstrap = context.kafka()?;
            let topic = context.topic("records");
            create_topic(&bootstrap, &topic, 3, &[]).await?;
            let producer = producer(&bootstrap, context.prefix())?;
            write(&producer, &topic, "committed", true)?;
            write(&producer, &topic, "aborted", false)?;
            let records = context.read_all(&bootstrap, &[&topic]).await?;
            assert_eq!(records.len(), 30);
            assert!(records.iter().all(|record| record.value.as_deref() == Some(b"committed")));
            let partitions = records.iter().map(|record| record.partition);
            assert_eq!(partitions.collect::<std::collections::BTreeSet<_>>().len(), 3);
            Ok(())
        });
        suite.broker("survives_kill9", async |context| {
            let broker = context.own_kafka(&[])?;
            let bootstrap = broker.bootstrap();
            let topic = context.topic("records");
            create_topic(&bootstrap, &topic, 1, &[]).await?;
            write(&producer(&bootstrap, "before")?, &topic, "before", true)?;
            broker.kill9()?;
            broker.start_again()?;
            assert_eq!(broker.bootstrap(), bootstrap);
            write(&producer(&bootstrap, "after")?, &topic, "after", true)?;
            broker.restart()?;
            let values =
                context.read_all(&bootstrap, &[&topic]).await?.into_iter().filter_map(|record| record.value);
            let mut values: Vec<Vec<u8>> = values.collect();
            values.dedup();
            assert_eq!(values, [b"before".as_slice(), b"after"]);
            Ok(())
        });
        suite.broker("is_silent_while_paused", async |context| {
            let broker = context.own_kafka(&[("message.max.bytes", "2000000")])?;
            let topic = context.topic("records");
            create_topic(&broker.bootstrap(), &topic, 1, &[]).await?;
            let producer = producer(&broker.bootstrap(), "patient")?;
            broker.pause()?;
            let paused = Instant::now();
            let writing = off_thread({
                let topic = topic.clone();
                move || write(&producer, &topic, "late", true)
            });
            let resuming = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                broker.resume()
            };
            let (written, resumed) = tokio::join!(writing, resuming);
            resumed?;
            written??;
            assert!(paused.elapsed() >= Duration::from_millis(500), "it answered while it was paused");
            assert_eq!(context.read_all(&broker.bootstrap(), &[&topic]).await?.len(), 30);
            drop(Arc::clone(&broker));
            Ok(())
        });
    }

    fn producer(bootstrap: &str, transactional_id: &str) -> Result<BaseProducer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("transactional.id", transactional_id);
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(Duration::from_secs(30))?;
        Ok(producer)
    }

    /// Thirty records in one transaction.
    fn write(producer: &BaseProducer, topic: &str, value: &str, commit: bool) -> Result<()> {
        producer.begin_transaction()?;
        for key in 0..30 {
            let key = format!("key {key}");
            producer.send(BaseRecord::to(topic).key(&key).payload(value)).map_err(|(error, _)| error)?;
        }
        producer.flush(Duration::from_secs(30))?;
        let end = Duration::from_secs(30);
        Ok(if commit { producer.commit_transaction(end) } else { producer.abort_transaction(end) }?)
    }
}
