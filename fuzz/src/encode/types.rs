//! Types, as they are printed and as the catalog knows them, and the encodings of databases.

use arbitrary::{Result, Unstructured};
use pgsluice::data_type::DataType;
use pgsluice::encode::charset;

use super::value::Value;
use crate::support::plain_printer;

/// The encoding of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Latin1,
}

impl Charset {
    pub(super) fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(if u.ratio(1, 4)? { Self::Latin1 } else { Self::Utf8 })
    }

    pub(super) fn tables(self) -> charset::Charset {
        let name = match self {
            Self::Utf8 => "UTF8",
            Self::Latin1 => "LATIN1",
        };
        charset::Charset::from_server_encoding(name).expect("it is supported")
    }

    /// In LATIN1 a character is a byte.
    pub(super) fn bytes(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => {
                text.chars().map(|c| u8::try_from(u32::from(c)).expect("a character of LATIN1")).collect()
            }
        }
    }
}

/// A column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Integer,
    Float,
    Numeric,
    Money,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz { precision: u8 },
    Interval,
    SingleBit,
    Bits,
    SingleByte,
    Hstore,
    Text,
    Box,
    Domain(Box<Type>),
    Array(Box<Type>),
}

impl Type {
    pub(super) fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=23_u8)? {
            0..=3 => Self::Array(Box::new(Self::base(u)?)),
            4 => Self::Domain(Box::new(Self::base(u)?)),
            5 => Self::Array(Box::new(Self::Domain(Box::new(Self::base(u)?)))),
            _ => Self::base(u)?,
        })
    }

    fn base(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=17_u8)? {
            0 => Self::Boolean,
            1 => Self::Integer,
            2 => Self::Float,
            3 => Self::Numeric,
            4 => Self::Money,
            5 => Self::Bytea,
            6 => Self::Date,
            7 => Self::Time,
            8 => Self::TimeTz,
            9 => Self::Timestamp,
            10 => Self::TimestampTz { precision: u.int_in_range(0..=6)? },
            11 => Self::Interval,
            12 => Self::SingleBit,
            13 => Self::Bits,
            14 => Self::SingleByte,
            15 => Self::Hstore,
            16 => Self::Box,
            _ => Self::Text,
        })
    }

    /// Between the brackets.
    pub(super) fn printed(&self) -> String {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "bigint",
            Self::Float => "double precision",
            Self::Numeric => "numeric",
            Self::Money => "money",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::TimeTz => "time with time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz { .. } => "timestamp with time zone",
            Self::Interval => "interval",
            Self::SingleBit => "bit",
            Self::Bits => "bit varying",
            Self::SingleByte => "\"char\"",
            Self::Hstore => "public.hstore",
            Self::Text => "text",
            Self::Box => "box",
            Self::Domain(_) => "public.\"a domain\"",
            Self::Array(element) => return element.printed() + "[]",
        }
        .to_owned()
    }

    /// As the catalog describes it.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Integer,
            Self::Float => DataType::Float,
            Self::Numeric => DataType::Numeric,
            Self::Money => DataType::Money,
            Self::Bytea => DataType::Bytea,
            Self::Date => DataType::Date,
            Self::Time => DataType::Time,
            Self::TimeTz => DataType::TimeTz,
            Self::Timestamp => DataType::Timestamp,
            Self::TimestampTz { precision } => DataType::TimestampTz { precision: *precision },
            Self::Interval => DataType::Interval,
            Self::SingleBit => DataType::SingleBit,
            Self::Bits => DataType::Bits,
            Self::SingleByte => DataType::SingleByte,
            Self::Hstore => DataType::Hstore,
            Self::Text | Self::Box => DataType::Text,
            Self::Domain(base) => base.data_type(),
            Self::Array(element) => {
                DataType::array(element.data_type(), if **element == Self::Box { b';' } else { b',' })
            }
        }
    }

    /// What can be told of it from the printed name alone. Its values have to be what those of this type are.
    pub(super) fn without_catalog(self) -> Self {
        match self {
            Self::SingleBit => Self::Bits,
            Self::TimestampTz { .. } => Self::TimestampTz { precision: 6 },
            Self::Hstore | Self::Domain(_) => Self::Text,
            Self::Array(element) => Self::Array(Box::new(element.without_catalog())),
            other => other,
        }
    }

    /// The literal that the plugin prints: quoting follows the type, never the value.
    pub(super) fn literal(&self, value: &Value) -> plain_printer::Value {
        let text = || String::from_utf8(value.text.clone()).expect("ASCII");
        match self {
            Self::Boolean => plain_printer::Value::Boolean(value.text == b"true"),
            Self::Integer | Self::Float | Self::Numeric => plain_printer::Value::Number(text()),
            Self::SingleBit | Self::Bits => plain_printer::Value::Bits(text()),
            _ => plain_printer::Value::Text(value.text.clone()),
        }
    }
}
