//! Why a change could not be encoded.

use super::charset::InvalidText;
use super::topic::TopicNameError;
use super::value::ValueError;
use crate::table::TableName;

/// A change cannot be encoded. It holds names, but no byte of a row. The caller adds the LSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A value does not have the form of its column's type, or is not text in the database's encoding.
    #[error("cannot encode the value of column \"{column}\" of table {table}")]
    Value {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What is wrong with it.
        source: ValueError,
    },
    /// The catalog names a key column that the row does not have: the table was altered since.
    #[error(
        "table {table} has the key column \"{column}\", but the row was written before it had: the row cannot be \
         given the key it has now"
    )]
    KeyColumnMissing {
        /// The table.
        table: TableName,
        /// The key column.
        column: String,
    },
    /// The server sent neither the value of a key column nor that it changed.
    #[error(
        "the value of key column \"{column}\" of table {table} was not sent, because it is stored out of line and \
         did not change; set REPLICA IDENTITY FULL, or shorten the key"
    )]
    KeyColumnUnchanged {
        /// The table.
        table: TableName,
        /// The key column.
        column: String,
    },
    /// An insert or update without the new row.
    #[error("a change of table {table} came without its new row")]
    RowMissing {
        /// The table.
        table: TableName,
    },
    /// The prefix of a logical message is not text in the database's encoding.
    #[error("the prefix of a logical message is not text")]
    MessagePrefix {
        /// What is wrong with it.
        #[from]
        source: InvalidText,
    },
}

/// A table cannot be prepared for encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A name of the table or of one of its columns is not text in the database's encoding.
    #[error("a name is not text")]
    Name(#[from] InvalidText),
    /// Kafka would refuse the topic.
    #[error(transparent)]
    Topic(#[from] TopicNameError),
}
