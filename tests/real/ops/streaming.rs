//! Every kind of change on every major, from the first start to a second one that repeats nothing.

use serde_json::json;

use crate::ops::events::{Event, events};
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::MAJORS;
use crate::support::session::Session;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "streams_every_kind_of_change", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query(TABLES)?;
        let sluice = pipeline.stream()?;
        session.query(CHANGES)?;
        // Each of these is a transaction of its own, so not part of one query string.
        session.query("TRUNCATE orders")?;
        session.query("SELECT pg_logical_emit_message(true, 'note', 'inside')")?;
        session.query("SELECT pg_logical_emit_message(false, 'note', 'outside')")?;
        session.query("INSERT INTO orders VALUES (7, 'after', 1.50)")?;
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;

        let seen = pipeline.events("public.orders")?;
        assert_eq!(seen.iter().map(Event::summary).collect::<Vec<_>>(), orders());
        verify_ids(&seen);
        let seen = pipeline.events("public.whole")?;
        assert_eq!(
            seen.iter().map(Event::summary).collect::<Vec<_>>(),
            [
                r#"c null null {"a":1,"b":"x"}"#,
                r#"u null {"a":1,"b":"x"} {"a":1,"b":"y"}"#,
                r#"d null {"a":1,"b":"y"} null"#,
            ]
        );
        let seen = events(&pipeline.bootstrap, &[&context.topic("message")])?;
        assert_eq!(seen.iter().map(Event::op).collect::<Vec<_>>(), ["m", "m"]);
        starts_again(&pipeline, &mut session)
    });
}

const TABLES: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, note text, amount numeric(10,2));
    CREATE TABLE whole (a int, b text);
    ALTER TABLE whole REPLICA IDENTITY FULL;";

const CHANGES: &str = "
    INSERT INTO orders VALUES (1, 'first', 10);
    COMMIT;
    BEGIN;
    INSERT INTO orders VALUES (2, 'it''s', NULL), (3, '', 0.30);
    UPDATE orders SET note = 'changed' WHERE id = 1;
    DELETE FROM orders WHERE id = 2;
    COMMIT;
    UPDATE orders SET id = 30 WHERE id = 3;
    COMMIT;
    COPY orders (id) FROM PROGRAM 'seq 101 103';
    COMMIT;
    INSERT INTO whole VALUES (1, 'x');
    UPDATE whole SET b = 'y';
    DELETE FROM whole;";

/// What a consumer reads of `orders`: operation, key, before, after.
fn orders() -> Vec<String> {
    let mut expected: Vec<String> = [
        r#"c {"id":1} null {"amount":"10.00","id":1,"note":"first"}"#,
        r#"c {"id":2} null {"amount":null,"id":2,"note":"it's"}"#,
        r#"c {"id":3} null {"amount":"0.30","id":3,"note":""}"#,
        r#"u {"id":1} null {"amount":"10.00","id":1,"note":"changed"}"#,
        r#"d {"id":2} {"id":2} null"#,
        r#"tombstone {"id":2} null null"#,
        r#"d {"id":3} {"id":3} null"#,
        r#"tombstone {"id":3} null null"#,
        r#"c {"id":30} null {"amount":"0.30","id":30,"note":""}"#,
    ]
    .map(str::to_owned)
    .into();
    expected.extend((101..=103).map(|id| {
        let row = json!({"id": id, "note": null, "amount": null});
        format!("c {{\"id\":{id}}} null {row}")
    }));
    expected.push("t null null null".to_owned());
    expected.push(r#"c {"id":7} null {"amount":"1.50","id":7,"note":"after"}"#.to_owned());
    expected
}

/// A transaction has one id, its changes are counted, and the records of one change share its number.
fn verify_ids(seen: &[Event]) {
    let ordinals = |range: std::ops::Range<usize>| {
        let events = seen.get(range).unwrap_or_default();
        let same = events.windows(2).all(|pair| matches!(pair, [a, b] if a.id.0 == b.id.0));
        assert!(same, "one transaction: {events:?}");
        events.iter().map(|event| event.id.1).collect::<Vec<_>>()
    };
    assert_eq!(ordinals(0..1), [1]);
    assert_eq!(ordinals(1..6), [1, 2, 3, 4, 4]);
    assert_eq!(ordinals(6..9), [1, 1, 1]);
    assert_eq!(ordinals(9..12), [1, 2, 3]);
    let transactions = seen.iter().map(|event| &event.id.0).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(transactions.len(), 6);
}

/// A second start goes on where the first one stopped.
fn starts_again(pipeline: &Pipeline<'_>, session: &mut Session) -> Result<()> {
    let before = pipeline.events("public.orders")?.len();
    session.query("INSERT INTO orders VALUES (8, 'while nobody looked', NULL)")?;
    let sluice = pipeline.stream()?;
    session.query("INSERT INTO orders VALUES (9, 'while it runs', NULL)")?;
    pipeline.catches_up(&sluice)?;
    sluice.terminate()?;
    let seen = pipeline.events("public.orders")?;
    let keys: Vec<String> =
        seen.get(before..).unwrap_or_default().iter().map(|event| event.key.to_string()).collect();
    assert_eq!(keys, [r#"{"id":8}"#, r#"{"id":9}"#]);
    Ok(())
}
