//! Reading the progress topic back at a start.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::progress::recorded::{ReadError, Recorded};
use crate::sink::SinkError;
use crate::sink::kafka::topics::{self, Quiet};
use crate::sink::kafka::{KafkaOptions, outcome};
use crate::task::{self, DropElsewhere};

/// Small segments and quick cleaning: the active segment is never compacted, and a start reads it whole.
const SETTINGS: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "60000"),
    ("segment.bytes", "1048576"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("delete.retention.ms", "60000"),
];

/// How long reading back may take.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Creates the topic where it is missing and reads what is in it.
pub async fn read_back(options: &KafkaOptions, topic: &str) -> Result<Recorded, ReadError> {
    topics::create_with(options, topic.to_owned(), 1, &SETTINGS).await?;
    read_existing(options, topic).await
}

/// Reads what is in a topic that exists.
pub async fn read_existing(options: &KafkaOptions, topic: &str) -> Result<Recorded, ReadError> {
    let options = options.clone();
    let topic = topic.to_owned();
    task::blocking("kafka-progress", move || read(&options, &topic))
        .await
        .map_err(|lost| SinkError::Retry { reason: lost.to_string(), hint: "trying again" })?
}

fn read(options: &KafkaOptions, topic: &str) -> Result<Recorded, ReadError> {
    let mut config = options.client();
    config
        .set("group.id", "pgsluice-unused")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer<Quiet> =
        BaseConsumer::from_config_and_context(&config, Quiet).map_err(|error| outcome::of_call(&error))?;
    // Its destructor may take a tenth of a second.
    let consumer = DropElsewhere::new("kafka-close", consumer);
    let (_, end) =
        consumer.fetch_watermarks(topic, 0, Duration::from_secs(10)).map_err(|e| outcome::of_call(&e))?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning).map_err(|error| outcome::of_call(&error))?;
    consumer.assign(&assignment).map_err(|error| outcome::of_call(&error))?;

    let mut recorded = Recorded::default();
    let deadline = Instant::now() + READ_TIMEOUT;
    // Compaction can leave the last offsets empty, so the consumer's position decides, not the last record.
    while next_offset(&consumer, topic) < end {
        if Instant::now() > deadline {
            return Err(ReadError::Sink(SinkError::Retry {
                reason: format!("the progress topic {topic} could not be read within {READ_TIMEOUT:?}"),
                hint: "is the broker overloaded?",
            }));
        }
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(error)) => return Err(ReadError::Sink(outcome::of_call(&error))),
            Some(Ok(message)) => recorded.take(message.key(), message.payload())?,
        }
    }
    Ok(recorded)
}

/// The offset behind the last record the consumer has handed out or skipped.
fn next_offset(consumer: &BaseConsumer<Quiet>, topic: &str) -> i64 {
    let position = consumer.position().ok();
    let found = position.as_ref().and_then(|list| list.find_partition(topic, 0)).map(|entry| entry.offset());
    match found {
        Some(Offset::Offset(offset)) => offset,
        _ => 0,
    }
}
