//! pgsluice streams committed changes out of PostgreSQL into Kafka.

#![forbid(unsafe_code)]

pub mod app;
pub mod backoff;
#[cfg(feature = "kafka")]
pub mod check;
#[cfg(feature = "kafka")]
pub mod cli;
pub mod clock;
#[cfg(feature = "kafka")]
pub mod config;
pub mod credential;
pub mod data_type;
pub mod decode;
pub mod encode;
pub mod error;
pub mod event;
pub mod lsn;
pub mod pipeline;
pub mod postgres;
pub mod progress;
pub mod record;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod secret;
pub mod secret_source;
pub mod sink;
pub mod table;
pub mod task;
pub mod telemetry;
pub mod time;
