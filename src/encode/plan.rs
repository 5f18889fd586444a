//! All that is constant about a table, rendered once: its topic, its part of `source`, the names of its columns
//! as JSON, how each of them is encoded, and where its key is.
//!
//! A plan is made of the columns a row prints, and of the catalog for what rows do not tell: types' modifiers,
//! the key, the replica identity. It fits a row as long as the row declares the same columns.

use super::charset::{Charset, InvalidText};
use super::error::{EncodeError, PlanError};
use super::json::{self, Quotes};
use super::key::Key;
use super::topic::TopicTemplate;
use super::value::{ValueEncoder, ValueError};
use crate::data_type::DataType;
use crate::decode::{ColumnValue, Columns, Ident, Relation, RowChange};
use crate::table::{Column, ReplicaIdentity, Table, TableName};

/// The columns of the row a plan is made for.
#[derive(Clone, Copy, Debug)]
pub enum Printed<'a> {
    /// No row, as for a truncate.
    Nothing,
    /// A new row: all columns.
    Whole(Columns<'a>),
    /// An old row: the key, or all columns that are not NULL.
    Part(Columns<'a>),
}

impl<'a> Printed<'a> {
    /// What a change shows of its table.
    pub fn of(change: &RowChange<'a>) -> Self {
        match (change.new, change.old) {
            (Some(new), _) => Self::Whole(new),
            (None, Some(old)) => Self::Part(old),
            (None, None) => Self::Nothing,
        }
    }
}

/// How the rows of one table are encoded.
#[derive(Clone, Debug)]
pub struct TablePlan {
    pub(super) name: TableName,
    pub(super) topic: String,
    /// `"schema":…,"table":…,"txId":`.
    pub(super) source: Vec<u8>,
    pub(super) columns: Vec<ColumnPlan>,
    pub(super) key: Key,
    /// Whether updates show the old row, and not only a key that changed.
    pub(super) shows_old_rows: bool,
    /// Whether a column that an old row does not print was NULL, and not left out.
    pub(super) absent_is_null: bool,
}

/// How one column is encoded.
#[derive(Clone, Debug)]
pub(super) struct ColumnPlan {
    /// `name[type` as printed.
    declaration: Vec<u8>,
    /// The other way to print the name, where the column was not printed yet. Else empty.
    alternative: Vec<u8>,
    /// Unquoted.
    pub(super) name: String,
    /// `,"name":`.
    json_name: Vec<u8>,
    pub(super) encoder: ValueEncoder,
    /// It is printed as null whatever its value.
    pub(super) omitted: bool,
}

impl TablePlan {
    /// Prepares `relation` as `table` of the catalog describes it. Without one its key is not known, so its
    /// records have none, and the types are what their printed names tell.
    pub fn new(
        relation: Relation<'_>,
        table: Option<&Table>,
        printed: Printed<'_>,
        charset: &Charset,
        template: &TopicTemplate,
    ) -> Result<Self, PlanError> {
        let name = TableName {
            schema: unquoted(relation.schema, charset)?,
            table: unquoted(relation.table, charset)?,
        };
        let (columns, complete) = columns(table, printed, charset)?;
        let is_full = table.is_some_and(|table| table.replica_identity == ReplicaIdentity::Full);
        Ok(Self {
            topic: template.render(&name)?,
            source: source(&name),
            key: table
                .and_then(|table| table.key.as_ref())
                .map_or(Key::None, |names| Key::find(names, &columns)),
            shows_old_rows: is_full || table.is_none(),
            absent_is_null: is_full && complete,
            name,
            columns,
        })
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The topic of its records.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether records of this table have a key.
    pub fn has_key(&self) -> bool {
        self.key != Key::None
    }

    /// Whether a new row declares the very columns of the plan.
    pub fn matches(&self, columns: &Columns<'_>) -> bool {
        columns.len() == self.columns.len()
            && columns.iter().zip(&self.columns).all(|(printed, column)| column.declares(printed))
    }

    /// Finds the columns of an old row, which are some of the plan's, in the same order: for each column of the
    /// plan its index in `old`, or [`ABSENT`]. `false` if there are others.
    pub(super) fn locate(&self, old: &Columns<'_>, positions: &mut Vec<u32>) -> bool {
        positions.clear();
        let mut columns = self.columns.iter();
        for (index, printed) in (0..ABSENT).zip(old.iter()) {
            loop {
                match columns.next() {
                    Some(column) if column.declares(printed) => break,
                    Some(_) => positions.push(ABSENT),
                    None => return false,
                }
            }
            positions.push(index);
        }
        positions.resize(self.columns.len(), ABSENT);
        true
    }

    /// Whether an old row holds the whole key. One that does not is from before or after the key was altered.
    pub(super) fn finds_key(&self, positions: &[u32]) -> bool {
        let present = |index: &usize| positions.get(*index).is_some_and(|position| *position != ABSENT);
        match &self.key {
            Key::Columns(indexes) => self.absent_is_null || indexes.iter().all(present),
            Key::None | Key::Missing(_) => true,
        }
    }

    pub(super) fn value_error(&self, column: &ColumnPlan, source: ValueError) -> EncodeError {
        EncodeError::Value { table: self.name.clone(), column: column.name.clone(), source }
    }
}

/// A column that an old row does not print.
pub(super) const ABSENT: u32 = u32::MAX;

impl ColumnPlan {
    fn declares(&self, printed: ColumnValue<'_>) -> bool {
        printed.declaration == self.declaration
            || (!self.alternative.is_empty() && printed.declaration == self.alternative)
    }

    /// As a row prints it; `known` is the column of that name in the catalog.
    fn printed(printed: ColumnValue<'_>, known: Option<&Column>, name: String, type_text: &str) -> Self {
        let same_type = known.filter(|column| column.type_text == type_text);
        let encoder = match same_type {
            Some(column) => ValueEncoder::lossless(&column.data_type),
            None => ValueEncoder::lossless(&DataType::from_printed(printed.type_text)),
        };
        Self {
            declaration: printed.declaration.to_vec(),
            alternative: Vec::new(),
            json_name: json_name(&name),
            name,
            encoder,
            omitted: known.is_some_and(|column| column.virtual_generated),
        }
    }

    /// As the catalog describes it. Whether its name is printed in quotes depends on the server's key words, so
    /// both ways are good.
    fn expected(column: &Column) -> Self {
        let quoted = column.name.replace('"', "\"\"");
        Self {
            declaration: format!("{}[{}", column.name, column.type_text).into_bytes(),
            alternative: format!("\"{quoted}\"[{}", column.type_text).into_bytes(),
            name: column.name.clone(),
            json_name: json_name(&column.name),
            encoder: ValueEncoder::lossless(&column.data_type),
            omitted: column.virtual_generated,
        }
    }

    /// Appends the column's name as a key of a JSON object that starts at `start`.
    pub(super) fn push_name(&self, out: &mut Vec<u8>, start: usize) {
        let is_first = out.len() == start + 1;
        out.extend_from_slice(self.json_name.get(usize::from(is_first)..).unwrap_or_default());
    }

    /// The name as a JSON string.
    pub(super) fn json_string(&self) -> &[u8] {
        self.json_name.get(1..self.json_name.len().saturating_sub(1)).unwrap_or_default()
    }
}

/// The columns, and whether these are all that the table had.
fn columns(
    table: Option<&Table>,
    printed: Printed<'_>,
    charset: &Charset,
) -> Result<(Vec<ColumnPlan>, bool), InvalidText> {
    let shown = match printed {
        Printed::Nothing => return Ok((expected(table), table.is_some())),
        Printed::Whole(shown) | Printed::Part(shown) => shown,
    };
    let mut plans = Vec::with_capacity(shown.len());
    let mut types = Vec::with_capacity(shown.len());
    for column in shown.iter() {
        let name = unquoted(column.name, charset)?;
        let mut scratch = String::new();
        let type_text = charset.decode(column.type_text, &mut scratch)?;
        let known = table.and_then(|table| table.columns.iter().find(|known| known.name == name));
        plans.push(ColumnPlan::printed(column, known, name, type_text));
        types.push(type_text.to_owned());
    }
    Ok(match printed {
        Printed::Part(_) => complete(plans, &types, table),
        _ => (plans, true),
    })
}

fn expected(table: Option<&Table>) -> Vec<ColumnPlan> {
    table.map_or_else(Vec::new, |table| table.columns.iter().map(ColumnPlan::expected).collect())
}

/// Puts the columns that an old row printed, of these types, among those the catalog knows. Where they do not fit,
/// because the table was altered since, only the former are known. The row is in the database's encoding and the
/// catalog is not, so names and types are compared once they are decoded.
fn complete(printed: Vec<ColumnPlan>, types: &[String], table: Option<&Table>) -> (Vec<ColumnPlan>, bool) {
    let known = table.map_or(&[][..], |table| &table.columns);
    let mut all = Vec::with_capacity(known.len());
    let mut rest = printed.iter().zip(types).peekable();
    for column in known {
        let fits = |(printed, type_text): &(&ColumnPlan, &String)| {
            printed.name == column.name && **type_text == column.type_text
        };
        all.push(match rest.next_if(fits) {
            Some((printed, _)) => printed.clone(),
            None => ColumnPlan::expected(column),
        });
    }
    if rest.peek().is_some() { (printed, false) } else { (all, true) }
}

fn unquoted(name: Ident<'_>, charset: &Charset) -> Result<String, InvalidText> {
    let mut scratch = String::new();
    charset.decode(&name.unquoted(), &mut scratch).map(str::to_owned)
}

fn json_name(name: &str) -> Vec<u8> {
    let mut json = vec![b','];
    json::push_string(&mut json, name, Quotes::Single);
    json.push(b':');
    json
}

fn source(name: &TableName) -> Vec<u8> {
    let mut source = b"\"schema\":".to_vec();
    json::push_string(&mut source, &name.schema, Quotes::Single);
    source.extend_from_slice(b",\"table\":");
    json::push_string(&mut source, &name.table, Quotes::Single);
    source.extend_from_slice(b",\"txId\":");
    source
}
