//! What tests ask a broker for around the code under test: is it ready, make a topic, read everything there is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Result;

/// How long a broker that serves may be silent.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);
/// How long one try to begin with transactions may take.
const TRANSACTIONS_LIMIT: Duration = Duration::from_secs(5);

/// A record as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumedRecord {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    /// None: a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
}

/// Whether a producer can begin with transactions there: the last thing a starting broker is able to do.
pub(crate) fn begins_transactions(bootstrap: &str) -> bool {
    let mut config = config(bootstrap);
    config.set("transactional.id", "is-it-ready");
    let Ok(producer) = config.create::<BaseProducer>() else { return false };
    producer.init_transactions(TRANSACTIONS_LIMIT).is_ok()
}

/// Makes a topic with settings of its own and waits until it can be written to.
pub(crate) async fn create_topic(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (setting, value) in settings {
        topic = topic.set(setting, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(SILENCE_LIMIT));
    for result in admin.create_topics([&topic], &options).await? {
        result.map_err(|(topic, code)| format!("topic {topic} was not made: {code}"))?;
    }
    Ok(())
}

/// The topics whose names start with `prefix`.
pub(crate) fn topics(bootstrap: &str, prefix: &str) -> Result<Vec<String>> {
    let consumer: BaseConsumer = config(bootstrap).create()?;
    let metadata = consumer.fetch_metadata(None, SILENCE_LIMIT)?;
    let names = metadata.topics().iter().map(MetadataTopic::name);
    Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
}

/// Deletes the topics whose names start with `prefix`, and the progress topics of pipelines that are called so.
pub(crate) async fn delete_topics(bootstrap: &str, prefix: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let mut names = topics(bootstrap, prefix)?;
    names.extend(topics(bootstrap, &format!("pgsluice.progress.{prefix}"))?);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !names.is_empty() {
        admin.delete_topics(&names, &AdminOptions::new().operation_timeout(Some(SILENCE_LIMIT))).await?;
    }
    Ok(())
}

/// Every committed record of the topics, one topic after the other, a partition's in order of offset. Blocks (see
/// `off_thread`).
///
/// It ends at the last stable offset: what an open transaction has written, and anything behind it, is not seen.
pub(crate) fn read_all(bootstrap: &str, topics: &[&str]) -> Result<Vec<ConsumedRecord>> {
    let consumer = consumer(bootstrap)?;
    let mut records = Vec::new();
    for topic in topics {
        read_topic(&consumer, topic, &mut |record| records.push(record))?;
    }
    Ok(records)
}

/// The same for a topic that is too large to be held.
pub(crate) fn read_each(bootstrap: &str, topic: &str, take: &mut dyn FnMut(ConsumedRecord)) -> Result<()> {
    read_topic(&consumer(bootstrap)?, topic, take)
}

/// The same for many topics at once, whose records come mixed. Nothing in them may have been deleted, compacted or
/// written in transactions: their offsets tell how many records there are.
pub(crate) fn read_many(
    bootstrap: &str,
    topics: &[String],
    take: &mut dyn FnMut(ConsumedRecord),
) -> Result<()> {
    let consumer = consumer(bootstrap)?;
    let (mut assignment, mut left) = (TopicPartitionList::new(), 0);
    for topic in topics {
        for partition in partitions(&consumer, topic)? {
            let (low, high) = consumer.fetch_watermarks(topic, partition, SILENCE_LIMIT)?;
            left += high - low;
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&assignment)?;
    let mut heard = Instant::now();
    while left > 0 {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                take(consumed(&message));
                left -= 1;
                heard = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(error.into()),
            None if heard.elapsed() > SILENCE_LIMIT => {
                return Err(format!("the broker is silent; {left} records are left").into());
            }
            None => {}
        }
    }
    Ok(())
}

fn consumer(bootstrap: &str) -> Result<BaseConsumer> {
    let mut config = config(bootstrap);
    config.set("group.id", "reads-everything").set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    // Otherwise the broker answers half a second later at the end of a partition, and the next topic waits for it.
    config.set("fetch.wait.max.ms", "10");
    // A record may be larger than the most that is usually taken at once.
    config.set("receive.message.max.bytes", "1000000000");
    Ok(config.create()?)
}

/// One topic at a time, since librdkafka tells the end of a partition by its number alone. Offsets would not tell
/// it: the markers of transactions have some too, and no consumer sees them.
fn read_topic(consumer: &BaseConsumer, topic: &str, take: &mut dyn FnMut(ConsumedRecord)) -> Result<()> {
    let mut unfinished = partitions(consumer, topic)?;
    let mut assignment = TopicPartitionList::new();
    for partition in &unfinished {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut heard = Instant::now();
    while !unfinished.is_empty() {
        match consumer.poll(Duration::from_millis(200)) {
            None if heard.elapsed() > SILENCE_LIMIT => {
                return Err(format!(
                    "the broker is silent; {topic} was not read to the end of {unfinished:?}"
                )
                .into());
            }
            None => continue,
            Some(Ok(message)) => take(consumed(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unfinished.remove(&partition);
            }
            // The broker may just be coming back; its silence has a limit.
            Some(Err(KafkaError::MessageConsumption(code))) if is_passing(code) => continue,
            Some(Err(error)) => return Err(error.into()),
        }
        heard = Instant::now();
    }
    Ok(())
}

fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<BTreeSet<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), SILENCE_LIMIT)?;
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    let partitions: BTreeSet<i32> = partitions.map(MetadataPartition::id).collect();
    if partitions.is_empty() { Err(format!("there is no topic {topic}").into()) } else { Ok(partitions) }
}

fn consumed(message: &BorrowedMessage<'_>) -> ConsumedRecord {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    ConsumedRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp: message.timestamp().to_millis(),
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    // Otherwise a new producer often waits half a second for its coordinator.
    config.set("enable.sparse.connections", "false").set("reconnect.backoff.max.ms", "500");
    config
}
