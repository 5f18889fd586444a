//! What holds of the decoder whatever it is given.

#![cfg(test)]

mod support {
    pub(crate) mod corpus;
    pub(crate) mod plain_parser;
    pub(crate) mod plain_printer;
    pub(crate) mod row;
}

use std::sync::LazyLock;

use pgsluice::decode::array::ArrayTokens;
use pgsluice::decode::ast::Ast;
use pgsluice::decode::hstore::HstorePairs;
use pgsluice::decode::print::print;
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{ColumnValue, Columns, Decoded, Literal, Operation};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use support::plain_printer::{self, Column, Event, Row, Value};
use support::{corpus, plain_parser, row};

type Checked = Result<(), TestCaseError>;

/// The messages of the corpus that are short enough to be changed a few thousand times, without the thousands
/// that differ only in a number.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let cases = corpus::cases().into_iter().filter(|case| !case.name.contains("spill"));
    let frames = cases.flat_map(|case| case.frames).filter(|frame| frame.ast["k"] != "stream_change");
    frames.map(|frame| frame.payload).filter(|payload| payload.len() < 2000).collect()
});

fn same_column(expected: &Column, found: &ColumnValue<'_>) -> bool {
    let value = match (&expected.value, found.value) {
        (Value::Null, Literal::Null) | (Value::UnchangedToast, Literal::UnchangedToast) => true,
        (Value::Boolean(expected), Literal::Boolean(found)) => *expected == found,
        (Value::Number(expected), Literal::Number(found)) | (Value::Bits(expected), Literal::Bits(found)) => {
            expected.as_bytes() == found
        }
        (Value::Text(expected), Literal::Text(found)) => expected == found && !expected.contains(&b'\''),
        (Value::Text(expected), Literal::EscapedText(_)) => {
            let mut scratch = b"what the last one left".to_vec();
            expected.contains(&b'\'')
                && found.value.text().as_deref() == Some(expected)
                && found.value.text_in(&mut scratch) == Some(expected)
        }
        _ => false,
    };
    value && expected.name.name == *found.name.unquoted() && expected.type_text == found.type_text
}

fn same_tuple(expected: Option<&Vec<Column>>, found: Option<Columns<'_>>) -> bool {
    match (expected, found) {
        (None, None) => true,
        (Some(expected), Some(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found.iter()).all(|(e, f)| same_column(e, &f))
        }
        _ => false,
    }
}

/// `payload` is read as `row`.
fn reads_as(payload: &[u8], row: &Row) -> Checked {
    let mut decoder = TestDecoding::new();
    let read = decoder.decode(payload);
    let Ok(Decoded::Change(change)) = &read else {
        return Err(TestCaseError::fail(format!("{}: {read:?}", payload.escape_ascii())));
    };
    let (op, old, new) = match &row.event {
        Event::Insert(new) => (Operation::Insert, None, new.as_ref()),
        Event::Update(old, new) => (Operation::Update, old.as_ref(), new.as_ref()),
        Event::Delete(old) => (Operation::Delete, old.as_ref(), None),
    };
    prop_assert_eq!(change.op, op);
    prop_assert_eq!(&*change.relation.schema.unquoted(), &*row.schema.name);
    prop_assert_eq!(&*change.relation.table.unquoted(), &*row.table.name);
    prop_assert!(same_tuple(old, change.old), "old tuple of {}: {:?}", payload.escape_ascii(), change.old);
    prop_assert!(same_tuple(new, change.new), "new tuple of {}: {:?}", payload.escape_ascii(), change.new);
    Ok(())
}

/// Both parsers read `payload` alike, and what they accept prints again.
fn same_readings(payload: &[u8]) -> Checked {
    let mut decoder = TestDecoding::new();
    let plain = plain_parser::parse(payload);
    match decoder.decode(payload) {
        Err(error) => {
            prop_assert_eq!(plain, None, "only the plain parser reads {}", payload.escape_ascii());
            prop_assert!(error.offset <= payload.len() && error.shape.len() <= 40);
        }
        Ok(read) => {
            let ast = serde_json::to_value(Ast(&read)).expect("an ast is JSON");
            prop_assert_eq!(Some(ast), plain, "{}", payload.escape_ascii());
            let mut printed = Vec::new();
            print(&read, &mut printed);
            prop_assert!(printed == payload, "{} prints {}", payload.escape_ascii(), printed.escape_ascii());
        }
    }
    Ok(())
}

/// One change of a payload.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
    /// The rest comes from another message.
    Splice(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (place(), row::text(2)).prop_map(|(at, text)| Mutation::Insert(at, text)),
        (place(), place()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        (place(), place()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (place(), place(), place()).prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
    ]
}

fn mutate(payload: &mut Vec<u8>, mutation: &Mutation) {
    let length = payload.len() + 1;
    let range = |a: &Index, b: &Index| {
        let (a, b) = (a.index(length), b.index(length));
        a.min(b)..a.max(b)
    };
    match mutation {
        Mutation::Replace(at, byte) if !payload.is_empty() => *at.get_mut(payload) = *byte,
        Mutation::Replace(_, byte) => payload.push(*byte),
        Mutation::Insert(at, text) => {
            let at = at.index(length);
            payload.splice(at..at, text.iter().copied());
        }
        Mutation::Remove(from, to) => drop(payload.drain(range(from, to))),
        Mutation::Repeat(from, to) => {
            let range = range(from, to);
            let piece = payload[range.clone()].to_vec();
            payload.splice(range.end..range.end, piece);
        }
        Mutation::Splice(at, other, from) => {
            let other = other.get(&FRAMES);
            payload.truncate(at.index(length));
            payload.extend_from_slice(&other[from.index(other.len() + 1)..]);
        }
    }
}

proptest! {
    #[test]
    fn a_row_is_read_as_it_was_printed(row in row::row()) {
        let payload = plain_printer::print(&row);
        reads_as(&payload, &row)?;
        same_readings(&payload)?;
    }

    #[test]
    fn truncated_tables_are_read_as_printed(
        tables in row::tables(),
        flags in proptest::sample::select(vec![
            (" (no-flags)", false, false), (" restart_seqs", true, false), (" cascade", false, true),
            (" restart_seqs cascade", true, true),
        ]),
    ) {
        let mut payload = Vec::new();
        for (schema, table) in &tables {
            payload.extend_from_slice(if payload.is_empty() { b"table " } else { b", " });
            plain_printer::print_relation(schema, table, &mut payload);
        }
        payload.extend_from_slice(format!(": TRUNCATE:{}", flags.0).as_bytes());
        let mut decoder = TestDecoding::new();
        let Ok(Decoded::Truncate(truncate)) = decoder.decode(&payload) else {
            return Err(TestCaseError::fail(payload.escape_ascii().to_string()));
        };
        prop_assert_eq!((truncate.restart_seqs, truncate.cascade), (flags.1, flags.2));
        let found: Vec<_> = truncate
            .tables()
            .map(|found| (found.schema.unquoted().into_owned(), found.table.unquoted().into_owned()))
            .collect();
        let expected: Vec<_> =
            tables.into_iter().map(|(schema, table)| (schema.name, table.name)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_message_with_one_reading_is_read_as_printed(
        prefix in row::text(5), content in prop_oneof![row::text(8), vec(any::<u8>(), 0..50)],
        transactional in any::<bool>(),
    ) {
        let flag = u8::from(transactional);
        let mut payload = format!("message: transactional: {flag} prefix: ").into_bytes();
        payload.extend_from_slice(&prefix);
        payload.extend_from_slice(format!(", sz: {} content:", content.len()).as_bytes());
        payload.extend_from_slice(&content);
        let mut decoder = TestDecoding::new();
        let Ok(Decoded::Message(message)) = decoder.decode(&payload) else {
            return Err(TestCaseError::fail(payload.escape_ascii().to_string()));
        };
        prop_assert_eq!(message.transactional, transactional);
        prop_assert!(message.candidates >= 1 && message.prefix.len() <= prefix.len());
        if message.candidates == 1 {
            prop_assert_eq!((message.prefix, message.content), (&prefix[..], &content[..]));
        }
        same_readings(&payload)?;
    }

    #[test]
    fn a_gid_is_read_as_printed(gid in row::text(5), xid in any::<Option<u32>>()) {
        let mut payload = b"COMMIT PREPARED ".to_vec();
        if gid.contains(&b'\\') {
            payload.push(b'E');
        }
        let backslashes: Vec<u8> =
            gid.iter().flat_map(|byte| vec![*byte; if *byte == b'\\' { 2 } else { 1 }]).collect();
        plain_printer::print_quoted(&backslashes, b'\'', &mut payload);
        if let Some(xid) = xid {
            payload.extend_from_slice(format!(", txid {xid}").as_bytes());
        }
        same_readings(&payload)?;
        let ast = plain_parser::parse(&payload).expect("a line of a two-phase slot");
        if let Ok(gid) = String::from_utf8(gid) {
            prop_assert_eq!(&ast["gid"], &serde_json::Value::from(gid));
        }
        prop_assert_eq!(ast["xid"].as_u64(), xid.map(u64::from));
    }

    #[test]
    fn any_bytes_are_refused_or_print_again(payload in vec(any::<u8>(), 0..300)) {
        same_readings(&payload)?;
    }

    #[test]
    fn any_text_behind_a_true_beginning_is_refused_or_prints_again(
        start in proptest::sample::select(vec![
            "table a.b: INSERT:", "table a.b: UPDATE: old-key:", "table a.b: DELETE: c[", "table a.b: INSERT: c[t]:",
            "table ", "table a.b, ", "BEGIN ", "COMMIT ", "message: transactional: 0 prefix: ", "COMMIT PREPARED ",
            "streaming message: transactional: 1 prefix: ", "preparing streamed transaction ",
        ]),
        rest in row::text(10),
    ) {
        same_readings(&[start.as_bytes(), &rest[..]].concat())?;
    }

    #[test]
    fn a_changed_message_is_refused_or_prints_again(
        frame in any::<Index>(), mutations in vec(mutation(), 1..4),
    ) {
        let mut payload = frame.get(&FRAMES).clone();
        for mutation in &mutations {
            mutate(&mut payload, mutation);
        }
        same_readings(&payload)?;
    }

    #[test]
    fn array_and_hstore_text_end_whatever_they_are(text in row::text(12), delimiter in prop_oneof![Just(b','), Just(b';')]) {
        // A token or a pair takes a byte at least.
        if let Ok(tokens) = ArrayTokens::new(&text, delimiter) {
            prop_assert!(tokens.count() <= text.len() + 1);
        }
        prop_assert!(HstorePairs::new(&text).count() <= text.len() + 1);
    }
}
