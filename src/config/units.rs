//! Values with their unit: `"5s"`, `"64 MiB"`. A bare number is an error, because a guessed unit is a fault.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The text is not a number followed by a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number and a unit ({0})")]
pub struct UnitError(&'static str);

/// Splits `"64 MiB"` into 64 and `MiB`.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.trim().find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.trim().split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Span(pub Duration);

const SPAN_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const EXPECTED: UnitError = UnitError("ms, s, min, h or d, as in \"5s\"");
        let (number, unit) = split(text).ok_or(EXPECTED)?;
        let (_, factor) = SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or(EXPECTED)?;
        number.checked_mul(*factor).map(|ms| Self(Duration::from_millis(ms))).ok_or(EXPECTED)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        print_largest(f, millis, &SPAN_UNITS, "")
    }
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Size(pub usize);

const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const EXPECTED: UnitError = UnitError("B, KiB, MiB or GiB, as in \"64 MiB\"");
        let (number, unit) = split(text).ok_or(EXPECTED)?;
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or(EXPECTED)?;
        let bytes = number.checked_mul(*factor).ok_or(EXPECTED)?;
        usize::try_from(bytes).map(Self).or(Err(EXPECTED))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_largest(f, self.0 as u64, &SIZE_UNITS, " ")
    }
}

/// Prints with the largest unit that loses nothing.
fn print_largest(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)], gap: &str) -> fmt::Result {
    let exact = units.iter().rev().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    match exact.or_else(|| units.first()) {
        Some((name, factor)) => write!(f, "{}{gap}{name}", value / factor),
        None => write!(f, "{value}"),
    }
}

/// Takes a text; for anything else it says what to write.
struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err = UnitError>> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with its unit, in quotes, as in \"5s\" or \"64 MiB\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! serde_by_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    };
}

serde_by_text!(Span);
serde_by_text!(Size);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Size, Span};

    #[test]
    fn reads_units() {
        assert_eq!("5s".parse(), Ok(Span(Duration::from_secs(5))));
        assert_eq!(" 250 ms ".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("64 MiB".parse(), Ok(Size(64 << 20)));
        assert_eq!("0B".parse(), Ok(Size(0)));
    }

    #[test]
    fn a_bare_number_is_an_error() {
        for text in
            ["5", "", "s", "5 m", "-5s", "1.5s", "64 MB", "99999999999999999999 s", "9999999999999999999 d"]
        {
            assert!(text.parse::<Span>().is_err() && text.parse::<Size>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["5s", "250ms", "90s", "2min", "1d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["64 MiB", "1 GiB", "1000 B", "0 B"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }
}
