//! The idempotent producer and its delivery reports.
//!
//! The pipeline's own task polls librdkafka's queue; there is no thread of ours in between. Every report is
//! one byte in the ring of [`Reports`]. A record that fails ends the sink: the position behind it is never
//! confirmed, and a new attempt reads it from the server again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::record::Record;
use crate::sink::kafka::options::KafkaOptions;
use crate::sink::kafka::{outcome, topics};
use crate::sink::reports::{Reports, Ticket};
use crate::sink::{Sink, SinkError};
use crate::task::DropElsewhere;

/// What a record costs on the wire beside key, value and headers: record and batch framing, rounded up.
const RECORD_OVERHEAD: usize = 128;

/// The Kafka sink.
pub struct KafkaSink {
    options: KafkaOptions,
    /// Its destructor may wait half a second for its threads.
    producer: DropElsewhere<BaseProducer<Delivery>>,
    /// Prepared topics with the size of the largest record each takes.
    limits: HashMap<String, usize>,
    /// The smallest of `limits`: only a record above it needs a look at its own topic.
    smallest_limit: usize,
    batch_size: usize,
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSink").field("topics", &self.limits).finish_non_exhaustive()
    }
}

impl KafkaSink {
    /// Checks that the brokers answer, prepares `known_topics`, and makes the producer.
    pub async fn connect(
        options: KafkaOptions,
        known_topics: &[String],
        reports: Reports,
    ) -> Result<Self, SinkError> {
        let prepared = topics::prepare(&options, known_topics.to_vec()).await?;
        let limits: HashMap<String, usize> =
            prepared.into_iter().map(|t| (t.name, t.max_message_bytes)).collect();
        let smallest_topic = limits.values().copied().min();
        let config = options.producer(smallest_topic);
        let batch_size =
            config.get("batch.size").and_then(|n| n.parse().ok()).unwrap_or(options.batch_size());
        let producer: BaseProducer<Delivery> =
            config.create_with_context(Delivery::new(reports)).map_err(|error| outcome::of_call(&error))?;
        let client_limit = options.message_max_bytes();
        let smallest_limit = smallest_topic.map_or(client_limit, |limit| limit.min(client_limit));
        Ok(Self {
            options,
            producer: DropElsewhere::new("kafka-close", producer),
            limits,
            smallest_limit,
            batch_size,
        })
    }

    /// The limit that `record` exceeds, if any. Judged before `send`, because a report cannot tell: the broker
    /// refuses a whole batch.
    fn verify_size(&self, record: &Record<'_>) -> Result<(), SinkError> {
        let size = record.size() + RECORD_OVERHEAD;
        if size <= self.smallest_limit {
            return Ok(());
        }
        let client = self.options.message_max_bytes();
        let limit = self.limits.get(record.topic).map_or(client, |topic| client.min(*topic));
        if size <= limit {
            return Ok(());
        }
        Err(SinkError::TooLarge { topic: record.topic.to_owned(), key: shown_key(record.key), size, limit })
    }
}

/// The first failed report, if there is one.
fn failure(producer: &BaseProducer<Delivery>) -> Option<SinkError> {
    let code = match *producer.context().failure.get()? {
        Failure::Reported(code) => code,
        Failure::Unacknowledged => {
            return Some(SinkError::Retry {
                reason: "no broker has acknowledged a record that the client takes for written".to_owned(),
                hint: "it is sent again, and so is what followed it",
            });
        }
    };
    let reason = match producer.client().fatal_error() {
        Some((_, fatal)) => fatal,
        None => code.to_string(),
    };
    Some(outcome::sort(code, reason))
}

impl Sink for KafkaSink {
    fn produce(&mut self, record: &Record<'_>, ticket: Ticket) -> Result<(), SinkError> {
        self.verify_size(record)?;
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for header in record.headers {
            headers = headers.insert(KafkaHeader { key: header.name, value: Some(header.value) });
        }
        let mut message =
            BaseRecord::<[u8], [u8], usize>::with_opaque_to(record.topic, ticket.0).headers(headers);
        message.key = record.key;
        message.payload = record.value;
        match self.producer.send(message) {
            Ok(()) => Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => {
                Err(SinkError::TooLarge {
                    topic: record.topic.to_owned(),
                    key: shown_key(record.key),
                    size: record.size() + RECORD_OVERHEAD,
                    limit: self.options.message_max_bytes(),
                })
            }
            Err((error, _)) => Err(outcome::of_call(&error)),
        }
    }

    fn poll(&mut self) -> Result<(), SinkError> {
        let producer = &self.producer;
        // One call serves one event, which is a batch of reports.
        loop {
            let served = producer.context().served.load(Ordering::Relaxed);
            producer.poll(Duration::ZERO);
            if producer.context().served.load(Ordering::Relaxed) == served {
                break;
            }
        }
        failure(producer).map_or(Ok(()), Err)
    }

    async fn prepare_topic(&mut self, topic: &str) -> Result<(), SinkError> {
        if self.limits.contains_key(topic) {
            return Ok(());
        }
        for prepared in topics::prepare(&self.options, vec![topic.to_owned()]).await? {
            if prepared.max_message_bytes < self.batch_size {
                return Err(SinkError::SmallerBatches {
                    topic: prepared.name,
                    limit: prepared.max_message_bytes,
                });
            }
            self.smallest_limit = self.smallest_limit.min(prepared.max_message_bytes);
            self.limits.insert(prepared.name, prepared.max_message_bytes);
        }
        Ok(())
    }
}

/// A key for an error line: text, at most 200 bytes of it.
fn shown_key(key: Option<&[u8]>) -> String {
    let Some(key) = key else { return "none".to_owned() };
    let shown: String = key.utf8_chunks().flat_map(|chunk| chunk.valid().chars()).take(200).collect();
    if shown.len() < key.len() { format!("{shown}…") } else { shown }
}

/// Why a record is not durable.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Reported(RDKafkaErrorCode),
    /// librdkafka infers from an acknowledgement that the batch before it was written too. Brokers from 2.5 to 4.4
    /// do not warrant that: a producer's first batch that they take in a partition may have any sequence number
    /// (KAFKA-15591), so one that was refused a moment earlier, since the partition was not ready, is lost.
    Unacknowledged,
}

/// librdkafka's callbacks. They run inside `poll`, on the pipeline's own thread, except for `log` and `error`.
struct Delivery {
    reports: Reports,
    failure: OnceLock<Failure>,
    served: AtomicUsize,
    log: BrokerLog,
}

impl Delivery {
    fn new(reports: Reports) -> Self {
        Self { reports, failure: OnceLock::new(), served: AtomicUsize::new(0), log: BrokerLog::default() }
    }
}

impl ClientContext for Delivery {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.served.fetch_add(1, Ordering::Relaxed);
        self.log.error(&error, reason);
    }
}

impl ProducerContext for Delivery {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        self.served.fetch_add(1, Ordering::Relaxed);
        let failure = match result {
            // With acks=all a broker's answer tells where the record stands.
            Ok(message) if message.offset() >= 0 => return self.reports.delivered(Ticket(ticket)),
            Ok(_) => Failure::Unacknowledged,
            Err((error, _)) => {
                Failure::Reported(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
            }
        };
        // Only the first failure counts: the others follow from it.
        self.failure.get_or_init(|| failure);
    }
}

/// Says once what librdkafka repeats every half second.
#[derive(Debug, Default)]
struct BrokerLog {
    last: Arc<AtomicUsize>,
}

impl BrokerLog {
    fn error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().map_or(0, |code| (code as i32).unsigned_abs() as usize);
        if self.last.swap(code, Ordering::Relaxed) != code {
            tracing::warn!(%error, reason, "the Kafka client reports a problem and goes on trying");
        }
    }
}

/// librdkafka's log lines. Its own warnings repeat for as long as a broker is away, so they are for debugging;
/// what matters of them also comes as an error.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "librdkafka");
        }
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}

#[cfg(test)]
mod tests;
