//! Tables and their columns, from the rows of the catalog queries.

use super::{Row, flag, parsed, text};
use crate::data_type::DataType;
use crate::table::{Column, ReplicaIdentity, Table, TableName};

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table, or a leaf of a partitioned one.
    Table,
    /// A partitioned table: its rows are in its leaves, and are streamed under their names.
    Partitioned,
    /// A materialized view.
    MaterializedView,
}

/// Whether changes of a table are in the WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// They are.
    Permanent,
    /// They are not, and will never be streamed.
    Unlogged,
}

/// A table without its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its name.
    pub name: TableName,
    /// Its kind.
    pub kind: RelationKind,
    /// Its persistence.
    pub persistence: Persistence,
    /// Its replica identity.
    pub replica_identity: ReplicaIdentity,
    /// Columns of the primary key, in the key's order.
    pub primary_key: Option<Vec<String>>,
    /// Whether the primary key is checked at once. A deferrable one is no replica identity.
    pub primary_key_is_immediate: bool,
    /// Columns of the index that REPLICA IDENTITY USING INDEX names, in its order.
    pub identity_index: Option<Vec<String>>,
}

impl TableEntry {
    pub(super) fn from_row(row: &Row) -> Option<Self> {
        Some(Self {
            oid: parsed(row, 0)?,
            name: TableName { schema: text(row, 1)?.to_owned(), table: text(row, 2)?.to_owned() },
            kind: match text(row, 3)? {
                "p" => RelationKind::Partitioned,
                "m" => RelationKind::MaterializedView,
                _ => RelationKind::Table,
            },
            replica_identity: match text(row, 4)? {
                "n" => ReplicaIdentity::Nothing,
                "f" => ReplicaIdentity::Full,
                "i" => ReplicaIdentity::Index,
                _ => ReplicaIdentity::Default,
            },
            persistence: if text(row, 5)? == "u" { Persistence::Unlogged } else { Persistence::Permanent },
            primary_key_is_immediate: flag(row, 6)?,
            primary_key: names(row, 7),
            identity_index: names(row, 8),
        })
    }

    /// The columns that identify a row: of the replica identity's index where one is named, else of the primary
    /// key.
    pub fn key(&self) -> Option<&[String]> {
        let index =
            self.identity_index.as_deref().filter(|_| self.replica_identity == ReplicaIdentity::Index);
        index.or(self.primary_key.as_deref())
    }

    /// Whether the WAL holds the key of a row that is deleted, or whose key changes.
    pub fn key_is_logged(&self) -> bool {
        match self.replica_identity {
            ReplicaIdentity::Full => true,
            ReplicaIdentity::Nothing => false,
            ReplicaIdentity::Index => self.identity_index.is_some(),
            ReplicaIdentity::Default => self.primary_key.is_some() && self.primary_key_is_immediate,
        }
    }

    /// The table with these columns.
    pub fn into_table(self, columns: Vec<Column>) -> Table {
        Table {
            key: self.key().map(<[String]>::to_vec),
            key_is_logged: self.key_is_logged(),
            replica_identity: self.replica_identity,
            name: self.name,
            columns,
        }
    }
}

/// A JSON array of column names, as the server makes it; `None` for null.
fn names(row: &Row, index: usize) -> Option<Vec<String>> {
    text(row, index).and_then(|json| serde_json::from_str(json).ok())
}

/// A column of [`super::queries::columns`].
pub(super) fn column_from_row(row: &Row) -> Option<Column> {
    let modifier: i32 = parsed(row, 3)?;
    let data_type = match parsed(row, 6) {
        Some(element) => {
            let of_elements = scalar(element, text(row, 7)?, modifier);
            DataType::array(of_elements, text(row, 8)?.bytes().next()?)
        }
        None => scalar(parsed(row, 4)?, text(row, 5)?, modifier),
    };
    Some(Column {
        name: text(row, 0)?.to_owned(),
        type_text: text(row, 1)?.to_owned(),
        virtual_generated: flag(row, 2)?,
        data_type,
    })
}

/// A type that is no array. Types of extensions have no fixed oid and are known by name.
fn scalar(oid: u32, name: &str, modifier: i32) -> DataType {
    match DataType::from_catalog(oid, modifier) {
        Some(data_type) => data_type,
        None if name == "hstore" => DataType::Hstore,
        None => DataType::Text,
    }
}
