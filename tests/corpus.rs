//! The decoder against captured output of servers 10 to 18.

#![cfg(test)]

mod support {
    pub(crate) mod corpus;
    pub(crate) mod plain_parser;
}

use std::collections::BTreeSet;

use pgsluice::decode::ast::Ast;
use pgsluice::decode::print::print;
use pgsluice::decode::test_decoding::TestDecoding;
use serde_json::Value;
use support::corpus::{cases, folder};
use support::plain_parser;

#[test]
fn every_message_is_read_as_captured_and_prints_again() {
    let mut decoder = TestDecoding::new();
    let mut printed = Vec::new();
    let cases = cases();
    for case in &cases {
        for (n, frame) in case.frames.iter().enumerate() {
            let place = format!("{}, message {n}", case.name);
            let read = decoder.decode(&frame.payload).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(serde_json::to_value(Ast(&read)).expect("an ast is JSON"), frame.ast, "{place}");
            printed.clear();
            print(&read, &mut printed);
            assert!(printed == frame.payload, "{place} prints {}", printed.escape_ascii());
        }
    }
    let frames: usize = cases.iter().map(|case| case.frames.len()).sum();
    println!("{} files, {frames} messages", cases.len());
}

#[test]
fn the_plain_parser_reads_every_message_as_captured() {
    for case in cases() {
        for (n, frame) in case.frames.iter().enumerate() {
            assert_eq!(plain_parser::parse(&frame.payload), Some(frame.ast.clone()), "{}, {n}", case.name);
        }
    }
}

#[test]
fn lines_written_by_hand_are_read() {
    let text =
        std::fs::read_to_string(folder().join("synthetic-other-versions.txt")).expect("the file is there");
    let mut decoder = TestDecoding::new();
    let mut count = 0;
    for line in text.lines() {
        let read = decoder.decode(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(serde_json::to_value(Ast(&read)).ok(), plain_parser::parse(line.as_bytes()), "{line}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// What the corpus has no short example of.
const MORE_FORMS: &[&str] = &[
    "COMMIT PREPARED E'a\\\\b''\\\\\\\\c'' \\\\', txid 5",
    "ROLLBACK PREPARED 'x'', txid 5 (at y)' (at 2026-11-23 04:53:45.396841+05:45)",
    "preparing streamed transaction TXN 'a', txid 5 (at 0045-02-29 00:00:00-100:30:15 BC)",
    "preparing streamed transaction E'\\\\'",
    "streaming message: transactional: 0 prefix: a, sz: 2, sz: 3 content:x\0y",
    "streaming message: transactional: 1 prefix: a, sz: 2 content:xy, sz: 1, sz: 10",
    "message: transactional: 1 prefix: a, sz: 18 content:b, sz: 1 content:c",
    "table a.\"B\"\"\": UPDATE: old-key: \"c d\"[\"x[]\"[]]:'it''s' new-tuple: new[bit]:B'01' e[t]:-1.5e+10",
    "table a.b: DELETE: (no-tuple-data)",
    "table a.b: TRUNCATE: restart_seqs cascade",
];

/// Short messages of the corpus, one of each form: letters and digits do not make a form.
fn forms() -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let mut forms: Vec<Vec<u8>> = MORE_FORMS.iter().map(|form| form.as_bytes().to_vec()).collect();
    for frame in cases().into_iter().flat_map(|case| case.frames) {
        let both_words = |a: &u8, b: &u8| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric();
        let runs = frame.payload.chunk_by(both_words);
        let form: Vec<u8> =
            runs.map(|run| if run[0].is_ascii_alphanumeric() { b'a' } else { run[0] }).collect();
        if frame.payload.len() <= 110 && seen.insert(form) {
            forms.push(frame.payload);
        }
    }
    forms
}

/// Both parsers read `payload` alike, and what they accept prints again.
fn compare(decoder: &mut TestDecoding, payload: &[u8]) -> bool {
    let plain = plain_parser::parse(payload);
    let shown = payload.escape_ascii();
    match (decoder.decode(payload), plain) {
        (Ok(read), Some(plain)) => {
            let ast: Value = serde_json::to_value(Ast(&read)).expect("an ast is JSON");
            assert_eq!(ast, plain, "{shown}");
            let mut printed = Vec::new();
            print(&read, &mut printed);
            assert!(printed == payload, "{shown} prints {}", printed.escape_ascii());
            true
        }
        (Err(error), None) => {
            assert!(error.offset <= payload.len() && error.shape.len() <= 40, "{shown}: {error:?}");
            false
        }
        (Ok(read), None) => panic!("only the decoder reads {shown}: {read:?}"),
        (Err(error), Some(plain)) => panic!("only the plain parser reads {shown}: {plain} and not {error}"),
    }
}

#[test]
fn every_one_byte_change_is_read_alike_by_both_parsers() {
    let mut decoder = TestDecoding::new();
    let forms = forms();
    let (mut tried, mut accepted) = (0, 0);
    for form in &forms {
        let mut try_it = |changed: &[u8]| {
            tried += 1;
            accepted += usize::from(compare(&mut decoder, changed));
        };
        for at in 0..=form.len() {
            try_it(&form[..at]);
            for byte in *b"'\"[]:,. -(B0e\\n\0\xe9" {
                let mut changed = form.clone();
                changed.insert(at, byte);
                try_it(&changed);
                if at < form.len() {
                    changed.remove(at + 1);
                    try_it(&changed);
                }
            }
            if at < form.len() {
                let mut changed = form.clone();
                changed.remove(at);
                try_it(&changed);
            }
        }
    }
    println!("{} forms, {tried} changes of one byte, {accepted} of them accepted", forms.len());
    assert!(forms.len() > 100 && accepted > 10_000);
}
