//! Do the brokers answer, are the topics there, does the recorded position fit the slot?

use crate::check::Report;
use crate::lsn::Lsn;
use crate::pipeline::start::progress_topic;
use crate::progress::topic::read_existing;
use crate::sink::SinkError;
use crate::sink::kafka::{KafkaOptions, topics};

/// Looks at brokers and topics.
pub(super) async fn check(
    report: &mut Report,
    options: &KafkaOptions,
    pipeline: &str,
    wanted: Vec<String>,
    confirmed: Option<Lsn>,
) {
    let progress = progress_topic(pipeline);
    let mut asked = wanted;
    asked.push(progress.clone());
    let total = asked.len() - 1;
    let missing = match topics::find_missing(options, asked).await {
        Ok(missing) => missing,
        Err(error) => return report.fail("brokers", error.to_string(), repair(&error)),
    };
    report.pass("brokers", options.brokers());
    let has_progress = !missing.contains(&progress);
    let missing: Vec<&str> = missing.iter().filter(|topic| **topic != progress).map(String::as_str).collect();
    match (missing.first(), options.topics.create) {
        (None, _) => report.pass("topics", format!("{total} exist")),
        (Some(_), true) => {
            report.pass("topics", format!("{} of {total} do not exist; run makes them", missing.len()));
        }
        (Some(first), false) => report.fail(
            "topics",
            format!("{} of {total} do not exist ({first} …) and create = false", missing.len()),
            format!(
                "kafka-topics --create --topic {first} --partitions {} …, or create = true in [sink.kafka.topics]",
                options.topics.partitions
            ),
        ),
    }
    if has_progress {
        check_position(report, options, &progress, confirmed).await;
    }
}

async fn check_position(report: &mut Report, options: &KafkaOptions, topic: &str, confirmed: Option<Lsn>) {
    const NAME: &str = "position";
    let recorded = match read_existing(options, topic).await {
        Ok(recorded) => recorded.latest().map(|position| position.end_lsn),
        Err(error) => return report.fail(NAME, error.to_string(), ""),
    };
    match (recorded, confirmed) {
        (Some(recorded), Some(confirmed)) if confirmed > recorded => report.fail(
            NAME,
            format!("the slot is at {confirmed}, Kafka has all up to {recorded}: changes between are gone"),
            "re-read the tables by other means, then pgsluice run --accept-gap",
        ),
        (Some(recorded), None) => report.fail(
            NAME,
            format!("Kafka has all up to {recorded}, but there is no slot that continues it"),
            "re-read the tables by other means, then pgsluice run --accept-gap",
        ),
        (Some(recorded), Some(_)) => report.pass(NAME, format!("Kafka has all up to {recorded}")),
        (None, _) => report.pass(NAME, "nothing recorded yet"),
    }
}

fn repair(error: &SinkError) -> String {
    match error {
        SinkError::Retry { hint, .. } | SinkError::Fatal { hint, .. } => (*hint).to_owned(),
        _ => String::new(),
    }
}
