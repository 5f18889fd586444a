//! A large row and a large transaction, in little memory.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ops::events::Event;
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;

/// A transaction of any size is streamed through, never collected.
const MEMORY_LIMIT: u64 = 48 << 20;
const ROWS: usize = 200_000;
const LARGE_ROW: usize = 20 << 20;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([15, 18], "a_large_transaction_takes_little_memory", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        let sluice = pipeline.stream()?;
        session.query(&format!("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n"))?;
        pipeline.catches_up(&sluice)?;
        let peak = sluice.peak_memory()?;
        assert!(peak < MEMORY_LIMIT, "{} MiB at the most", peak >> 20);
        sluice.terminate()?;
        let seen = pipeline.events("public.t")?;
        assert_eq!(seen.len(), ROWS);
        assert_eq!(seen.iter().map(|event| &event.id.0).collect::<BTreeSet<_>>().len(), 1);
        let in_order =
            |(event, n): (&Event, u64)| event.id.1 == n && event.key == serde_json::json!({"id": n});
        assert!(seen.iter().zip(1..).all(in_order));
        Ok(())
    });
    suite.postgres([12, 18], "a_row_of_20_mb_goes_through", async |context| {
        let limit = (24 << 20).to_string();
        let broker = context.own_kafka(&[("message.max.bytes", &limit)])?;
        let pipeline = Pipeline::new(context, &context.postgres()?, &broker.bootstrap())
            .with("sink.kafka.topics.config", "\"max.message.bytes\"", &format!("\"{limit}\""))
            .librdkafka("message.max.bytes", &limit);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        let sluice = pipeline.stream()?;
        session.query(&format!(
            "INSERT INTO t SELECT n, repeat('x', {LARGE_ROW} * (n - 1) + 1) FROM generate_series(1, 2) n"
        ))?;
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;
        let seen = pipeline.events("public.t")?;
        let lengths: Vec<usize> = seen
            .iter()
            .filter_map(|event| event.after().get("v").and_then(Value::as_str))
            .map(str::len)
            .collect();
        assert_eq!(lengths, [1, LARGE_ROW + 1]);
        Ok(())
    });
}
