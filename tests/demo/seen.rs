//! Which kinds of event have been seen, and how often.

use std::collections::BTreeMap;
use std::fmt;

use crate::envelope::{Event, Kind};

const KINDS: [(Kind, &str); 6] = [
    (Kind::Insert, "inserts"),
    (Kind::Update, "updates"),
    (Kind::Delete, "deletes"),
    (Kind::Tombstone, "tombstones"),
    (Kind::Truncate, "truncates"),
    (Kind::Message, "logical messages"),
];
/// The three records of a changed key, in the order they come in.
const KEY_CHANGE: [Kind; 3] = [Kind::Delete, Kind::Tombstone, Kind::Insert];

/// A tally of events.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counts: BTreeMap<Kind, u64>,
    /// How much of a changed key's three records has come.
    of_key_change: usize,
    key_changes: u64,
}

impl Seen {
    pub(crate) fn note(&mut self, event: &Event) {
        *self.counts.entry(event.kind).or_default() += 1;
        if event.other_key.is_none() {
            return;
        }
        // They stand one behind the other in one partition.
        let expected = KEY_CHANGE.get(self.of_key_change) == Some(&event.kind);
        self.of_key_change = if expected { self.of_key_change + 1 } else { 0 };
        if self.of_key_change == KEY_CHANGE.len() {
            self.key_changes += 1;
            self.of_key_change = 0;
        }
    }

    /// What has not come yet; none when every kind has.
    pub(crate) fn missing(&self) -> Option<String> {
        let mut missing: Vec<&str> =
            KINDS.iter().filter(|(kind, _)| !self.counts.contains_key(kind)).map(|(_, name)| *name).collect();
        if self.key_changes == 0 {
            missing.push("the three records of a changed key");
        }
        (!missing.is_empty()).then(|| missing.join(", "))
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, name) in KINDS {
            write!(f, "{name} {}, ", self.counts.get(&kind).unwrap_or(&0))?;
        }
        write!(f, "changed keys {}", self.key_changes)
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Seen};
    use crate::envelope::{Columns, Event, Kind};

    fn event(kind: Kind, moved: bool) -> Event {
        let other_key = moved.then(Columns::default);
        Event { kind, table: String::new(), key: None, before: None, after: None, other_key, content: None }
    }

    #[test]
    fn a_changed_key_is_its_three_records_in_order() {
        let mut seen = Seen::default();
        for (kind, _) in KINDS {
            seen.note(&event(kind, false));
        }
        assert_eq!(seen.missing().unwrap(), "the three records of a changed key");
        for kind in [Kind::Insert, Kind::Delete, Kind::Insert, Kind::Tombstone] {
            seen.note(&event(kind, true));
        }
        assert!(seen.missing().is_some());
        for kind in [Kind::Delete, Kind::Tombstone, Kind::Insert] {
            seen.note(&event(kind, true));
        }
        assert_eq!(seen.missing(), None);
        assert!(seen.to_string().ends_with("changed keys 1"), "{seen}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut seen = Seen::default();
        seen.note(&event(Kind::Insert, false));
        assert!(
            seen.missing().unwrap().starts_with("updates, deletes, tombstones, truncates, logical messages")
        );
    }
}
