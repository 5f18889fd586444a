//! JSON text, written straight into a buffer, with the reference connector's choice of escapes: `\b \t \n \f \r`,
//! `\"`, `\\`, other control characters as `\u000B` in upper case, characters beyond the Basic Multilingual
//! Plane as two escapes, and everything else as it is. Escaping and un-doubling of `'` are one pass.

/// Whether `'` stands doubled in a text, as in the plugin's quoted literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// As it is.
    Single,
    /// Doubled, to be undone.
    Doubled,
}

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str, quotes: Quotes) {
    out.push(b'"');
    escape(out, text, quotes, Astral::Escaped);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &str, quotes: Quotes) {
    escape(out, text, quotes, Astral::Escaped);
}

/// Appends `text` as a JSON string of a document that itself becomes a string: the outer one escapes the
/// characters beyond the Basic Multilingual Plane.
pub(crate) fn push_inner_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text, Quotes::Single, Astral::Raw);
    out.push(b'"');
}

/// What happens to characters beyond the Basic Multilingual Plane.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Astral {
    Escaped,
    Raw,
}

fn escape(out: &mut Vec<u8>, text: &str, quotes: Quotes, astral: Astral) {
    let scan = Scan::new(quotes, astral);
    let mut rest = text;
    while let Some((plain, special)) = rest.split_at_checked(scan.find(rest.as_bytes())) {
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        let Some(character) = characters.next() else { return };
        match character {
            '\'' => {
                out.push(b'\'');
                // The second of the two.
                characters.next();
            }
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\r' => out.extend_from_slice(b"\\r"),
            other => other.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push_unit(out, *unit)),
        }
        rest = characters.as_str();
    }
}

/// One UTF-16 unit as `\uXXXX`.
fn push_unit(out: &mut Vec<u8>, unit: u16) {
    let digit = |shift: u16| match u8::try_from(unit >> shift & 0xF).unwrap_or_default() {
        nibble @ 0..=9 => b'0' + nibble,
        nibble => b'A' + nibble - 10,
    };
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// Appends a decimal number.
pub(crate) fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Finds the next byte that cannot be copied, eight at a time.
struct Scan {
    /// All ones where `'` is to be found.
    quote: u64,
    /// The high bits where the first byte of a character beyond the Basic Multilingual Plane is to be found.
    astral: u64,
}

/// One in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of every byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

impl Scan {
    fn new(quotes: Quotes, astral: Astral) -> Self {
        Self {
            quote: if quotes == Quotes::Doubled { u64::MAX } else { 0 },
            astral: if astral == Astral::Escaped { HIGH } else { 0 },
        }
    }

    /// Index of the first special byte, or the length.
    fn find(&self, bytes: &[u8]) -> usize {
        let (words, tail) = bytes.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let marks = self.marks(u64::from_le_bytes(*word));
            if marks != 0 {
                return index * 8 + first_mark(marks);
            }
        }
        // Spaces fill up the last word: they are never special.
        let mut last = [b' '; 8];
        last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
        let marks = self.marks(u64::from_le_bytes(last));
        words.len() * 8 + if marks == 0 { tail.len() } else { first_mark(marks) }
    }

    /// The high bit of every special byte. Borrows can mark bytes behind the first marked one wrongly, never
    /// one before it.
    fn marks(&self, word: u64) -> u64 {
        let below = |limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
        let equal = |byte: u8| {
            let zero = word ^ (ONES * u64::from(byte));
            zero.wrapping_sub(ONES) & !zero & HIGH
        };
        // 0xF0 and above: the four high bits are set.
        let four_bytes = word & word << 1 & word << 2 & word << 3 & self.astral;
        below(0x20) | equal(b'"') | equal(b'\\') | (equal(b'\'') & self.quote) | four_bytes
    }
}

fn first_mark(marks: u64) -> usize {
    // At most 63 / 8.
    usize::try_from(marks.trailing_zeros() / 8).unwrap_or_default()
}

#[cfg(test)]
mod tests;
