//! The key of a record: an object of the key's columns, in the key's order.
//!
//! A key that cannot be written whole is an error: a record with another key than its row's would be worse.

use super::error::EncodeError;
use super::plan::ColumnPlan;
use super::row::Rows;
use super::value::Target;
use crate::decode::Literal;

/// Where a table's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// It has none.
    None,
    /// Indexes of its columns, in the key's order.
    Columns(Vec<usize>),
    /// It has a column that is not among those of the plan.
    Missing(String),
}

impl Key {
    /// Finds the columns called `names`.
    pub(super) fn find(names: &[String], columns: &[ColumnPlan]) -> Self {
        let mut indexes = Vec::with_capacity(names.len());
        for name in names {
            match columns.iter().position(|column| column.name == *name && !column.omitted) {
                Some(index) => indexes.push(index),
                None => return Self::Missing(name.clone()),
            }
        }
        Self::Columns(indexes)
    }
}

/// Appends the key of the new row; `false` if the table has none.
pub(super) fn push_new_key(rows: &Rows<'_>, target: &mut Target<'_>) -> Result<bool, EncodeError> {
    push_key(rows, target, |index| rows.new_value(index))
}

/// Appends the key of the old row; `false` if the table has none.
pub(super) fn push_old_key(rows: &Rows<'_>, target: &mut Target<'_>) -> Result<bool, EncodeError> {
    push_key(rows, target, |index| rows.old_value(index))
}

fn push_key<'a>(
    rows: &Rows<'a>,
    target: &mut Target<'_>,
    value: impl Fn(usize) -> Option<Literal<'a>>,
) -> Result<bool, EncodeError> {
    let indexes = match &rows.plan.key {
        Key::None => return Ok(false),
        Key::Columns(indexes) => indexes,
        Key::Missing(column) => {
            return Err(EncodeError::KeyColumnMissing {
                table: rows.plan.name.clone(),
                column: column.clone(),
            });
        }
    };
    let start = target.out.len();
    target.out.push(b'{');
    for index in indexes {
        let Some(column) = rows.plan.columns.get(*index) else { continue };
        let value = value(*index).ok_or_else(|| unknown(rows, column))?;
        rows.push_member(column, value, start, target)?;
    }
    target.out.push(b'}');
    Ok(true)
}

fn unknown(rows: &Rows<'_>, column: &ColumnPlan) -> EncodeError {
    let (table, column) = (rows.plan.name.clone(), column.name.clone());
    if rows.has_new() {
        EncodeError::KeyColumnUnchanged { table, column }
    } else {
        EncodeError::KeyColumnMissing { table, column }
    }
}
