//! The records that a change has to give, after the README's "Events".

use pgsluice::encode::DeleteMode;
use pgsluice::table::ReplicaIdentity;

use super::case::{Case, Change, Slot};
use super::expected::Expected;

/// The members of an object, in order.
pub(super) type Object = Vec<(String, Expected)>;

/// One record.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) key: Option<Object>,
    /// `None` is a tombstone.
    pub(super) event: Option<Event>,
    /// The header that has the other key, and that key.
    pub(super) other_key: Option<(&'static str, Object)>,
    /// Columns that are left out of `after`.
    pub(super) unchanged: Vec<String>,
}

/// A value of a record.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) op: &'static str,
    pub(super) before: Option<Object>,
    pub(super) after: Option<Object>,
}

/// What has to become of a change.
#[derive(Debug)]
pub(super) enum Wish {
    Records(Vec<Wanted>),
    /// A key column was not sent.
    NoKeySent,
    DeleteWithoutKey,
    Skipped,
}

impl Case {
    /// What has to become of this change.
    pub(super) fn wish(&self) -> Wish {
        match &self.change {
            Change::Insert(new) => {
                let Ok(key) = self.new_key(None, new) else { return Wish::NoKeySent };
                let event = Event { op: "c", before: None, after: Some(self.new_row(None, new)) };
                Wish::Records(vec![Wanted {
                    key,
                    event: Some(event),
                    other_key: None,
                    unchanged: self.unknown(None, new),
                }])
            }
            Change::Update(old, new) => self.updated(old.as_deref(), new),
            Change::Delete(_) if self.delete == DeleteMode::Skip => Wish::Skipped,
            Change::Delete(None) => Wish::DeleteWithoutKey,
            Change::Delete(Some(old)) => match self.ended(old, None) {
                records if records.is_empty() => Wish::DeleteWithoutKey,
                records => Wish::Records(records),
            },
        }
    }

    fn updated(&self, old: Option<&[Slot]>, new: &[Slot]) -> Wish {
        let Ok(new_key) = self.new_key(old, new) else { return Wish::NoKeySent };
        let old_key = old.and_then(|old| self.old_key(old));
        let after = Some(self.new_row(old, new));
        let unchanged = self.unknown(old, new);
        match (old, old_key, new_key) {
            (Some(old), Some(old_key), Some(new_key)) if old_key != new_key => {
                let mut records = self.ended(old, Some(&new_key));
                records.push(Wanted {
                    key: Some(new_key),
                    event: Some(Event { op: "c", before: None, after }),
                    other_key: Some(("__debezium.oldkey", old_key)),
                    unchanged,
                });
                Wish::Records(records)
            }
            (old, _, key) => {
                let before = old.filter(|_| self.shows_rows()).map(|old| self.old_row(old));
                let event = Event { op: "u", before, after };
                Wish::Records(vec![Wanted { key, event: Some(event), other_key: None, unchanged }])
            }
        }
    }

    /// The records of a row that is gone, or that has another key now.
    fn ended(&self, old: &[Slot], new_key: Option<&Object>) -> Vec<Wanted> {
        let key = self.old_key(old);
        let row = self.old_row(old);
        let event = match self.delete {
            DeleteMode::EventAndTombstone | DeleteMode::Event => {
                Some(Event { op: "d", before: Some(row), after: None })
            }
            DeleteMode::Soft => {
                let mut after = row.clone();
                after.push(("__deleted".to_owned(), Expected::Exactly("true".to_owned())));
                Some(Event { op: "u", before: Some(row).filter(|_| self.shows_rows()), after: Some(after) })
            }
            DeleteMode::Tombstone | DeleteMode::Skip => None,
        };
        let tombstone =
            key.is_some() && matches!(self.delete, DeleteMode::EventAndTombstone | DeleteMode::Tombstone);
        let record = |event| Wanted {
            key: key.clone(),
            event,
            other_key: new_key.map(|key| ("__debezium.newkey", key.clone())),
            unchanged: Vec::new(),
        };
        let event = event.map(|event| record(Some(event)));
        event.into_iter().chain(tombstone.then(|| record(None))).collect()
    }

    /// Under `REPLICA IDENTITY FULL` updates have a `before`; so they have where nothing is known of the table.
    fn shows_rows(&self) -> bool {
        !self.is_known || self.identity == ReplicaIdentity::Full
    }

    /// The new row, without what was not sent.
    fn new_row(&self, old: Option<&[Slot]>, new: &[Slot]) -> Object {
        self.row(|index| new_value(old, new, index))
    }

    fn old_row(&self, old: &[Slot]) -> Object {
        self.row(|index| self.old_value(old, index))
    }

    fn row(&self, value: impl Fn(usize) -> Option<Expected>) -> Object {
        let columns = self.columns.iter().enumerate().filter(|(_, column)| !column.is_virtual);
        columns.filter_map(|(index, column)| Some((column.name.clone(), value(index)?))).collect()
    }

    fn unknown(&self, old: Option<&[Slot]>, new: &[Slot]) -> Vec<String> {
        let unknown =
            |index: &usize| !self.columns[*index].is_virtual && new_value(old, new, *index).is_none();
        (0..self.columns.len()).filter(unknown).map(|index| self.columns[index].name.clone()).collect()
    }

    /// The old tuple has no nulls: under FULL, where it has all columns, what is not in it is one.
    fn old_value(&self, old: &[Slot], index: usize) -> Option<Expected> {
        match &old[index] {
            Slot::Sent(value) => Some(value.json.clone()),
            _ => (self.is_known && self.identity == ReplicaIdentity::Full).then(Expected::null),
        }
    }

    /// The key of the new row, `None` where the table has none; an error where it was not sent.
    fn new_key(&self, old: Option<&[Slot]>, new: &[Slot]) -> Result<Option<Object>, ()> {
        let Some(key) = &self.key else { return Ok(None) };
        key.iter()
            .map(|index| Ok((self.columns[*index].name.clone(), new_value(old, new, *index).ok_or(())?)))
            .collect::<Result<Object, ()>>()
            .map(Some)
    }

    fn old_key(&self, old: &[Slot]) -> Option<Object> {
        let value = |index: &usize| self.old_value(old, *index).expect("the old row has the key");
        let key = self.key.as_ref()?;
        Some(key.iter().map(|index| (self.columns[*index].name.clone(), value(index))).collect())
    }
}

/// A value that did not change is in the old row, or nowhere.
fn new_value(old: Option<&[Slot]>, new: &[Slot], index: usize) -> Option<Expected> {
    match (&new[index], old.map(|old| &old[index])) {
        (Slot::Sent(value), _) | (Slot::Unchanged, Some(Slot::Sent(value))) => Some(value.json.clone()),
        (Slot::Null, _) => Some(Expected::null()),
        (Slot::Unchanged | Slot::Absent, _) => None,
    }
}
