//! The plugin's text, as any bytes.
//!
//! Input: a payload.
//!
//! Promised: it is taken exactly where a plain parser takes it, and read alike. What is taken prints the same bytes
//! again. A refusal points into the payload and shows none of it. A decoder that was used before reads the same.
//! Texts of arrays and hstores are taken apart without loss. An event made of it is JSON.

use std::sync::LazyLock;

use pgsluice::decode::array::{ArrayToken, ArrayTokens};
use pgsluice::decode::ast::Ast;
use pgsluice::decode::hstore::HstorePairs;
use pgsluice::decode::print::print;
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Columns, DecodeError, Decoded};
use pgsluice::encode::payload_events::PayloadEvents;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::support::plain_parser;

/// A row that leaves the decoder's vectors full.
static EARLIER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let columns = (0..40).map(|n| format!(" earlier{n}[text]:'it''s'"));
    format!("table public.earlier: UPDATE: old-key:{0} new-tuple:{0}", columns.collect::<String>())
        .into_bytes()
});

/// Runs all checks of this module.
pub fn check(payload: &[u8]) {
    let plain = plain_parser::parse(payload);
    let mut used = TestDecoding::new();
    assert!(used.decode(&EARLIER).is_ok());
    match (used.decode(payload), plain) {
        (Ok(read), Some(plain)) => taken(&read, &plain, payload),
        (Err(error), None) => refused(&error, payload),
        (Ok(read), None) => panic!("only the decoder takes {}: {read:?}", payload.escape_ascii()),
        (Err(error), Some(plain)) => {
            panic!("only the plain parser takes {}: {plain}, {error}", payload.escape_ascii())
        }
    }
}

fn taken(read: &Decoded<'_>, plain: &Value, payload: &[u8]) {
    let ast = serde_json::to_value(Ast(read)).expect("an ast is JSON");
    assert_eq!(&ast, plain, "{}", payload.escape_ascii());
    let mut printed = Vec::new();
    print(read, &mut printed);
    assert_eq!(printed, payload, "{}", printed.escape_ascii());
    if let Decoded::Change(change) = read {
        for column in change.old.iter().chain(&change.new).flat_map(Columns::iter) {
            assert_eq!(column.declaration, [column.name.0, b"[", column.type_text].concat());
            let mut scratch = b"what the last one left".to_vec();
            let text = column.value.text();
            assert_eq!(column.value.text_in(&mut scratch), text.as_deref());
            for text in text.iter().filter(|text| text.len() <= 1000) {
                array(text, b',');
                array(text, b';');
                hstore(text);
            }
        }
    }
    let mut events = PayloadEvents::new().expect("the default template");
    if let Ok(event) = events.event(read) {
        // Text of servers that print fewer digits can be a number beyond 64 bits, which is JSON all the same.
        let json: Result<IgnoredAny, _> = serde_json::from_slice(event);
        assert!(json.is_ok(), "{}", event.escape_ascii());
    }
}

/// Letters, digits and bytes above 127 do not get into an error.
fn refused(error: &DecodeError, payload: &[u8]) {
    assert!(error.offset <= payload.len(), "{error:?}");
    let masked = |byte: &u8| match byte {
        b if b.is_ascii_alphabetic() => 'a',
        b if b.is_ascii_digit() => '0',
        b if b.is_ascii_graphic() || *b == b' ' => char::from(*b),
        _ => '?',
    };
    let around = &payload[error.offset.saturating_sub(12)..];
    let expected: String = around.iter().take(40).map(masked).collect();
    assert_eq!(error.shape, expected);
    if let Some(table) = &error.table {
        assert!(payload.strip_prefix(b"table ").is_some_and(|rest| rest.starts_with(table)));
    }
}

/// The tokens of an array write its text again.
fn array(text: &[u8], delimiter: u8) {
    let Ok(tokens) = ArrayTokens::new(text, delimiter) else { return };
    let mut written = Vec::new();
    if tokens.has_bounds() {
        let bounds = text.iter().position(|byte| *byte == b'{').unwrap_or(text.len());
        written.extend(&text[..bounds]);
    }
    let mut behind_item = false;
    let mut depth = 0;
    for token in tokens {
        let Ok(token) = token else { return };
        if behind_item && token != ArrayToken::Close {
            written.push(delimiter);
        }
        behind_item = token != ArrayToken::Open;
        match token {
            ArrayToken::Open => {
                depth += 1;
                written.push(b'{');
            }
            ArrayToken::Close => {
                depth -= 1;
                written.push(b'}');
            }
            ArrayToken::Null => written.extend(b"NULL"),
            ArrayToken::Bare(text) => {
                assert!(!text.is_empty() && !text.eq_ignore_ascii_case(b"null"));
                written.extend(text);
            }
            ArrayToken::Quoted(text) => written.extend([b"\"", text.0, b"\""].concat()),
        }
        assert!((0..=6).contains(&depth));
    }
    assert_eq!((depth, written.as_slice()), (0, text));
}

/// The pairs of an hstore write its text again.
fn hstore(text: &[u8]) {
    let mut written = Vec::new();
    for pair in HstorePairs::new(text) {
        let Ok((key, value)) = pair else { return };
        if !written.is_empty() {
            written.extend(b", ");
        }
        written.extend([b"\"", key.0, b"\"=>"].concat());
        match value {
            None => written.extend(b"NULL"),
            Some(value) => written.extend([b"\"", value.0, b"\""].concat()),
        }
    }
    assert_eq!(written, text);
}
