//! pgsluice streams committed changes out of PostgreSQL into Kafka.

pub mod data_type;
pub mod decode;
pub mod lsn;
pub mod postgres;
pub mod record;
pub mod secret;
pub mod table;
pub mod time;
