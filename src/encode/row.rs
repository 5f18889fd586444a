//! The rows of one change as JSON objects.

use super::error::EncodeError;
use super::plan::{ABSENT, ColumnPlan, TablePlan};
use super::value::{RawText, Target};
use crate::decode::{Columns, Literal, RowChange};

/// The rows of a change that fits its plan.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) plan: &'a TablePlan,
    new: Option<Columns<'a>>,
    old: Option<OldRow<'a>>,
}

/// An old row and where the plan's columns stand in it.
#[derive(Clone, Copy)]
struct OldRow<'a> {
    columns: Columns<'a>,
    positions: &'a [u32],
}

impl<'a> OldRow<'a> {
    /// The value of the plan's column `index`, where it was printed.
    fn get(&self, index: usize) -> Option<Literal<'a>> {
        let position = *self.positions.get(index).filter(|position| **position != ABSENT)?;
        let column = self.columns.get(usize::try_from(position).ok()?)?;
        Some(column.value).filter(|value| *value != Literal::UnchangedToast)
    }
}

impl<'a> Rows<'a> {
    /// `None` if a row declares other columns than the plan's, or an old row does not hold the plan's key.
    pub(super) fn new(
        plan: &'a TablePlan,
        change: &RowChange<'a>,
        positions: &'a mut Vec<u32>,
    ) -> Option<Self> {
        if change.new.is_some_and(|new| !plan.matches(&new)) {
            return None;
        }
        let old = match change.old {
            Some(columns) if plan.locate(&columns, positions) && plan.finds_key(positions) => {
                Some(OldRow { columns, positions })
            }
            Some(_) => return None,
            None => None,
        };
        Some(Self { plan, new: change.new, old })
    }

    pub(super) fn has_new(&self) -> bool {
        self.new.is_some()
    }

    pub(super) fn has_old(&self) -> bool {
        self.old.is_some()
    }

    /// Appends the new row. A value that the server did not send is taken from the old row; where that has none
    /// either, the column is left out and its name appended to `unknown`.
    pub(super) fn push_new(
        &self,
        target: &mut Target<'_>,
        unknown: &mut UnknownColumns,
    ) -> Result<(), EncodeError> {
        let start = target.out.len();
        target.out.push(b'{');
        let values = self.new.iter().flat_map(Columns::values);
        for (index, (column, value)) in self.plan.columns.iter().zip(values).enumerate() {
            if column.omitted {
                continue;
            }
            match self.sent(index, value) {
                Some(value) => self.push_member(column, value, start, target)?,
                None => unknown.push(column),
            }
        }
        target.out.push(b'}');
        Ok(())
    }

    /// Appends the old row as far as it was sent.
    pub(super) fn push_old(&self, target: &mut Target<'_>) -> Result<(), EncodeError> {
        let start = target.out.len();
        target.out.push(b'{');
        for (index, column) in self.plan.columns.iter().enumerate() {
            if column.omitted {
                continue;
            }
            if let Some(value) = self.old_value(index) {
                self.push_member(column, value, start, target)?;
            }
        }
        target.out.push(b'}');
        Ok(())
    }

    /// Appends one column to the object that starts at `start`.
    pub(super) fn push_member(
        &self,
        column: &ColumnPlan,
        value: Literal<'_>,
        start: usize,
        target: &mut Target<'_>,
    ) -> Result<(), EncodeError> {
        column.push_name(target.out, start);
        match RawText::of(value) {
            None => target.out.extend_from_slice(b"null"),
            Some(text) => {
                column.encoder.write(text, target).map_err(|error| self.plan.value_error(column, error))?;
            }
        }
        Ok(())
    }

    /// The value of the new row's column `index`, from wherever the server sent it; `None` where it is unknown.
    pub(super) fn new_value(&self, index: usize) -> Option<Literal<'a>> {
        let printed = self.new.and_then(|new| new.get(index))?;
        self.sent(index, printed.value)
    }

    fn sent(&self, index: usize, value: Literal<'a>) -> Option<Literal<'a>> {
        if value == Literal::UnchangedToast { self.old.and_then(|old| old.get(index)) } else { Some(value) }
    }

    /// The value of the old row's column `index`; `None` where it is unknown.
    pub(super) fn old_value(&self, index: usize) -> Option<Literal<'a>> {
        self.old?.get(index).or_else(|| self.plan.absent_is_null.then_some(Literal::Null))
    }
}

/// The columns that were left out of a row, as a JSON array of their names.
#[derive(Default)]
pub(super) struct UnknownColumns {
    json: Vec<u8>,
    count: usize,
}

impl UnknownColumns {
    pub(super) fn clear(&mut self) {
        self.json.clear();
        self.count = 0;
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn push(&mut self, column: &ColumnPlan) {
        // The closing bracket is moved along, so that the array is whole at any time.
        self.json.pop();
        self.json.push(if self.count == 0 { b'[' } else { b',' });
        self.json.extend_from_slice(column.json_string());
        self.json.push(b']');
        self.count += 1;
    }

    /// `None` where nothing was left out.
    pub(super) fn json(&self) -> Option<&[u8]> {
        (self.count > 0).then_some(self.json.as_slice())
    }
}
