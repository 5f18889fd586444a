//! The types that decide how a value is encoded.

/// How a column's values are encoded. Everything without a rule of its own is [`DataType::Text`]: the
/// server's text as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataType {
    /// `boolean`.
    Boolean,
    /// `smallint`, `integer`, `bigint`, `oid`.
    Integer,
    /// `real`, `double precision`.
    Float,
    /// `numeric`.
    Numeric,
    /// `money`.
    Money,
    /// `bytea`.
    Bytea,
    /// `date`.
    Date,
    /// `time without time zone`.
    Time,
    /// `time with time zone`.
    TimeTz,
    /// `timestamp without time zone`.
    Timestamp,
    /// `timestamp with time zone`.
    TimestampTz {
        /// Digits of the fraction, from the type modifier; 6 without one.
        precision: u8,
    },
    /// `interval`.
    Interval,
    /// `bit(1)`, encoded as a boolean.
    SingleBit,
    /// `bit(n)` and `bit varying`.
    Bits,
    /// `hstore`, of the extension.
    Hstore,
    /// An array.
    Array {
        /// Type of the elements.
        element: Box<DataType>,
        /// What stands between elements in the text form: a semicolon for `box`, else a comma.
        delimiter: u8,
    },
    /// All others.
    Text,
}
