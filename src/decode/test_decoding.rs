//! The text of the `test_decoding` output plugin.
//!
//! The grammar is that of PostgreSQL's `contrib/test_decoding/test_decoding.c`, versions 10 to 18, over bytes in
//! the database's encoding. A payload that does not match in full is an error, never a line to skip. Integers
//! are taken only as the plugin prints them, without leading zeros or signs, so that whatever is accepted can be
//! printed again byte for byte.
//!
//! The text has one true ambiguity, in logical messages: of several possible readings the one with the
//! shortest prefix is taken, and how many there were is reported.

mod columns;
mod declarations;
mod expected;
mod message;
mod transaction;
mod words;

use nom::branch::alt;
use nom::combinator::value;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::{
    ColumnSpan, Columns, DecodeError, Decoded, Operation, Relation, RelationSpan, RowChange, Truncate,
};
use declarations::Declarations;
use expected::{Expected, end, expect, literal};

/// The most tables one TRUNCATE may name: more than a server can lock at once.
const MOST_TABLES: usize = 1 << 20;

/// The result of one parser: what follows, and what was read.
type Parsed<'a, T> = IResult<&'a [u8], T, Expected>;

/// The decoder of `test_decoding`. It owns the vectors that decoded rows refer to, so that a row costs no
/// allocation once they have grown to the widest one.
#[derive(Debug, Default)]
pub struct TestDecoding {
    row: Row,
    /// The tables of the TRUNCATE decoded last.
    relations: Vec<RelationSpan>,
}

/// The row decoded last, and what helps to decode the next one.
#[derive(Debug, Default)]
struct Row {
    /// The columns: those of the old tuple, then those of the new one.
    spans: Vec<ColumnSpan>,
    /// Their declarations, for the next row.
    declarations: Declarations,
}

/// What a line says, without the vectors it may refer to.
enum Line<'a> {
    Change(ChangeLine<'a>),
    Truncate { restart_seqs: bool, cascade: bool },
    Other(Decoded<'a>),
}

/// A row message. Its columns are in [`Row::spans`].
struct ChangeLine<'a> {
    relation: Relation<'a>,
    op: Operation,
    /// How many of the spans are the old tuple's, where there is one.
    old: Option<usize>,
    /// Whether there is a new tuple.
    new: bool,
}

impl TestDecoding {
    /// A decoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one payload: the whole text the plugin wrote for one message, which may contain newlines and,
    /// in a logical message, any byte.
    pub fn decode<'a>(&'a mut self, payload: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        if !length_fits(payload.len()) {
            return Err(DecodeError::new("a payload below 4 GiB", payload, 0, None));
        }
        self.row.spans.clear();
        self.relations.clear();
        let line = match self.line(payload) {
            Ok((_, line)) => line,
            Err(error) => return Err(refusal(&error, payload)),
        };
        Ok(match line {
            Line::Change(line) => {
                let (old, new) = self.row.spans.split_at_checked(line.old.unwrap_or(0)).unwrap_or_default();
                Decoded::Change(RowChange {
                    relation: line.relation,
                    op: line.op,
                    old: line.old.map(|_| Columns::new(payload, old)),
                    new: line.new.then(|| Columns::new(payload, new)),
                })
            }
            Line::Truncate { restart_seqs, cascade } => {
                Decoded::Truncate(Truncate { relations: &self.relations, payload, restart_seqs, cascade })
            }
            Line::Other(decoded) => decoded,
        })
    }

    fn line<'a>(&mut self, payload: &'a [u8]) -> Parsed<'a, Line<'a>> {
        // Rows first: they are nearly all there is.
        match payload.strip_prefix(b"table ") {
            Some(rest) => self.table(payload, rest),
            None => other(payload).map(|(rest, decoded)| (rest, Line::Other(decoded))),
        }
    }

    /// What follows `table `: a row, or a TRUNCATE.
    fn table<'a>(&mut self, payload: &'a [u8], input: &'a [u8]) -> Parsed<'a, Line<'a>> {
        let (rest, relation) = words::relation(input)?;
        let Some(verb) = rest.strip_prefix(b": ") else {
            return self.truncated(payload, relation, rest);
        };
        let (tuples, op) = match verb {
            [b'I', b'N', b'S', b'E', b'R', b'T', b':', rest @ ..] => (rest, Operation::Insert),
            [b'U', b'P', b'D', b'A', b'T', b'E', b':', rest @ ..] => (rest, Operation::Update),
            [b'D', b'E', b'L', b'E', b'T', b'E', b':', rest @ ..] => (rest, Operation::Delete),
            _ => return self.truncated(payload, relation, rest),
        };
        let (rest, change) = self.change(payload, relation, op, tuples)?;
        let (rest, ()) = end("a column or the end of the payload")(rest)?;
        Ok((rest, Line::Change(change)))
    }

    /// The tuples of a row.
    fn change<'a>(
        &mut self,
        payload: &'a [u8],
        relation: Relation<'a>,
        op: Operation,
        input: &'a [u8],
    ) -> Parsed<'a, ChangeLine<'a>> {
        let mut change = ChangeLine { relation, op, old: None, new: false };
        let mut rest = input;
        if op == Operation::Update
            && let Some(old) = input.strip_prefix(b" old-key:")
        {
            let (behind, ()) = columns::columns(payload, old, &mut self.row)?;
            change.old = Some(self.row.spans.len());
            (rest, _) = expect("a column or ` new-tuple:`", literal(" new-tuple:")).parse(behind)?;
        }
        let (rest, present) = columns::tuple(payload, rest, &mut self.row)?;
        match op {
            Operation::Delete => change.old = present.then_some(self.row.spans.len()),
            Operation::Insert | Operation::Update => change.new = present,
        }
        Ok((rest, change))
    }

    /// The rest of a TRUNCATE whose first table was read.
    fn truncated<'a>(
        &mut self,
        payload: &'a [u8],
        first: Relation<'a>,
        input: &'a [u8],
    ) -> Parsed<'a, Line<'a>> {
        let (mut relation, mut rest) = (first, input);
        loop {
            if self.relations.len() >= MOST_TABLES {
                return Expected::error("at most 1048576 tables", rest);
            }
            self.relations.push(relation_span(payload, relation, rest));
            let Some(next) = rest.strip_prefix(b", ") else { break };
            (rest, relation) = words::relation(next)?;
        }
        let verb = expect(": INSERT:, UPDATE:, DELETE: or TRUNCATE:", literal(": TRUNCATE:"));
        let flags = alt((
            value((false, false), literal(" (no-flags)")),
            value((true, true), literal(" restart_seqs cascade")),
            value((true, false), literal(" restart_seqs")),
            value((false, true), literal(" cascade")),
        ));
        let (rest, (restart_seqs, cascade)) =
            preceded(verb, expect("the flags of TRUNCATE", flags)).parse(rest)?;
        let (rest, ()) = end("the end of the payload")(rest)?;
        Ok((rest, Line::Truncate { restart_seqs, cascade }))
    }
}

/// Whether 32-bit spans can point anywhere in a payload of this length. The server cannot send longer ones.
fn length_fits(length: usize) -> bool {
    u32::try_from(length).is_ok()
}

/// Every line that does not start with `table `.
fn other(payload: &[u8]) -> Parsed<'_, Decoded<'_>> {
    let line = alt((transaction::line, message::line));
    let mut known = expect("BEGIN, COMMIT, table, message: or a two-phase or streamed line", line);
    let (rest, decoded) = known.parse(payload)?;
    let (rest, ()) = end("the end of the payload")(rest)?;
    Ok((rest, decoded))
}

/// Where `relation`, which `rest` follows, stands in `payload`.
fn relation_span(payload: &[u8], relation: Relation<'_>, rest: &[u8]) -> RelationSpan {
    let end = payload.len() - rest.len();
    let start = end - relation.text.len();
    let dot = start + relation.schema.0.len();
    RelationSpan { start: narrow(start), dot: narrow(dot), end: narrow(end) }
}

/// An offset in a payload whose length was checked by [`length_fits`].
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// What the caller gets to know of a payload that does not match.
fn refusal(error: &nom::Err<Expected>, payload: &[u8]) -> DecodeError {
    let (expected, offset) = match error {
        nom::Err::Error(Expected { what, remaining }) | nom::Err::Failure(Expected { what, remaining }) => {
            (*what, payload.len().saturating_sub(*remaining))
        }
        // Complete parsers never ask for more; were one to, the payload would still be refused.
        nom::Err::Incomplete(_) => ("more bytes", payload.len()),
    };
    let table = payload.strip_prefix(b"table ").and_then(|rest| words::relation(rest).ok());
    DecodeError::new(expected, payload, offset, table.map(|(_, relation)| relation.text))
}

#[cfg(test)]
mod tests;
