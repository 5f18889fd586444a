//! The records of the reference, to be turned into those that are expected of pgsluice.

use serde_json::Value;

use super::script::golden;
use crate::json::Json;
use crate::support::Result;

/// A record that pgsluice should send.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// Behind the prefix: `public.orders`.
    pub(crate) topic: String,
    /// Of a record with a key; where there is none, the partition is free.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Json>,
    /// None: a tombstone.
    pub(crate) value: Option<Json>,
    /// All but those that are pgsluice's own.
    pub(crate) headers: Vec<(String, String)>,
    /// Columns that are left out of `after`, since the server did not send them.
    pub(crate) unchanged: Vec<String>,
}

impl Expected {
    /// What the reference sent for `scenario` under `mode`.
    pub(crate) fn read(scenario: &str, mode: &str) -> Result<Vec<Self>> {
        golden(&format!("{scenario}.{mode}.jsonl"))?.lines().map(Self::from_line).collect()
    }

    fn from_line(line: &str) -> Result<Self> {
        let record: Value = serde_json::from_str(line)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let json = |value: &Value| value.as_str().map(Json::parse).transpose();
        let key = json(&record["key"])?;
        let header = |header: &Value| Some((text(&header[0])?, text(&header[1])?));
        let headers = record["headers"].as_array().ok_or("no headers")?.iter().map(header);
        let topic = record["topic"].as_str().and_then(|topic| topic.strip_prefix("shop."));
        let partition = record["partition"].as_i64().ok_or("no partition")?;
        Ok(Self {
            topic: topic.ok_or("no topic")?.to_owned(),
            partition: key.is_some().then_some(partition.try_into()?),
            key,
            value: json(&record["value"])?,
            headers: headers.collect::<Option<_>>().ok_or("a header without a value")?,
            unchanged: Vec::new(),
        })
    }

    /// A field of the value.
    pub(crate) fn field(&self, name: &str) -> Option<&Json> {
        self.value.as_ref()?.get(name)
    }

    /// The operation, as it is written; none of a tombstone.
    pub(crate) fn op(&self) -> Option<String> {
        self.field("op").and_then(|op| op.text().ok())
    }

    /// A field of `source`.
    pub(crate) fn source(&self, name: &str) -> Option<&Json> {
        self.field("source")?.get(name)
    }

    /// The same, to be changed.
    pub(crate) fn source_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.value.as_mut()?.get_mut("source")?.get_mut(name)
    }
}
