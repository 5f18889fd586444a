//! The error of the grammar's parsers, and the parsers that name what they expect.

use nom::error::{ErrorKind, ParseError};
use nom::{Err, Parser};

use super::Parsed;

/// What should have stood somewhere. A parser does not know the whole payload, so the place is counted from its
/// end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// What should have stood there.
    pub(super) what: &'static str,
    /// How many bytes of the payload were left.
    pub(super) remaining: usize,
}

impl Expected {
    /// The error of a parser that has `input` left.
    pub(super) fn error<T>(what: &'static str, input: &[u8]) -> Result<T, Err<Self>> {
        Err(Err::Error(Self { what, remaining: input.len() }))
    }
}

impl<'a> ParseError<&'a [u8]> for Expected {
    fn from_error_kind(input: &'a [u8], _: ErrorKind) -> Self {
        Self { what: "a line of test_decoding", remaining: input.len() }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of two alternatives the one that got further says more.
    fn or(self, other: Self) -> Self {
        if other.remaining < self.remaining { other } else { self }
    }
}

/// The bytes of `text`.
pub(super) fn literal<'a>(text: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| match input.strip_prefix(text.as_bytes()) {
        Some(rest) => Ok((rest, text.as_bytes())),
        None => Expected::error(text, input),
    }
}

/// The end of the payload.
pub(super) fn end<'a>(what: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |input| if input.is_empty() { Ok((input, ())) } else { Expected::error(what, input) }
}

/// `parser`, with its own name for what stands where it starts.
pub(super) fn expect<'a, P>(
    what: &'static str,
    mut parser: P,
) -> impl Parser<&'a [u8], Output = P::Output, Error = Expected>
where
    P: Parser<&'a [u8], Error = Expected>,
{
    move |input: &'a [u8]| {
        parser.parse(input).map_err(|error| {
            error.map(
                |inner: Expected| {
                    if inner.remaining == input.len() { Expected { what, ..inner } } else { inner }
                },
            )
        })
    }
}
