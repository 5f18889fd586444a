//! The text of the extension type `hstore`: `"a"=>"1", "b"=>NULL`.
//!
//! Follows what the type's output function prints, which quotes every key and every value but NULL
//! (manual, "hstore"); the looser forms its input function takes are refused.

use super::backslash::{Backslashed, quoted};

/// The text is not `hstore`'s. It holds no byte of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not hstore text: expected {expected} at byte {offset} of the value")]
pub struct HstoreError {
    /// What should have stood there.
    pub expected: &'static str,
    /// Where, in bytes from the start of the value.
    pub offset: usize,
}

/// A key and its value; `None` is NULL.
pub type HstorePair<'a> = (Backslashed<'a>, Option<Backslashed<'a>>);

/// The pairs of an `hstore` value, in the order printed. After an error it ends.
#[derive(Clone, Debug)]
pub struct HstorePairs<'a> {
    length: usize,
    rest: &'a [u8],
    first: bool,
}

impl<'a> HstorePairs<'a> {
    /// Reads `text`, in which doubled `'` are undone.
    pub fn new(text: &'a [u8]) -> Self {
        Self { length: text.len(), rest: text, first: true }
    }

    fn pair(&mut self) -> Result<HstorePair<'a>, HstoreError> {
        if !self.first {
            self.literal(b", ", "a comma and a space")?;
        }
        self.first = false;
        let key = self.string("a key in double quotes")?;
        self.literal(b"=>", "`=>`")?;
        if let Some(rest) = self.rest.strip_prefix(b"NULL") {
            self.rest = rest;
            return Ok((key, None));
        }
        Ok((key, Some(self.string("a value in double quotes, or NULL")?)))
    }

    fn string(&mut self, expected: &'static str) -> Result<Backslashed<'a>, HstoreError> {
        let (string, rest) =
            self.rest.strip_prefix(b"\"").and_then(quoted).ok_or_else(|| self.error(expected))?;
        self.rest = rest;
        Ok(string)
    }

    fn literal(&mut self, text: &[u8], expected: &'static str) -> Result<(), HstoreError> {
        self.rest = self.rest.strip_prefix(text).ok_or_else(|| self.error(expected))?;
        Ok(())
    }

    fn error(&self, expected: &'static str) -> HstoreError {
        HstoreError { expected, offset: self.length - self.rest.len() }
    }
}

impl<'a> Iterator for HstorePairs<'a> {
    type Item = Result<HstorePair<'a>, HstoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let pair = self.pair();
        if pair.is_err() {
            self.rest = b"";
        }
        Some(pair)
    }
}

#[cfg(test)]
mod tests;
