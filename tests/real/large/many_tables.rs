//! Many tables, and what a row costs when each of them has its own topic.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{LIMIT, catches_up, in_full, mebibytes, per_row, processor_time};
use crate::context::Context;
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;
use crate::support::broker_client::read_many;
use crate::support::{Result, tell};

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres_within(LIMIT, [18], "large::a_thousand_tables", async |context| {
        let (sizes, rows) = if in_full() { (&[1, 100, 1000][..], 100_000) } else { (&[1, 100][..], 10_000) };
        let broker = context.own_kafka(&[])?;
        for tables in sizes {
            let pipeline = Pipeline::new(context, &context.postgres()?, &broker.bootstrap());
            let (time, memory) = stream(context, pipeline, *tables, rows)?;
            tell(&format!(
                "{tables:>5} tables: {} of processor time a row, peak memory {}",
                per_row(time, rows),
                mebibytes(memory)
            ));
        }
        Ok(())
    });
}

/// Streams `rows` that go to the tables by turns. What they cost, and the most memory that was held.
fn stream(context: &Context, pipeline: Pipeline<'_>, tables: u64, rows: u64) -> Result<(Duration, u64)> {
    let prefix = format!("{}_{tables}", context.prefix());
    let pipeline = pipeline.slot(&prefix).with("sink.kafka", "prefix", &format!("\"{prefix}\""));
    let mut session = pipeline.session()?;
    session.query(&format!(
        "DO $$ BEGIN FOR n IN 1..{tables} LOOP \
         EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY, v text)', n); END LOOP; END $$"
    ))?;
    let sluice = pipeline.stream()?;
    let insert = |from: u64, to: u64| {
        format!(
            "DO $$ BEGIN FOR n IN {from}..{to} LOOP \
             EXECUTE format('INSERT INTO t%s VALUES ($1, md5($1::text))', n % {tables} + 1) USING n; END LOOP; END $$"
        )
    };
    // Topics are made and plans prepared.
    session.query(&insert(1, tables))?;
    catches_up(&pipeline, &sluice)?;
    let before = processor_time(&sluice)?;
    session.query(&insert(tables + 1, tables + rows))?;
    catches_up(&pipeline, &sluice)?;
    let time = processor_time(&sluice)?.saturating_sub(before);
    let memory = sluice.peak_memory()?;
    sluice.terminate()?;
    let topics: Vec<String> = (1..=tables).map(|n| format!("{prefix}.public.t{n}")).collect();
    let mut ids = BTreeSet::new();
    read_many(&pipeline.bootstrap, &topics, &mut |record| {
        let header =
            |name| record.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        ids.insert((header("pgsluice.tx"), header("pgsluice.ordinal")));
    })?;
    assert_eq!(ids.len() as u64, tables + rows);
    Ok((time, memory))
}
