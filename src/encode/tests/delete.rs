//! What a deleted row gives, by mode.

use super::{Bench, DataType, ReplicaIdentity, Sent, small, table};
use crate::encode::charset::Charset;
use crate::encode::{DeleteMode, Outcome};

const DELETE: &str = "table public.t: DELETE: id[integer]:1";
const MOVE: &str =
    "table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 t[text]:'b' n[integer]:3";

fn bench(identity: ReplicaIdentity, mode: DeleteMode) -> Bench {
    Bench::with(Some(small(identity)), mode, Charset::utf8())
}

/// Operation and key of each record.
fn summary(sent: &[Sent]) -> Vec<String> {
    sent.iter()
        .map(|sent| {
            let op = sent.value.as_ref().map_or("tombstone".to_owned(), |_| sent.field("op"));
            format!("{op} {}", sent.key.as_deref().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn each_mode() {
    for (mode, deleted, moved) in [
        (
            DeleteMode::EventAndTombstone,
            &[r#""d" {"id":1}"#, r#"tombstone {"id":1}"#][..],
            &[r#""d" {"id":1}"#, r#"tombstone {"id":1}"#, r#""c" {"id":2}"#][..],
        ),
        (DeleteMode::Event, &[r#""d" {"id":1}"#], &[r#""d" {"id":1}"#, r#""c" {"id":2}"#]),
        (DeleteMode::Tombstone, &[r#"tombstone {"id":1}"#], &[r#"tombstone {"id":1}"#, r#""c" {"id":2}"#]),
        (DeleteMode::Soft, &[r#""u" {"id":1}"#], &[r#""u" {"id":1}"#, r#""c" {"id":2}"#]),
    ] {
        let mut bench = bench(ReplicaIdentity::Default, mode);
        assert_eq!(summary(&bench.encode(DELETE)), deleted, "{mode:?}");
        let sent = bench.encode(MOVE);
        assert_eq!(summary(&sent), moved, "{mode:?}");
        let last = sent.last().expect("a record");
        assert_eq!(last.header("__debezium.oldkey"), Some(r#"{"id":1}"#));
        assert!(sent.iter().rev().skip(1).all(|s| s.header("__debezium.newkey") == Some(r#"{"id":2}"#)));
    }
    let mut bench = bench(ReplicaIdentity::Default, DeleteMode::Skip);
    assert_eq!(bench.outcome(DELETE), Outcome::Skipped);
    assert_eq!(summary(&bench.encode(MOVE)), [r#""c" {"id":2}"#]);
}

#[test]
fn before_is_what_the_server_sent() {
    let mut default = bench(ReplicaIdentity::Default, DeleteMode::Event);
    assert_eq!(default.one(DELETE).field("before"), r#"{"id":1}"#);
    let mut full = bench(ReplicaIdentity::Full, DeleteMode::Event);
    let sent = full.one("table public.t: DELETE: id[integer]:1 n[integer]:2");
    assert_eq!(sent.field("before"), r#"{"id":1,"t":null,"n":2}"#);
    assert_eq!(sent.field("after"), "null");
}

/// The row is in LATIN1, what the catalog says is in UTF-8.
#[test]
fn nulls_of_a_full_row_are_known_in_any_encoding() {
    let mut described = small(ReplicaIdentity::Full);
    described.columns[1].name = "é".to_owned();
    let latin1 = Charset::from_server_encoding("LATIN1").expect("supported");
    let mut full = Bench::with(Some(described), DeleteMode::Event, latin1);
    let line = b"table public.t: DELETE: id[integer]:1 \"\xE9\"[text]:'x'";
    let (sent, _) = full.try_encode(line).expect("encodes");
    assert_eq!(sent[0].field("before"), r#"{"id":1,"é":"x","n":null}"#);
}

#[test]
fn soft_deletes_mark_the_row() {
    let mut default = bench(ReplicaIdentity::Default, DeleteMode::Soft);
    let sent = default.one(DELETE);
    assert_eq!(sent.field("before"), "null");
    assert_eq!(sent.field("after"), r#"{"id":1,"__deleted":true}"#);
    let mut full = bench(ReplicaIdentity::Full, DeleteMode::Soft);
    let sent = full.one("table public.t: DELETE: id[integer]:1 n[integer]:2");
    assert_eq!(sent.field("before"), r#"{"id":1,"t":null,"n":2}"#);
    assert_eq!(sent.field("after"), r#"{"id":1,"t":null,"n":2,"__deleted":true}"#);
    let empty = table(ReplicaIdentity::Full, None, &[]);
    let mut empty = Bench::with(Some(empty), DeleteMode::Soft, Charset::utf8());
    assert_eq!(empty.one("table public.t: DELETE:").field("after"), r#"{"__deleted":true}"#);
}

#[test]
fn a_delete_without_a_row_is_reported() {
    for mode in [DeleteMode::EventAndTombstone, DeleteMode::Tombstone, DeleteMode::Soft] {
        let mut bench = bench(ReplicaIdentity::Nothing, mode);
        assert_eq!(bench.outcome("table public.t: DELETE: (no-tuple-data)"), Outcome::DeleteWithoutKey);
    }
    let mut bench = bench(ReplicaIdentity::Nothing, DeleteMode::Skip);
    assert_eq!(bench.outcome("table public.t: DELETE: (no-tuple-data)"), Outcome::Skipped);
}

#[test]
fn a_table_without_a_key_has_no_tombstones() {
    let columns = [("a", "integer", DataType::Integer), ("b", "text", DataType::Text)];
    let keyless = || Some(table(ReplicaIdentity::Full, None, &columns));
    let line = "table public.t: DELETE: a[integer]:1";
    let mut bench = Bench::new(keyless());
    let sent = bench.one(line);
    assert_eq!((sent.key.as_deref(), sent.field("before")), (None, r#"{"a":1,"b":null}"#.to_owned()));
    let sent = bench.one("table public.t: UPDATE: old-key: a[integer]:2 new-tuple: a[integer]:2 b[text]:'y'");
    assert_eq!((sent.key.as_deref(), sent.field("before")), (None, r#"{"a":2,"b":null}"#.to_owned()));
    let mut bench = Bench::with(keyless(), DeleteMode::Tombstone, Charset::utf8());
    assert_eq!(bench.outcome(line), Outcome::DeleteWithoutKey);
}

#[test]
fn deletes_before_any_whole_row_know_the_columns_from_the_catalog() {
    let columns = [
        ("id", "integer", DataType::Integer),
        ("Upper", "text", DataType::Text),
        ("table", "text", DataType::Text),
        ("name", "text", DataType::Text),
    ];
    let mut bench = Bench::with(
        Some(table(ReplicaIdentity::Full, Some(&["id"]), &columns)),
        DeleteMode::Event,
        Charset::utf8(),
    );
    let sent = bench.one("table public.t: DELETE: id[integer]:1");
    assert_eq!(sent.field("before"), r#"{"id":1,"Upper":null,"table":null,"name":null}"#);
    // Quoted or not, as the server's key words want it: the same plan fits.
    let plan = std::ptr::from_ref(bench.plan.as_ref().expect("a plan"));
    let topic = bench.plan.as_ref().expect("a plan").topic().as_ptr();
    let sent = bench
        .one("table public.t: DELETE: id[integer]:1 \"Upper\"[text]:'u' \"table\"[text]:'t' name[text]:'n'");
    assert_eq!(sent.field("before"), r#"{"id":1,"Upper":"u","table":"t","name":"n"}"#);
    assert_eq!(std::ptr::from_ref(bench.plan.as_ref().expect("a plan")), plan);
    assert_eq!(bench.plan.as_ref().expect("a plan").topic().as_ptr(), topic);
    // An old row from before the table was altered: its own columns only, and none is taken for NULL.
    let sent = bench.one("table public.t: DELETE: id[integer]:1 gone[text]:'x'");
    assert_eq!(sent.field("before"), r#"{"id":1,"gone":"x"}"#);
}
