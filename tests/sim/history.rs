//! The judge of what a pipeline delivers: what the database committed against what the topics hold. Pure.
//!
//! Every committed change is told beforehand, with the records it must become; then every record in the order in
//! which it was stored. The judge answers for each whether it has a place: a record nobody committed is *invented*,
//! one that says something else than the change is *altered*, one that comes before its predecessor of the same key
//! is *reordered*. A repeat is in order where it starts again at an earlier point of the same key's order. What is
//! *lacking* shows at the end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// What a record must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// No value.
    Tombstone,
    /// A value in which each of these texts stands.
    Event(Vec<String>),
}

/// A record that a change must become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Body,
}

/// A committed change: its id, which every repeat must carry, and its records in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) transaction: String,
    pub(crate) ordinal: u64,
    pub(crate) records: Vec<Expected>,
    /// What stands in each event but those that say that they do not know the commit's time.
    pub(crate) time: Option<String>,
}

/// A record as it was stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) transaction: &'a str,
    pub(crate) ordinal: u64,
    /// Whether it says that it does not know the commit's time.
    pub(crate) estimated: bool,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    Invented(String),
    Altered(String),
    Reordered(String),
    Lacking(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, which) = match self {
            Self::Invented(which) => ("a record that nobody committed", which),
            Self::Altered(which) => ("a record that says something else than its change", which),
            Self::Reordered(which) => ("a record before its predecessor of the same key", which),
            Self::Lacking(which) => ("a committed change is lacking", which),
        };
        write!(f, "{what}: {which}")
    }
}

/// A record with its place.
#[derive(Debug)]
struct Place {
    expected: Expected,
    /// The order it stands in and its number there; none without a key.
    order: Option<(usize, usize)>,
    group: usize,
    time: Option<String>,
    stored: u64,
}

#[derive(Debug, Default)]
struct Order {
    length: usize,
    /// The number of the last record stored.
    last: Option<usize>,
}

/// What was committed and what has come of it.
#[derive(Debug, Default)]
pub(crate) struct History {
    places: BTreeMap<(String, u64), Vec<Place>>,
    orders: Vec<Order>,
    by_key: HashMap<(String, String), usize>,
    /// For each group the records of which there is none yet.
    outstanding: Vec<usize>,
    repeats: u64,
}

impl History {
    /// Changes that committed together, behind all that were told before. Returns the group's number.
    pub(crate) fn committed(&mut self, changes: &[Change]) -> usize {
        let group = self.outstanding.len();
        let mut outstanding = 0;
        for change in changes {
            let places = change.records.iter().map(|expected| {
                outstanding += 1;
                let order = expected.key.clone().map(|key| {
                    let count = self.orders.len();
                    let order = *self.by_key.entry((expected.topic.clone(), key)).or_insert(count);
                    if order == count {
                        self.orders.push(Order::default());
                    }
                    let number = self.orders[order].length;
                    self.orders[order].length += 1;
                    (order, number)
                });
                Place { expected: expected.clone(), order, group, time: change.time.clone(), stored: 0 }
            });
            let places = places.collect();
            self.places.insert((change.transaction.clone(), change.ordinal), places);
        }
        self.outstanding.push(outstanding);
        group
    }

    /// A record was stored.
    pub(crate) fn stored(&mut self, record: &Stored<'_>) -> Result<(), Violation> {
        let id = (record.transaction.to_owned(), record.ordinal);
        let Some(places) = self.places.get_mut(&id) else { return Err(Violation::Invented(shown(record))) };
        let same = |expected: &Expected| {
            expected.topic == record.topic
                && expected.key.as_deref().map(str::as_bytes) == record.key
                && (expected.body == Body::Tombstone) == record.value.is_none()
        };
        let Some(place) = places.iter_mut().find(|place| same(&place.expected)) else {
            return Err(Violation::Altered(shown(record)));
        };
        if let (Body::Event(texts), Some(value)) = (&place.expected.body, record.value)
            && let Some(lacking) = texts
                .iter()
                .chain(place.time.as_ref().filter(|_| !record.estimated))
                .find(|text| !contains(value, text.as_bytes()))
        {
            return Err(Violation::Altered(format!("{} lacks {lacking}", shown(record))));
        }
        if let Some((order, number)) = place.order {
            let order = &mut self.orders[order];
            let next = order.last.map_or(0, |last| last + 1);
            if number > next {
                return Err(Violation::Reordered(format!("{}, number {number} after {next}", shown(record))));
            }
            order.last = Some(number);
        }
        if place.stored == 0 {
            self.outstanding[place.group] -= 1;
        } else {
            self.repeats += 1;
        }
        place.stored += 1;
        Ok(())
    }

    /// Whether every record of a group was stored.
    pub(crate) fn is_complete(&self, group: usize) -> bool {
        self.outstanding[group] == 0
    }

    /// Records that were stored once more.
    pub(crate) fn repeats(&self) -> u64 {
        self.repeats
    }

    /// The end: everything must be there, and the last record of each key must be its last change.
    pub(crate) fn finish(&self) -> Result<(), Violation> {
        let lacking = self.places.iter().find_map(|((transaction, ordinal), places)| {
            let place = places.iter().find(|place| place.stored == 0)?;
            Some(format!("{transaction} {ordinal}: {:?}", place.expected))
        });
        if let Some(which) = lacking {
            return Err(Violation::Lacking(which));
        }
        let stale = |order: &&Order| order.last.map_or(0, |last| last + 1) != order.length;
        if let Some(order) = self.orders.iter().find(stale) {
            return Err(Violation::Reordered(format!("a key ends with an older change: {order:?}")));
        }
        Ok(())
    }
}

fn contains(value: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(value, text).is_some()
}

fn shown(record: &Stored<'_>) -> String {
    let start = record.value.map(|value| value[..value.len().min(120)].escape_ascii().to_string());
    format!(
        "{} {} in {}, key {:?}: {start:?}",
        record.transaction,
        record.ordinal,
        record.topic,
        record.key.map(|key| key.escape_ascii().to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::{Body, Change, Expected, History, Stored, Violation};

    fn change(ordinal: u64, key: &str) -> Change {
        let record = Expected {
            topic: "t".to_owned(),
            key: Some(key.to_owned()),
            body: Body::Event(vec![format!("v{ordinal}")]),
        };
        Change { transaction: "7:1".to_owned(), ordinal, records: vec![record], time: None }
    }

    fn record<'a>(ordinal: u64, key: &'a str, value: &'a str) -> Stored<'a> {
        Stored {
            topic: "t",
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            transaction: "7:1",
            ordinal,
            estimated: false,
        }
    }

    fn told() -> History {
        let mut history = History::default();
        history.committed(&[change(1, "a"), change(2, "a"), change(3, "b"), change(4, "a")]);
        history
    }

    #[test]
    fn a_history_that_holds_everything_in_order_is_fine() {
        let mut history = told();
        for (ordinal, key) in [(1, "a"), (3, "b"), (2, "a"), (4, "a")] {
            assert!(!history.is_complete(0));
            history.stored(&record(ordinal, key, &format!("{{v{ordinal}}}"))).unwrap();
        }
        assert!(history.is_complete(0));
        assert_eq!(history.finish(), Ok(()));
    }

    #[test]
    fn a_repeat_may_start_again_anywhere_before() {
        let mut history = told();
        for ordinal in [1, 2, 4, 2, 4, 1, 2, 4] {
            history.stored(&record(ordinal, "a", &format!("v{ordinal}"))).unwrap();
        }
        history.stored(&record(3, "b", "v3")).unwrap();
        assert_eq!((history.finish(), history.repeats()), (Ok(()), 5));
    }

    #[test]
    fn a_repeat_that_stops_short_leaves_an_old_state() {
        let mut history = told();
        for (ordinal, key) in [(1, "a"), (2, "a"), (4, "a"), (3, "b"), (2, "a")] {
            history.stored(&record(ordinal, key, &format!("v{ordinal}"))).unwrap();
        }
        assert!(matches!(history.finish(), Err(Violation::Reordered(_))));
    }

    #[test]
    fn what_lacks_is_lacking() {
        let mut history = told();
        for ordinal in [1, 2, 4] {
            history.stored(&record(ordinal, "a", &format!("v{ordinal}"))).unwrap();
        }
        assert!(matches!(history.finish(), Err(Violation::Lacking(_))));
    }

    #[test]
    fn a_gap_in_a_keys_order_is_reordered() {
        let mut history = told();
        history.stored(&record(1, "a", "v1")).unwrap();
        assert!(matches!(history.stored(&record(4, "a", "v4")), Err(Violation::Reordered(_))));
    }

    #[test]
    fn what_nobody_committed_is_invented() {
        let mut history = told();
        assert!(matches!(history.stored(&record(5, "a", "v5")), Err(Violation::Invented(_))));
        let foreign = Stored { transaction: "8:1", ..record(1, "a", "v1") };
        assert!(matches!(history.stored(&foreign), Err(Violation::Invented(_))));
    }

    #[test]
    fn another_key_topic_or_value_is_altered() {
        let mut history = told();
        for wrong in [
            record(1, "b", "v1"),
            record(1, "a", "v2"),
            Stored { topic: "u", ..record(1, "a", "v1") },
            Stored { value: None, ..record(1, "a", "v1") },
        ] {
            assert!(matches!(history.stored(&wrong), Err(Violation::Altered(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_wrong_time_is_altered_unless_it_is_an_estimate() {
        let mut history = History::default();
        history.committed(&[Change { time: Some("at 5".to_owned()), ..change(1, "a") }]);
        assert!(matches!(history.stored(&record(1, "a", "v1 at 6")), Err(Violation::Altered(_))));
        history.stored(&record(1, "a", "v1 at 5")).unwrap();
        history.stored(&Stored { estimated: true, ..record(1, "a", "v1 at 6") }).unwrap();
    }
}
