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

/// Appends `text` as a JSON string if it is ASCII with nothing to escape; if not, nothing.
pub(crate) fn push_plain_string(out: &mut Vec<u8>, text: &[u8], quotes: Quotes) -> bool {
    let scan = Scan { quote: quotes.mask(), beyond: Beyond::Ascii };
    let is_plain = scan.find(text) == text.len();
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    }
    is_plain
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
    let beyond = if astral == Astral::Escaped { Beyond::Plane } else { Beyond::Nothing };
    let scan = Scan { quote: quotes.mask(), beyond };
    let mut rest = text;
    loop {
        let Some((plain, special)) = rest.split_at_checked(scan.find(rest.as_bytes())) else { return };
        out.extend_from_slice(plain.as_bytes());
        let Some(first) = special.as_bytes().first() else { return };
        let mut length = 1;
        match first {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\'' => {
                out.push(b'\'');
                // The second of the two.
                length = 2;
            }
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            _ => {
                let Some(character) = special.chars().next() else { return };
                character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push_unit(out, *unit));
                length = character.len_utf8();
            }
        }
        rest = special.get(length..).unwrap_or_default();
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
#[derive(Clone, Copy)]
struct Scan {
    /// All ones where `'` is to be found.
    quote: u64,
    beyond: Beyond,
}

/// Which bytes above 127 are to be found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beyond {
    /// All.
    Ascii,
    /// The first of each character beyond the Basic Multilingual Plane.
    Plane,
    /// None.
    Nothing,
}

impl Quotes {
    fn mask(self) -> u64 {
        if self == Self::Doubled { u64::MAX } else { 0 }
    }
}

/// One in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of every byte.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Spaces fill up a word that is not whole: they are never special.
const SPACES: u64 = ONES * 0x20;

impl Scan {
    /// Index of the first special byte, or the length.
    fn find(self, bytes: &[u8]) -> usize {
        let (words, tail) = bytes.as_chunks::<8>();
        let mut at = 0;
        for word in words {
            let marks = self.marks(u64::from_le_bytes(*word));
            if marks != 0 {
                return at + first_mark(marks);
            }
            at += 8;
        }
        if tail.is_empty() {
            return at;
        }
        let marks = self.marks(tail_word(bytes, tail));
        if marks == 0 { bytes.len() } else { at + first_mark(marks) }
    }

    /// The high bit of every special byte. Borrows can mark bytes behind the first marked one wrongly, never
    /// one before it.
    fn marks(self, word: u64) -> u64 {
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(SPACES) & !word;
        let escaped = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C));
        let quote = zero(word ^ (ONES * 0x27)) & self.quote;
        let beyond = match self.beyond {
            Beyond::Ascii => word,
            // 0xF0 and above: the four high bits are set.
            Beyond::Plane => word & word << 1 & word << 2 & word << 3,
            Beyond::Nothing => 0,
        };
        (control | escaped | quote | beyond) & HIGH
    }
}

/// The last bytes of a text, which are less than a word, filled up.
fn tail_word(bytes: &[u8], tail: &[u8]) -> u64 {
    let filled = 8 * (8 - tail.len());
    match bytes.last_chunk::<8>() {
        // The last whole word, without what was seen.
        Some(last) => u64::from_le_bytes(*last) >> filled | SPACES << (64 - filled),
        None => tail.iter().rev().fold(SPACES, |word, byte| word << 8 | u64::from(*byte)),
    }
}

fn first_mark(marks: u64) -> usize {
    // At most 63 / 8.
    usize::try_from(marks.trailing_zeros() / 8).unwrap_or_default()
}

#[cfg(test)]
mod tests;
