//! Lines of a real server, encoded and compared with what the reference connector made of the same statements.
//! Where the two are meant to differ, the rule that turns the one into the other stands in [`lossless`].

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::envelope::golden;
use super::{Bench, DataType, ReplicaIdentity, Sent, Table, TableName};
use crate::decode::Decoded;
use crate::encode::Outcome;
use crate::table::Column;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables and the lines of the plugin that a capture holds.
struct Capture {
    tables: Vec<Table>,
    lines: Vec<String>,
}

impl Capture {
    fn read(scenario: &str) -> Self {
        let mut capture = Self { tables: Vec::new(), lines: Vec::new() };
        for line in read(&format!("{scenario}.lines.jsonl")).lines() {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            match entry.get("catalog") {
                Some(described) => capture.tables.push(described_table(described)),
                None => capture.lines.push(entry["line"].as_str().expect("a line").to_owned()),
            }
        }
        capture
    }

    /// The records of all changed rows.
    fn encode(&self) -> Vec<Sent> {
        let mut benches: BTreeMap<TableName, Bench> = BTreeMap::new();
        let mut sent = Vec::new();
        let mut decoder = crate::decode::test_decoding::TestDecoding::new();
        for line in &self.lines {
            let Decoded::Change(change) = decoder.decode(line.as_bytes()).expect("a line") else { continue };
            let text = |ident: crate::decode::Ident<'_>| {
                String::from_utf8(ident.unquoted().into_owned()).expect("UTF-8")
            };
            let name = TableName { schema: text(change.relation.schema), table: text(change.relation.table) };
            let table = self.tables.iter().find(|table| table.name == name);
            let bench = benches.entry(name).or_insert_with(|| Bench::new(table.cloned()));
            let (records, outcome) = bench.try_encode(line.as_bytes()).expect("encodes");
            assert!(
                matches!(outcome, Outcome::Written { .. } | Outcome::DeleteWithoutKey),
                "{outcome:?} {line}"
            );
            sent.extend(records);
        }
        sent
    }

    fn column(&self, sent: &Sent, column: &str) -> &Column {
        let name = sent.json()["source"]["table"].as_str().expect("a table").to_owned();
        let table = self.tables.iter().find(|table| table.name.table == name).expect("a known table");
        table.columns.iter().find(|known| known.name == column).expect("a known column")
    }
}

fn described_table(described: &Value) -> Table {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let columns = described["columns"].as_array().expect("columns").iter().map(|column| Column {
        name: text(&column["name"]),
        type_text: text(&column["type"]),
        data_type: described_type(column),
        virtual_generated: column["generated"] == "v",
    });
    Table {
        name: TableName { schema: text(&described["schema"]), table: text(&described["table"]) },
        replica_identity: match described["identity"].as_str() {
            Some("f") => ReplicaIdentity::Full,
            Some("n") => ReplicaIdentity::Nothing,
            Some("i") => ReplicaIdentity::Index,
            _ => ReplicaIdentity::Default,
        },
        columns: columns.collect(),
        key: described["key"].as_array().map(|key| key.iter().map(text).collect()),
        key_is_logged: true,
    }
}

fn described_type(column: &Value) -> DataType {
    let scalar = |oid: &Value, typmod: &Value, name: &Value| {
        let typmod = i32::try_from(typmod.as_i64().expect("a modifier")).expect("a modifier");
        let oid = u32::try_from(oid.as_u64().expect("an OID")).expect("an OID");
        let other = if name == "hstore" { DataType::Hstore } else { DataType::Text };
        DataType::from_catalog(oid, typmod).unwrap_or(other)
    };
    if column["element"].is_null() {
        return scalar(&column["oid"], &column["typmod"], &column["typname"]);
    }
    let delimiter = column["delimiter"].as_str().expect("a delimiter").as_bytes()[0];
    let element = scalar(&column["element"], &column["element_typmod"], &column["element_name"]);
    DataType::array(element, delimiter)
}

/// What the default preset makes of a value for which the reference, with its string modes, sent `value`. `None`
/// where its value says too little; [`explicit`] values stand below for those.
fn lossless(data_type: &DataType, value: &Value) -> Option<Value> {
    let without_z = |value: &Value| Some(Value::from(value.as_str()?.strip_suffix('Z')?));
    match data_type {
        _ if value.is_null() => Some(Value::Null),
        // No zone: neither a date nor a local time is an instant.
        DataType::Date | DataType::Time | DataType::Timestamp => without_z(value),
        // The reference loses the offset, and the length of bits.
        DataType::TimeTz | DataType::Bits => None,
        // A negative scale makes the reference print 2,048 zeros more.
        DataType::Numeric => {
            let text = value.as_str()?;
            let zeros = text.split_once('.').filter(|(_, fraction)| fraction.len() > 1000);
            Some(Value::from(zeros.map_or(text, |(whole, _)| whole)))
        }
        DataType::Array { element, .. } => value
            .as_array()?
            .iter()
            .map(|value| lossless(element, value))
            .collect::<Option<Vec<_>>>()
            .map(Value::from),
        _ => Some(value.clone()),
    }
}

/// Whether two values are one: the text of floating-point numbers and the order of an `hstore` differ.
fn same(data_type: &DataType, ours: &Value, expected: &Value) -> bool {
    match (data_type, ours, expected) {
        #[expect(clippy::cast_possible_truncation, reason = "the reference prints reals that way")]
        #[expect(clippy::float_cmp, reason = "both texts must read as the very same number")]
        (DataType::Float, Value::Number(ours), Value::Number(expected)) => {
            let (ours, expected) = (ours.as_f64().expect("a number"), expected.as_f64().expect("a number"));
            ours == expected || ours as f32 == expected as f32
        }
        (DataType::Hstore, Value::String(ours), Value::String(expected)) => {
            let object = |text: &String| serde_json::from_str::<Value>(text).expect("JSON");
            object(ours) == object(expected)
        }
        (DataType::Array { element, .. }, Value::Array(ours), Value::Array(expected)) => {
            ours.len() == expected.len() && ours.iter().zip(expected).all(|(o, e)| same(element, o, e))
        }
        _ => ours == expected,
    }
}

/// Compares every value the reference sent for `scenario`; how many there were.
fn compare(scenario: &str, mode: &str) -> usize {
    let capture = Capture::read(scenario);
    let sent = capture.encode();
    let mut compared = 0;
    for expected in golden(&read(&format!("{scenario}.{mode}.jsonl"))) {
        let Some(ours) = sent.iter().find(|sent| sent.key == expected.key && sent.topic == expected.topic)
        else {
            panic!("{scenario}: no record with key {:?}", expected.key);
        };
        let (after, expected_after) = (&ours.json()["after"], &expected.json()["after"]);
        for (name, value) in expected_after.as_object().expect("a row") {
            let column = capture.column(ours, name);
            // The reference sends no `name` in the stream.
            let expected = lossless(&column.data_type, value).filter(|_| column.type_text != "name");
            if let Some(expected) = expected {
                let ours = &after[name];
                assert!(
                    same(&column.data_type, ours, &expected),
                    "{scenario}.{name}: {ours} for {expected} of {expected_after}"
                );
                compared += 1;
            }
        }
    }
    compared
}

#[test]
fn values_are_the_reference_s_where_they_are_meant_to_be() {
    for (scenario, mode, values) in [
        ("types-array", "string", 70),
        ("types-bit", "string", 15),
        ("types-bool-int", "string", 36),
        ("types-bytea", "string", 14),
        ("types-date", "string", 22),
        ("types-enum-domain-composite", "string", 21),
        ("types-extension", "string", 42),
        ("types-float", "string", 66),
        ("types-interval", "string", 64),
        ("types-money", "string", 16),
        ("types-net-ts", "string", 24),
        ("types-numeric", "string", 70),
        ("types-range", "string", 28),
        ("types-text", "default", 96),
        ("types-time", "string", 45),
        ("types-timestamp", "string", 72),
        ("types-timestamptz", "string", 54),
        ("types-uuid-json-xml", "string", 40),
    ] {
        assert_eq!(compare(scenario, mode), values, "{scenario}");
    }
}

/// The new rows of a scenario, each as its very text.
fn explicit(scenario: &str) -> Vec<String> {
    let sent = Capture::read(scenario).encode();
    sent.iter()
        .map(|sent| sent.field("after").split_once(',').expect("columns behind the id").1.to_owned())
        .collect()
}

#[test]
fn offsets_of_times_are_kept() {
    assert_eq!(
        explicit("types-timetz"),
        [
            r#""t":"03:04:05.678901+02:00","t0":"03:04:06+02:00","t3":"03:04:05.679+02:00"}"#,
            r#""t":"00:00:00+00:00","t0":"00:00:00+00:00","t3":"00:00:00+00:00"}"#,
            r#""t":"01:00:00+05:30","t0":"01:00:00+05:30","t3":"01:00:00+05:30"}"#,
            r#""t":"23:30:00-09:30","t0":"23:30:00-09:30","t3":"23:30:00.12-09:30"}"#,
            r#""t":"12:00:00+00:19","t0":"12:00:00+14:00","t3":"12:00:00-12:00"}"#,
            r#""t":"12:00:00.1+00:00","t0":"12:00:00+00:00","t3":"12:00:00.01+00:00"}"#,
            r#""t":null,"t0":null,"t3":null}"#,
        ]
    );
}

#[test]
fn bits_keep_their_length() {
    let zeros = "0".repeat(63);
    assert_eq!(
        explicit("types-bit"),
        [
            format!(
                r#""b1":true,"b8":"10101010","b9":"100000001","b64":"{}","vb":"101","vb5":"101"}}"#,
                "10".repeat(32)
            ),
            format!(r#""b1":false,"b8":"00000000","b9":"000000000","b64":"{zeros}0","vb":"","vb5":""}}"#),
            format!(
                r#""b1":true,"b8":"11111111","b9":"111111111","b64":"{}","vb":"0000000000000001","vb5":"00001"}}"#,
                "1".repeat(64)
            ),
            format!(
                r#""b1":true,"b8":"00000001","b9":"000000001","b64":"{zeros}1","vb":"10000000000000000","vb5":"11111"}}"#
            ),
            r#""b1":null,"b8":null,"b9":null,"b64":null,"vb":null,"vb5":null}"#.to_owned(),
        ]
    );
}

#[test]
fn times_beyond_four_digits_of_a_year_are_the_server_s() {
    assert_eq!(
        explicit("types-timestamp-extreme"),
        [
            r#""t":"infinity","t3":"infinity"}"#,
            r#""t":"-infinity","t3":"-infinity"}"#,
            r#""t":"0044-03-15 12:00:00 BC","t3":"0044-03-15 12:00:00 BC"}"#,
            r#""t":"0001-12-31 23:59:59.999999 BC","t3":"0001-12-31 23:59:59.999 BC"}"#,
            r#""t":"4713-11-24 00:00:00 BC","t3":"4713-11-24 00:00:00 BC"}"#,
            r#""t":"10000-01-01 00:00:00","t3":"10000-01-01 00:00:00"}"#,
            r#""t":"294276-12-31 23:59:59.999999","t3":"294276-12-31 23:59:59.999"}"#,
        ]
    );
}

#[test]
fn null_stays_null_whatever_the_column_s_default() {
    let sent = Capture::read("types-defaults").encode();
    let after = sent[0].json()["after"].clone();
    assert_eq!((&after["a"], &after["s"]), (&Value::Null, &Value::Null));
    // Nor is a default invented for what a delete did not send.
    let deleted =
        sent.iter().find(|sent| sent.value.is_some() && sent.field("op") == "\"d\"").expect("a delete");
    assert_eq!(deleted.field("before"), r#"{"id":1}"#);
}

#[test]
fn types_the_reference_drops_are_the_server_s_text() {
    let sent = Capture::read("types-enum-domain-composite").encode();
    assert_eq!(sent[0].json()["after"]["co"], "(1,x)");
    let sent = Capture::read("types-range").encode();
    assert_eq!(sent[0].json()["after"]["m4"], "{[1,3),[5,9)}");
    let sent = Capture::read("types-extension").encode();
    // In the server's order: by length, then by bytes.
    assert_eq!(sent[3].json()["after"]["h"], r#"{"b":"2","y":"25","z":"26","aa":"27"}"#);
}

/// Records of whole scenarios whose values are the same in both: topic, key, rows and operation in order of key.
#[test]
fn scenarios_without_differing_values_are_the_reference_s() {
    for (scenario, records) in
        [("identifiers", 13), ("toast-full", 5), ("events-no-key", 8), ("events-key-composite", 8)]
    {
        let by_key = |records: Vec<Sent>| {
            let mut sorted: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for sent in records {
                let row = sent.value.as_ref().map(|_| {
                    let before = if scenario == "toast-full" || scenario == "events-no-key" {
                        sent.field("before")
                    } else {
                        String::new()
                    };
                    (sent.field("op"), before, sent.field("after"))
                });
                let headers: Vec<_> =
                    sent.headers.iter().filter(|(name, _)| name.starts_with("__")).cloned().collect();
                sorted.entry((sent.topic.clone(), sent.key.clone())).or_default().push((row, headers));
            }
            sorted
        };
        let sent = Capture::read(scenario).encode();
        let mut expected = golden(&read(&format!("{scenario}.default.jsonl")));
        // A tombstone without a key says nothing.
        expected.retain(|sent| sent.key.is_some() || sent.value.is_some());
        assert_eq!(expected.len(), records, "{scenario}");
        assert_eq!(by_key(sent), by_key(expected), "{scenario}");
    }
}

#[test]
fn keys_of_many_types() {
    let sent = Capture::read("events-key-types").encode();
    let keys = |records: &[Sent], skipped: &str| {
        let mut keys: Vec<_> = records
            .iter()
            .filter(|sent| !skipped.contains(sent.topic.as_str()))
            .map(|sent| (sent.topic.clone(), sent.key.clone()))
            .collect();
        keys.sort();
        keys
    };
    let expected = golden(&read("events-key-types.string.jsonl"));
    // Times without a zone are meant to differ.
    let differ = "shop.public.k_ts shop.public.k_date";
    assert_eq!(keys(&sent, differ), keys(&expected, differ));
    assert!(keys(&sent, differ).len() > 60);
    let ours: Vec<_> =
        sent.iter().filter(|sent| differ.contains(sent.topic.as_str())).map(|s| s.key.clone()).collect();
    assert_eq!(
        ours.into_iter().flatten().collect::<Vec<_>>(),
        [
            r#"{"id":"2026-01-02T03:04:05.678"}"#,
            r#"{"id":"1970-01-01T00:00:00"}"#,
            r#"{"id":"2026-01-02"}"#,
            r#"{"id":"1969-12-31"}"#,
        ]
    );
}

#[test]
fn unchanged_columns_are_named_and_never_invented() {
    let sent = Capture::read("toast-default").encode();
    assert_eq!(sent[0].field("after"), r#"{"id":1,"small":1}"#);
    assert_eq!(
        sent[0].header("pgsluice.unchanged"),
        Some(r#"["t","nn","by","j","jb","i4","i8","ta","h","n","x","v","u","da","na"]"#)
    );
    assert_eq!(sent[1].field("after"), r#"{"id":1,"small":2,"t":"short","ta":null}"#);
}
