//! The columns of a tuple: ` name[type]:value` up to the end of the tuple, in one pass.
//!
//! Nearly all bytes of a stream go through this file, so its parsers are written by hand. They stay nom parsers:
//! bytes in, what is left and what was read out.

use super::expected::{Expected, literal};
use super::{Parsed, Row, narrow, words};
use crate::decode::{ColumnSpan, LiteralKind};

/// The most columns a tuple can have: `MaxTupleAttributeNumber`, a little above the 1,600 of a table.
const MOST_COLUMNS: usize = 1664;

/// A tuple; false where the plugin says that there is none.
pub(super) fn tuple<'a>(payload: &'a [u8], input: &'a [u8], row: &mut Row) -> Parsed<'a, bool> {
    match input.strip_prefix(b" (no-tuple-data)") {
        Some(rest) => Ok((rest, false)),
        None => columns(payload, input, row).map(|(rest, ())| (rest, true)),
    }
}

/// As many columns as there are, none included.
pub(super) fn columns<'a>(payload: &'a [u8], input: &'a [u8], row: &mut Row) -> Parsed<'a, ()> {
    let most = row.spans.len() + MOST_COLUMNS;
    let offset = |rest: &[u8]| narrow(payload.len() - rest.len());
    let mut input = input;
    while input.first() == Some(&b' ') {
        let place = row.spans.len();
        let known = row.declarations.skip(place, input);
        let found = if known.is_some() { known } else { declaration(input)? };
        let Some((value, name_end)) = found else { break };
        if place >= most {
            return Expected::error("at most 1664 columns", input);
        }
        if known.is_none() {
            let text = input.get(..input.len() - value.len()).unwrap_or_default();
            row.declarations.keep(place, text, name_end);
        }
        let (rest, Value { kind, start, end }) = literal_value(value)?;
        let column = offset(input);
        row.spans.push(ColumnSpan {
            name_start: column + 1,
            name_end: column + name_end,
            type_end: offset(value) - 2,
            value_start: offset(start),
            value_end: offset(end),
            kind,
        });
        input = rest;
    }
    Ok((input, ()))
}

/// What follows ` name[type]:`, and where its `[` stands; `None` at the end of the tuple.
fn declaration(input: &[u8]) -> Result<Option<(&[u8], u32)>, nom::Err<Expected>> {
    let column = input.strip_prefix(b" ").unwrap_or(input);
    let (behind_name, _) = words::ident(column)?;
    let Some(type_text) = behind_name.strip_prefix(b"[") else {
        // No column's name: a `-` would force quotes.
        if column.starts_with(b"new-tuple:") {
            return Ok(None);
        }
        return Expected::error("`[` behind a column's name", behind_name);
    };
    let behind_type = skip_type(type_text)?;
    let Some(value) = behind_type.strip_prefix(b"]:") else {
        return Expected::error("`]:` behind a column's type", behind_type);
    };
    Ok(Some((value, narrow(input.len() - behind_name.len()))))
}

/// What follows a type: `]:`, if it is well-formed. Brackets stand in a type only in double quotes, or as the `[]`
/// of an array at its end.
#[inline]
fn skip_type(input: &[u8]) -> Result<&[u8], nom::Err<Expected>> {
    let mut rest = input;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b']' | b'[' | b'"'));
        rest = match end {
            Some(end) => rest.split_at(end).1,
            None => return Expected::error("a closing `]`", &[]),
        };
        match rest {
            [b']', ..] => return Ok(rest),
            [b'[', b']', array_end @ ..] => return Ok(array_end),
            [b'"', ..] => (rest, _) = words::quoted(rest)?,
            _ => return Expected::error("`[]`", rest),
        }
    }
}

/// A literal, by what is left of the payload where its text starts and where it ends.
struct Value<'a> {
    kind: LiteralKind,
    start: &'a [u8],
    end: &'a [u8],
}

#[inline]
fn literal_value(input: &[u8]) -> Parsed<'_, Value<'_>> {
    let bare = |kind, rest| Ok((rest, Value { kind, start: input, end: rest }));
    match input {
        [b'\'', inside @ ..] => text(inside),
        [b'0'..=b'9' | b'-' | b'N' | b'I', ..] => bare(LiteralKind::Number, skip_number(input)?),
        [b'n', b'u', b'l', b'l', rest @ ..] => bare(LiteralKind::Null, rest),
        [b't', b'r', b'u', b'e', rest @ ..] | [b'f', b'a', b'l', b's', b'e', rest @ ..] => {
            bare(LiteralKind::Boolean, rest)
        }
        [b'B', b'\'', inside @ ..] => bits(inside),
        _ => {
            let (rest, _) =
                literal("unchanged-toast-datum")(input).or_else(|_| Expected::error("a literal", input))?;
            bare(LiteralKind::UnchangedToast, rest)
        }
    }
}

/// What follows an opening `'`: any bytes but NUL, with `'` doubled.
#[inline]
fn text(inside: &[u8]) -> Parsed<'_, Value<'_>> {
    let mut kind = LiteralKind::Text;
    let mut rest = inside;
    loop {
        // Text of the server holds no NUL.
        let found = memchr::memchr2(b'\'', 0, rest);
        match found.and_then(|at| rest.split_at_checked(at)).map(|(_, found)| found) {
            Some([b'\'', b'\'', behind @ ..]) => {
                kind = LiteralKind::EscapedText;
                rest = behind;
            }
            Some(end @ [b'\'', behind @ ..]) => return Ok((behind, Value { kind, start: inside, end })),
            Some(nul) => return Expected::error("a value without NUL", nul),
            None => return Expected::error("a closing quote", &[]),
        }
    }
}

/// What follows `B'`.
fn bits(inside: &[u8]) -> Parsed<'_, Value<'_>> {
    let end = skip(inside, |byte| matches!(byte, b'0' | b'1'));
    match end.strip_prefix(b"'") {
        Some(rest) => Ok((rest, Value { kind: LiteralKind::Bits, start: inside, end })),
        None => Expected::error("`0`, `1` or a closing quote", end),
    }
}

/// What follows a number: a JSON number, `NaN` or an infinity. No type printed without quotes has other forms.
#[inline]
fn skip_number(input: &[u8]) -> Result<&[u8], nom::Err<Expected>> {
    let unsigned = input.strip_prefix(b"-").unwrap_or(input);
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => skip(rest, u8::is_ascii_digit),
        _ => return skip_special(input),
    };
    if let [b'.', fraction @ ..] = rest {
        rest = some_digits(fraction)?;
    }
    if let [b'e', exponent @ ..] = rest {
        rest = match exponent {
            [b'+' | b'-', exponent @ ..] => some_digits(exponent)?,
            _ => return Expected::error("the sign of an exponent", exponent),
        };
    }
    Ok(rest)
}

#[cold]
fn skip_special(input: &[u8]) -> Result<&[u8], nom::Err<Expected>> {
    for special in ["NaN", "Infinity", "-Infinity"] {
        if let Some(rest) = input.strip_prefix(special.as_bytes()) {
            return Ok(rest);
        }
    }
    Expected::error("a number", input)
}

#[inline]
fn some_digits(input: &[u8]) -> Result<&[u8], nom::Err<Expected>> {
    let rest = skip(input, u8::is_ascii_digit);
    if rest.len() == input.len() { Expected::error("a digit", input) } else { Ok(rest) }
}

/// What follows the longest run of `accepted` bytes.
#[inline]
fn skip(input: &[u8], accepted: impl Fn(&u8) -> bool) -> &[u8] {
    let end = input.iter().position(|byte| !accepted(byte)).unwrap_or(input.len());
    input.split_at(end).1
}
