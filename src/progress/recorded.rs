//! What is in a progress topic, record by record. Pure.

use std::collections::BTreeMap;

use crate::progress::record::{Position, ProgressKey, RecordError};
use crate::sink::SinkError;

/// Why progress cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Kafka does not give it.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A record cannot be understood.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The positions of all instances that have written to the topic.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// By instance.
    pub positions: BTreeMap<ProgressKey, Position>,
}

impl Recorded {
    /// The greatest position of all instances.
    pub fn latest(&self) -> Option<&Position> {
        self.positions.values().max_by_key(|position| position.end_lsn)
    }

    /// Takes the topic's next record. One without a value removes its instance; other kinds of record are left out.
    pub fn take(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), RecordError> {
        let Some(key) = key.and_then(ProgressKey::parse) else { return Ok(()) };
        match value {
            None => {
                self.positions.remove(&key);
            }
            Some(value) => {
                let position = Position::parse(key.as_str(), value)?;
                self.positions.insert(key, position);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Recorded;
    use crate::lsn::Lsn;
    use crate::progress::record::{Position, SourceIdentity};

    fn value(lsn: u64) -> Vec<u8> {
        let source = SourceIdentity {
            system_identifier: "1".to_owned(),
            timeline: 1,
            database: "shop".to_owned(),
            slot: "s".to_owned(),
            plugin: "test_decoding".to_owned(),
        };
        Position::new(source, Lsn(lsn)).render()
    }

    #[test]
    fn the_greatest_position_counts_whoever_wrote_last() {
        let mut recorded = Recorded::default();
        recorded.take(Some(b"stream/a"), Some(&value(9))).unwrap();
        recorded.take(Some(b"stream/b"), Some(&value(12))).unwrap();
        recorded.take(Some(b"stream/a"), Some(&value(10))).unwrap();
        assert_eq!(recorded.latest().unwrap().end_lsn, Lsn(12));
        recorded.take(Some(b"stream/b"), None).unwrap();
        assert_eq!(recorded.latest().unwrap().end_lsn, Lsn(10));
    }

    #[test]
    fn other_kinds_of_record_are_left_out_and_junk_is_not() {
        let mut recorded = Recorded::default();
        recorded.take(Some(b"snapshot/t"), Some(b"junk")).unwrap();
        recorded.take(None, Some(b"junk")).unwrap();
        assert!(recorded.latest().is_none());
        assert!(recorded.take(Some(b"stream/a"), Some(b"junk")).is_err());
    }
}
