//! One row of 100 MB, and rows of as many columns as a table can have.

use serde_json::Value;

use super::{LIMIT, catches_up, in_full};
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;
use crate::support::broker_client::read_each;
use crate::support::kafka::Kafka;
use crate::support::tell;
use crate::tally::Kind;

/// PostgreSQL's `MaxHeapAttributeNumber`.
const COLUMNS: usize = 1600;
const ROWS: usize = 20;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres_within(LIMIT, [17], "large::a_row_of_100_mb", async |context| {
        let size: usize = if in_full() { 100 << 20 } else { 30 << 20 };
        let limit = (size + (1 << 20)).to_string();
        let broker = Kafka::start_with_heap(
            "1g",
            &[
                ("message.max.bytes", &limit),
                ("socket.request.max.bytes", "1000000000"),
                ("replica.fetch.max.bytes", &limit),
            ],
        )?;
        context.note(Kind::Kafka, Some(broker.log()));
        let pipeline = Pipeline::new(context, &context.postgres()?, &broker.bootstrap())
            .with("sink.kafka.topics.config", "\"max.message.bytes\"", &format!("\"{limit}\""))
            .librdkafka("message.max.bytes", &limit);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        let sluice = pipeline.stream()?;
        session.query(&format!("INSERT INTO t VALUES (1, repeat('x', {size})), (2, 'small')"))?;
        catches_up(&pipeline, &sluice)?;
        tell(&format!("a row of {} MiB: peak memory {} MiB", size >> 20, sluice.peak_memory()? >> 20));
        sluice.terminate()?;
        let mut seen = Vec::new();
        read_each(&broker.bootstrap(), &pipeline.topic("public.t"), &mut |record| {
            let value: Value = serde_json::from_slice(&record.value.unwrap_or_default()).unwrap_or_default();
            let v = value.get("after").and_then(|after| after.get("v")).and_then(Value::as_str);
            seen.push(v.map(|v| (v.len(), v.bytes().all(|byte| byte == b'x'))));
        })?;
        assert_eq!(seen, [Some((size, true)), Some((5, false))]);
        Ok(())
    });
    suite.postgres_within(LIMIT, [12, 18], "large::rows_of_1600_columns", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        let columns: Vec<String> = (2..=COLUMNS).map(|n| format!("c{n} int")).collect();
        session.query(&format!("CREATE TABLE t (c1 int PRIMARY KEY, {})", columns.join(", ")))?;
        let sluice = pipeline.stream()?;
        let values: Vec<String> = (2..=COLUMNS).map(|n| format!("row * {n}")).collect();
        session.query(&format!(
            "INSERT INTO t SELECT row, {} FROM generate_series(1, {ROWS}) row; UPDATE t SET c2 = 0; DELETE FROM t",
            values.join(", ")
        ))?;
        catches_up(&pipeline, &sluice)?;
        sluice.terminate()?;
        let seen = pipeline.events("public.t")?;
        assert_eq!(seen.len(), 4 * ROWS);
        for (event, row) in seen.iter().zip((1..=ROWS).chain(1..=ROWS)) {
            let after = event.after().as_object().ok_or("no row")?;
            assert_eq!(after.len(), COLUMNS);
            let updated = event.op() == "u";
            for n in 1..=COLUMNS {
                let value = if n == 2 && updated { 0 } else { row * n };
                assert_eq!(after.get(&format!("c{n}")), Some(&Value::from(value)), "column {n} of row {row}");
            }
        }
        Ok(())
    });
}
