//! The progress record: JSON, versioned, one per running instance.
//!
//! Every sink of every instance writes under a key of its own and a start takes the greatest position of all of
//! them, so the late record of one that is gone cannot turn progress back.

use serde::{Deserialize, Serialize};

use crate::lsn::Lsn;

/// The version this program writes. A reader refuses newer ones.
const VERSION: u32 = 1;

/// Which stream of which server a position belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// `IDENTIFY_SYSTEM`'s system identifier: one cluster and its physical copies.
    pub system_identifier: String,
    /// Its timeline: one life of the cluster between promotions.
    pub timeline: u32,
    /// The database.
    pub database: String,
    /// The slot.
    pub slot: String,
    /// The output plugin.
    pub plugin: String,
}

/// A position in a source's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Format of this record.
    pub version: u32,
    /// The stream.
    #[serde(flatten)]
    pub source: SourceIdentity,
    /// Everything that committed before this position is in Kafka.
    pub end_lsn: Lsn,
}

/// Why a progress record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON that this or an earlier version writes.
    #[error("the progress record {key:?} is not one of pgsluice's: {reason}")]
    Malformed {
        /// The record's key.
        key: String,
        /// What the JSON parser says.
        reason: String,
    },
    /// Written by a later version.
    #[error(
        "the progress record {key:?} has version {found}, this program knows {VERSION}: use the later pgsluice"
    )]
    Newer {
        /// The record's key.
        key: String,
        /// Its version.
        found: u32,
    },
}

impl Position {
    /// The position `end_lsn` of `source`.
    pub fn new(source: SourceIdentity, end_lsn: Lsn) -> Self {
        Self { version: VERSION, source, end_lsn }
    }

    /// Reads a record's value.
    pub fn parse(key: &str, value: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let malformed = |error: serde_json::Error| RecordError::Malformed {
            key: key.to_owned(),
            reason: error.to_string(),
        };
        let Versioned { version } = serde_json::from_slice(value).map_err(malformed)?;
        if version > VERSION {
            return Err(RecordError::Newer { key: key.to_owned(), found: version });
        }
        serde_json::from_slice(value).map_err(malformed)
    }

    /// The record's value.
    pub fn render(&self) -> Vec<u8> {
        // Strings and numbers only: serialisation into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Prefix of the keys of stream positions; other kinds of progress will have other prefixes.
const STREAM_PREFIX: &str = "stream/";

/// The key of an instance's record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgressKey(String);

impl ProgressKey {
    /// The key of the instance with this id.
    pub fn of_instance(instance: &str) -> Self {
        Self(format!("{STREAM_PREFIX}{instance}"))
    }

    /// The key of an instance's sink, counted from 1.
    pub fn of_sink(instance: &str, number: u64) -> Self {
        Self(format!("{STREAM_PREFIX}{instance}/{number}"))
    }

    /// The key of a record read back; `None` for other kinds of record.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        text.starts_with(STREAM_PREFIX).then(|| Self(text.to_owned()))
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, ProgressKey, RecordError, SourceIdentity};
    use crate::lsn::Lsn;

    fn position() -> Position {
        let source = SourceIdentity {
            system_identifier: "7300000000000000001".to_owned(),
            timeline: 1,
            database: "shop".to_owned(),
            slot: "pgsluice".to_owned(),
            plugin: "test_decoding".to_owned(),
        };
        Position::new(source, Lsn(0x16_B374_D848))
    }

    #[test]
    fn reads_what_it_writes() {
        let text = String::from_utf8(position().render()).unwrap();
        assert!(text.contains(r#""end_lsn":"16/B374D848""#), "{text}");
        assert_eq!(Position::parse("k", text.as_bytes()).unwrap(), position());
    }

    #[test]
    fn a_later_version_is_refused_even_if_its_fields_are_unknown() {
        let error = Position::parse("stream/x", br#"{"version":2,"where":"elsewhere"}"#).unwrap_err();
        assert!(matches!(error, RecordError::Newer { found: 2, .. }), "{error}");
    }

    #[test]
    fn junk_is_refused() {
        for junk in [&b""[..], b"{}", b"null", br#"{"version":1}"#, b"\xff"] {
            assert!(matches!(Position::parse("k", junk), Err(RecordError::Malformed { .. })));
        }
    }

    #[test]
    fn keys_of_other_kinds_are_left_alone() {
        assert_eq!(ProgressKey::parse(b"stream/a"), Some(ProgressKey::of_instance("a")));
        assert_eq!(ProgressKey::parse(b"stream/a/2"), Some(ProgressKey::of_sink("a", 2)));
        assert_eq!(ProgressKey::parse(b"snapshot/t/1"), None);
        assert_eq!(ProgressKey::parse(b"\xff"), None);
    }
}
