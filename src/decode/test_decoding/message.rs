//! Logical messages, which carry bytes of an application: `message: transactional: 1 prefix: p, sz: 5
//! content:hello`.
//!
//! The prefix is any text without NUL and the content any bytes, so `, sz: N content:` can stand in either. Only
//! a reading whose N is the number of bytes behind it is possible, but there can be several of these, and then
//! nothing in the text tells which is meant: `pg_logical_emit_message` with prefix `a` and content `b, sz: 1
//! content:c`, and with prefix `a, sz: 18 content:b` and content `c`, print the same. The reading with the
//! shortest prefix is taken, because prefixes are few and chosen by the application while contents are not; how
//! many there were is reported.

use memchr::memmem;
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, value};
use nom::sequence::{delimited, preceded};

use super::Parsed;
use super::expected::{Expected, end, expect, literal};
use super::words::{digits, number};
use crate::decode::{Decoded, LogicalMessage, Streamed, StreamedKind};

/// What stands before the size.
const SIZE: &str = ", sz: ";

/// A message of a transaction that is not streamed.
pub(super) fn line(input: &[u8]) -> Parsed<'_, Decoded<'_>> {
    let flag = expect("`0` or `1`", alt((value(true, literal("1")), value(false, literal("0")))));
    let flag = delimited(literal("message: transactional: "), flag, literal(" prefix: "));
    map((flag, sized), |(transactional, Sized { prefix, content, candidates })| {
        Decoded::Message(LogicalMessage { transactional, prefix, content, candidates })
    })
    .parse(input)
}

/// A message of a streamed transaction. Only one outside the transaction has content.
pub(super) fn streamed(input: &[u8]) -> Parsed<'_, Streamed<'_>> {
    let start = "streaming message: transactional: ";
    let inside = map(preceded((literal(start), literal("1 prefix: ")), without_content), |(prefix, size)| {
        StreamedKind::Message { transactional: true, prefix, size, content: None, candidates: 1 }
    });
    let outside = map(
        preceded((literal(start), literal("0 prefix: ")), sized),
        |Sized { prefix, content, candidates }| StreamedKind::Message {
            transactional: false,
            prefix,
            size: content.len() as u64,
            content: Some(content),
            candidates,
        },
    );
    map(alt((inside, outside)), |kind| Streamed { kind, xid: None, at: None }).parse(input)
}

/// A prefix and its content.
struct Sized<'a> {
    prefix: &'a [u8],
    content: &'a [u8],
    candidates: u32,
}

/// `prefix, sz: N content:…` to the end of the payload.
fn sized(input: &[u8]) -> Parsed<'_, Sized<'_>> {
    // The prefix ends before the first NUL, so no size is meant behind one.
    let searched = input.get(..memchr::memchr(0, input).unwrap_or(input.len())).unwrap_or_default();
    let mut first = None;
    let mut candidates = 0_u32;
    for at in memmem::find_iter(searched, SIZE) {
        let Some(content) = content_behind(input.get(at + SIZE.len()..).unwrap_or_default()) else {
            continue;
        };
        candidates = candidates.saturating_add(1);
        first.get_or_insert((at, content));
    }
    match first.and_then(|(at, content)| Some((input.get(..at)?, content))) {
        Some((prefix, content)) => Ok((b"", Sized { prefix, content, candidates })),
        None => Expected::error("`, sz: N content:` with N bytes behind it", input),
    }
}

/// What follows `N content:` if it is N bytes long. N is a number of any length: what does not fit 64 bits can
/// stand in a prefix, but is no size.
fn content_behind(input: &[u8]) -> Option<&[u8]> {
    let (digits, rest) = digits(input)?;
    let content = rest.strip_prefix(b" content:")?;
    (number(digits)? == content.len() as u64).then_some(content)
}

/// `prefix, sz: N` to the end of the payload.
fn without_content(input: &[u8]) -> Parsed<'_, (&[u8], u64)> {
    let parts = memmem::rfind(input, SIZE.as_bytes()).and_then(|at| {
        let (prefix, behind) = input.split_at_checked(at)?;
        let (digits, rest) = digits(behind.get(SIZE.len()..)?)?;
        let (rest, ()) = end("the end of the payload")(rest).ok()?;
        Some((rest, (prefix, number(digits)?)))
    });
    match parts {
        Some(parts) if memchr::memchr(0, parts.1.0).is_none() => Ok(parts),
        _ => Expected::error("`, sz: N` at the end", input),
    }
}
