//! Bytes and bits.

use super::{RawText, Target, ValueError};

/// The digits of base64 (RFC 4648, section 4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `\x00ff`, as `bytea_output=hex` prints it, to base64.
pub(super) fn push_bytea(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    let form = ValueError::Form("bytea in hex output");
    let Some((groups, tail)) = text.bytes.strip_prefix(b"\\x").map(<[u8]>::as_chunks::<6>) else {
        return Err(form);
    };
    let out = &mut *target.out;
    out.reserve(groups.len() * 4 + 6);
    out.push(b'"');
    for [a, b, c, d, e, f] in groups {
        let (Some(first), Some(second), Some(third)) = (byte(*a, *b), byte(*c, *d), byte(*e, *f)) else {
            return Err(form);
        };
        out.extend_from_slice(&group(first, second, third));
    }
    match *tail {
        [] => {}
        [a, b] => push_tail(out, &[byte(a, b).ok_or(form)?]),
        [a, b, c, d] => match (byte(a, b), byte(c, d)) {
            (Some(first), Some(second)) => push_tail(out, &[first, second]),
            _ => return Err(form),
        },
        _ => return Err(form),
    }
    out.push(b'"');
    Ok(())
}

/// Appends bytes in base64, without quotes.
pub(crate) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let (groups, tail) = bytes.as_chunks::<3>();
    out.reserve(groups.len() * 4 + 4);
    for [first, second, third] in groups {
        out.extend_from_slice(&group(*first, *second, *third));
    }
    push_tail(out, tail);
}

/// The last one or two bytes, padded.
fn push_tail(out: &mut Vec<u8>, tail: &[u8]) {
    match *tail {
        [first] => {
            let [a, b, ..] = group(first, 0, 0);
            out.extend_from_slice(&[a, b, b'=', b'=']);
        }
        [first, second, ..] => {
            let [a, b, c, _] = group(first, second, 0);
            out.extend_from_slice(&[a, b, c, b'=']);
        }
        [] => {}
    }
}

fn group(first: u8, second: u8, third: u8) -> [u8; 4] {
    let digit = |bits: u8| ALPHABET.get(usize::from(bits & 0x3F)).copied().unwrap_or_default();
    [digit(first >> 2), digit(first << 4 | second >> 4), digit(second << 2 | third >> 6), digit(third)]
}

fn byte(high: u8, low: u8) -> Option<u8> {
    Some(nibble(high)? << 4 | nibble(low)?)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// A `"char"`. Up to PostgreSQL 14 a byte above 127 is printed as it is and is no text in most encodings; from
/// 15 on as a backslash and three octal digits, which is what is sent for all.
pub(super) fn push_single_byte(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    let &[byte @ 0x80..=0xFF] = text.bytes else {
        return target.push_text(text);
    };
    let octal = [b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)];
    target.push_text(RawText::plain(&octal))
}

/// A `bit(1)`. A row from before the column became one has more digits: they are sent as of any other `bit(n)`.
pub(super) fn push_single_bit(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    match text.bytes {
        b"1" => target.out.extend_from_slice(b"true"),
        b"0" => target.out.extend_from_slice(b"false"),
        _ => return target.push_text(text),
    }
    Ok(())
}
