//! From the tree to the options of each part.

use std::collections::BTreeMap;

use crate::config::login::login;
use crate::config::parse::ConfigError;
use crate::config::{Config, LibrdkafkaValue};
use crate::encode::EncodeOptions;
use crate::pipeline::options::{PipelineOptions, SlotOptions};
use crate::pipeline::table_filter::{Rule, TableFilter};
use crate::postgres::client::conninfo::Conninfo;
use crate::secret_source::{REDACTED, SecretSource};
use crate::sink::kafka::outcome::is_secret;
use crate::sink::kafka::{KafkaOptions, TopicOptions};

/// Everything a pipeline is started with.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The pipeline.
    pub pipeline: PipelineOptions,
    /// Its sink.
    pub kafka: KafkaOptions,
}

/// Turns a configuration into options. Nothing is connected to; secrets of librdkafka are read.
pub fn resolve(config: &Config) -> Result<Resolved, ConfigError> {
    let kafka = kafka(config)?;
    let sink = &config.sink.kafka;
    let slot = &config.source.replication;
    let mut encode = EncodeOptions::new(sink.prefix.clone(), String::new());
    encode.topic.clone_from(&sink.topic);
    encode.delete = config.delete.mode.into();
    let pipeline = PipelineOptions {
        name: name(config)?,
        login: login(&config.source)?,
        slot: SlotOptions { name: slot.slot.clone(), create: slot.create, plugin: "test_decoding" },
        tables: tables(config),
        encode,
        start_timeout: config.start_timeout.0,
        drain_timeout: config.drain_timeout.0,
        accept_gap: false,
        end_lsn: None,
    };
    Ok(Resolved { pipeline, kafka })
}

/// The pipeline's name, which is part of a topic's name.
fn name(config: &Config) -> Result<String, ConfigError> {
    let name = config.name.clone().unwrap_or_else(|| config.source.replication.slot.clone());
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 200 || !name.chars().all(legal) {
        return Err(ConfigError::invalid(
            "name",
            "one to 200 of A-Z a-z 0-9 . _ -, since it is part of a topic's name",
        ));
    }
    Ok(name)
}

fn tables(config: &Config) -> TableFilter {
    let rule = |tables: &crate::config::Tables| Rule {
        include: tables.include.clone(),
        exclude: tables.exclude.clone(),
    };
    TableFilter::new(config.tables.iter().map(rule).collect())
}

fn kafka(config: &Config) -> Result<KafkaOptions, ConfigError> {
    let sink = &config.sink.kafka;
    let mut librdkafka = BTreeMap::new();
    for (name, value) in &sink.librdkafka {
        let text = match value {
            LibrdkafkaValue::Boolean(value) => value.to_string(),
            LibrdkafkaValue::Number(value) => value.to_string(),
            LibrdkafkaValue::Text(source) => source
                .read()
                .map_err(|e| {
                    ConfigError::invalid(format!("sink.kafka.librdkafka.\"{name}\""), e.to_string())
                })?
                .expose()
                .to_owned(),
        };
        librdkafka.insert(name.clone(), text);
    }
    if !["bootstrap.servers", "metadata.broker.list"].iter().any(|name| librdkafka.contains_key(*name)) {
        return Err(ConfigError::invalid(
            "sink.kafka.librdkafka",
            "\"bootstrap.servers\" = \"HOST:PORT\" is missing: where is Kafka?",
        ));
    }
    let topics = &sink.topics;
    if topics.partitions < 1 {
        return Err(ConfigError::invalid("sink.kafka.topics.partitions", "at least 1"));
    }
    // A change can become three records, and one more place is kept for the progress record.
    if !(16..=100_000).contains(&sink.max_in_flight_records) {
        return Err(ConfigError::invalid("sink.kafka.max_in_flight_records", "between 16 and 100000"));
    }
    let options = KafkaOptions {
        librdkafka,
        max_records: sink.max_in_flight_records,
        max_bytes: sink.max_in_flight.0,
        topics: TopicOptions {
            create: topics.create,
            partitions: topics.partitions,
            replication_factor: topics.replication_factor.unwrap_or(-1),
            config: topics.config.clone(),
        },
    };
    let refused = |reason: String| ConfigError::invalid("sink.kafka.librdkafka", reason);
    options.verify().map_err(|error| refused(error.to_string()))?;
    options.verify_values().map_err(refused)?;
    Ok(options)
}

/// A value of a librdkafka option as it may be shown.
pub fn shown(name: &str, value: &LibrdkafkaValue) -> serde_json::Value {
    match value {
        LibrdkafkaValue::Boolean(value) => (*value).into(),
        LibrdkafkaValue::Number(value) => (*value).into(),
        LibrdkafkaValue::Text(SecretSource::Literal(_)) if is_secret(name) => REDACTED.into(),
        LibrdkafkaValue::Text(SecretSource::Literal(text)) => text.expose().into(),
        LibrdkafkaValue::Text(source) => serde_json::to_value(source).unwrap_or_default(),
    }
}

/// The configuration as it may be shown. Literal secrets hide themselves; a `dsn` that holds a password does not.
pub fn redacted(config: &Config) -> Config {
    let mut config = config.clone();
    if let Some(dsn) = &mut config.source.dsn
        && Conninfo::parse(dsn).map_or(true, |conninfo| conninfo.password.or(conninfo.sslpassword).is_some())
    {
        REDACTED.clone_into(dsn);
    }
    config
}
