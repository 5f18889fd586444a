//! A decoded payload as the plugin's text again, byte for byte.
//!
//! Nothing of a payload is lost in decoding: what this prints is what was decoded.

use super::{
    Columns, Decoded, Literal, LogicalMessage, Operation, RowChange, Streamed, StreamedKind, Truncate,
    TwoPhase, TwoPhaseStep,
};

/// Appends the text of `decoded` to `out`.
pub fn print(decoded: &Decoded<'_>, out: &mut Vec<u8>) {
    match decoded {
        Decoded::Begin(begin) => {
            out.extend_from_slice(b"BEGIN");
            number(out, " ", begin.xid);
        }
        Decoded::Commit(commit) => {
            out.extend_from_slice(b"COMMIT");
            number(out, " ", commit.xid);
            at(out, commit.at);
        }
        Decoded::Change(change) => row(out, change),
        Decoded::Truncate(line) => truncate(out, line),
        Decoded::Message(line) => message(out, line),
        Decoded::TwoPhase(line) => two_phase(out, line),
        Decoded::Streamed(line) => streamed(out, line),
    }
}

/// `before` and a number, where there is one.
fn number(out: &mut Vec<u8>, before: &str, number: Option<impl itoa::Integer>) {
    if let Some(number) = number {
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

fn at(out: &mut Vec<u8>, at: Option<&[u8]>) {
    if let Some(at) = at {
        pieces(out, &[b" (at ", at, b")"]);
    }
}

fn pieces(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

fn row(out: &mut Vec<u8>, change: &RowChange<'_>) {
    pieces(out, &[b"table ", change.relation.text]);
    match change.op {
        Operation::Insert => {
            out.extend_from_slice(b": INSERT:");
            tuple(out, change.new);
        }
        Operation::Update => {
            out.extend_from_slice(b": UPDATE:");
            if let Some(old) = change.old {
                out.extend_from_slice(b" old-key:");
                columns(out, old);
                out.extend_from_slice(b" new-tuple:");
            }
            tuple(out, change.new);
        }
        Operation::Delete => {
            out.extend_from_slice(b": DELETE:");
            tuple(out, change.old);
        }
    }
}

fn tuple(out: &mut Vec<u8>, tuple: Option<Columns<'_>>) {
    match tuple {
        Some(tuple) => columns(out, tuple),
        None => out.extend_from_slice(b" (no-tuple-data)"),
    }
}

fn columns(out: &mut Vec<u8>, tuple: Columns<'_>) {
    for column in tuple.iter() {
        pieces(out, &[b" ", column.name.0, b"[", column.type_text, b"]:"]);
        match column.value {
            Literal::Null => out.extend_from_slice(b"null"),
            Literal::UnchangedToast => out.extend_from_slice(b"unchanged-toast-datum"),
            Literal::Boolean(true) => out.extend_from_slice(b"true"),
            Literal::Boolean(false) => out.extend_from_slice(b"false"),
            Literal::Number(number) => out.extend_from_slice(number),
            Literal::Bits(bits) => pieces(out, &[b"B'", bits, b"'"]),
            Literal::Text(text) | Literal::EscapedText(text) => pieces(out, &[b"'", text, b"'"]),
        }
    }
}

fn truncate(out: &mut Vec<u8>, truncate: &Truncate<'_>) {
    let mut before: &[u8] = b"table ";
    for relation in truncate.tables() {
        pieces(out, &[before, relation.text]);
        before = b", ";
    }
    out.extend_from_slice(b": TRUNCATE:");
    match (truncate.restart_seqs, truncate.cascade) {
        (false, false) => out.extend_from_slice(b" (no-flags)"),
        (true, false) => out.extend_from_slice(b" restart_seqs"),
        (false, true) => out.extend_from_slice(b" cascade"),
        (true, true) => out.extend_from_slice(b" restart_seqs cascade"),
    }
}

fn message(out: &mut Vec<u8>, line: &LogicalMessage<'_>) {
    let flag: &[u8] = if line.transactional { b"1" } else { b"0" };
    pieces(out, &[b"message: transactional: ", flag, b" prefix: ", line.prefix]);
    number(out, ", sz: ", Some(line.content.len()));
    pieces(out, &[b" content:", line.content]);
}

fn two_phase(out: &mut Vec<u8>, line: &TwoPhase<'_>) {
    let step: &[u8] = match line.step {
        TwoPhaseStep::Prepare => b"PREPARE TRANSACTION ",
        TwoPhaseStep::CommitPrepared => b"COMMIT PREPARED ",
        TwoPhaseStep::RollbackPrepared => b"ROLLBACK PREPARED ",
    };
    pieces(out, &[step, line.gid]);
    number(out, ", txid ", line.xid);
    at(out, line.at);
}

fn streamed(out: &mut Vec<u8>, line: &Streamed<'_>) {
    let (start, before_xid): (&[u8], &str) = match line.kind {
        StreamedKind::Start => (b"opening a streamed block for transaction", " TXN "),
        StreamedKind::Stop => (b"closing a streamed block for transaction", " TXN "),
        StreamedKind::Abort => (b"aborting streamed (sub)transaction", " TXN "),
        StreamedKind::Commit => (b"committing streamed transaction", " TXN "),
        StreamedKind::Prepare(_) => (b"preparing streamed transaction ", ", txid "),
        StreamedKind::Change => (b"streaming change for ", "TXN "),
        StreamedKind::Truncate => (b"streaming truncate for ", "TXN "),
        StreamedKind::Message { .. } => (b"streaming message: transactional: ", ""),
    };
    out.extend_from_slice(start);
    match line.kind {
        StreamedKind::Prepare(gid) if line.xid.is_some() => pieces(out, &[b"TXN ", gid]),
        StreamedKind::Prepare(gid) => out.extend_from_slice(gid),
        StreamedKind::Change | StreamedKind::Truncate if line.xid.is_none() => {
            out.extend_from_slice(b"transaction");
        }
        StreamedKind::Message { transactional, prefix, size, content, .. } => {
            let flag: &[u8] = if transactional { b"1" } else { b"0" };
            pieces(out, &[flag, b" prefix: ", prefix]);
            number(out, ", sz: ", Some(size));
            if let Some(content) = content {
                pieces(out, &[b" content:", content]);
            }
        }
        _ => (),
    }
    number(out, before_xid, line.xid);
    at(out, line.at);
}

#[cfg(test)]
mod tests;
