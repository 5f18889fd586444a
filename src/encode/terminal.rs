//! Changes as lines for people. Pure.
//!
//! The values are the server's text; quotes and control characters are shown so that a line stays a line.

use std::io::Write as _;

use crate::decode::{
    ColumnValue, Columns, Literal, LogicalMessage, Operation, Relation, RowChange, Truncate,
};
use crate::event::Source;

/// Escape sequences, or nothing where the output is not a terminal.
#[derive(Clone, Copy, Debug)]
struct Palette {
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
    name: &'static str,
    dim: &'static str,
    off: &'static str,
}

const COLOURS: Palette = Palette {
    insert: "\x1b[32m",
    update: "\x1b[33m",
    delete: "\x1b[31m",
    name: "\x1b[1m",
    dim: "\x1b[2m",
    off: "\x1b[0m",
};

const PLAIN: Palette = Palette { insert: "", update: "", delete: "", name: "", dim: "", off: "" };

/// Writes lines into a reused buffer.
#[derive(Debug)]
pub struct TerminalEncoder {
    palette: Palette,
    line: Vec<u8>,
}

impl TerminalEncoder {
    /// An encoder with or without colours.
    pub fn new(colours: bool) -> Self {
        Self { palette: if colours { COLOURS } else { PLAIN }, line: Vec::new() }
    }

    /// The line of a row change.
    pub fn change(&mut self, change: &RowChange<'_>, source: &Source) -> &[u8] {
        let palette = self.palette;
        let (verb, colour) = match change.op {
            Operation::Insert => ("insert  ", palette.insert),
            Operation::Update => ("update  ", palette.update),
            Operation::Delete => ("delete  ", palette.delete),
        };
        self.start(source, verb, colour);
        self.relation(change.relation);
        match (change.old, change.new) {
            (Some(old), Some(new)) => {
                self.columns(&old);
                self.text(" ->");
                self.columns(&new);
            }
            (Some(columns), None) | (None, Some(columns)) => self.columns(&columns),
            (None, None) => self.text(" (no key)"),
        }
        self.end()
    }

    /// The line of a truncate.
    pub fn truncate(&mut self, truncate: &Truncate<'_>, source: &Source) -> &[u8] {
        self.start(source, "truncate", self.palette.delete);
        for relation in truncate.tables() {
            self.relation(relation);
        }
        self.end()
    }

    /// The line of a logical message.
    pub fn message(&mut self, message: &LogicalMessage<'_>, source: &Source) -> &[u8] {
        self.start(source, "message ", self.palette.update);
        self.text(" ");
        self.visible(message.prefix, None);
        self.text(": ");
        self.visible(message.content, None);
        self.end()
    }

    fn start(&mut self, source: &Source, verb: &str, colour: &str) {
        self.line.clear();
        let Palette { dim, off, .. } = self.palette;
        let time = source.time.to_string();
        let of_day = time.split_once('T').map_or("", |(_, rest)| rest.trim_end_matches('Z'));
        let transaction = source.transaction.map_or(0, |transaction| transaction.xid);
        // Writing into memory cannot fail.
        let _written = write!(self.line, "{dim}{of_day} {transaction:>8}{off} {colour}{verb}{off}");
    }

    fn relation(&mut self, relation: Relation<'_>) {
        self.text(" ");
        self.text(self.palette.name);
        self.visible(relation.text, None);
        self.text(self.palette.off);
    }

    fn columns(&mut self, columns: &Columns<'_>) {
        for column in columns.iter() {
            self.column(column);
        }
    }

    fn column(&mut self, column: ColumnValue<'_>) {
        self.text(" ");
        self.text(self.palette.dim);
        self.visible(&column.name.unquoted(), None);
        self.text("=");
        self.text(self.palette.off);
        match column.value {
            Literal::Null => self.text("null"),
            Literal::UnchangedToast => self.text("(unchanged)"),
            Literal::Boolean(_) | Literal::Number(_) | Literal::Bits(_) => {
                self.visible(&column.value.text().unwrap_or_default(), None);
            }
            Literal::Text(_) | Literal::EscapedText(_) => {
                self.text("'");
                self.visible(&column.value.text().unwrap_or_default(), Some('\''));
                self.text("'");
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.line.extend_from_slice(text.as_bytes());
    }

    /// Text of the database: control characters and bytes that are not UTF-8 are shown as escapes, so that no
    /// value can play with the terminal.
    fn visible(&mut self, bytes: &[u8], doubled: Option<char>) {
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    let _written = write!(self.line, "{}", character.escape_default());
                    continue;
                }
                let mut utf8 = [0; 4];
                let encoded = character.encode_utf8(&mut utf8).as_bytes();
                self.line.extend_from_slice(encoded);
                if doubled == Some(character) {
                    self.line.extend_from_slice(encoded);
                }
            }
            for byte in chunk.invalid() {
                let _written = write!(self.line, "\\x{byte:02x}");
            }
        }
    }

    fn end(&mut self) -> &[u8] {
        self.line.push(b'\n');
        &self.line
    }
}

#[cfg(test)]
mod tests {
    use super::TerminalEncoder;
    use crate::decode::Decoded;
    use crate::decode::test_decoding::TestDecoding;
    use crate::event::{Source, TransactionId};
    use crate::lsn::Lsn;
    use crate::time::UnixMicros;

    fn line(payload: &[u8]) -> String {
        let source = Source {
            lsn: Lsn(16),
            transaction: Some(TransactionId { xid: 745, first_lsn: Lsn(16) }),
            ordinal: 1,
            time: UnixMicros(1_767_323_045_678_901),
            commit_time_known: true,
            last_commit: None,
        };
        let mut decoder = TestDecoding::default();
        let mut encoder = TerminalEncoder::new(false);
        let text = match decoder.decode(payload).unwrap() {
            Decoded::Change(change) => encoder.change(&change, &source),
            Decoded::Truncate(truncate) => encoder.truncate(&truncate, &source),
            Decoded::Message(message) => encoder.message(&message, &source),
            other => panic!("{other:?}"),
        };
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn a_line_each() {
        assert_eq!(
            line(b"table public.t: INSERT: id[integer]:1 v[text]:'it''s' n[text]:null"),
            "03:04:05.678901      745 insert   public.t id=1 v='it''s' n=null\n"
        );
        assert_eq!(
            line(b"table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2"),
            "03:04:05.678901      745 update   public.t id=1 -> id=2\n"
        );
        assert_eq!(
            line(b"table public.t: DELETE: (no-tuple-data)"),
            "03:04:05.678901      745 delete   public.t (no key)\n"
        );
        assert_eq!(
            line(b"table public.a, public.b: TRUNCATE: (no-flags)"),
            "03:04:05.678901      745 truncate public.a public.b\n"
        );
    }

    #[test]
    fn no_value_reaches_the_terminal_as_a_command() {
        let text = line(b"table public.t: INSERT: v[text]:'\x1b[2J\n\xff'");
        assert!(text.ends_with("v='\\u{1b}[2J\\n\\xff'\n"), "{text}");
    }
}
