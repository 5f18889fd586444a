//! Options of the Kafka sink, and what they mean to librdkafka.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;

use crate::sink::kafka::outcome;

/// librdkafka's default limit for one record.
const DEFAULT_MESSAGE_MAX_BYTES: usize = 1_000_000;
/// librdkafka's default size of a batch.
const DEFAULT_BATCH_SIZE: usize = 1_000_000;

/// Options of the Kafka sink.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// librdkafka's own options, by its own names.
    pub librdkafka: BTreeMap<String, String>,
    /// Records in flight at most.
    pub max_records: usize,
    /// Bytes in flight at most, exceeded by no more than one change.
    pub max_bytes: usize,
    /// How topics are made.
    pub topics: TopicOptions,
}

/// How topics that are missing are made.
#[derive(Clone, Debug)]
pub struct TopicOptions {
    /// Whether a missing topic is created at all.
    pub create: bool,
    /// Partitions of a created topic.
    pub partitions: i32,
    /// Replication factor of a created topic; -1 takes the broker's default.
    pub replication_factor: i32,
    /// Topic settings, by Kafka's own names.
    pub config: BTreeMap<String, String>,
}

/// An option of librdkafka that pgsluice sets itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} cannot be set in [sink.kafka.librdkafka]: {reason}")]
pub struct OwnedOption {
    /// The option.
    pub name: String,
    /// Why it is not the user's to set, and what to set instead.
    pub reason: &'static str,
}

/// Options on which the delivery promises rest.
const OWNED: [(&str, &str); 10] = [
    ("acks", "every record is acknowledged by all in-sync replicas"),
    ("request.required.acks", "every record is acknowledged by all in-sync replicas"),
    ("enable.idempotence", "the producer is always idempotent"),
    ("message.timeout.ms", "a record that times out would leave a gap; records wait for the broker"),
    ("delivery.timeout.ms", "a record that times out would leave a gap; records wait for the broker"),
    ("message.send.max.retries", "records are retried until the broker has them"),
    ("retries", "records are retried until the broker has them"),
    ("transactional.id", "the delivery is at-least-once, without Kafka transactions"),
    ("queue.buffering.max.messages", "set max_in_flight_records in [sink.kafka]"),
    ("queue.buffering.max.kbytes", "set max_in_flight in [sink.kafka]"),
];

impl KafkaOptions {
    /// Refuses options of librdkafka that would break a promise.
    pub fn verify(&self) -> Result<(), OwnedOption> {
        match OWNED.iter().find(|(name, _)| self.librdkafka.contains_key(*name)) {
            Some((name, reason)) => Err(OwnedOption { name: (*name).to_owned(), reason }),
            None => Ok(()),
        }
    }

    /// Has librdkafka look at its options, which takes no broker: unknown names, values that cannot be. The error is
    /// a line for a person.
    pub fn verify_values(&self) -> Result<(), String> {
        self.producer(None).create_native_config().map(drop).map_err(|error| outcome::reason(&error))
    }

    /// The broker list, for messages.
    pub fn brokers(&self) -> &str {
        self.librdkafka
            .get("bootstrap.servers")
            .or_else(|| self.librdkafka.get("metadata.broker.list"))
            .map_or("", String::as_str)
    }

    /// The client's own limit for one record.
    pub fn message_max_bytes(&self) -> usize {
        self.number("message.max.bytes").unwrap_or(DEFAULT_MESSAGE_MAX_BYTES)
    }

    /// The size of a batch.
    pub fn batch_size(&self) -> usize {
        self.number("batch.size").unwrap_or(DEFAULT_BATCH_SIZE)
    }

    /// Settings shared by producer, consumer and administration: the user's own.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "pgsluice");
        config.set("reconnect.backoff.max.ms", "1000");
        for (name, value) in &self.librdkafka {
            config.set(name, value);
        }
        config
    }

    /// Settings of the producer. `smallest_limit` is the smallest `max.message.bytes` of all topics: a broker
    /// refuses a whole batch above it, small neighbours included.
    pub fn producer(&self, smallest_limit: Option<usize>) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("linger.ms", "5")
            .set("partitioner", "murmur2_random")
            .set("enable.sparse.connections", "false")
            .set("topic.metadata.propagation.max.ms", "5000");
        for (name, value) in self.client().config_map() {
            config.set(name, value);
        }
        let batch = smallest_limit.map_or(self.batch_size(), |limit| limit.min(self.batch_size()));
        // The budgets are kept before `produce`, so librdkafka's own limits stand above them: a change may
        // exceed the budget by its own records, three at the most.
        let queue = self.max_bytes + 3 * self.message_max_bytes();
        config
            .set("batch.size", batch.to_string())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.messages", (self.max_records + 16).to_string())
            .set("queue.buffering.max.kbytes", (queue / 1024 + 1).to_string());
        config
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.librdkafka.get(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{KafkaOptions, TopicOptions};

    fn options(pairs: &[(&str, &str)]) -> KafkaOptions {
        KafkaOptions {
            librdkafka: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            max_records: 5000,
            max_bytes: 4 << 20,
            topics: TopicOptions {
                create: true,
                partitions: 1,
                replication_factor: -1,
                config: BTreeMap::new(),
            },
        }
    }

    #[test]
    fn promises_cannot_be_configured_away() {
        for name in ["acks", "enable.idempotence", "message.timeout.ms", "transactional.id"] {
            let error = options(&[(name, "1")]).verify().unwrap_err();
            assert_eq!(error.name, name);
        }
        assert!(options(&[("linger.ms", "20"), ("bootstrap.servers", "a:1")]).verify().is_ok());
    }

    #[test]
    fn what_librdkafka_does_not_know_is_refused_without_its_secrets() {
        assert_eq!(options(&[("bootstrap.servers", "a:1"), ("sasl.password", "x")]).verify_values(), Ok(()));
        let reason = options(&[("linger.msec", "5")]).verify_values().unwrap_err();
        assert!(reason.contains("linger.msec"), "{reason}");
        let reason = options(&[("ssl.key.passwort", "hunter2")]).verify_values().unwrap_err();
        assert!(reason.contains("passwort") && !reason.contains("hunter2"), "{reason}");
    }

    #[test]
    fn users_settings_win_over_defaults() {
        let config = options(&[("linger.ms", "20"), ("compression.type", "lz4")]).producer(None);
        assert_eq!(config.get("linger.ms"), Some("20"));
        assert_eq!(config.get("compression.type"), Some("lz4"));
        assert_eq!(config.get("partitioner"), Some("murmur2_random"));
        assert_eq!(config.get("acks"), Some("all"));
    }

    #[test]
    fn a_batch_is_no_larger_than_the_smallest_topic_takes() {
        assert_eq!(options(&[]).producer(Some(100_000)).get("batch.size"), Some("100000"));
        assert_eq!(options(&[]).producer(Some(5_000_000)).get("batch.size"), Some("1000000"));
    }

    #[test]
    fn librdkafkas_queue_stands_above_the_budget() {
        let config = options(&[("message.max.bytes", "10000000")]).producer(None);
        let kbytes: usize = config.get("queue.buffering.max.kbytes").unwrap().parse().unwrap();
        assert!(kbytes * 1024 > (4 << 20) + 3 * 10_000_000);
    }
}
