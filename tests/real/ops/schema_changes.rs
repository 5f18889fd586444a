//! Tables that are altered, renamed and made while their changes are streamed, and names that need quotes.

use serde_json::{Value, json};

use crate::ops::events::Event;
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;

const MAJORS: [u16; 3] = [12, 15, 18];

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "an_altered_table_goes_on", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        let sluice = pipeline.stream()?;
        for statement in ALTERATIONS {
            session.query(statement)?;
            // Each row is read while the table is as it was then, as it mostly is.
            pipeline.catches_up(&sluice)?;
        }
        session.query("ALTER TABLE t RENAME TO u; INSERT INTO u VALUES (6, 60, 'f')")?;
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;
        let seen = pipeline.events("public.t")?;
        let rows: Vec<(Value, Value)> =
            seen.iter().map(|event| (event.key.clone(), event.after().clone())).collect();
        assert_eq!(
            rows,
            [
                (json!({"id": 1}), json!({"id": 1, "v": "a"})),
                (json!({"id": 2}), json!({"id": 2, "v": "b", "n": 20})),
                (json!({"id": 3}), json!({"id": 3, "n": 30})),
                (json!({"id": 4}), json!({"id": 4, "m": 40})),
                (json!({"id": 1}), json!({"id": 1, "m": 10})),
                (json!({"m": 40}), json!(null)),
                (json!({"m": 40}), json!(null)),
                (json!({"m": 50}), json!({"id": 5, "m": 50})),
                (json!({"m": 51}), json!({"id": 5, "m": 51, "w": "e"})),
            ]
        );
        let seen = pipeline.events("public.u")?;
        assert_eq!(
            seen.iter().map(Event::summary).collect::<Vec<_>>(),
            [r#"c {"m":60} null {"id":6,"m":60,"w":"f"}"#]
        );
        Ok(())
    });
    suite.postgres(MAJORS, "a_table_altered_before_it_is_read_loses_no_row", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        pipeline.stream()?.terminate()?;
        session.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')")?;
        session.query("BEGIN; UPDATE t SET v = 'c' WHERE id = 1; ALTER TABLE t DROP COLUMN v; COMMIT")?;
        session.query("ALTER TABLE t ADD COLUMN other int; INSERT INTO t VALUES (3, 30)")?;
        session.query("CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone VALUES (1)")?;
        session.query("DROP TABLE gone")?;
        let sluice = pipeline.stream()?;
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;
        let seen = pipeline.events("public.t")?;
        let rows: Vec<&Value> = seen.iter().map(Event::after).collect();
        assert_eq!(
            rows,
            [
                &json!({"id": 1, "v": "a"}),
                &json!({"id": 2, "v": "b"}),
                &json!({"id": 1, "v": "c"}),
                &json!({"id": 3, "other": 30}),
            ]
        );
        assert_eq!(pipeline.events("public.gone")?.len(), 1);
        Ok(())
    });
    suite.postgres(MAJORS, "a_lost_catalog_connection_is_no_reason_to_stop", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        let sluice = pipeline.stream()?;
        session.query("INSERT INTO t VALUES (1)")?;
        pipeline.catches_up(&sluice)?;
        // Every connection of its own but the stream: the catalog's is among them, and idle.
        session.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgsluice' \
             AND backend_type = 'client backend' AND datname = current_database()",
        )?;
        session.query("CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1)")?;
        pipeline.catches_up(&sluice)?;
        assert!(!sluice.errors()?.contains("trying again"), "{}", sluice.errors()?);
        sluice.terminate()?;
        assert_eq!(pipeline.events("public.later")?.len(), 1);
        Ok(())
    });
    suite.postgres(MAJORS, "new_tables_and_odd_names_are_streamed", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?).with(
            "sink.kafka.topics",
            "partitions",
            "3",
        );
        let mut session = pipeline.session()?;
        let sluice = pipeline.stream()?;
        session.query(ODD_NAMES)?;
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;
        let seen = pipeline.events("Odd_Schema.Order_Lines")?;
        assert_eq!(seen.iter().map(|event| event.key.clone()).collect::<Vec<_>>(), [json!({"a \"b\"": 1})]);
        let mut keys: Vec<String> =
            pipeline.events("public.made_later")?.iter().map(|event| event.key.to_string()).collect();
        keys.sort();
        assert_eq!(keys.len(), 30);
        keys.dedup();
        assert_eq!(keys.len(), 30);
        Ok(())
    });
}

const ALTERATIONS: [&str; 7] = [
    "INSERT INTO t VALUES (1, 'a')",
    "ALTER TABLE t ADD COLUMN n int; INSERT INTO t VALUES (2, 'b', 20)",
    "ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES (3, 30)",
    "ALTER TABLE t RENAME COLUMN n TO m; INSERT INTO t VALUES (4, 40)",
    "UPDATE t SET m = 10 WHERE id = 1",
    "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (m); UPDATE t SET m = 50, id = 5 WHERE m = 40",
    "ALTER TABLE t ADD COLUMN w text; INSERT INTO t VALUES (5, 51, 'e')",
];

const ODD_NAMES: &str = r#"
    CREATE TABLE made_later (id int PRIMARY KEY);
    INSERT INTO made_later SELECT generate_series(1, 30);
    CREATE SCHEMA "Odd Schema";
    CREATE TABLE "Odd Schema"."Order""Lines" ("a ""b""" int PRIMARY KEY, "]:" text);
    INSERT INTO "Odd Schema"."Order""Lines" VALUES (1, 'x');"#;
