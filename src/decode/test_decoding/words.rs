//! The words of the grammar: identifiers, table names, transaction ids, times, global transaction ids.

use nom::Parser;
use nom::combinator::{cut, opt, recognize, verify};
use nom::sequence::{pair, preceded, terminated};

use super::Parsed;
use super::expected::{Expected, expect, literal};
use crate::decode::{Ident, Relation, timestamp};

/// An identifier, bare or in double quotes.
#[inline]
pub(super) fn ident(input: &[u8]) -> Parsed<'_, &[u8]> {
    match input.first() {
        Some(b'a'..=b'z' | b'_') => {
            let end = input.iter().position(|byte| !matches!(byte, b'a'..=b'z' | b'_' | b'0'..=b'9'));
            let (name, rest) = input.split_at(end.unwrap_or(input.len()));
            Ok((rest, name))
        }
        Some(b'"') => quoted(input),
        _ => Expected::error("an identifier", input),
    }
}

/// `"…"` with `"` doubled inside; the quotes are part of what is read.
pub(super) fn quoted(input: &[u8]) -> Parsed<'_, &[u8]> {
    recognize(quoted_by(b'"', "a closing double quote")).parse(input)
}

/// `'…'` with `'` doubled inside: what stands between the quotes.
fn string(input: &[u8]) -> Parsed<'_, &[u8]> {
    quoted_by(b'\'', "a closing quote").parse(input)
}

/// `quote`, any bytes but NUL with `quote` doubled, `quote`: what stands between.
fn quoted_by<'a>(
    quote: u8,
    closing: &'static str,
) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Expected> {
    move |input: &'a [u8]| {
        let Some((_, inside)) = input.split_first().filter(|(first, _)| **first == quote) else {
            return Expected::error("a quote", input);
        };
        let mut from = 0;
        loop {
            let rest = inside.get(from..).unwrap_or_default();
            let found = memchr::memchr2(quote, 0, rest);
            let Some((before, [byte, behind @ ..])) = found.and_then(|at| rest.split_at_checked(at)) else {
                return Expected::error(closing, &[]);
            };
            let at = from + before.len();
            match (*byte == quote, behind.first() == Some(&quote)) {
                (true, true) => from = at + 2,
                (true, false) => return Ok((behind, inside.get(..at).unwrap_or_default())),
                (false, _) => return Expected::error("a name or id without NUL", behind),
            }
        }
    }
}

/// `schema.table`.
#[inline]
pub(super) fn relation(input: &[u8]) -> Parsed<'_, Relation<'_>> {
    let (rest, schema) = ident(input)?;
    let Some(rest) = rest.strip_prefix(b".") else {
        return Expected::error("`.` behind the schema", rest);
    };
    let (rest, table) = ident(rest)?;
    let text = input.get(..input.len() - rest.len()).unwrap_or_default();
    Ok((rest, Relation { text, schema: Ident(schema), table: Ident(table) }))
}

/// A transaction id: 32 bits, as the plugin prints them.
pub(super) fn xid(input: &[u8]) -> Parsed<'_, u32> {
    match digits(input).and_then(|(digits, rest)| Some((rest, u32::try_from(number(digits)?).ok()?))) {
        Some(parsed) => Ok(parsed),
        None => Expected::error("a transaction id of 32 bits", input),
    }
}

/// ` (at …)`, where it stands.
pub(super) fn at(input: &[u8]) -> Parsed<'_, Option<&[u8]>> {
    opt(preceded(literal(" (at "), cut(terminated(time, expect("`)` behind a commit time", literal(")"))))))
        .parse(input)
}

fn time(input: &[u8]) -> Parsed<'_, &[u8]> {
    let end = memchr::memchr(b')', input).unwrap_or(input.len());
    let (text, rest) = input.split_at(end);
    match timestamp::parse(text) {
        Ok(_) => Ok((rest, text)),
        Err(_) => Expected::error("a commit time", input),
    }
}

/// A global transaction id, `'…'`, or `E'…'` with `\` doubled where it holds one. The quotes are part of what is
/// read.
pub(super) fn gid(input: &[u8]) -> Parsed<'_, &[u8]> {
    let text = verify(pair(opt(literal("E")), string), |(escaped, text): &(Option<_>, &[u8])| {
        memchr::memchr(b'\\', text).is_some() == escaped.is_some()
            && text
                .chunk_by(|a, b| (*a == b'\\') == (*b == b'\\'))
                .all(|run| !run.starts_with(b"\\") || run.len() % 2 == 0)
    });
    expect("a global transaction id in quotes", recognize(text)).parse(input)
}

/// All the digits `input` starts with, and what follows; `None` without any or with a leading zero, which the
/// server never prints.
pub(super) fn digits(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(input.len());
    let (digits, rest) = input.split_at_checked(end)?;
    match digits {
        [] | [b'0', _, ..] => None,
        _ => Some((digits, rest)),
    }
}

/// The number that `digits` write, if 64 bits hold it.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    })
}
