//! What the catalog knows of a table: plain data.

use std::fmt;

use crate::data_type::DataType;

/// A schema-qualified name, unquoted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema's name.
    pub schema: String,
    /// The table's name.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A table's `relreplident`: what the WAL keeps of an old row (manual, "ALTER TABLE … REPLICA IDENTITY").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key, where there is one that is not deferrable.
    Default,
    /// Nothing: deletes carry no key.
    Nothing,
    /// Every column.
    Full,
    /// The columns of one unique index.
    Index,
}

/// One column as the catalog describes it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Unquoted name.
    pub name: String,
    /// The type as `format_type(oid, NULL)` prints it under an empty `search_path`, which is what
    /// `test_decoding` prints too.
    pub type_text: String,
    /// The type that decides how values are encoded; a domain's is that of its base type.
    pub data_type: DataType,
    /// A virtual generated column: `test_decoding` prints it as null whatever its value.
    pub virtual_generated: bool,
}

/// A table of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Its replica identity.
    pub replica_identity: ReplicaIdentity,
    /// Its columns in table order, dropped ones left out.
    pub columns: Vec<Column>,
    /// The columns that identify a row, in the key's own order: of the replica identity's index where
    /// one is named, else of the primary key. `None`: the table has no key.
    pub key: Option<Vec<String>>,
    /// Whether old rows carry the key: not under `NOTHING`, nor with a deferrable primary key.
    pub key_is_logged: bool,
}
