//! The configuration file: one TOML file describes one pipeline.
//!
//! [`Config`] is the file as written; [`resolve`] turns it into the options of each part. Unknown keys are
//! errors. Units stand in values ([`units`]). Secrets never show ([`crate::secret_source`]).

pub mod login;
pub mod parse;
pub mod resolve;
pub mod source;
pub mod suggest;
pub mod units;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Size, Span};
use crate::encode::DeleteMode;
use crate::secret_source::SecretSource;

pub use source::{Auth, ChannelBinding, Plugin, Replication, Scheme, Source, SslMode};

/// A pipeline.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the pipeline, which its progress is kept under. Default: the slot's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How long a start keeps trying while the server or the brokers cannot be reached, or the slot is in use.
    /// Once streaming, it tries for ever.
    #[serde(default = "default_start_timeout")]
    pub start_timeout: Span,
    /// How long a stop waits for records in flight.
    #[serde(default = "default_drain_timeout")]
    pub drain_timeout: Span,
    /// The PostgreSQL server.
    pub source: Source,
    /// What is streamed. Default: every table.
    #[serde(default = "default_tables")]
    pub tables: Vec<Tables>,
    /// What a deleted row becomes.
    #[serde(default)]
    pub delete: Delete,
    /// Where events go.
    pub sink: Sink,
}

/// `[[tables]]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// `schema.table`; `*` stands for any text, `?` for one character.
    pub include: String,
    /// Patterns of tables that `include` matches and that are left out all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// `[delete]`
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// What a deleted row becomes.
    #[serde(default)]
    pub mode: Deletes,
}

/// What a deleted row becomes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub enum Deletes {
    /// A delete event and a tombstone with the same key.
    #[default]
    #[serde(rename = "event+tombstone")]
    EventAndTombstone,
    /// A delete event.
    #[serde(rename = "event")]
    Event,
    /// A tombstone.
    #[serde(rename = "tombstone")]
    Tombstone,
    /// An update whose `after` is the deleted row as far as the server sent it, plus `"__deleted":true`.
    #[serde(rename = "soft")]
    Soft,
    /// Nothing.
    #[serde(rename = "skip")]
    Skip,
}

impl From<Deletes> for DeleteMode {
    fn from(mode: Deletes) -> Self {
        match mode {
            Deletes::EventAndTombstone => Self::EventAndTombstone,
            Deletes::Event => Self::Event,
            Deletes::Tombstone => Self::Tombstone,
            Deletes::Soft => Self::Soft,
            Deletes::Skip => Self::Skip,
        }
    }
}

/// `[sink]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// Kafka.
    pub kafka: Kafka,
}

/// `[sink.kafka]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Stands first in every topic's name, and is `source.name` of every event.
    pub prefix: String,
    /// Template of the topic names.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// Records that may be in flight.
    #[serde(default = "default_max_in_flight_records")]
    pub max_in_flight_records: usize,
    /// Bytes that may be in flight.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: Size,
    /// How missing topics are made.
    #[serde(default)]
    pub topics: Topics,
    /// Options of librdkafka, by its own names; `bootstrap.servers` is required.
    #[serde(serialize_with = "redacted_options")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub librdkafka: BTreeMap<String, LibrdkafkaValue>,
}

/// `[sink.kafka.topics]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Whether a missing topic is created.
    #[serde(default = "yes")]
    pub create: bool,
    /// Partitions of a created topic.
    #[serde(default = "one")]
    pub partitions: i32,
    /// Replication factor of a created topic. Default: the broker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Settings of a created topic, by Kafka's own names, such as `"cleanup.policy" = "compact"`.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

impl Default for Topics {
    fn default() -> Self {
        Self { create: true, partitions: 1, replication_factor: None, config: BTreeMap::new() }
    }
}

/// A value of a librdkafka option: strings, numbers and booleans are all written as they are.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a string, a number, a boolean, { env = \"NAME\" } or { file = \"PATH\" }"
)]
pub enum LibrdkafkaValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(i64),
    /// A string, or where a secret comes from.
    Text(SecretSource),
}

fn redacted_options<S: serde::Serializer>(
    options: &BTreeMap<String, LibrdkafkaValue>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(options.iter().map(|(name, value)| (name, resolve::shown(name, value))))
}

fn default_start_timeout() -> Span {
    Span(std::time::Duration::from_secs(30))
}

fn default_drain_timeout() -> Span {
    Span(std::time::Duration::from_secs(30))
}

fn default_tables() -> Vec<Tables> {
    vec![Tables { include: "*.*".to_owned(), exclude: Vec::new() }]
}

fn default_topic() -> String {
    "{prefix}.{schema}.{table}".to_owned()
}

fn default_max_in_flight_records() -> usize {
    5000
}

fn default_max_in_flight() -> Size {
    Size(4 << 20)
}

fn yes() -> bool {
    true
}

fn one() -> i32 {
    1
}
