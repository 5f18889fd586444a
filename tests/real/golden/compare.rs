//! Records that came out of Kafka beside those that were expected: per topic and partition, in order, field by field.

use std::collections::BTreeMap;

use super::expected::Expected;
use crate::json::Json;
use crate::support::Result;
use crate::support::broker_client::ConsumedRecord;

/// A record that pgsluice has sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Behind the prefix.
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    /// None: a tombstone.
    pub(crate) value: Option<Json>,
    pub(crate) headers: Vec<(String, String)>,
}

/// A record and what it was expected to be.
pub(crate) type Pair = (Expected, Sent);

impl Sent {
    pub(crate) fn new(record: ConsumedRecord, prefix: &str) -> Result<Self> {
        let topic = record.topic.strip_prefix(prefix).and_then(|topic| topic.strip_prefix('.'));
        let mut headers = Vec::new();
        for (name, value) in record.headers {
            headers.push((name, String::from_utf8(value.ok_or("a header without a value")?)?));
        }
        let value = record.value.map(String::from_utf8).transpose()?;
        Ok(Self {
            topic: topic.ok_or("another topic")?.to_owned(),
            partition: record.partition,
            key: record.key.map(String::from_utf8).transpose()?,
            value: value.as_deref().map(Json::parse).transpose()?,
            headers,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Result<&str> {
        let header = self.headers.iter().find(|(header, _)| header == name);
        Ok(header.map(|(_, value)| value.as_str()).ok_or_else(|| format!("no header {name}"))?)
    }

    pub(crate) fn field(&self, name: &str) -> Result<&Json> {
        let field = self.value.as_ref().and_then(|value| value.get(name));
        Ok(field.ok_or_else(|| format!("no field {name}"))?)
    }

    pub(crate) fn source(&self, name: &str) -> Result<&Json> {
        Ok(self.field("source")?.get(name).ok_or_else(|| format!("no field {name} of source"))?)
    }
}

/// Topic and partition; records without a key stand in any partition, so they are compared by themselves.
type Lane = (String, Option<i32>);

/// Compares everything that can be compared of two records by themselves; what is volatile stands in `relations.rs`.
pub(crate) fn compare(expected: Vec<Expected>, sent: Vec<Sent>, partitions: i32) -> Result<Vec<Pair>> {
    let lane = |topic: &str, partition: Option<i32>| {
        (topic.to_owned(), if partitions == 1 { Some(0) } else { partition })
    };
    let mut lanes: BTreeMap<Lane, (Vec<Expected>, Vec<Sent>)> = BTreeMap::new();
    for record in expected {
        lanes.entry(lane(&record.topic, record.partition)).or_default().0.push(record);
    }
    for record in sent {
        let partition = record.key.is_some().then_some(record.partition);
        lanes.entry(lane(&record.topic, partition)).or_default().1.push(record);
    }
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    for (lane, (expected, sent)) in lanes {
        if expected.len() != sent.len() {
            let keys: Vec<_> = sent.iter().map(|sent| sent.key.as_deref().unwrap_or("-")).collect();
            faults.push(format!("{lane:?}: {} records, not {}: {keys:?}", sent.len(), expected.len()));
        }
        for (index, pair) in expected.into_iter().zip(sent).enumerate() {
            compare_pair(&pair, |fault| faults.push(format!("{lane:?}, record {index}: {fault}")));
            pairs.push(pair);
        }
    }
    if faults.is_empty() { Ok(pairs) } else { Err(faults.join("\n").into()) }
}

fn compare_pair((expected, sent): &Pair, mut fault: impl FnMut(String)) {
    let shown = |json: &Option<Json>| json.as_ref().map(ToString::to_string);
    if shown(&expected.key) != sent.key {
        fault(format!("key {:?}, not {:?}", sent.key, shown(&expected.key)));
    }
    let (names, wanted) = (header_names(&sent.headers), expected_headers(expected));
    if names != header_names(&wanted) {
        fault(format!("headers {names:?}, not {:?}", header_names(&wanted)));
    }
    for ((name, value), (_, wanted)) in sent.headers.iter().zip(&wanted) {
        if !wanted.is_empty() && value != wanted {
            fault(format!("header {name} is {value}, not {wanted}"));
        }
    }
    match (&expected.value, &sent.value) {
        (Some(expected), Some(sent)) => compare_fields("", expected, sent, &mut fault),
        (None, None) => {}
        _ => fault(format!("value {:?}, not {:?}", shown(&sent.value), shown(&expected.value))),
    }
}

fn header_names(headers: &[(String, String)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// All headers, in order. Those whose value is empty have one that changes from run to run.
fn expected_headers(expected: &Expected) -> Vec<(String, String)> {
    let mut headers = expected.headers.clone();
    let mut push = |name: &str, value: String| headers.push((name.to_owned(), value));
    push("pgsluice.tx", String::new());
    push("pgsluice.ordinal", String::new());
    // A message outside of transactions has no commit whose time it could tell.
    if expected.op().as_deref() == Some("m") && expected.source("txId").is_some_and(Json::is_null) {
        push("pgsluice.commit_time", "estimated".to_owned());
    }
    if !expected.unchanged.is_empty() {
        push("pgsluice.unchanged", format!("[\"{}\"]", expected.unchanged.join("\",\"")));
    }
    headers
}

/// The fields, their order and their values, but for those that change from run to run.
fn compare_fields(path: &str, expected: &Json, sent: &Json, fault: &mut impl FnMut(String)) {
    let names = |json: &Json| json.fields().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if names(expected) != names(sent) {
        fault(format!("fields of {path:?}: {:?}, not {:?}", names(sent), names(expected)));
        return;
    }
    for ((name, expected), (_, sent)) in expected.fields().iter().zip(sent.fields()) {
        let volatile = ["ts_ms", "ts_us", "ts_ns", "txId", "lsn", "sequence"].contains(&name.as_str())
            && ["", "source"].contains(&path);
        if path.is_empty() && name == "source" {
            compare_fields(name, expected, sent, fault);
        } else if !volatile && expected != sent {
            fault(format!("{path}.{name} is {sent}, not {expected}"));
        }
    }
}
