//! The bounds before an array that does not start at 1: `[2:4][-1:0]=`.

use super::{ArrayError, MAX_DIMENSIONS};

/// How many items the bounds promise, dimension by dimension; empty where none are printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    lengths: [Option<u32>; MAX_DIMENSIONS],
}

impl Bounds {
    /// Whether none were printed.
    pub(super) fn is_empty(&self) -> bool {
        self.lengths.iter().all(Option::is_none)
    }

    /// Whether an array with these lengths is the one announced.
    pub(super) fn fit(&self, lengths: &[Option<u32>; MAX_DIMENSIONS]) -> bool {
        self.is_empty() || self.lengths == *lengths
    }
}

/// Reads the bounds of `text`, if it has any; what follows them is the array.
pub(super) fn prefix(text: &[u8]) -> Result<(Bounds, &[u8]), ArrayError> {
    let mut bounds = Bounds::default();
    let mut rest = text;
    if !rest.starts_with(b"[") {
        return Ok((bounds, rest));
    }
    let error = |expected, rest: &[u8]| ArrayError { expected, offset: text.len() - rest.len() };
    for length in &mut bounds.lengths {
        let Some(inside) = rest.strip_prefix(b"[") else { break };
        let (lower, behind) = integer(inside).ok_or_else(|| error("a lower bound", inside))?;
        let behind = behind.strip_prefix(b":").ok_or_else(|| error("`:`", behind))?;
        let (upper, closing) = integer(behind).ok_or_else(|| error("an upper bound", behind))?;
        let items = i64::from(upper) - i64::from(lower) + 1;
        let items = u32::try_from(items).ok().filter(|items| *items > 0);
        *length = Some(items.ok_or_else(|| error("an upper bound not below the lower", behind))?);
        rest = closing.strip_prefix(b"]").ok_or_else(|| error("`]`", closing))?;
    }
    rest = rest.strip_prefix(b"=").ok_or_else(|| error("`=` behind at most six bounds", rest))?;
    Ok((bounds, rest))
}

/// An optional minus and digits, as a C `int`.
fn integer(text: &[u8]) -> Option<(i32, &[u8])> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = text.split_at_checked(text.len() - digits.len() + end)?;
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}
