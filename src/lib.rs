//! pgsluice streams committed changes out of PostgreSQL into Kafka.

#![forbid(unsafe_code)]

pub mod data_type;
pub mod decode;
pub mod encode;
pub mod event;
pub mod lsn;
pub mod record;
pub mod table;
pub mod time;
