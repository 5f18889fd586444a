//! pgsluice streams committed changes out of PostgreSQL into Kafka.

#![forbid(unsafe_code)]

pub mod data_type;
pub mod decode;
pub mod lsn;
pub mod postgres;
pub mod record;
pub mod secret;
pub mod table;
pub mod time;
pub mod sink;
pub mod task;
pub mod pipeline;
pub mod progress;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod encode;
pub mod error;
pub mod event;
pub mod postgres;
pub mod secret;
pub mod secret_source;
pub mod telemetry;
