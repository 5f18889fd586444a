//! The envelope against records of the reference, byte for byte.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Bench, DataType, Lsn, ReplicaIdentity, Sent, Source, TransactionId, UnixMicros, source, table};
use crate::decode::{Decoded, LogicalMessage};
use crate::encode::{EncodeError, Outcome, TablePlan};
use crate::record::Record;

const FULL: &str = include_str!("../../../tests/data/golden/events-identity-full.string.jsonl");
const MESSAGES: &str = include_str!("../../../tests/data/golden/messages.default.jsonl");

/// What the plugin prints for the scenario of the golden file.
const FULL_LINES: [&str; 9] = [
    "table public.orders_full: INSERT: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:'first'",
    "table public.orders_full: INSERT: id[bigint]:2 customer[text]:'bob' amount[numeric]:null note[text]:null",
    "table public.orders_full: UPDATE: old-key: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:'first' new-tuple: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:'changed'",
    "table public.orders_full: UPDATE: old-key: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:'changed' new-tuple: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:'changed'",
    "table public.orders_full: UPDATE: old-key: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:'changed' new-tuple: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 note[text]:null",
    "table public.orders_full: UPDATE: old-key: id[bigint]:2 customer[text]:'bob' new-tuple: id[bigint]:2 customer[text]:'bob' amount[numeric]:7.00 note[text]:null",
    "table public.orders_full: UPDATE: old-key: id[bigint]:1 customer[text]:'ana' amount[numeric]:10.50 new-tuple: id[bigint]:11 customer[text]:'ana' amount[numeric]:10.50 note[text]:null",
    "table public.orders_full: DELETE: id[bigint]:2 customer[text]:'bob' amount[numeric]:7.00",
    "table public.orders_full: DELETE: id[bigint]:11 customer[text]:'ana' amount[numeric]:10.50",
];

/// The records of a golden file that come from the stream.
pub(super) fn golden(text: &str) -> Vec<Sent> {
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    records
        .map(|record| Sent {
            topic: text(&record["topic"]).expect("topic"),
            key: text(&record["key"]),
            value: text(&record["value"]),
            headers: record["headers"]
                .as_array()
                .expect("headers")
                .iter()
                .map(|header| (text(&header[0]).expect("name"), text(&header[1]).expect("value")))
                .filter(|(name, _)| !name.starts_with("__debezium.context."))
                .collect(),
        })
        .filter(|sent| sent.value.as_ref().is_none_or(|value| !value.contains(r#""op":"r""#)))
        .collect()
}

/// The origin that a golden record tells.
fn origin(value: &Value) -> Source {
    let source = &value["source"];
    let sequence: Vec<Option<String>> =
        serde_json::from_str(source["sequence"].as_str().expect("sequence")).expect("sequence");
    Source {
        lsn: Lsn(source["lsn"].as_u64().expect("lsn")),
        transaction: source["txId"].as_u64().map(|xid| TransactionId { xid, first_lsn: Lsn(1) }),
        ordinal: 0,
        time: UnixMicros(source["ts_us"].as_i64().expect("ts_us")),
        commit_time_known: true,
        last_commit: sequence[0].as_ref().map(|lsn| Lsn(lsn.parse().expect("lsn"))),
    }
}

/// The reference's value with our version, and nanoseconds that end where ours do.
fn ours(text: &str) -> String {
    let version = format!(r#""version":"{}""#, env!("CARGO_PKG_VERSION"));
    let text = text.replace(r#""version":"3.6.3.Final""#, &version);
    match text.rsplit_once(r#","ts_ns":"#) {
        Some((head, nanos)) if nanos.ends_with('}') && !nanos.contains(',') => {
            let micros = nanos.get(..nanos.len() - 4).expect("nanoseconds");
            format!(r#"{head},"ts_ns":{micros}000}}"#)
        }
        _ => text,
    }
}

fn without_our_headers(mut sent: Sent) -> Sent {
    sent.headers.retain(|(name, _)| !name.starts_with("pgsluice."));
    sent
}

#[test]
fn a_whole_scenario_is_the_reference_s_byte_for_byte() {
    let columns = [
        ("id", "bigint", DataType::Integer),
        ("customer", "text", DataType::Text),
        ("amount", "numeric", DataType::Numeric),
        ("note", "text", DataType::Text),
    ];
    let mut bench = Bench::new(Some(table(ReplicaIdentity::Full, Some(&["id"]), &columns)));
    // Records of one key keep their order, whatever partition they are in.
    let mut expected: BTreeMap<Option<String>, Vec<Sent>> = BTreeMap::new();
    for sent in golden(FULL) {
        expected.entry(sent.key.clone()).or_default().push(sent);
    }
    let mut written = 0;
    for line in FULL_LINES {
        // Where the records of a line come from stands in the record that is due for its key.
        let first = bench.encode(line).remove(0);
        let due = &expected[&first.key][0];
        let value: Value = serde_json::from_str(due.value.as_ref().expect("a value")).expect("JSON");
        bench.source = origin(&value);
        for sent in bench.encode(line) {
            let mut due = expected.get_mut(&sent.key).expect("a record of this key").remove(0);
            if let Some(value) = &due.value {
                let handled =
                    serde_json::from_str::<Value>(value).expect("JSON")["ts_us"].as_i64().expect("ts_us");
                bench.now = UnixMicros(handled);
                due.value = Some(ours(value));
            }
            // Each of the three records of a key change has its own time of handling.
            let again = bench
                .encode(line)
                .into_iter()
                .find(|again| again.key == sent.key && again.value.is_some() == sent.value.is_some());
            assert_eq!(without_our_headers(again.expect("the same record")), due);
            written += 1;
        }
    }
    assert_eq!(written, 13);

    let truncate = expected.get_mut(&None).expect("a truncate").remove(0);
    let value: Value = serde_json::from_str(truncate.value.as_ref().expect("a value")).expect("JSON");
    bench.source = origin(&value);
    bench.now = UnixMicros(value["ts_us"].as_i64().expect("ts_us"));
    let sent = encode_truncate(&mut bench, "table public.orders_full: TRUNCATE: (no-flags)");
    assert_eq!(
        sent.into_iter().map(without_our_headers).collect::<Vec<_>>(),
        [Sent { value: truncate.value.as_deref().map(ours), ..truncate }]
    );
    assert!(expected.values().all(Vec::is_empty), "{expected:?}");
}

fn encode_truncate(bench: &mut Bench, line: &str) -> Vec<Sent> {
    let mut sent = Vec::new();
    let Decoded::Truncate(truncate) = bench.decoder.decode(line.as_bytes()).expect("a line") else {
        panic!()
    };
    for relation in truncate.tables() {
        let plan: TablePlan = bench.encoder.plan_relation(relation, bench.table.as_ref()).expect("a plan");
        let outcome =
            bench.encoder.encode_truncate(&plan, &bench.source, bench.now, &mut |record: Record<'_>| {
                sent.push(Sent::of(record));
                Ok::<_, EncodeError>(())
            });
        assert_eq!(outcome, Ok(Outcome::Written { records: 1, unchanged: 0 }));
    }
    sent
}

#[test]
fn each_truncated_table_gives_a_record() {
    let mut bench = Bench::new(None);
    let sent = encode_truncate(&mut bench, "table public.a, \"S\".\"b.c\": TRUNCATE: restart_seqs cascade");
    let topics: Vec<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(topics, ["shop.public.a", "shop.S.b.c"]);
    assert!(sent.iter().all(|sent| sent.key.is_none()));
    assert_eq!(sent[0].headers, sent[1].headers);
    assert_eq!(sent[1].json()["source"]["table"], "b.c");
}

#[test]
fn messages_are_the_reference_s_byte_for_byte() {
    let mut bench = Bench::new(None);
    let mut count = 0;
    for expected in golden(MESSAGES).into_iter().filter(|sent| sent.topic == "shop.message") {
        let value: Value = serde_json::from_str(expected.value.as_ref().expect("a value")).expect("JSON");
        let prefix = value["message"]["prefix"].as_str().expect("prefix");
        let content = content(prefix, value["message"]["content"].as_str().expect("content"));
        bench.source = origin(&value);
        bench.now = UnixMicros(value["ts_ms"].as_i64().expect("ts_ms") * 1000 + 999);
        let message = LogicalMessage {
            transactional: bench.source.transaction.is_some(),
            prefix: prefix.as_bytes(),
            content,
            candidates: 1,
        };
        let mut sent = Vec::new();
        let outcome =
            bench.encoder.encode_message(&message, &bench.source, bench.now, &mut |record: Record<'_>| {
                sent.push(Sent::of(record));
                Ok::<_, EncodeError>(())
            });
        assert_eq!(outcome, Ok(Outcome::Written { records: 1, unchanged: 0 }));
        let transaction = sent[0].header("pgsluice.tx").expect("a transaction").to_owned();
        match bench.source.transaction {
            Some(id) => assert_eq!(transaction, format!("{}:1", id.xid)),
            None => assert_eq!(transaction, format!("0:{}", bench.source.lsn.0)),
        }
        assert_eq!(
            without_our_headers(sent.remove(0)),
            Sent { value: expected.value.as_deref().map(ours), ..expected }
        );
        count += 1;
    }
    assert_eq!(count, 8);
}

/// The contents of the scenario, told apart by prefix and base64.
fn content(prefix: &str, base64: &str) -> &'static [u8] {
    match (prefix, base64.len()) {
        ("outbox", 12) => b"{\"k\":1}",
        ("outbox", _) => b"not transactional",
        ("p1", _) => b"in tx",
        ("p2", 20) => b"flushed first",
        ("p2", _) => b"survives the rollback",
        ("bin", _) => b"\x00\xFF",
        ("", _) => b"",
        _ => "é中😀".as_bytes(),
    }
}

#[test]
fn an_estimated_commit_time_is_marked() {
    let mut bench = Bench::new(None);
    bench.source = Source { commit_time_known: false, ..source() };
    let sent = bench.one("table public.t: INSERT: id[integer]:1");
    assert_eq!(sent.header("pgsluice.commit_time"), Some("estimated"));
    bench.source.commit_time_known = true;
    let sent = bench.one("table public.t: INSERT: id[integer]:1");
    assert_eq!(sent.header("pgsluice.commit_time"), None);
}

#[test]
fn what_is_rendered_once_follows_its_source() {
    let mut bench = Bench::new(None);
    let line = "table public.t: INSERT: id[integer]:1";
    bench.one(line);
    bench.source.last_commit = Some(Lsn(5));
    assert_eq!(bench.one(line).json()["source"]["sequence"], r#"["5","92144408"]"#);
    bench.source.transaction = Some(TransactionId { xid: 5_000_000_000, first_lsn: Lsn(9) });
    let sent = bench.one(line);
    assert_eq!(sent.json()["source"]["txId"], 5_000_000_000_u64);
    assert_eq!(sent.header("pgsluice.tx"), Some("5000000000:9"));
    bench.source.time = UnixMicros(-1);
    let sent = bench.one(line);
    assert_eq!(sent.json()["source"]["ts_ms"], -1);
    assert_eq!(sent.json()["source"]["ts_ns"], -1000);
    bench.now = UnixMicros(i64::MAX);
    assert_eq!(bench.one(line).json()["ts_ns"], i64::MAX);
}
