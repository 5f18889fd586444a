//! Lines about transactions: BEGIN, COMMIT, those of two-phase slots and those of streamed transactions.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, not, opt, value};
use nom::sequence::{pair, preceded, separated_pair};

use super::expected::{expect, literal};
use super::words::{at, gid, xid};
use super::{Parsed, message};
use crate::decode::{Begin, Commit, Decoded, Streamed, StreamedKind, TwoPhase, TwoPhaseStep};

/// One of these lines.
pub(super) fn line(input: &[u8]) -> Parsed<'_, Decoded<'_>> {
    // `COMMIT PREPARED` before `COMMIT`, which is its beginning.
    alt((
        map(begin, Decoded::Begin),
        map(two_phase, Decoded::TwoPhase),
        map(commit, Decoded::Commit),
        streamed,
    ))
    .parse(input)
}

fn begin(input: &[u8]) -> Parsed<'_, Begin> {
    let xid = preceded(literal("BEGIN"), opt(preceded(literal(" "), cut(xid))));
    map(xid, |xid| Begin { xid }).parse(input)
}

fn commit(input: &[u8]) -> Parsed<'_, Commit<'_>> {
    // ` (at …)` begins with a space too.
    let separator = (literal(" "), not(literal("(")));
    let xid = preceded(literal("COMMIT"), opt(preceded(separator, cut(xid))));
    map((xid, at), |(xid, at)| Commit { xid, at }).parse(input)
}

fn two_phase(input: &[u8]) -> Parsed<'_, TwoPhase<'_>> {
    let step = alt((
        value(TwoPhaseStep::Prepare, literal("PREPARE TRANSACTION ")),
        value(TwoPhaseStep::CommitPrepared, literal("COMMIT PREPARED ")),
        value(TwoPhaseStep::RollbackPrepared, literal("ROLLBACK PREPARED ")),
    ));
    let line = (step, cut(gid), opt(preceded(literal(", txid "), cut(xid))), at);
    map(line, |(step, gid, xid, at)| TwoPhase { step, gid, xid, at }).parse(input)
}

/// ` TXN xid`, where it stands.
fn txn(input: &[u8]) -> Parsed<'_, Option<u32>> {
    opt(preceded(literal(" TXN "), cut(xid))).parse(input)
}

fn streamed(input: &[u8]) -> Parsed<'_, Decoded<'_>> {
    let block = alt((
        value(StreamedKind::Start, literal("opening a streamed block for transaction")),
        value(StreamedKind::Stop, literal("closing a streamed block for transaction")),
        value(StreamedKind::Abort, literal("aborting streamed (sub)transaction")),
    ));
    let block = map(pair(block, txn), |(kind, xid)| Streamed { kind, xid, at: None });
    let line = alt((block, committing, preparing, contents, message::streamed));
    map(line, Decoded::Streamed).parse(input)
}

fn committing(input: &[u8]) -> Parsed<'_, Streamed<'_>> {
    let line = (preceded(literal("committing streamed transaction"), txn), at);
    map(line, |(xid, at)| Streamed { kind: StreamedKind::Commit, xid, at }).parse(input)
}

fn preparing(input: &[u8]) -> Parsed<'_, Streamed<'_>> {
    let named = preceded(literal("TXN "), cut(separated_pair(gid, literal(", txid "), map(xid, Some))));
    let name = expect("TXN or a global transaction id", alt((named, map(gid, |gid| (gid, None)))));
    let line = (preceded(literal("preparing streamed transaction "), name), at);
    map(line, |((gid, xid), at)| Streamed { kind: StreamedKind::Prepare(gid), xid, at }).parse(input)
}

fn contents(input: &[u8]) -> Parsed<'_, Streamed<'_>> {
    let kind = alt((
        value(StreamedKind::Change, literal("streaming change for ")),
        value(StreamedKind::Truncate, literal("streaming truncate for ")),
    ));
    let whose = alt((preceded(literal("TXN "), map(xid, Some)), value(None, literal("transaction"))));
    map(pair(kind, whose), |(kind, xid)| Streamed { kind, xid, at: None }).parse(input)
}
