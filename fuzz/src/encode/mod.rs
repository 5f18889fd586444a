//! From a row of the server to the records of Kafka.
//!
//! Input: bytes that [`arbitrary`] makes a table, its catalog and a change of a row of.
//!
//! Promised: the change, printed by the plugin and decoded, gives the records that a model of the README gives: keys,
//! `before` and `after` with every column in its place and every value what it was before the server printed it,
//! tombstones, headers, times and positions. Only a text that does not have the form of its type may be refused, and
//! then no record comes out. The same change encoded again is the same.

mod case;
mod expected;
mod records;
mod time;
mod types;
mod value;

use arbitrary::Unstructured;
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Decoded, RowChange};
use pgsluice::encode::{EncodeError, EncodeOptions, Encoder, Outcome, TablePlan};
use pgsluice::record::Record;
use serde_json::Value as Json;

use case::{Case, Change};
use expected::{Expected, Members};
use records::{Event, Object, Wanted, Wish};

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Ok(case) = Case::any(&mut Unstructured::new(input)) else { return };
    let payload = case.payload();
    let mut decoder = TestDecoding::new();
    let Ok(Decoded::Change(change)) = decoder.decode(&payload) else { panic!("{}", payload.escape_ascii()) };
    let options = EncodeOptions { delete: case.delete, ..EncodeOptions::new("shop", "d b") };
    let mut encoder = Encoder::new(&options, case.charset.tables()).expect("the options are right");
    let plan = encoder.plan(&change, case.described().as_ref()).expect("the names are text");
    assert_eq!((plan.has_key(), plan.topic()), (case.key.is_some(), topic(&case).as_str()));
    let first = encode(&mut encoder, &plan, &change, &case);
    judge(&case, &first);
    assert_eq!(encode(&mut encoder, &plan, &change, &case), first);
}

/// A record that outlives the encoder's buffers.
#[derive(Debug, PartialEq)]
struct Sent {
    topic: String,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

fn encode(
    encoder: &mut Encoder,
    plan: &TablePlan,
    change: &RowChange<'_>,
    case: &Case,
) -> Result<(Outcome, Vec<Sent>), EncodeError> {
    let mut sent = Vec::new();
    let mut emit = |record: Record<'_>| {
        sent.push(Sent {
            topic: record.topic.to_owned(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect(),
        });
        Ok(())
    };
    let outcome = encoder.encode_change(plan, change, &case.source, case.now, &mut emit);
    assert!(outcome.is_ok() || sent.is_empty(), "half a change: {sent:?}");
    outcome.map(|outcome| (outcome, sent))
}

fn judge(case: &Case, result: &Result<(Outcome, Vec<Sent>), EncodeError>) {
    match (case.wish(), result) {
        (_, Err(EncodeError::Value { .. })) if case.may_fail() => {}
        (Wish::NoKeySent, Err(EncodeError::KeyColumnUnchanged { .. })) => {}
        (Wish::DeleteWithoutKey, Ok((Outcome::DeleteWithoutKey, sent)))
        | (Wish::Skipped, Ok((Outcome::Skipped, sent))) => assert_eq!(sent, &[]),
        (Wish::Records(wanted), Ok((Outcome::Written { records, unchanged }, sent))) => {
            // Of keys that nobody can foretell nobody knows whether they changed.
            if case.has_misfit_in_key() {
                return;
            }
            assert_eq!((*records, sent.len()), (wanted.len(), wanted.len()), "{wanted:?} {sent:?}");
            assert_eq!(*unchanged, wanted.iter().map(|wanted| wanted.unchanged.len()).sum::<usize>());
            wanted.iter().zip(sent).for_each(|(wanted, sent)| record(case, wanted, sent));
        }
        (wish, result) => panic!("{wish:?} {result:?} of {}", case.payload().escape_ascii()),
    }
}

impl Case {
    fn may_fail(&self) -> bool {
        let (Change::Insert(new) | Change::Update(_, new)) = &self.change else { return false };
        new.iter().any(|slot| matches!(slot, case::Slot::Sent(value) if value.json.may_fail()))
    }

    fn has_misfit_in_key(&self) -> bool {
        let (Change::Insert(new) | Change::Update(_, new)) = &self.change else { return false };
        let misfit = |index: &usize| matches!(&new[*index], case::Slot::Sent(value) if value.json.may_fail());
        self.key.iter().flatten().any(misfit)
    }
}

/// Characters that Kafka refuses are underscores, one for each UTF-16 unit.
fn topic(case: &Case) -> String {
    let sanitized = |name: &str| {
        name.chars().fold(String::new(), |mut out, c| {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => out.push(c),
                c => out.push_str(&"_".repeat(c.len_utf16())),
            }
            out
        })
    };
    format!("shop.{}.{}", sanitized(&case.schema), sanitized(&case.table))
}

fn record(case: &Case, wanted: &Wanted, sent: &Sent) {
    assert_eq!(sent.topic, topic(case));
    object(wanted.key.as_ref(), sent.key.as_deref());
    headers(case, wanted, sent);
    match (&wanted.event, &sent.value) {
        (None, None) => {}
        (Some(wanted), Some(found)) => event(case, wanted, found),
        (wanted, found) => panic!("{wanted:?} {found:?}"),
    }
}

fn object(wanted: Option<&Object>, found: Option<&[u8]>) {
    match (wanted, found) {
        (None, None) => {}
        (Some(wanted), Some(found)) => Members::of(found).check(wanted),
        (wanted, found) => panic!("{wanted:?} {found:?}"),
    }
}

fn headers(case: &Case, wanted: &Wanted, sent: &Sent) {
    let find = |name: &str| {
        let mut found = sent.headers.iter().filter(|(header, _)| header == name);
        let value = found.next().map(|(_, value)| value.as_slice());
        assert!(found.next().is_none(), "{name} twice");
        value
    };
    let source = &case.source;
    // Outside of a transaction a change is its own.
    let (xid, first) = source.transaction.map_or((0, source.lsn), |found| (found.xid, found.first_lsn));
    assert_eq!(find("pgsluice.tx"), Some(format!("{xid}:{}", first.0).as_bytes()));
    assert_eq!(find("pgsluice.ordinal"), Some(source.ordinal.to_string().as_bytes()));
    assert_eq!(find("pgsluice.commit_time"), (!source.commit_time_known).then_some(&b"estimated"[..]));
    let unchanged: Option<Vec<String>> =
        find("pgsluice.unchanged").map(|names| serde_json::from_slice(names).expect("names"));
    assert_eq!(unchanged, Some(wanted.unchanged.clone()).filter(|names| !names.is_empty()));
    for name in ["__debezium.oldkey", "__debezium.newkey"] {
        let key = wanted.other_key.as_ref().filter(|(header, _)| *header == name).map(|(_, key)| key);
        object(key, find(name));
    }
}

fn event(case: &Case, wanted: &Event, found: &[u8]) {
    let members = Members::of(found);
    let names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]);
    for (row, name) in [(&wanted.before, "before"), (&wanted.after, "after")] {
        let found = members.get(name).get();
        match row {
            None => assert_eq!(found, "null"),
            Some(row) => Members::of(found.as_bytes()).check(row),
        }
    }
    Expected::null().check(members.get("transaction"));
    Expected::Text(wanted.op.to_owned()).check(members.get("op"));
    times(&members, case.now.0);
    source(case, &Members::of(members.get("source").get().as_bytes()));
}

/// One instant in three units.
fn times(members: &Members<'_>, micros: i64) {
    let nanos = (i128::from(micros) * 1000).clamp(i64::MIN.into(), i64::MAX.into());
    for (name, value) in
        [("ts_ms", micros.div_euclid(1000).into()), ("ts_us", micros.into()), ("ts_ns", nanos)]
    {
        Expected::Exactly(value.to_string()).check(members.get(name));
    }
}

fn source(case: &Case, found: &Members<'_>) {
    let source = &case.source;
    times(found, source.time.0);
    for (name, text) in [
        ("connector", "postgresql"),
        ("name", "shop"),
        ("snapshot", "false"),
        ("db", "d b"),
        ("schema", &case.schema),
        ("table", &case.table),
    ] {
        Expected::Text(text.to_owned()).check(found.get(name));
    }
    let xid = source.transaction.map_or("null".to_owned(), |transaction| transaction.xid.to_string());
    Expected::Exactly(xid).check(found.get("txId"));
    Expected::Exactly(source.lsn.0.to_string()).check(found.get("lsn"));
    for name in ["xmin", "origin", "origin_lsn"] {
        Expected::null().check(found.get(name));
    }
    let sequence: Json =
        serde_json::from_str(&expected::string(found.get("sequence").get())).expect("an array");
    assert_eq!(
        sequence,
        serde_json::json!([source.last_commit.map(|lsn| lsn.0.to_string()), source.lsn.0.to_string()])
    );
    assert_eq!(found.0.len(), 16);
}
