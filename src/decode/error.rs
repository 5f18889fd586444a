//! Why a payload was refused.

use std::fmt;

/// How many bytes of a payload an error shows, masked.
const SHAPE_BYTES: usize = 40;
/// How many of them stand before the offset.
const SHAPE_BEFORE: usize = 12;

/// A payload that does not match the plugin's grammar in full.
///
/// It holds no row value: of the payload's text only the table's name and a masked [`shape`](Self::shape).
/// The caller adds the LSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DecodeError {
    /// What should have stood there.
    pub expected: &'static str,
    /// Where, in bytes from the start of the payload.
    pub offset: usize,
    /// The table of a row or of a TRUNCATE's first name, as printed, in the database's encoding.
    pub table: Option<Box<[u8]>>,
    /// At most 40 bytes around the offset: each letter an `a`, each digit a `0`, ASCII punctuation and
    /// spaces as they are, every other byte a `?`.
    pub shape: String,
}

impl DecodeError {
    /// An error at `offset` of `payload`.
    pub fn new(expected: &'static str, payload: &[u8], offset: usize, table: Option<&[u8]>) -> Self {
        Self { expected, offset, table: table.map(Box::from), shape: shape(payload, offset) }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the plugin's text is not test_decoding's: expected {} at byte {}",
            self.expected, self.offset
        )?;
        if let Some(table) = &self.table {
            write!(f, " of a change of table {}", table.escape_ascii())?;
        }
        write!(f, ", near (masked) [{}]", self.shape)
    }
}

/// The bytes around `offset`, masked so that no value can be read from them.
fn shape(payload: &[u8], offset: usize) -> String {
    let start = offset.saturating_sub(SHAPE_BEFORE);
    let around = payload.get(start..).unwrap_or_default();
    around.iter().take(SHAPE_BYTES).map(|&byte| mask(byte)).collect()
}

fn mask(byte: u8) -> char {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => 'a',
        b'0'..=b'9' => '0',
        b' '..=b'~' => char::from(byte),
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::DecodeError;

    #[test]
    fn shows_no_value() {
        let payload = b"table public.t: INSERT: a[text]:'Secret\n\xc3\xa9 42' b[integer]x";
        let error = DecodeError::new("`:`", payload, payload.len() - 1, Some(b"public.t\n"));
        assert_eq!(error.shape, "' a[aaaaaaa]a");
        assert_eq!(
            error.to_string(),
            "the plugin's text is not test_decoding's: expected `:` at byte 57 of a change of table \
             public.t\\n, near (masked) [' a[aaaaaaa]a]"
        );
        let error = DecodeError::new("x", payload, 37, None);
        assert_eq!(error.shape, "[aaaa]:'aaaaaa??? 00' a[aaaaaaa]a");
    }

    #[test]
    fn is_short_wherever_it_points() {
        let payload = [b'x'; 1000];
        for offset in [0, 1, 500, 999, 1000, 5000] {
            assert!(DecodeError::new("x", &payload, offset, None).shape.len() <= 40);
        }
    }
}
