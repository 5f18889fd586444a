//! What is in Kafka, read back as any consumer would.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::support::Result;

/// Records that may wait to be shown.
const WAITING: usize = 1000;
/// How often it looks for new topics.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long reading may fail without a break.
const PATIENCE: Duration = Duration::from_secs(20);
const METADATA_LIMIT: Duration = Duration::from_secs(10);

/// A record as a consumer sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Consumed {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    /// None: a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// Reads every topic whose name begins with `prefix` and a dot, from its beginning, on a thread of its own which
/// ends when the receiver does.
pub(crate) fn read(bootstrap: &str, prefix: &str) -> Result<mpsc::Receiver<Result<Consumed>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "pgsluice-demo");
    config.set("enable.auto.commit", "false").set("isolation.level", "read_committed");
    config.set("fetch.wait.max.ms", "50");
    let consumer: BaseConsumer = config.create()?;
    let prefix = format!("{prefix}.");
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let mut reader = Reader { consumer, prefix, known: BTreeSet::new(), failing_since: None };
        if let Err(error) = reader.run(&sender) {
            // Nobody listens any more when the demo has ended.
            drop(sender.blocking_send(Err(error)));
        }
    })?;
    Ok(receiver)
}

struct Reader {
    consumer: BaseConsumer,
    prefix: String,
    /// Topic and partition of what is read.
    known: BTreeSet<(String, i32)>,
    /// Since when there has been nothing but errors.
    failing_since: Option<Instant>,
}

impl Reader {
    fn run(&mut self, sender: &mpsc::Sender<Result<Consumed>>) -> Result<()> {
        let mut looked: Option<Instant> = None;
        while !sender.is_closed() {
            if looked.is_none_or(|at| at.elapsed() > LOOK_EVERY) {
                let taken = self.take_new_topics();
                self.judge(taken)?;
                looked = Some(Instant::now());
            }
            let received = self.consumer.poll(Duration::from_millis(100)).transpose();
            let record = received.map(|message| message.map(|message| consumed(&message)));
            // Where nobody takes it any more, the loop ends.
            if let Some(record) = self.judge(record)?.flatten() {
                drop(sender.blocking_send(Ok(record)));
            }
        }
        Ok(())
    }

    /// Brokers come back and topics just made become known: only errors that go on are told.
    fn judge<T>(&mut self, outcome: KafkaResult<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => {
                self.failing_since = None;
                Ok(Some(value))
            }
            Err(error) if self.failing_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE => {
                Err(format!("reading from Kafka: {error}").into())
            }
            Err(_) => Ok(None),
        }
    }

    /// The topic of logical messages is made with the first of them.
    fn take_new_topics(&mut self) -> KafkaResult<()> {
        let metadata = self.consumer.fetch_metadata(None, METADATA_LIMIT)?;
        let mut new = TopicPartitionList::new();
        for topic in metadata.topics().iter().filter(|topic| topic.name().starts_with(&self.prefix)) {
            for partition in topic.partitions() {
                let place = (topic.name().to_owned(), partition.id());
                if !self.known.contains(&place) {
                    new.add_partition_offset(topic.name(), partition.id(), Offset::Beginning)?;
                    self.known.insert(place);
                }
            }
        }
        if new.count() > 0 { self.consumer.incremental_assign(&new) } else { Ok(()) }
    }
}

fn consumed(message: &BorrowedMessage<'_>) -> Consumed {
    let headers = message.headers().map(|headers| {
        let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        headers.iter().map(owned).collect()
    });
    Consumed {
        topic: message.topic().to_owned(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
