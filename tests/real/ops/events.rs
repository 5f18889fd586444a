//! Records as their consumers read them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Result;
use crate::support::broker_client::{ConsumedRecord, read_all};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Null where the record has none.
    pub(crate) key: Value,
    /// None: a tombstone.
    pub(crate) value: Option<Value>,
    /// `pgsluice.tx` and `pgsluice.ordinal`: the id of the change.
    pub(crate) id: (String, u64),
    pub(crate) headers: BTreeMap<String, String>,
}

/// Everything in the topics, a partition's records in their order.
pub(crate) fn events(bootstrap: &str, topics: &[&str]) -> Result<Vec<Event>> {
    read_all(bootstrap, topics)?.into_iter().map(event).collect()
}

impl Event {
    pub(crate) fn op(&self) -> &str {
        match &self.value {
            None => "tombstone",
            Some(value) => value.get("op").and_then(Value::as_str).unwrap_or("no op"),
        }
    }

    pub(crate) fn before(&self) -> &Value {
        self.part("before")
    }

    pub(crate) fn after(&self) -> &Value {
        self.part("after")
    }

    fn part(&self, name: &str) -> &Value {
        self.value.as_ref().and_then(|value| value.get(name)).unwrap_or(&Value::Null)
    }

    /// `op key before after`, in compact JSON.
    pub(crate) fn summary(&self) -> String {
        format!("{} {} {} {}", self.op(), self.key, self.before(), self.after())
    }
}

/// The table that the events make: the last row of each key.
pub(crate) fn state(events: &[Event]) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    for event in events {
        match event.op() {
            "c" | "u" | "r" => drop(rows.insert(event.key.to_string(), event.after().clone())),
            "t" => rows.clear(),
            _ => drop(rows.remove(&event.key.to_string())),
        }
    }
    rows
}

fn event(record: ConsumedRecord) -> Result<Event> {
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes);
    let mut headers = BTreeMap::new();
    for (name, value) in record.headers {
        headers.insert(name, String::from_utf8(value.unwrap_or_default())?);
    }
    let header = |name: &str| headers.get(name).ok_or_else(|| format!("a record without {name}"));
    Ok(Event {
        id: (header("pgsluice.tx")?.clone(), header("pgsluice.ordinal")?.parse()?),
        topic: record.topic,
        partition: record.partition,
        key: record.key.map(json).transpose()?.unwrap_or_default(),
        value: record.value.map(json).transpose()?,
        headers,
    })
}
