//! pgsluice's records beside those that the reference connector (Debezium 3.6.3) wrote for the same statements: the
//! golden files of `tests/data/golden`, run again on real servers. Where the two are meant to differ stands in
//! [`differences`].
#![expect(clippy::indexing_slicing, reason = "an index out of bounds fails the test and names the place")]

mod compare;
mod differences;
mod expected;
mod lossless;
mod partitioner;
mod relations;
mod script;

use std::collections::BTreeSet;

use self::compare::{Sent, compare};
use self::differences::{DIFFERENCES, EVERY, Ground};
use self::expected::Expected;
use self::lossless::Lossless;
use self::relations::Span;
use self::script::Script;
use crate::context::Context;
use crate::pgsluice::Pgsluice;
use crate::suite::Suite;
use crate::support::postgres::MAJORS;
use crate::support::session::Session;
use crate::support::{Result, broker_client};

/// The reference's modes whose records a scenario is compared with. Keys and values of pgsluice are the same for all:
/// `default` is the reference's defaults, `string` has numbers and times as text.
fn modes(scenario: &str) -> &'static [&'static str] {
    match scenario {
        "events-identity-default" | "events-identity-full" | "events-key-types" | "toast-default" => {
            &["default", "string"]
        }
        _ => &["default"],
    }
}

pub(crate) fn register(suite: &mut Suite) {
    for scenario in EVERY {
        suite.postgres(MAJORS, &format!("golden::{scenario}"), async move |context| {
            scenario_is_the_reference_s(context, scenario, modes(scenario), "").await
        });
    }
    suite.postgres([15], "golden::events-key-composite_without_tombstones", async |context| {
        let further = "[delete]\nmode = \"event\"\n";
        scenario_is_the_reference_s(context, "events-key-composite", &["no-tombstones"], further).await
    });
    suite.broker("golden::partitions_are_those_of_the_reference_s_keys", async |context| {
        context.kafka()?;
        partitions_follow_from_keys()
    });
}

/// Runs a scenario and compares what came out of Kafka with the reference's records of each mode.
async fn scenario_is_the_reference_s(
    context: &Context,
    scenario: &str,
    modes: &[&str],
    further: &str,
) -> Result<()> {
    let script = Script::read(scenario)?;
    let database = context.postgres()?;
    let mut session = Session::open(&database, &database.database)?;
    for statement in &script.setup {
        session.query(statement)?;
    }
    let pgsluice = Pgsluice::start(context, &database, script.partitions, further)?;
    let begin = clock(&mut session)?;
    for statement in &script.stream {
        session.query(statement)?;
    }
    let span = Span { begin, end: clock(&mut session)? };
    pgsluice.deliver(&mut session)?;
    pgsluice.stop()?;

    let prefix = context.prefix();
    let ground = Ground { prefix, database: &database.database, partitions: script.partitions };
    let mut lossless = Lossless::read(scenario)?;
    let mut differences: BTreeSet<_> =
        (0..DIFFERENCES.len()).filter(|index| DIFFERENCES[*index].concerns(scenario)).collect();
    let sent = read(context, prefix).await?;
    for mode in modes {
        let mut expected = Expected::read(scenario, mode)?;
        for (index, difference) in DIFFERENCES.iter().enumerate().filter(|(_, d)| d.concerns(scenario)) {
            if difference.apply(&mut expected, &mut lossless, &ground)? > 0 {
                differences.remove(&index);
            }
        }
        let pairs =
            compare(expected, sent.clone(), script.partitions).map_err(|error| format!("{mode}: {error}"))?;
        relations::check(&pairs, span)?;
    }
    if let Some(index) = differences.first() {
        return Err(format!("{scenario} does not show that {}", DIFFERENCES[*index].why()).into());
    }
    lossless.check_used()
}

/// Everything in the topics that begin with `prefix`.
async fn read(context: &Context, prefix: &str) -> Result<Vec<Sent>> {
    let bootstrap = context.kafka()?;
    let topics = broker_client::topics(&bootstrap, &format!("{prefix}."))?;
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let records = context.read_all(&bootstrap, &topics).await?;
    records.into_iter().map(|record| Sent::new(record, prefix)).collect()
}

/// Microseconds since 1970 on the server's clock.
fn clock(session: &mut Session) -> Result<i64> {
    let rows = session.query("SELECT trunc(extract(epoch FROM clock_timestamp()) * 1000000)::bigint")?;
    Ok(rows.into_iter().flatten().flatten().next().ok_or("no time")?.parse()?)
}

/// The rule the expected partitions of converted keys come from, held against every key of the golden files.
fn partitions_follow_from_keys() -> Result<()> {
    let mut keys = BTreeSet::new();
    for scenario in EVERY {
        let partitions = Script::read(scenario)?.partitions;
        for mode in modes(scenario) {
            for Expected { key, partition, .. } in Expected::read(scenario, mode)? {
                let Some((key, partition)) = key.zip(partition) else { continue };
                let key = key.to_string();
                assert_eq!(partitioner::partition(key.as_bytes(), partitions), partition, "{key}");
                keys.insert((key, partitions));
            }
        }
    }
    assert!(keys.len() > 80, "{} keys", keys.len());
    Ok(())
}
