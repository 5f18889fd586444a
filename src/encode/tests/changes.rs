//! What the rows of a change become.

use super::{Bench, DataType, EncodeError, Outcome, ReplicaIdentity, UnixMicros, small, table};
use crate::decode::Decoded;
use crate::encode::charset::Charset;
use crate::encode::{DeleteMode, ValueError};
use crate::record::Record;

#[test]
fn insert_is_a_create_with_the_new_row() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let sent = bench.one("table public.t: INSERT: id[integer]:1 t[text]:'it''s \"x\"' n[integer]:null");
    assert_eq!(sent.topic, "shop.public.t");
    assert_eq!(sent.key.as_deref(), Some(r#"{"id":1}"#));
    assert_eq!(sent.field("before"), "null");
    assert_eq!(sent.field("after"), r#"{"id":1,"t":"it's \"x\"","n":null}"#);
    assert_eq!(sent.field("op"), r#""c""#);
    assert_eq!(
        sent.headers,
        [
            ("pgsluice.tx".to_owned(), "981:92144400".to_owned()),
            ("pgsluice.ordinal".to_owned(), "7".to_owned())
        ]
    );
}

#[test]
fn an_update_shows_the_old_row_only_where_the_server_sends_rows() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let sent = bench.one("table public.t: UPDATE: id[integer]:1 t[text]:'b' n[integer]:2");
    assert_eq!((sent.field("before"), sent.field("op")), ("null".to_owned(), "\"u\"".to_owned()));

    let mut bench = Bench::new(Some(small(ReplicaIdentity::Full)));
    let sent = bench.one(
        "table public.t: UPDATE: old-key: id[integer]:1 n[integer]:1 new-tuple: id[integer]:1 t[text]:'b' n[integer]:2",
    );
    // What an old row does not print was NULL.
    assert_eq!(sent.field("before"), r#"{"id":1,"t":null,"n":1}"#);
    assert_eq!(sent.field("after"), r#"{"id":1,"t":"b","n":2}"#);
}

#[test]
fn a_printed_old_key_that_did_not_change_is_no_key_change() {
    let mut bench = Bench::new(Some(table(
        ReplicaIdentity::Default,
        Some(&["k"]),
        &[("k", "text", DataType::Text), ("v", "text", DataType::Text)],
    )));
    let sent = bench.one(
        "table public.t: UPDATE: old-key: k[text]:'long''s' new-tuple: k[text]:unchanged-toast-datum v[text]:'b'",
    );
    assert_eq!(sent.key.as_deref(), Some(r#"{"k":"long's"}"#));
    assert_eq!(sent.field("before"), "null");
    assert_eq!(sent.field("after"), r#"{"k":"long's","v":"b"}"#);
    assert_eq!(sent.header("pgsluice.unchanged"), None);
}

#[test]
fn a_changed_key_is_a_delete_a_tombstone_and_a_create() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let sent = bench.encode(
        "table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 t[text]:unchanged-toast-datum n[integer]:3",
    );
    let [deleted, tombstone, created] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(deleted.key.as_deref(), Some(r#"{"id":1}"#));
    assert_eq!(deleted.field("before"), r#"{"id":1}"#);
    assert_eq!(deleted.field("after"), "null");
    assert_eq!(deleted.field("op"), "\"d\"");
    assert_eq!(deleted.headers[0], ("__debezium.newkey".to_owned(), r#"{"id":2}"#.to_owned()));
    assert_eq!((&tombstone.key, &tombstone.value), (&deleted.key, &None));
    assert_eq!(tombstone.headers, deleted.headers);
    assert_eq!(created.key.as_deref(), Some(r#"{"id":2}"#));
    assert_eq!(created.field("before"), "null");
    assert_eq!(created.field("after"), r#"{"id":2,"n":3}"#);
    assert_eq!(created.field("op"), "\"c\"");
    assert_eq!(created.headers[0], ("__debezium.oldkey".to_owned(), r#"{"id":1}"#.to_owned()));
    assert_eq!(created.header("pgsluice.unchanged"), Some(r#"["t"]"#));
    assert_eq!(deleted.header("pgsluice.unchanged"), None);
}

#[test]
fn unknown_values_are_left_out_and_named() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let (sent, outcome) = bench
        .try_encode(
            b"table public.t: UPDATE: id[integer]:1 t[text]:unchanged-toast-datum n[integer]:unchanged-toast-datum",
        )
        .expect("encodes");
    assert_eq!(outcome, Outcome::Written { records: 1, unchanged: 2 });
    assert_eq!(sent[0].field("after"), r#"{"id":1}"#);
    assert_eq!(sent[0].header("pgsluice.unchanged"), Some(r#"["t","n"]"#));
    // The next row is not concerned.
    let sent = bench.one("table public.t: UPDATE: id[integer]:1 t[text]:'x' n[integer]:1");
    assert_eq!(sent.header("pgsluice.unchanged"), None);
}

#[test]
fn under_full_the_old_row_tells_what_did_not_change() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Full)));
    let sent = bench.one(
        "table public.t: UPDATE: old-key: id[integer]:1 t[text]:'long' new-tuple: id[integer]:1 t[text]:unchanged-toast-datum n[integer]:2",
    );
    assert_eq!(sent.field("after"), r#"{"id":1,"t":"long","n":2}"#);
    assert_eq!(sent.header("pgsluice.unchanged"), None);
}

#[test]
fn a_key_that_was_not_sent_is_an_error() {
    let mut bench = Bench::new(Some(table(
        ReplicaIdentity::Nothing,
        Some(&["t"]),
        &[("id", "integer", DataType::Integer), ("t", "text", DataType::Text)],
    )));
    let error = bench
        .try_encode(b"table public.t: UPDATE: id[integer]:1 t[text]:unchanged-toast-datum")
        .expect_err("no key");
    assert!(matches!(&error, EncodeError::KeyColumnUnchanged { column, .. } if column == "t"), "{error:?}");

    // A key column that had another name when the row was written.
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let error = bench.try_encode(b"table public.t: INSERT: old_id[integer]:1").expect_err("no key");
    assert!(matches!(&error, EncodeError::KeyColumnMissing { column, .. } if column == "id"), "{error:?}");
}

#[test]
fn an_old_row_of_another_identity_does_not_fit_the_plan() {
    let mut bench = Bench::new(Some(table(
        ReplicaIdentity::Index,
        Some(&["code"]),
        &[("id", "integer", DataType::Integer), ("code", "integer", DataType::Integer)],
    )));
    assert_eq!(bench.outcome("table public.t: DELETE: id[integer]:1"), Outcome::StalePlan);
    let update = "table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 code[integer]:7";
    assert_eq!(bench.outcome(update), Outcome::StalePlan);
}

#[test]
fn composite_keys_stand_in_their_own_order() {
    let mut bench = Bench::new(Some(table(
        ReplicaIdentity::Default,
        Some(&["c", "b", "a"]),
        &[
            ("note", "text", DataType::Text),
            ("a", "integer", DataType::Integer),
            ("b", "text", DataType::Text),
            ("c", "uuid", DataType::Text),
        ],
    )));
    let sent = bench.encode(
        "table public.t: UPDATE: old-key: a[integer]:1 b[text]:'x' c[uuid]:'a0ee' new-tuple: note[text]:'u' a[integer]:3 b[text]:'x' c[uuid]:'a0ee'",
    );
    assert_eq!(sent[0].key.as_deref(), Some(r#"{"c":"a0ee","b":"x","a":1}"#));
    // Rows stand in the table's.
    assert_eq!(sent[0].field("before"), r#"{"a":1,"b":"x","c":"a0ee"}"#);
    assert_eq!(sent[2].key.as_deref(), Some(r#"{"c":"a0ee","b":"x","a":3}"#));
}

#[test]
fn virtual_generated_columns_are_no_values() {
    let mut described = small(ReplicaIdentity::Full);
    described.columns[1].virtual_generated = true;
    let mut bench = Bench::new(Some(described));
    let sent = bench.one("table public.t: INSERT: id[integer]:1 t[text]:null n[integer]:2");
    assert_eq!(sent.field("after"), r#"{"id":1,"n":2}"#);
    let sent = bench.encode("table public.t: DELETE: id[integer]:1 n[integer]:2");
    assert_eq!(sent[0].field("before"), r#"{"id":1,"n":2}"#);
}

#[test]
fn a_table_without_columns_gives_empty_rows() {
    let mut bench = Bench::new(Some(table(ReplicaIdentity::Full, None, &[])));
    let sent = bench.one("table public.t: INSERT:");
    assert_eq!((sent.key.as_deref(), sent.field("after")), (None, "{}".to_owned()));
    let sent = bench.one("table public.t: DELETE:");
    assert_eq!(sent.field("before"), "{}");
}

#[test]
fn a_table_the_catalog_does_not_know_has_no_key() {
    let mut bench = Bench::new(None);
    let sent = bench.one(
        "table public.t: INSERT: id[integer]:1 at[timestamp with time zone]:'2026-01-02 03:04:05+00' l[integer[]]:'{1}'",
    );
    assert_eq!(sent.key, None);
    assert_eq!(sent.field("after"), r#"{"id":1,"at":"2026-01-02T03:04:05.000000Z","l":[1]}"#);
    let sent = bench.one("table public.t: DELETE: id[integer]:1");
    assert_eq!((sent.key.as_deref(), sent.field("before")), (None, r#"{"id":1}"#.to_owned()));
}

#[test]
fn a_new_row_must_be_there() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let error = bench.try_encode(b"table public.t: INSERT: (no-tuple-data)").expect_err("no row");
    assert!(matches!(error, EncodeError::RowMissing { .. }), "{error:?}");
}

#[test]
fn altered_tables_need_a_new_plan() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    bench.one("table public.t: INSERT: id[integer]:1 t[text]:'a' n[integer]:1");
    // Retyped: the catalog's type is no longer the printed one.
    let sent = bench.one("table public.t: INSERT: id[integer]:1 t[bytea]:'\\x00' n[integer]:1");
    assert_eq!(sent.field("after"), r#"{"id":1,"t":"AA==","n":1}"#);
    // A column more, one less.
    let sent = bench.one("table public.t: INSERT: id[integer]:1 n[integer]:1 more[date]:'2026-01-02'");
    assert_eq!(sent.field("after"), r#"{"id":1,"n":1,"more":"2026-01-02"}"#);
}

#[test]
fn names_may_need_quotes() {
    let mut bench = Bench::new(Some(table(
        ReplicaIdentity::Default,
        Some(&["Id"]),
        &[
            ("Id", "integer", DataType::Integer),
            ("quo\"te", "text", DataType::Text),
            ("ÿ中😀", "text", DataType::Text),
        ],
    )));
    let line = "table public.t: INSERT: \"Id\"[integer]:1 \"quo\"\"te\"[text]:'q' \"ÿ中😀\"[text]:'u'";
    let sent = bench.one(line);
    assert_eq!(sent.key.as_deref(), Some(r#"{"Id":1}"#));
    assert_eq!(sent.field("after"), "{\"Id\":1,\"quo\\\"te\":\"q\",\"ÿ中\\uD83D\\uDE00\":\"u\"}");
}

#[test]
fn text_of_other_encodings_is_transcoded_names_too() {
    let latin1 = Charset::from_server_encoding("LATIN1").expect("supported");
    let mut described = small(ReplicaIdentity::Default);
    described.columns[1].name = "é".to_owned();
    let mut bench = Bench::with(Some(described), DeleteMode::default(), latin1);
    let line = b"table public.t: UPDATE: id[integer]:1 \"\xE9\"[text]:'\xFC''\"\xE9' n[integer]:null";
    let (sent, _) = bench.try_encode(line).expect("encodes");
    assert_eq!(sent[0].field("after"), r#"{"id":1,"é":"ü'\"é","n":null}"#);
    let line = b"table public.t: UPDATE: id[integer]:1 \"\xE9\"[text]:unchanged-toast-datum n[integer]:null";
    let (sent, _) = bench.try_encode(line).expect("encodes");
    assert_eq!(sent[0].header("pgsluice.unchanged"), Some(r#"["é"]"#));
}

#[test]
fn errors_name_the_column_and_never_the_value() {
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    let error = bench
        .try_encode(b"table public.t: INSERT: id[integer]:1 t[text]:'secret\xFF' n[integer]:1")
        .expect_err("not UTF-8");
    assert!(
        matches!(&error, EncodeError::Value { column, source: ValueError::Text(_), .. } if column == "t"),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "cannot encode the value of column \"t\" of table public.t");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn half_a_change_is_never_handed_out() {
    // The old half can be encoded, the new one not.
    let mut bench = Bench::new(Some(small(ReplicaIdentity::Default)));
    bench.one("table public.t: INSERT: id[integer]:1 t[text]:'a' n[integer]:1");
    let line =
        b"table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 t[text]:'\xFF' n[integer]:1";
    let Decoded::Change(change) = bench.decoder.decode(line).expect("a line") else { panic!() };
    let plan = bench.plan.as_ref().expect("a plan");
    let mut handed_out = 0;
    let result =
        bench.encoder.encode_change(plan, &change, &bench.source, UnixMicros(0), &mut |_: Record<'_>| {
            handed_out += 1;
            Ok::<_, EncodeError>(())
        });
    assert!(result.is_err());
    assert_eq!(handed_out, 0);
}
