//! A table and a change of one of its rows, as a server could send it.

use arbitrary::{Result, Unstructured};
use pgsluice::encode::DeleteMode;
use pgsluice::event::{Source, TransactionId};
use pgsluice::lsn::Lsn;
use pgsluice::table::{self, ReplicaIdentity, Table, TableName};
use pgsluice::time::UnixMicros;

use super::types::{Charset, Type};
use super::value::{self, Value};
use crate::support::plain_printer::{self, Event, Ident, Row};

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    kind: Type,
    pub(super) is_virtual: bool,
    quoted: bool,
}

/// A value of a tuple.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// The old tuple does not have the column.
    Absent,
    Null,
    Unchanged,
    Sent(Value),
}

/// A change, and all that decides what becomes of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) charset: Charset,
    pub(super) schema: String,
    pub(super) table: String,
    quoted: bool,
    pub(super) columns: Vec<Column>,
    /// Whether the catalog knows the table.
    pub(super) is_known: bool,
    pub(super) identity: ReplicaIdentity,
    /// Indexes of columns, in the key's order.
    pub(super) key: Option<Vec<usize>>,
    pub(super) change: Change,
    pub(super) delete: DeleteMode,
    pub(super) source: Source,
    pub(super) now: UnixMicros,
}

/// What happened to the row; a slot for each column.
#[derive(Debug)]
pub(super) enum Change {
    Insert(Vec<Slot>),
    Update(Option<Vec<Slot>>, Vec<Slot>),
    Delete(Option<Vec<Slot>>),
}

impl Case {
    pub(super) fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        // What decides most comes first: an input that ends early is all zeros from there on.
        let what = u.int_in_range(0..=3_u8)?;
        let is_known = u.ratio(7, 8)?;
        let identity = *u.choose(&[
            ReplicaIdentity::Default,
            ReplicaIdentity::Full,
            ReplicaIdentity::Nothing,
            ReplicaIdentity::Index,
        ])?;
        let delete = *u.choose(&[
            DeleteMode::EventAndTombstone,
            DeleteMode::Event,
            DeleteMode::Tombstone,
            DeleteMode::Skip,
            DeleteMode::Soft,
        ])?;
        let charset = Charset::any(u)?;
        let columns = columns(u, charset, is_known)?;
        let mut case = Self {
            charset,
            schema: name(u, charset, 0)?,
            table: name(u, charset, 1)?,
            quoted: u.arbitrary()?,
            key: key(u, &columns, is_known)?,
            columns,
            is_known,
            // A table that nobody knows can have sent any columns of its old row.
            identity: if is_known { identity } else { ReplicaIdentity::Full },
            change: Change::Delete(None),
            delete,
            source: Source {
                lsn: Lsn::INVALID,
                transaction: None,
                ordinal: 0,
                time: UnixMicros(0),
                commit_time_known: false,
                last_commit: None,
            },
            now: UnixMicros(0),
        };
        case.change = match what {
            0 => Change::Insert(case.any_new(u, false)?),
            1 => Change::Delete(case.any_old(u)?),
            _ => Change::Update(if u.arbitrary()? { case.any_old(u)? } else { None }, case.any_new(u, true)?),
        };
        if let Change::Update(Some(old), new) = &mut case.change
            && u.ratio(1, 4)?
        {
            keep_key(case.key.as_deref(), old, new);
        }
        case.now = UnixMicros(u.arbitrary()?);
        case.source = source(u)?;
        Ok(case)
    }

    /// All columns.
    fn any_new(&self, u: &mut Unstructured<'_>, is_update: bool) -> Result<Vec<Slot>> {
        let mut row = Vec::new();
        for column in &self.columns {
            row.push(match u.int_in_range(0..=11_u8)? {
                // Whatever their values are.
                _ if column.is_virtual => Slot::Null,
                0 => Slot::Null,
                1 if is_update => Slot::Unchanged,
                2 if u.ratio(1, 4)? => Slot::Sent(value::misfit(u)?),
                _ => Slot::Sent(value::value(u, &column.kind, self.charset, false)?),
            });
        }
        Ok(row)
    }

    /// What the replica identity keeps of the old row; never a null.
    fn any_old(&self, u: &mut Unstructured<'_>) -> Result<Option<Vec<Slot>>> {
        let mut row = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let is_key = self.key.as_ref().is_some_and(|key| key.contains(&index));
            let kept = match self.identity {
                ReplicaIdentity::Full => !column.is_virtual && u.ratio(3, 4)?,
                ReplicaIdentity::Default | ReplicaIdentity::Index => is_key,
                ReplicaIdentity::Nothing => false,
            };
            row.push(if kept {
                Slot::Sent(value::value(u, &column.kind, self.charset, false)?)
            } else {
                Slot::Absent
            });
        }
        let shows = match self.identity {
            ReplicaIdentity::Full => true,
            ReplicaIdentity::Default | ReplicaIdentity::Index => self.key.is_some(),
            ReplicaIdentity::Nothing => false,
        };
        Ok(shows.then_some(row))
    }

    /// The plugin's text.
    pub(super) fn payload(&self) -> Vec<u8> {
        let event = match &self.change {
            Change::Insert(new) => Event::Insert(Some(self.tuple(new))),
            Change::Update(old, new) => {
                Event::Update(old.as_ref().map(|old| self.tuple(old)), Some(self.tuple(new)))
            }
            Change::Delete(old) => Event::Delete(old.as_ref().map(|old| self.tuple(old))),
        };
        plain_printer::print(&Row {
            schema: self.ident(&self.schema, self.quoted),
            table: self.ident(&self.table, self.quoted),
            event,
        })
    }

    fn ident(&self, name: &str, quoted: bool) -> Ident {
        Ident { name: self.charset.bytes(name), quoted }
    }

    fn tuple(&self, slots: &[Slot]) -> Vec<plain_printer::Column> {
        self.columns
            .iter()
            .zip(slots)
            .filter_map(|(column, slot)| {
                let value = match slot {
                    Slot::Absent => return None,
                    Slot::Null => plain_printer::Value::Null,
                    Slot::Unchanged => plain_printer::Value::UnchangedToast,
                    Slot::Sent(value) if value.json.may_fail() => {
                        plain_printer::Value::Text(value.text.clone())
                    }
                    Slot::Sent(value) => column.kind.literal(value),
                };
                Some(plain_printer::Column {
                    name: self.ident(&column.name, column.quoted),
                    type_text: column.kind.printed().into_bytes(),
                    value,
                })
            })
            .collect()
    }

    /// The table as the catalog describes it.
    pub(super) fn described(&self) -> Option<Table> {
        let name = |index: &usize| self.columns[*index].name.clone();
        self.is_known.then(|| Table {
            name: TableName { schema: self.schema.clone(), table: self.table.clone() },
            replica_identity: self.identity,
            columns: self
                .columns
                .iter()
                .map(|column| table::Column {
                    name: column.name.clone(),
                    type_text: column.kind.printed(),
                    data_type: column.kind.data_type(),
                    virtual_generated: column.is_virtual,
                })
                .collect(),
            key: self.key.as_ref().map(|key| key.iter().map(name).collect()),
            key_is_logged: self.identity != ReplicaIdentity::Nothing,
        })
    }
}

/// A name that no other column has.
fn name(u: &mut Unstructured<'_>, charset: Charset, number: usize) -> Result<String> {
    let mut name = value::characters(u, charset)?;
    // Names are short.
    name.truncate(name.floor_char_boundary(20));
    Ok(if u.ratio(1, 2)? { format!("n{number}") } else { format!("{name}{number}") })
}

fn columns(u: &mut Unstructured<'_>, charset: Charset, is_known: bool) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    for number in 0..u.int_in_range(0..=5_usize)? {
        let kind = Type::any(u)?;
        columns.push(Column {
            name: name(u, charset, number)?,
            kind: if is_known { kind } else { kind.without_catalog() },
            is_virtual: is_known && u.ratio(1, 12)?,
            quoted: u.ratio(1, 8)?,
        });
    }
    Ok(columns)
}

/// Some columns, in any order.
fn key(u: &mut Unstructured<'_>, columns: &[Column], is_known: bool) -> Result<Option<Vec<usize>>> {
    let mut free: Vec<usize> = (0..columns.len()).filter(|index| !columns[*index].is_virtual).collect();
    if !is_known || free.is_empty() || u.ratio(1, 4)? {
        return Ok(None);
    }
    let mut key = Vec::new();
    for _ in 0..u.int_in_range(1..=free.len())? {
        key.push(free.swap_remove(u.choose_index(free.len())?));
    }
    Ok(Some(key))
}

/// The key did not change, but was sent.
fn keep_key(key: Option<&[usize]>, old: &[Slot], new: &mut [Slot]) {
    for index in key.unwrap_or_default() {
        if let Slot::Sent(_) = &old[*index] {
            new[*index] = old[*index].clone();
        }
    }
}

fn source(u: &mut Unstructured<'_>) -> Result<Source> {
    let transaction = TransactionId { xid: u.arbitrary()?, first_lsn: Lsn(u.arbitrary()?) };
    Ok(Source {
        lsn: Lsn(u.arbitrary()?),
        transaction: if u.ratio(7, 8)? { Some(transaction) } else { None },
        ordinal: u.arbitrary()?,
        time: UnixMicros(u.arbitrary()?),
        commit_time_known: u.arbitrary()?,
        last_commit: u.arbitrary::<Option<u64>>()?.map(Lsn),
    })
}
