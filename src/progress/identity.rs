//! The recorded position against the slot that is there now. Pure.

use crate::lsn::Lsn;
use crate::progress::record::{Position, SourceIdentity};

/// What the server says at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// The stream.
    pub source: SourceIdentity,
    /// The slot's `confirmed_flush_lsn`.
    pub confirmed: Lsn,
    /// The end of the server's WAL.
    pub wal_end: Lsn,
    /// Where the recorded timeline ends in the server's history, if the server is on another one by now.
    pub branched_at: Option<Lsn>,
    /// Whether the slot was made by this very start, so that it cannot hold what came before.
    pub just_created: bool,
}

/// Where to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// A new pipeline: from the slot's own position.
    FromSlot,
    /// From the recorded position.
    At(Lsn),
}

/// The recorded position cannot be continued on this server: changes would be missing without a sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// The slot was dropped and made again, or advanced by another hand.
    #[error(
        "the slot {slot} starts at {confirmed}, but this pipeline has recorded {recorded}: the changes between \
         are gone. Re-read the tables by other means, then accept the gap with `pgsluice run --accept-gap`"
    )]
    SlotAhead {
        /// The slot.
        slot: String,
        /// Its position.
        confirmed: Lsn,
        /// Ours.
        recorded: Lsn,
    },
    /// Another cluster: restored from a dump, or another server altogether.
    #[error(
        "the server is another one than before (system identifier {found}, recorded {recorded}): its WAL \
         positions mean something else. Give this pipeline another name, or accept the gap with \
         `pgsluice run --accept-gap`"
    )]
    OtherSystem {
        /// The server's identifier.
        found: String,
        /// The recorded one.
        recorded: String,
    },
    /// A failover or a restore that lost WAL which had already been delivered.
    #[error(
        "this pipeline has recorded {recorded}, but the server's WAL ends at {wal_end} (timeline {timeline}, \
         recorded {recorded_timeline}): the server lost changes that are already in Kafka. Compare the tables, \
         then accept the gap with `pgsluice run --accept-gap`"
    )]
    ServerBehind {
        /// Ours.
        recorded: Lsn,
        /// The server's.
        wal_end: Lsn,
        /// The server's timeline.
        timeline: u32,
        /// The recorded timeline.
        recorded_timeline: u32,
    },
    /// A failover to a server that had not received all that was delivered.
    #[error(
        "this pipeline has recorded {recorded} on timeline {recorded_timeline}, but the server went on from {branched} \
         on timeline {timeline}: what came between is in Kafka and no more in the database. Compare the tables, then \
         accept the gap with `pgsluice run --accept-gap`"
    )]
    Diverged {
        /// Ours.
        recorded: Lsn,
        /// Where the server's timeline left ours; `0/0` if it never was on ours.
        branched: Lsn,
        /// The server's timeline.
        timeline: u32,
        /// The recorded timeline.
        recorded_timeline: u32,
    },
    /// The pipeline's name is in use for another source.
    #[error(
        "the progress topic belongs to database {recorded_database}, slot {recorded_slot}, not to {database}, \
         {slot}. Give this pipeline another name"
    )]
    OtherStream {
        /// The configured database.
        database: String,
        /// The configured slot.
        slot: String,
        /// The recorded database.
        recorded_database: String,
        /// The recorded slot.
        recorded_slot: String,
    },
}

/// Decides where a start continues. Never the maximum of two positions: a slot ahead of the record is a gap.
pub fn resume(recorded: Option<&Position>, slot: &SlotState) -> Result<Resume, Gap> {
    let Some(recorded) = recorded else { return Ok(Resume::FromSlot) };
    let (then, now) = (&recorded.source, &slot.source);
    if then.database != now.database || then.slot != now.slot || then.plugin != now.plugin {
        return Err(Gap::OtherStream {
            database: now.database.clone(),
            slot: now.slot.clone(),
            recorded_database: then.database.clone(),
            recorded_slot: then.slot.clone(),
        });
    }
    if then.system_identifier != now.system_identifier {
        return Err(Gap::OtherSystem {
            found: now.system_identifier.clone(),
            recorded: then.system_identifier.clone(),
        });
    }
    // A promoted standby that had replayed all we delivered continues our history on a new timeline.
    if recorded.end_lsn > slot.wal_end {
        return Err(Gap::ServerBehind {
            recorded: recorded.end_lsn,
            wal_end: slot.wal_end,
            timeline: now.timeline,
            recorded_timeline: then.timeline,
        });
    }
    let branched = slot.branched_at.unwrap_or_default();
    if then.timeline != now.timeline && branched < recorded.end_lsn {
        return Err(Gap::Diverged {
            recorded: recorded.end_lsn,
            branched,
            timeline: now.timeline,
            recorded_timeline: then.timeline,
        });
    }
    if slot.confirmed > recorded.end_lsn || slot.just_created {
        return Err(Gap::SlotAhead {
            slot: now.slot.clone(),
            confirmed: slot.confirmed,
            recorded: recorded.end_lsn,
        });
    }
    Ok(Resume::At(recorded.end_lsn))
}

#[cfg(test)]
mod tests {
    use super::{Gap, Resume, SlotState, resume};
    use crate::lsn::Lsn;
    use crate::progress::record::{Position, SourceIdentity};

    fn source() -> SourceIdentity {
        SourceIdentity {
            system_identifier: "1".to_owned(),
            timeline: 1,
            database: "shop".to_owned(),
            slot: "s".to_owned(),
            plugin: "test_decoding".to_owned(),
        }
    }

    fn slot(confirmed: u64, wal_end: u64) -> SlotState {
        SlotState {
            source: source(),
            confirmed: Lsn(confirmed),
            wal_end: Lsn(wal_end),
            branched_at: None,
            just_created: false,
        }
    }

    fn recorded(lsn: u64) -> Position {
        Position::new(source(), Lsn(lsn))
    }

    #[test]
    fn a_new_pipeline_starts_at_the_slot() {
        assert_eq!(resume(None, &slot(5, 10)), Ok(Resume::FromSlot));
    }

    #[test]
    fn a_crash_between_kafka_and_slot_resumes_at_the_record() {
        assert_eq!(resume(Some(&recorded(7)), &slot(5, 10)), Ok(Resume::At(Lsn(7))));
        assert_eq!(resume(Some(&recorded(5)), &slot(5, 10)), Ok(Resume::At(Lsn(5))));
    }

    #[test]
    fn a_slot_ahead_of_the_record_is_a_gap() {
        assert!(matches!(resume(Some(&recorded(4)), &slot(5, 10)), Err(Gap::SlotAhead { .. })));
        let made_now = SlotState { just_created: true, ..slot(7, 10) };
        assert!(matches!(resume(Some(&recorded(7)), &made_now), Err(Gap::SlotAhead { .. })));
    }

    #[test]
    fn a_server_behind_the_record_lost_data() {
        assert!(matches!(resume(Some(&recorded(11)), &slot(5, 10)), Err(Gap::ServerBehind { .. })));
    }

    #[test]
    fn another_cluster_or_stream_is_refused() {
        let mut other = slot(5, 10);
        other.source.system_identifier = "2".to_owned();
        assert!(matches!(resume(Some(&recorded(7)), &other), Err(Gap::OtherSystem { .. })));
        let mut other = slot(5, 10);
        other.source.slot = "t".to_owned();
        assert!(matches!(resume(Some(&recorded(7)), &other), Err(Gap::OtherStream { .. })));
    }

    #[test]
    fn a_promotion_that_kept_everything_goes_on() {
        let mut promoted = slot(5, 10);
        promoted.source.timeline = 2;
        promoted.branched_at = Some(Lsn(7));
        assert_eq!(resume(Some(&recorded(7)), &promoted), Ok(Resume::At(Lsn(7))));
    }

    #[test]
    fn a_promotion_that_lost_what_was_delivered_is_a_gap() {
        let mut promoted = slot(5, 10);
        promoted.source.timeline = 2;
        promoted.branched_at = Some(Lsn(6));
        assert!(matches!(resume(Some(&recorded(7)), &promoted), Err(Gap::Diverged { .. })));
        promoted.branched_at = None;
        assert!(matches!(resume(Some(&recorded(7)), &promoted), Err(Gap::Diverged { .. })));
    }
}
