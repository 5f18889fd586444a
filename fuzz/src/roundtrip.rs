//! Structured messages of the plugin, printed after the grammar and read back.
//!
//! Input: bytes that [`arbitrary`] makes a message of.
//!
//! Promised: what the plugin prints is read as what was meant, name by name and value by value; the crate's own
//! printer prints the same bytes. Of a logical message whose text has several readings, the one with the shortest
//! prefix.

use arbitrary::{Result, Unstructured};
use pgsluice::decode::ast::Ast;
use pgsluice::decode::print::print;
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Decoded, LogicalMessage};
use serde_json::{Value as Json, json};

use crate::support::plain_printer::{self, Column, Event, Ident, Row, Value};

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Ok(meant) = Meant::any(&mut Unstructured::new(input)) else { return };
    let payload = meant.printed();
    let shown = payload.escape_ascii();
    let mut decoder = TestDecoding::new();
    let read = decoder.decode(&payload).unwrap_or_else(|error| panic!("{error}: {shown}"));
    match (&meant, &read) {
        (Meant::Message { transactional, prefix, content }, Decoded::Message(found)) => {
            assert_eq!(found.transactional, *transactional, "{shown}");
            same_message(found, prefix, content);
        }
        _ => assert_eq!(serde_json::to_value(Ast(&read)).expect("an ast is JSON"), meant.ast(), "{shown}"),
    }
    let mut printed = Vec::new();
    print(&read, &mut printed);
    assert_eq!(printed, payload, "{} for {shown}", printed.escape_ascii());
}

fn same_message(found: &LogicalMessage<'_>, prefix: &[u8], content: &[u8]) {
    assert!(found.candidates > 0 && found.prefix.len() <= prefix.len(), "{found:?}");
    if found.candidates == 1 {
        assert_eq!((found.prefix, found.content), (prefix, content));
    }
}

/// What the server has to say.
enum Meant {
    Row(Row),
    Truncate { tables: Vec<(Ident, Ident)>, restart: bool, cascade: bool },
    Message { transactional: bool, prefix: Vec<u8>, content: Vec<u8> },
    Begin { xid: Option<u32> },
    Commit { xid: Option<u32>, at: Option<String> },
    Prepared { step: &'static str, gid: Vec<u8>, xid: Option<u32>, at: Option<String> },
    Streamed { line: &'static str, xid: Option<u32>, at: Option<String> },
}

/// The beginning of a line of a slot with two-phase decoding, and how the ast calls it.
const STEPS: &[(&str, &str)] = &[
    ("PREPARE TRANSACTION ", "prepare"),
    ("COMMIT PREPARED ", "commit_prepared"),
    ("ROLLBACK PREPARED ", "rollback_prepared"),
];

/// The same of streamed transactions, and whether a time may follow.
const STREAMED: &[(&str, &str)] = &[
    ("opening a streamed block for transaction", "stream_start"),
    ("closing a streamed block for transaction", "stream_stop"),
    ("aborting streamed (sub)transaction", "stream_abort"),
    ("committing streamed transaction", "stream_commit"),
];

fn kind(lines: &[(&str, &'static str)], line: &str) -> &'static str {
    lines.iter().find(|(start, _)| *start == line).map(|(_, kind)| *kind).expect("one of the lines")
}

impl Meant {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=11_u8)? {
            0 => Self::Begin { xid: u.arbitrary()? },
            1 => Self::Commit { xid: u.arbitrary()?, at: maybe(u, time)? },
            2 => {
                let tables = some(u, |u| Ok((ident(u)?, ident(u)?)))?;
                Self::Truncate { tables, restart: u.arbitrary()?, cascade: u.arbitrary()? }
            }
            3 => {
                let (prefix, mut content): (_, Vec<u8>) = (without_zero(u)?, u.arbitrary()?);
                if u.ratio(1, 4)? {
                    // Its end could be a content of its own.
                    let inner: Vec<u8> = u.arbitrary()?;
                    content.extend(format!(", sz: {} content:", inner.len()).as_bytes());
                    content.extend(inner);
                }
                Self::Message { transactional: u.arbitrary()?, prefix, content }
            }
            4 => Self::Prepared {
                step: u.choose(STEPS)?.0,
                gid: without_zero(u)?,
                xid: u.arbitrary()?,
                at: maybe(u, time)?,
            },
            5 => {
                let line = u.choose(STREAMED)?.0;
                let at = if line == "committing streamed transaction" { maybe(u, time)? } else { None };
                Self::Streamed { line, xid: u.arbitrary()?, at }
            }
            _ => Self::Row(Row { schema: ident(u)?, table: ident(u)?, event: event(u)? }),
        })
    }

    /// The plugin's text.
    fn printed(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Row(row) => return plain_printer::print(row),
            Self::Begin { xid } => {
                out.extend(b"BEGIN");
                numbered(&mut out, " ", *xid);
            }
            Self::Commit { xid, at } => {
                out.extend(b"COMMIT");
                numbered(&mut out, " ", *xid);
                timed(&mut out, at.as_ref());
            }
            Self::Truncate { tables, restart, cascade } => {
                for (schema, table) in tables {
                    out.extend(if out.is_empty() { &b"table "[..] } else { b", " });
                    plain_printer::print_relation(schema, table, &mut out);
                }
                out.extend(b": TRUNCATE:");
                out.extend(if *restart { &b" restart_seqs"[..] } else { b"" });
                out.extend(if *cascade { &b" cascade"[..] } else { b"" });
                out.extend(if *restart || *cascade { &b""[..] } else { b" (no-flags)" });
            }
            Self::Message { transactional, prefix, content } => {
                out.extend(
                    format!("message: transactional: {} prefix: ", u8::from(*transactional)).as_bytes(),
                );
                out.extend(prefix);
                out.extend(format!(", sz: {} content:", content.len()).as_bytes());
                out.extend(content);
            }
            Self::Prepared { step, gid, xid, at } => {
                out.extend(step.as_bytes());
                print_gid(gid, &mut out);
                numbered(&mut out, ", txid ", *xid);
                timed(&mut out, at.as_ref());
            }
            Self::Streamed { line, xid, at } => {
                out.extend(line.as_bytes());
                numbered(&mut out, " TXN ", *xid);
                timed(&mut out, at.as_ref());
            }
        }
        out
    }

    /// How it has to be read.
    fn ast(&self) -> Json {
        match self {
            Self::Row(row) => row_ast(row),
            Self::Begin { xid } => with_xid("begin", *xid, None),
            Self::Commit { xid, at } => with_xid("commit", *xid, at.as_ref()),
            Self::Truncate { tables, restart, cascade } => {
                let tables: Vec<Json> =
                    tables.iter().map(|(schema, table)| relation(schema, table)).collect();
                json!({"k": "truncate", "rels": tables, "restart": restart, "cascade": cascade})
            }
            Self::Prepared { step, gid, xid, at } => {
                let mut ast = with_xid(kind(STEPS, step), *xid, at.as_ref());
                ast["gid"] = text(gid);
                ast
            }
            Self::Streamed { line, xid, at } => with_xid(kind(STREAMED, line), *xid, at.as_ref()),
            Self::Message { .. } => panic!("a message has several readings"),
        }
    }
}

fn numbered(out: &mut Vec<u8>, before: &str, number: Option<u32>) {
    if let Some(number) = number {
        out.extend(format!("{before}{number}").as_bytes());
    }
}

fn timed(out: &mut Vec<u8>, at: Option<&String>) {
    if let Some(at) = at {
        out.extend(format!(" (at {at})").as_bytes());
    }
}

/// With a backslash it is an escape string.
fn print_gid(gid: &[u8], out: &mut Vec<u8>) {
    let doubled: Vec<u8> =
        gid.iter().flat_map(|byte| vec![*byte; if *byte == b'\\' { 2 } else { 1 }]).collect();
    out.extend(if doubled.len() > gid.len() { &b"E"[..] } else { b"" });
    plain_printer::print_quoted(&doubled, b'\'', out);
}

fn with_xid(kind: &str, xid: Option<u32>, at: Option<&String>) -> Json {
    let mut ast = json!({"k": kind});
    if let Some(xid) = xid {
        ast["xid"] = xid.into();
    }
    if let Some(at) = at {
        ast["ts"] = at.as_str().into();
    }
    ast
}

fn row_ast(row: &Row) -> Json {
    let rel = relation(&row.schema, &row.table);
    match &row.event {
        Event::Insert(new) => json!({"k": "insert", "rel": rel, "new": tuple(new.as_ref())}),
        Event::Update(old, new) => {
            json!({"k": "update", "rel": rel, "old": tuple(old.as_ref()), "new": tuple(new.as_ref())})
        }
        Event::Delete(old) => json!({"k": "delete", "rel": rel, "old": tuple(old.as_ref())}),
    }
}

fn relation(schema: &Ident, table: &Ident) -> Json {
    json!([text(&schema.name), text(&table.name)])
}

fn tuple(columns: Option<&Vec<Column>>) -> Json {
    let column = |column: &Column| {
        let (kind, value) = match &column.value {
            Value::Null => ("null", Json::Null),
            Value::UnchangedToast => ("toast", Json::Null),
            Value::Boolean(value) => ("bool", value.to_string().into()),
            Value::Number(number) => ("num", number.as_str().into()),
            Value::Bits(bits) => ("bit", bits.as_str().into()),
            Value::Text(value) => ("str", text(value)),
        };
        json!({"name": text(&column.name.name), "type": text(&column.type_text), "kind": kind, "value": value})
    };
    columns.map(|columns| columns.iter().map(column).collect::<Vec<Json>>()).into()
}

/// A string where the bytes are one.
fn text(bytes: &[u8]) -> Json {
    str::from_utf8(bytes).map_or_else(
        |_| json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
        Json::from,
    )
}

fn maybe<'a, T>(
    u: &mut Unstructured<'a>,
    any: impl Fn(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Option<T>> {
    if u.ratio(7, 8)? { any(u).map(Some) } else { Ok(None) }
}

/// One to eight.
fn some<'a, T>(u: &mut Unstructured<'a>, any: impl Fn(&mut Unstructured<'a>) -> Result<T>) -> Result<Vec<T>> {
    (0..u.int_in_range(1..=8)?).map(|_| any(u)).collect()
}

/// What the server can store as text in some encoding.
fn without_zero(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut bytes: Vec<u8> = u.arbitrary()?;
    bytes.retain(|byte| *byte != 0);
    Ok(bytes)
}

fn ident(u: &mut Unstructured<'_>) -> Result<Ident> {
    let mut name = without_zero(u)?;
    if name.is_empty() {
        name.push(b'n');
    }
    Ok(Ident { name, quoted: u.ratio(1, 8)? })
}

fn event(u: &mut Unstructured<'_>) -> Result<Event> {
    Ok(match u.int_in_range(0..=2)? {
        0 => Event::Insert(maybe(u, columns)?),
        1 => Event::Update(maybe(u, columns)?, maybe(u, columns)?),
        _ => Event::Delete(maybe(u, columns)?),
    })
}

fn columns(u: &mut Unstructured<'_>) -> Result<Vec<Column>> {
    if u.ratio(1, 16)? { Ok(Vec::new()) } else { some(u, column) }
}

fn column(u: &mut Unstructured<'_>) -> Result<Column> {
    let value = match u.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => Value::UnchangedToast,
        2 => Value::Boolean(u.arbitrary()?),
        3 => Value::Number(number(u)?),
        4 => {
            Value::Bits(u.arbitrary::<Vec<bool>>()?.iter().map(|bit| if *bit { '1' } else { '0' }).collect())
        }
        _ => Value::Text(without_zero(u)?),
    };
    Ok(Column { name: ident(u)?, type_text: type_text(u)?, value })
}

fn number(u: &mut Unstructured<'_>) -> Result<String> {
    let digits = |u: &mut Unstructured<'_>| -> Result<String> { Ok(u.arbitrary::<u64>()?.to_string()) };
    let sign = if u.arbitrary()? { "-" } else { "" };
    Ok(match u.int_in_range(0..=3)? {
        0 => format!("{sign}{}", digits(u)?),
        1 => format!("{sign}{}.{:0>3}", digits(u)?, digits(u)?),
        2 => format!(
            "{sign}{}.{}e{}{:02}",
            u.int_in_range(0..=9)?,
            digits(u)?,
            u.choose(&['+', '-'])?,
            u.arbitrary::<u8>()?
        ),
        _ => (*u.choose(&["NaN", "Infinity", "-Infinity", "-0"])?).to_owned(),
    })
}

/// What `format_type` can print.
fn type_text(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    match u.int_in_range(0..=3)? {
        0 => plain_printer::print_relation(&ident(u)?, &ident(u)?, &mut text),
        1 => plain_printer::print_ident(&ident(u)?, &mut text),
        _ => {
            let builtin =
                ["integer", "timestamp with time zone", "character varying", "\"char\"", "bit", "text"];
            text.extend(u.choose(&builtin)?.as_bytes());
        }
    }
    if u.ratio(1, 4)? {
        text.extend(b"[]");
    }
    Ok(text)
}

/// As the server prints it.
fn time(u: &mut Unstructured<'_>) -> Result<String> {
    let before_christ = u.ratio(1, 8)?;
    let year: u32 = u.int_in_range(1..=if before_christ { 4713 } else { 294_246 })?;
    let (month, day) = (u.int_in_range(1..=12_u8)?, u.int_in_range(1..=28_u8)?);
    let (hour, minute, second) =
        (u.int_in_range(0..=23_u8)?, u.int_in_range(0..=59_u8)?, u.int_in_range(0..=59_u8)?);
    let mut time = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    let fraction = format!(".{:06}", u.int_in_range(0..=999_999_u32)?);
    time += fraction.trim_end_matches('0').trim_end_matches('.');
    time += &format!("{}{:02}", u.choose(&['+', '-'])?, u.int_in_range(0..=167_u8)?);
    if u.ratio(1, 4)? {
        time += &format!(":{:02}", u.int_in_range(0..=59_u8)?);
    }
    time += if before_christ { " BC" } else { "" };
    Ok(time)
}
