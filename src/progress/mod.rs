//! How far a pipeline has come, kept where its output is.
//!
//! Each pipeline has a compacted Kafka topic of one partition. The last acknowledged [`record`] in it is the
//! truth; the slot on the server only follows it. Order, always: data acknowledged by Kafka, progress record
//! acknowledged by Kafka, LSN confirmed to the server.

pub mod identity;
pub mod record;
pub mod recorded;
#[cfg(feature = "kafka")]
pub mod topic;

pub use identity::{Resume, SlotState};
pub use record::{Position, ProgressKey, SourceIdentity};
pub use recorded::{ReadError, Recorded};
