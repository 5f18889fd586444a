//! The Kafka sink, on librdkafka.
//!
//! [`producer`] hands records over and takes delivery reports; [`topics`] checks and creates topics;
//! [`outcome`] sorts librdkafka's errors; [`options`] turns our options into librdkafka's.

pub mod options;
pub mod outcome;
pub mod producer;
pub mod topics;

pub use options::{KafkaOptions, TopicOptions};
pub use producer::KafkaSink;
