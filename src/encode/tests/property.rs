//! What is encoded reads back equal.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use proptest::{collection, option, prop_oneof};
use serde_json::{Value, json};

use super::Bench;

/// Text as the plugin quotes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Text that PostgreSQL can hold.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\x01-\\x20\"'\\\\{},a-cNULé😀]{0,12}"]
        .prop_map(|text| text.replace('\0', " "))
}

/// An element as `array_out` prints it.
fn element(value: Option<&String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn array(elements: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", elements.collect::<Vec<_>>().join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn rows_read_back_equal(values in collection::vec(option::of(text()), 1..6)) {
        let mut columns = Vec::new();
        let mut expected = serde_json::Map::new();
        for (index, value) in values.iter().enumerate() {
            let printed = value.as_deref().map_or("null".to_owned(), quoted);
            columns.push(format!("c{index}[text]:{printed}"));
            expected.insert(format!("c{index}"), json!(value));
        }
        let line = format!("table public.t: INSERT: {}", columns.join(" "));
        prop_assert_eq!(&Bench::new(None).one(&line).json()["after"], &Value::Object(expected));
    }

    #[test]
    fn arrays_read_back_equal(
        rows in (0..4_usize).prop_flat_map(|width| collection::vec(collection::vec(option::of(text()), width), 0..4)),
        flat in any::<bool>(),
    ) {
        let print_row = |row: &Vec<Option<String>>| array(row.iter().map(|value| element(value.as_ref())));
        let (printed, expected) = match rows.first() {
            None => ("{}".to_owned(), json!([])),
            Some(row) if flat || row.is_empty() => (print_row(row), json!(row)),
            Some(_) => (array(rows.iter().map(print_row)), json!(rows)),
        };
        let line = format!("table public.t: INSERT: a[text[]]:{}", quoted(&printed));
        prop_assert_eq!(&Bench::new(None).one(&line).json()["after"]["a"], &expected);
    }

    #[test]
    fn bytes_read_back_equal(bytes in collection::vec(any::<u8>(), 0..40)) {
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let line = format!("table public.t: INSERT: b[bytea]:'\\x{hex}'");
        let sent = Bench::new(None).one(&line);
        let json = sent.json();
        let base64 = json["after"]["b"].as_str().expect("a string");
        prop_assert_eq!(decode_base64(base64), bytes);
    }

    #[test]
    fn no_line_of_the_grammar_gives_broken_json(
        kind in prop_oneof![
            Just("integer"), Just("real"), Just("bytea"), Just("money"), Just("interval"), Just("boolean"),
            Just("time with time zone"), Just("timestamp with time zone"), Just("integer[]"), Just("bit"),
        ],
        value in prop_oneof![text(), "[-+.,:$ 0-9eTdaysmonPYBC]{0,24}"],
    ) {
        let line = format!("table public.t: INSERT: a[{kind}]:{}", quoted(&value));
        if let Ok((sent, _)) = Bench::new(None).try_encode(line.as_bytes()) {
            prop_assert_eq!(sent[0].json()["op"].clone(), json!("c"));
        }
    }
}

/// Plain and slow: sixes to bits, bits to eights.
fn decode_base64(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0);
    let mut bits = Vec::new();
    for digit in text.trim_end_matches('=').chars() {
        let value = alphabet.find(digit).expect("a digit of base64");
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let byte = |bits: &[usize]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit == 1));
    bits.chunks_exact(8).map(byte).collect()
}
