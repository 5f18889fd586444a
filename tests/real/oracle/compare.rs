//! A decoded change beside what SQL said of the row.

use std::collections::BTreeSet;

use pgsluice::decode::{ColumnValue, Columns, Literal, Operation, RowChange};

use super::rows::{Cell, Change};
use super::table::{Described, Table};
use crate::support::Result;

/// The types printed without quotes, by their oids: boolean; smallint, integer, bigint, oid, real, double precision,
/// numeric; bit and bit varying.
const BOOLEAN: u32 = 16;
const NUMBERS: [u32; 7] = [21, 23, 20, 26, 700, 701, 1700];
const BITS: [u32; 2] = [1560, 1562];

/// What was compared.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) values: usize,
    pub(crate) nulls: usize,
    /// Values that were stored out of line and did not change.
    pub(crate) unchanged: usize,
    /// Types of which there was a value, by their oids.
    pub(crate) types: BTreeSet<u32>,
    pub(crate) old_rows: usize,
    pub(crate) empty_old_rows: usize,
    /// Rows of which nothing was kept.
    pub(crate) absent_old_rows: usize,
}

/// Holds every part of the change against the rows.
pub(crate) fn compare(
    table: &Table,
    described: &[Described],
    expected: &Change,
    decoded: &RowChange<'_>,
    seen: &mut Seen,
) -> Result<()> {
    let names = [decoded.relation.schema.unquoted(), decoded.relation.table.unquoted()];
    if *names[0] != *table.schema.as_bytes() || *names[1] != *table.name.as_bytes() {
        return Err(format!("table {}", decoded.relation.text.escape_ascii()).into());
    }
    let operation = match (&expected.old, &expected.new) {
        (None, _) => Operation::Insert,
        (_, Some(_)) => Operation::Update,
        (_, None) => Operation::Delete,
    };
    if decoded.op != operation {
        return Err(format!("{:?}, not {operation:?}", decoded.op).into());
    }
    let new = new_row(described, expected);
    let old = old_row(table, described, expected, decoded.new);
    tuple("old", old.as_deref(), decoded.old, seen)?;
    tuple("new", new.as_deref(), decoded.new, seen)?;
    match decoded.old {
        Some(old) if old.is_empty() => seen.empty_old_rows += 1,
        Some(_) => seen.old_rows += 1,
        None => seen.absent_old_rows += usize::from(operation != Operation::Insert),
    }
    Ok(())
}

/// A column as it is to be printed.
struct Expected<'a> {
    column: &'a Described,
    cell: &'a Cell,
    toast: Toast,
}

/// Whether it may be printed as unchanged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Toast {
    Never,
    Must,
    May,
}

fn new_row<'a>(described: &'a [Described], change: &'a Change) -> Option<Vec<Expected<'a>>> {
    let new = change.new.as_ref()?;
    let expected =
        described.iter().zip(&new.cells).zip(&change.untouched).map(|((column, cell), untouched)| {
            let toast = match (untouched, cell.is_external) {
                (false, _) | (true, Some(false)) => Toast::Never,
                (true, Some(true)) => Toast::Must,
                (true, None) => Toast::May,
            };
            Expected { column, cell, toast }
        });
    Some(expected.collect())
}

/// What is kept of the old row, without its nulls; `None` where nothing is said of it.
fn old_row<'a>(
    table: &Table,
    described: &'a [Described],
    change: &'a Change,
    decoded: Option<Columns<'_>>,
) -> Option<Vec<Expected<'a>>> {
    let old = change.old.as_ref().filter(|_| table.keeps_old_rows())?;
    let is_logged = |index: &usize| table.is_logged(*index);
    if let Some(new) = &change.new {
        // Of a key only when it changes, or has a part that is stored out of line.
        let mut key = (0..old.cells.len()).filter(is_logged);
        let says = key.any(|index| {
            let printed = decoded.and_then(|row| row.get(index)).map(|column| column.value);
            old.cells[index].text != new.cells[index].text
                || old.cells[index].is_external == Some(true)
                || printed == Some(Literal::UnchangedToast)
        });
        if !says && !table.keeps_whole_rows() {
            return None;
        }
    }
    let kept = (0..old.cells.len()).filter(is_logged).filter(|index| old.cells[*index].text.is_some());
    let kept = kept.filter(|index| !described[*index].is_virtual);
    let expected =
        |index: usize| Expected { column: &described[index], cell: &old.cells[index], toast: Toast::Never };
    Some(kept.map(expected).collect())
}

fn tuple(
    which: &str,
    expected: Option<&[Expected<'_>]>,
    decoded: Option<Columns<'_>>,
    seen: &mut Seen,
) -> Result<()> {
    let (expected, decoded) = match (expected, decoded) {
        (None, None) => return Ok(()),
        (Some(expected), Some(decoded)) if expected.len() == decoded.len() => (expected, decoded),
        (expected, decoded) => {
            let count = expected.map(<[_]>::len);
            return Err(format!(
                "{which} row: {count:?} columns expected, {:?} came",
                decoded.map(|row| row.len())
            )
            .into());
        }
    };
    for (expected, decoded) in expected.iter().zip(decoded.iter()) {
        column(expected, &decoded).map_err(|error| {
            let name = expected.column.name.escape_ascii();
            let type_text = expected.column.type_text.escape_ascii();
            format!("{which} row, column {name} of type {type_text}: {error}")
        })?;
        seen.values += 1;
        seen.nulls += usize::from(decoded.value == Literal::Null);
        seen.unchanged += usize::from(decoded.value == Literal::UnchangedToast);
        if !matches!(decoded.value, Literal::Null | Literal::UnchangedToast) {
            seen.types.insert(expected.column.type_oid);
        }
    }
    Ok(())
}

fn column(expected: &Expected<'_>, decoded: &ColumnValue<'_>) -> Result<()> {
    let Expected { column, cell, toast } = expected;
    if *decoded.name.unquoted() != *column.name {
        return Err(format!("it is called {}", decoded.name.0.escape_ascii()).into());
    }
    if decoded.type_text != column.type_text {
        return Err(format!("its type is {}", decoded.type_text.escape_ascii()).into());
    }
    let is_toast = decoded.value == Literal::UnchangedToast;
    if is_toast && *toast != Toast::Never
        || !is_toast && *toast != Toast::Must && same(column, cell, decoded.value)
    {
        return Ok(());
    }
    let text = cell.text.as_ref().map(|text| text.escape_ascii().to_string());
    Err(format!("{:?} for {text:?}, stored out of line: {:?}", decoded.value, cell.is_external).into())
}

fn same(column: &Described, cell: &Cell, decoded: Literal<'_>) -> bool {
    // The WAL does not have it.
    let Some(text) = cell.text.as_ref().filter(|_| !column.is_virtual) else {
        return decoded == Literal::Null;
    };
    let found = decoded.text();
    let found = found.as_deref() == Some(text.as_slice());
    match decoded {
        Literal::Null | Literal::UnchangedToast => false,
        Literal::Boolean(value) => column.type_oid == BOOLEAN && *text == if value { *b"t" } else { *b"f" },
        Literal::Number(_) => found && NUMBERS.contains(&column.type_oid),
        Literal::Bits(_) => found && BITS.contains(&column.type_oid),
        Literal::Text(_) | Literal::EscapedText(_) => {
            let is_bare = column.type_oid == BOOLEAN
                || NUMBERS.contains(&column.type_oid)
                || BITS.contains(&column.type_oid);
            found && !is_bare
        }
    }
}
