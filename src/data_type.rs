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
    /// `"char"`, the one-byte type: up to PostgreSQL 14 its values above 127 are printed as they are.
    SingleByte,
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

impl DataType {
    /// The type that a built-in scalar type's OID and modifier name. `None` for a type without a rule of its
    /// own, and for everything that has to be put together from the catalog: arrays ([`Self::array`]), domains
    /// (the type of their base, with the domain's modifier) and the types of extensions ([`Self::Hstore`]).
    ///
    /// The modifier of an array stands on the array's column: pass it along with the element's OID.
    pub fn from_catalog(oid: u32, typmod: i32) -> Option<Self> {
        Some(match oid {
            16 => Self::Boolean,
            17 => Self::Bytea,
            18 => Self::SingleByte,
            20 | 21 | 23 | 26 => Self::Integer,
            700 | 701 => Self::Float,
            790 => Self::Money,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz { precision: fraction_digits(typmod) },
            1186 => Self::Interval,
            1266 => Self::TimeTz,
            1560 if typmod == 1 => Self::SingleBit,
            1560 | 1562 => Self::Bits,
            1700 => Self::Numeric,
            _ => return None,
        })
    }

    /// The type as `test_decoding` prints it, without modifiers: for columns the catalog no longer knows. What
    /// the text alone does not tell (domains, extension types) is [`Self::Text`].
    pub fn from_printed(type_text: &[u8]) -> Self {
        if let Some(element) = type_text.strip_suffix(b"[]") {
            let delimiter = if element == b"box" { b';' } else { b',' };
            return Self::array(Self::from_printed(element), delimiter);
        }
        match type_text {
            b"boolean" => Self::Boolean,
            b"smallint" | b"integer" | b"bigint" | b"oid" => Self::Integer,
            b"real" | b"double precision" => Self::Float,
            b"numeric" => Self::Numeric,
            b"money" => Self::Money,
            b"bytea" => Self::Bytea,
            b"date" => Self::Date,
            b"time without time zone" => Self::Time,
            b"time with time zone" => Self::TimeTz,
            b"timestamp without time zone" => Self::Timestamp,
            b"timestamp with time zone" => Self::TimestampTz { precision: MAX_FRACTION_DIGITS },
            b"interval" => Self::Interval,
            b"bit" | b"bit varying" => Self::Bits,
            b"\"char\"" => Self::SingleByte,
            _ => Self::Text,
        }
    }

    /// An array of `element`, whose `typdelim` is `delimiter`.
    pub fn array(element: Self, delimiter: u8) -> Self {
        Self::Array { element: Box::new(element), delimiter }
    }
}

/// Microseconds.
const MAX_FRACTION_DIGITS: u8 = 6;

/// Digits of the fraction by type modifier; without one, all six.
fn fraction_digits(typmod: i32) -> u8 {
    u8::try_from(typmod).map_or(MAX_FRACTION_DIGITS, |digits| digits.min(MAX_FRACTION_DIGITS))
}

#[cfg(test)]
mod tests {
    use super::DataType;

    #[test]
    fn printed_types() {
        for (text, expected) in [
            ("boolean", DataType::Boolean),
            ("oid", DataType::Integer),
            ("double precision", DataType::Float),
            ("timestamp with time zone", DataType::TimestampTz { precision: 6 }),
            ("bit", DataType::Bits),
            ("\"char\"", DataType::SingleByte),
            ("character", DataType::Text),
            ("public.mood", DataType::Text),
            ("integer[]", DataType::array(DataType::Integer, b',')),
            ("box[]", DataType::array(DataType::Text, b';')),
            // A type whose own name ends in brackets, and its array.
            ("\"x[]\"", DataType::Text),
            ("\"x[]\"[]", DataType::array(DataType::Text, b',')),
        ] {
            assert_eq!(DataType::from_printed(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn modifiers_of_the_catalog() {
        assert_eq!(DataType::from_catalog(1184, -1), Some(DataType::TimestampTz { precision: 6 }));
        assert_eq!(DataType::from_catalog(1184, 0), Some(DataType::TimestampTz { precision: 0 }));
        assert_eq!(DataType::from_catalog(1184, 3), Some(DataType::TimestampTz { precision: 3 }));
        assert_eq!(DataType::from_catalog(1184, 70_000), Some(DataType::TimestampTz { precision: 6 }));
        assert_eq!(DataType::from_catalog(1560, 1), Some(DataType::SingleBit));
        assert_eq!(DataType::from_catalog(1560, 8), Some(DataType::Bits));
        assert_eq!(DataType::from_catalog(1560, -1), Some(DataType::Bits));
        assert_eq!(DataType::from_catalog(1562, 1), Some(DataType::Bits));
        assert_eq!(DataType::from_catalog(25, -1), None);
        assert_eq!(DataType::from_catalog(1007, -1), None);
    }
}
