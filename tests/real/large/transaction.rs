//! One transaction of millions of rows, in the memory that one of thousands takes.

use std::time::Instant;

use super::{LIMIT, catches_up, in_full, mebibytes, per_row, processor_time};
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;
use crate::support::broker_client::read_each;
use crate::support::tell;

/// What the program may hold: its two budgets, the read buffer, librdkafka's own, and the program itself.
const MEMORY_LIMIT: u64 = 96 << 20;
/// By how much memory may grow between the first transaction and the one that is so much larger.
const GROWTH_LIMIT: u64 = 16 << 20;
/// Rows of one statement.
const PART: usize = 100_000;
/// The first transaction.
const SMALL: u64 = 20_000;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres_within(LIMIT, [16], "large::a_transaction_of_millions_of_rows", async |context| {
        let rows: u64 = if in_full() { 10_000_000 } else { 200_000 };
        let broker = context.own_kafka(&[])?;
        let pipeline = Pipeline::new(context, &context.postgres()?, &broker.bootstrap());
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        let sluice = pipeline.stream()?;
        session.query(&format!("INSERT INTO t SELECT generate_series(1, {SMALL})"))?;
        catches_up(&pipeline, &sluice)?;
        let (memory_before, time_before, start) =
            (sluice.peak_memory()?, processor_time(&sluice)?, Instant::now());
        // In parts, for no answer may take longer than a minute.
        session.query("BEGIN")?;
        for part in (0..rows).step_by(PART) {
            let first = SMALL + part;
            session.query(&format!("INSERT INTO t SELECT generate_series({first} + 1, {first} + {PART})"))?;
        }
        session.query("COMMIT")?;
        let written = start.elapsed();
        catches_up(&pipeline, &sluice)?;
        let (memory, took) = (sluice.peak_memory()?, start.elapsed());
        let time = processor_time(&sluice)?.saturating_sub(time_before);
        tell(&format!(
            "a transaction of {rows} rows: written in {written:.1?}, through in {took:.1?}, {} of processor time \
             a row, peak memory {} (before it {})",
            per_row(time, rows),
            mebibytes(memory),
            mebibytes(memory_before),
        ));
        assert!(memory < MEMORY_LIMIT, "{memory} bytes at the most");
        assert!(memory < memory_before + GROWTH_LIMIT, "{memory_before} bytes before, {memory} after");
        sluice.terminate()?;
        let (mut seen, mut out_of_order) = (0, 0);
        read_each(&broker.bootstrap(), &pipeline.topic("public.t"), &mut |record| {
            seen += 1;
            let ordinal = if seen <= SMALL { seen } else { seen - SMALL };
            let found = record.headers.iter().find(|(name, _)| name == "pgsluice.ordinal");
            let found = found.and_then(|(_, value)| value.as_deref());
            let key = format!("{{\"id\":{seen}}}");
            if found != Some(ordinal.to_string().as_bytes()) || record.key.as_deref() != Some(key.as_bytes()) {
                out_of_order += 1;
            }
        })?;
        assert_eq!((seen, out_of_order), (SMALL + rows, 0));
        Ok(())
    });
}
