//! pgsluice streams committed changes out of PostgreSQL into Kafka.

pub mod data_type;
pub mod decode;
pub mod lsn;
pub mod record;
pub mod table;
pub mod time;
pub mod sink;
pub mod task;
pub mod pipeline;
pub mod progress;
