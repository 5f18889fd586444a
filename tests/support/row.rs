//! Random rows.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::plain_printer::{Column, Event, Ident, Row, Value, print_ident};

/// What confuses parsers that look for a piece of text.
const TRAPS: &[&[u8]] = &[
    b"\"",
    b"\"\"",
    b"'",
    b"''",
    b"\\",
    b"\\'",
    b"[",
    b"]",
    b"[]",
    b"]:",
    b"\n",
    b"\t",
    b" ",
    b".",
    b",",
    b", ",
    b":",
    b"a",
    b"null",
    b"true",
    b"B'",
    b": INSERT:",
    b" UPDATE:",
    b": DELETE:",
    b": TRUNCATE: (no-flags)",
    b" old-key:",
    b" new-tuple:",
    b" (no-tuple-data)",
    b"unchanged-toast-datum",
    b", public.b",
    b"COMMIT 5 (at ",
    b"table public.t",
    b"new",
    b"_",
    b"7",
    b"-",
    b"(",
    b"\xe9",
    b"\xff",
    b"\x80",
    "é日本".as_bytes(),
    b", sz: 1 content:",
    b", sz: 0",
];

/// Bytes without NUL, full of traps.
pub(crate) fn text(pieces: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => select(TRAPS).prop_map(<[u8]>::to_vec),
        1 => vec(1..=u8::MAX, 1..4),
        1 => "[a-z0-9 ]{1,8}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..pieces).prop_map(|pieces| pieces.concat())
}

fn ident() -> impl Strategy<Value = Ident> {
    let name = prop_oneof![
        3 => "[a-z_][a-z0-9_]{0,12}".prop_map(String::into_bytes),
        1 => "(select|table|user|order|null|new|old)".prop_map(String::into_bytes),
        2 => text(4).prop_map(|name| if name.is_empty() { b"7".to_vec() } else { name }),
    ];
    (name, proptest::bool::weighted(0.2)).prop_map(|(name, quoted)| Ident { name, quoted })
}

fn type_text() -> impl Strategy<Value = Vec<u8>> {
    let builtin = select(vec![
        "integer",
        "text",
        "timestamp with time zone",
        "character varying",
        "double precision",
        "bit",
        "\"char\"",
        "boolean",
        "numeric",
        "jsonb",
        "interval",
    ]);
    let user = (ident(), proptest::option::of(ident())).prop_map(|(name, schema)| {
        let mut text = Vec::new();
        if let Some(schema) = schema {
            print_ident(&schema, &mut text);
            text.push(b'.');
        }
        print_ident(&name, &mut text);
        text
    });
    let base = prop_oneof![builtin.prop_map(|name| name.as_bytes().to_vec()), user];
    (base, any::<bool>()).prop_map(|(mut text, array)| {
        text.extend_from_slice(if array { b"[]" } else { b"" });
        text
    })
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,40})\\.[0-9]{1,40}",
        "-?[1-9](\\.[0-9]{1,16})?e[+-][0-9]{2,3}",
        select(vec!["NaN", "Infinity", "-Infinity", "-0", "0"]).prop_map(str::to_owned),
    ]
}

fn column() -> impl Strategy<Value = Column> {
    let value = prop_oneof![
        1 => Just(Value::Null),
        1 => Just(Value::UnchangedToast),
        1 => any::<bool>().prop_map(Value::Boolean),
        2 => number().prop_map(Value::Number),
        1 => "[01]{0,20}".prop_map(Value::Bits),
        4 => text(6).prop_map(Value::Text),
        1 => vec(1..=u8::MAX, 0..200).prop_map(Value::Text),
    ];
    (ident(), type_text(), value).prop_map(|(name, type_text, value)| Column { name, type_text, value })
}

/// A row message of any kind.
pub(crate) fn row() -> impl Strategy<Value = Row> {
    let tuple = || proptest::option::weighted(0.9, vec(column(), 0..6));
    let event = prop_oneof![
        tuple().prop_map(Event::Insert),
        (tuple(), tuple()).prop_map(|(old, new)| Event::Update(old, new)),
        tuple().prop_map(Event::Delete),
    ];
    (ident(), ident(), event).prop_map(|(schema, table, event)| Row { schema, table, event })
}

/// Names of a TRUNCATE.
pub(crate) fn tables() -> impl Strategy<Value = Vec<(Ident, Ident)>> {
    vec((ident(), ident()), 1..5)
}
