//! The other end of a pipeline, as far as a start needs it: where progress is read back and a sink comes from.

use std::future::Future;

use crate::progress::{ReadError, Recorded};
use crate::sink::reports::Reports;
use crate::sink::{Sink, SinkError};

/// A broker that takes records and keeps progress.
pub trait Broker {
    /// What records go into.
    type Sink: Sink;

    /// Records in flight at most.
    fn max_records(&self) -> usize;

    /// Bytes in flight at most, exceeded by no more than one change.
    fn max_bytes(&self) -> usize;

    /// Reads a progress topic up to its end; makes it where it is missing.
    fn read_back(&self, topic: &str) -> impl Future<Output = Result<Recorded, ReadError>>;

    /// Makes a sink that reports to `reports` and can write to `topics`.
    fn connect(
        &self,
        topics: &[String],
        reports: Reports,
    ) -> impl Future<Output = Result<Self::Sink, SinkError>>;
}

#[cfg(feature = "kafka")]
mod kafka {
    use super::Broker;
    use crate::progress::topic::read_back;
    use crate::progress::{ReadError, Recorded};
    use crate::sink::SinkError;
    use crate::sink::kafka::{KafkaOptions, KafkaSink};
    use crate::sink::reports::Reports;

    impl Broker for KafkaOptions {
        type Sink = KafkaSink;

        fn max_records(&self) -> usize {
            self.max_records
        }

        fn max_bytes(&self) -> usize {
            self.max_bytes
        }

        async fn read_back(&self, topic: &str) -> Result<Recorded, ReadError> {
            read_back(self, topic).await
        }

        async fn connect(&self, topics: &[String], reports: Reports) -> Result<KafkaSink, SinkError> {
            KafkaSink::connect(self.clone(), topics, reports).await
        }
    }
}
