//! A decoded payload as JSON that shows how it was read: what `decode` prints, and the form of the corpus of
//! captured payloads, whose README describes it key by key.
//!
//! Names, texts and GIDs are given without quoting and doubling. Text that is not UTF-8 is `{"hex": …}`.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{
    Columns, Decoded, Literal, LogicalMessage, Operation, Relation, RowChange, Streamed, StreamedKind,
    Truncate, TwoPhase, TwoPhaseStep, undouble,
};

/// Serializes a decoded payload.
#[derive(Clone, Copy, Debug)]
pub struct Ast<'d, 'a>(pub &'d Decoded<'a>);

impl Serialize for Ast<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Decoded::Begin(begin) => {
                map.serialize_entry("k", "begin")?;
                transaction(&mut map, begin.xid, None)?;
            }
            Decoded::Commit(commit) => {
                map.serialize_entry("k", "commit")?;
                transaction(&mut map, commit.xid, commit.at)?;
            }
            Decoded::Change(change) => row(&mut map, change)?,
            Decoded::Truncate(tables) => truncate(&mut map, tables)?,
            Decoded::Message(message) => logical_message(&mut map, message)?,
            Decoded::TwoPhase(line) => two_phase(&mut map, line)?,
            Decoded::Streamed(line) => streamed(&mut map, line)?,
        }
        map.end()
    }
}

/// `xid` and `ts`, where they were printed.
fn transaction<M: SerializeMap>(map: &mut M, xid: Option<u32>, at: Option<&[u8]>) -> Result<(), M::Error> {
    if let Some(xid) = xid {
        map.serialize_entry("xid", &xid)?;
    }
    if let Some(at) = at {
        map.serialize_entry("ts", &Text::from(at))?;
    }
    Ok(())
}

fn row<M: SerializeMap>(map: &mut M, change: &RowChange<'_>) -> Result<(), M::Error> {
    let kind = match change.op {
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Delete => "delete",
    };
    map.serialize_entry("k", kind)?;
    map.serialize_entry("rel", &Name(change.relation))?;
    if change.op != Operation::Insert {
        map.serialize_entry("old", &change.old.map(Tuple))?;
    }
    if change.op != Operation::Delete {
        map.serialize_entry("new", &change.new.map(Tuple))?;
    }
    Ok(())
}

fn truncate<M: SerializeMap>(map: &mut M, truncate: &Truncate<'_>) -> Result<(), M::Error> {
    map.serialize_entry("k", "truncate")?;
    map.serialize_entry("rels", &truncate.tables().map(Name).collect::<Vec<_>>())?;
    map.serialize_entry("restart", &truncate.restart_seqs)?;
    map.serialize_entry("cascade", &truncate.cascade)
}

fn logical_message<M: SerializeMap>(map: &mut M, message: &LogicalMessage<'_>) -> Result<(), M::Error> {
    map.serialize_entry("k", "message")?;
    map.serialize_entry("transactional", &message.transactional)?;
    map.serialize_entry("prefix", &Text::from(message.prefix))?;
    map.serialize_entry("sz", &message.content.len())?;
    map.serialize_entry("content", &Text::from(message.content))?;
    map.serialize_entry("candidates", &message.candidates)
}

fn two_phase<M: SerializeMap>(map: &mut M, line: &TwoPhase<'_>) -> Result<(), M::Error> {
    let kind = match line.step {
        TwoPhaseStep::Prepare => "prepare",
        TwoPhaseStep::CommitPrepared => "commit_prepared",
        TwoPhaseStep::RollbackPrepared => "rollback_prepared",
    };
    map.serialize_entry("k", kind)?;
    map.serialize_entry("gid", &Text(plain_gid(line.gid)))?;
    transaction(map, line.xid, line.at)
}

fn streamed<M: SerializeMap>(map: &mut M, line: &Streamed<'_>) -> Result<(), M::Error> {
    let kind = match line.kind {
        StreamedKind::Start => "stream_start",
        StreamedKind::Stop => "stream_stop",
        StreamedKind::Abort => "stream_abort",
        StreamedKind::Commit => "stream_commit",
        StreamedKind::Prepare(_) => "stream_prepare",
        StreamedKind::Change => "stream_change",
        StreamedKind::Truncate => "stream_truncate",
        StreamedKind::Message { .. } => "stream_message",
    };
    map.serialize_entry("k", kind)?;
    match line.kind {
        StreamedKind::Prepare(gid) => map.serialize_entry("gid", &Text(plain_gid(gid)))?,
        StreamedKind::Message { transactional, prefix, size, content, candidates } => {
            map.serialize_entry("transactional", &transactional)?;
            map.serialize_entry("prefix", &Text::from(prefix))?;
            map.serialize_entry("sz", &size)?;
            map.serialize_entry("content", &content.map(Text::from))?;
            if content.is_some() {
                map.serialize_entry("candidates", &candidates)?;
            }
        }
        _ => (),
    }
    transaction(map, line.xid, line.at)
}

/// A GID without its quotes, doubled quotes and doubled backslashes.
fn plain_gid(gid: &[u8]) -> Cow<'_, [u8]> {
    let (escaped, text) = match gid.strip_prefix(b"E") {
        Some(text) => (true, text),
        None => (false, gid),
    };
    let text = text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(text);
    let mut plain = undouble(text, b'\'');
    if escaped {
        plain = Cow::Owned(undouble(&plain, b'\\').into_owned());
    }
    plain
}

/// `[schema, table]`.
struct Name<'a>(Relation<'a>);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Relation { schema, table, .. }) = self;
        (Text(schema.unquoted()), Text(table.unquoted())).serialize(serializer)
    }
}

/// The columns of a tuple.
struct Tuple<'a>(Columns<'a>);

impl Serialize for Tuple<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut columns = serializer.serialize_seq(Some(self.0.len()))?;
        for column in self.0.iter() {
            columns.serialize_element(&Column {
                name: Text(column.name.unquoted()),
                type_text: column.type_text.into(),
                literal: column.value,
            })?;
        }
        columns.end()
    }
}

struct Column<'a> {
    name: Text<'a>,
    type_text: Text<'a>,
    literal: Literal<'a>,
}

impl Serialize for Column<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self.literal {
            Literal::Null => "null",
            Literal::UnchangedToast => "toast",
            Literal::Boolean(_) => "bool",
            Literal::Number(_) => "num",
            Literal::Bits(_) => "bit",
            Literal::Text(_) | Literal::EscapedText(_) => "str",
        };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("type", &self.type_text)?;
        map.serialize_entry("kind", kind)?;
        map.serialize_entry("value", &self.literal.text().map(Text))?;
        map.end()
    }
}

/// A string, or `{"hex": …}` where it is not UTF-8.
struct Text<'a>(Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut hex = String::with_capacity(self.0.len() * 2);
        for byte in &*self.0 {
            write!(hex, "{byte:02x}").map_err(serde::ser::Error::custom)?;
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("hex", &hex)?;
        map.end()
    }
}

#[cfg(test)]
mod tests;
