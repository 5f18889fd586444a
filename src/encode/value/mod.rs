//! One column's value as JSON, by the type of its column.
//!
//! [`ValueEncoder::lossless`] chooses the encodings of the default preset: what JSON can hold exactly is a JSON
//! value, everything else the server's text as a string. A text that does not have the form its type prints is
//! sent as it is where a string stands anyway; where not, it is an error, never a guess.

mod binary;
mod collection;
mod number;
mod time;

use super::charset::{Charset, InvalidText};
use super::json::{self, Quotes};
use crate::data_type::DataType;
use crate::decode::Literal;
use crate::decode::array::ArrayError;
use crate::decode::hstore::HstoreError;

pub(crate) use binary::push_base64;

/// A value cannot be encoded. It holds no byte of the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text does not have the form its type prints.
    #[error("the value does not have the form of {0}")]
    Form(&'static str),
    /// The text is not in the database's encoding.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// The text is not an array's.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// The text is not an `hstore`'s.
    #[error(transparent)]
    Hstore(#[from] HstoreError),
}

/// How the values of a column are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueEncoder {
    /// `true` or `false`.
    Boolean,
    /// A JSON number without fraction.
    Integer,
    /// A JSON number, or `"NaN"`, `"Infinity"`, `"-Infinity"`.
    Float,
    /// The server's text.
    Text,
    /// The server's text; a byte above 127 in octal, as from PostgreSQL 15 on.
    SingleByte,
    /// The number alone: `"-1234.56"`.
    Money,
    /// Bytes in base64.
    Base64,
    /// With minutes in the offset.
    TimeTz,
    /// ISO 8601, without a zone.
    Timestamp,
    /// ISO 8601 in UTC, with as many digits as the column has.
    TimestampTz {
        /// Digits of the fraction.
        precision: u8,
    },
    /// ISO 8601, always with all six fields.
    Interval,
    /// `true` or `false`.
    SingleBit,
    /// A JSON object, as a string.
    Hstore,
    /// Nested JSON arrays.
    Array {
        /// Of the elements.
        element: Box<ValueEncoder>,
        /// What stands between elements.
        delimiter: u8,
    },
}

impl ValueEncoder {
    /// The default preset.
    pub(crate) fn lossless(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Integer => Self::Integer,
            DataType::Float => Self::Float,
            DataType::Money => Self::Money,
            DataType::Bytea => Self::Base64,
            DataType::TimeTz => Self::TimeTz,
            DataType::Timestamp => Self::Timestamp,
            DataType::TimestampTz { precision } => Self::TimestampTz { precision: *precision },
            DataType::Interval => Self::Interval,
            DataType::SingleBit => Self::SingleBit,
            DataType::SingleByte => Self::SingleByte,
            DataType::Hstore => Self::Hstore,
            DataType::Array { element, delimiter } => {
                Self::Array { element: Box::new(Self::lossless(element)), delimiter: *delimiter }
            }
            DataType::Numeric | DataType::Date | DataType::Time | DataType::Bits | DataType::Text => {
                Self::Text
            }
        }
    }

    /// Appends a value that is neither NULL nor unknown.
    pub(crate) fn write(&self, text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
        match self {
            Self::Text => target.push_text(text),
            Self::Integer => number::push_integer(text, target),
            Self::Boolean => push_boolean(text, target),
            Self::Float => number::push_float(text, target),
            Self::SingleByte => binary::push_single_byte(text, target),
            Self::Money => number::push_money(text, target),
            Self::Base64 => binary::push_bytea(text, target),
            Self::TimeTz => time::push_timetz(text, target),
            Self::Timestamp => time::push_timestamp(text, target),
            Self::TimestampTz { precision } => time::push_timestamptz(text, *precision, target),
            Self::Interval => time::push_interval(text, target),
            Self::SingleBit => binary::push_single_bit(text, target),
            Self::Hstore => collection::push_hstore(text, target),
            Self::Array { element, delimiter } => collection::push_array(text, element, *delimiter, target),
        }
    }
}

/// A value's text in the database's encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawText<'a> {
    /// As printed.
    pub(crate) bytes: &'a [u8],
    /// Whether its `'` are still doubled.
    pub(crate) quotes: Quotes,
}

impl<'a> RawText<'a> {
    /// Text as it is.
    pub(crate) fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, quotes: Quotes::Single }
    }

    /// The text of a literal; `None` for NULL and for what is unknown.
    pub(crate) fn of(literal: Literal<'a>) -> Option<Self> {
        match literal {
            Literal::Null | Literal::UnchangedToast => None,
            Literal::Boolean(true) => Some(Self::plain(b"true")),
            Literal::Boolean(false) => Some(Self::plain(b"false")),
            Literal::Number(bytes) | Literal::Bits(bytes) | Literal::Text(bytes) => Some(Self::plain(bytes)),
            Literal::EscapedText(bytes) => Some(Self { bytes, quotes: Quotes::Doubled }),
        }
    }
}

/// Memory that is used again for every value.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Transcoded text.
    pub(crate) text: String,
    /// An array's or `hstore`'s text with doubled `'` undone.
    pub(crate) undoubled: Vec<u8>,
    /// An element's text without backslashes.
    pub(crate) element: Vec<u8>,
    /// A key or value of an `hstore` without backslashes.
    pub(crate) part: Vec<u8>,
    /// The JSON text of an `hstore`.
    pub(crate) json: Vec<u8>,
}

impl Scratch {
    /// Gives back memory above `limit` that a big value left behind.
    pub(crate) fn shrink_to(&mut self, limit: usize) {
        self.text.clear();
        self.text.shrink_to(limit);
        for buffer in [&mut self.undoubled, &mut self.element, &mut self.part, &mut self.json] {
            buffer.clear();
            buffer.shrink_to(limit);
        }
    }
}

/// Where values are written to, and with what.
pub(crate) struct Target<'a> {
    /// The record.
    pub(crate) out: &'a mut Vec<u8>,
    /// Reused memory.
    pub(crate) scratch: &'a mut Scratch,
    /// The database's encoding.
    pub(crate) charset: &'a Charset,
}

impl Target<'_> {
    /// Appends a text as a JSON string.
    pub(crate) fn push_text(&mut self, text: RawText<'_>) -> Result<(), ValueError> {
        // Most texts are ASCII and have nothing to escape: every encoding of servers has it in common.
        if !json::push_plain_string(self.out, text.bytes, text.quotes) {
            let decoded = self.charset.decode(text.bytes, &mut self.scratch.text)?;
            json::push_string(self.out, decoded, text.quotes);
        }
        Ok(())
    }
}

/// The plugin prints `true`, a domain over boolean and an array's element print `t`.
fn push_boolean(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    let json: &[u8] = match text.bytes {
        b"true" | b"t" => b"true",
        b"false" | b"f" => b"false",
        _ => return Err(ValueError::Form("a boolean")),
    };
    target.out.extend_from_slice(json);
    Ok(())
}

#[cfg(test)]
mod tests;
