//! Where pgsluice means to send something else than the reference: the whole list, with the reasons, and how each
//! item turns the reference's records into those that are expected.

use super::expected::Expected;
use super::lossless::{Form, Lossless};
use super::partitioner::partition;
use crate::json::Json;
use crate::support::Result;

/// One intended difference.
pub(crate) struct Difference {
    /// Where it shows. Elsewhere there must be none.
    scenarios: &'static [&'static str],
    change: Change,
    /// The reason, for the reader.
    why: &'static str,
}

enum Change {
    NoSnapshot,
    OwnSource,
    NoContextHeaders,
    LosslessValues,
    OnlyTheKeyBefore,
    /// In these rows.
    NullStaysNull {
        topic: &'static str,
        column: &'static str,
        keys: &'static [&'static str],
    },
    NoKeylessTombstones,
    More(More),
}

/// A record that the reference does not send: like another one but for these.
struct More {
    topic: &'static str,
    /// How many records of the topic come before it.
    behind: usize,
    /// Which of the topic's it is like.
    like: usize,
    has_key: bool,
    op: &'static str,
    after: &'static str,
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        scenarios: &[
            "events-identity-default",
            "events-identity-full",
            "events-no-key",
            "identifiers",
            "toast-default",
            "toast-full",
        ],
        change: Change::NoSnapshot,
        why: "rows that were there before the slot are not streamed; they are the reference's `r`",
    },
    Difference {
        scenarios: EVERY,
        change: Change::OwnSource,
        why: "`version` is pgsluice's, `name` the topic prefix and `db` the database of the test",
    },
    Difference {
        scenarios: EVERY,
        change: Change::NoContextHeaders,
        why: "`__debezium.context.*` tells of a Connect worker, which there is none of, and costs bytes on every record",
    },
    Difference {
        scenarios: &["events-identity-default", "events-key-composite", "identifiers", "toast-default"],
        change: Change::OnlyTheKeyBefore,
        why: "under the default identity the server sends the key of a deleted row and nothing else: the other \
              columns' NULLs, empty strings and defaults are invented",
    },
    Difference {
        scenarios: &["events-identity-default"],
        change: Change::NullStaysNull { topic: "public.orders", column: "created", keys: &["2", "12"] },
        why: "a NULL is not the column's default",
    },
    Difference {
        scenarios: &["events-identity-default", "events-identity-full", "events-key-types", "toast-default"],
        change: Change::LosslessValues,
        why: "numeric is no base64, date and timestamp are ISO 8601 without the zone they do not have; what the \
              server did not send is left out and named in a header, not replaced by a placeholder that for an \
              integer[] or a date[] cannot be told from a value",
    },
    Difference {
        scenarios: &["events-no-key"],
        change: Change::NoKeylessTombstones,
        why: "a record without key and value says nothing, and a compacted topic refuses it",
    },
    Difference {
        scenarios: &["events-identity-nothing"],
        change: Change::More(More {
            topic: "public.nothing",
            behind: 2,
            like: 0,
            has_key: true,
            op: "u",
            after: r#"{"id":1,"v":"c"}"#,
        }),
        why: "there is no publication, so PostgreSQL does not refuse the UPDATE; the DELETE, of which the WAL then \
              holds no key, gives no event",
    },
    Difference {
        scenarios: &["events-truncate-skipped"],
        change: Change::More(More {
            topic: "public.tr",
            behind: 1,
            like: 0,
            has_key: false,
            op: "t",
            after: "null",
        }),
        why: "no operation is left out unless that is asked for",
    },
];

/// All scenarios that are compared.
pub(crate) const EVERY: &[&str] = &[
    "events-identity-default",
    "events-identity-full",
    "events-identity-nothing",
    "events-key-composite",
    "events-key-types",
    "events-no-key",
    "events-truncate-skipped",
    "identifiers",
    "messages",
    "toast-default",
    "toast-full",
];

/// Where a scenario runs.
pub(crate) struct Ground<'a> {
    /// Of the topics.
    pub(crate) prefix: &'a str,
    pub(crate) database: &'a str,
    /// Of every topic.
    pub(crate) partitions: i32,
}

impl Difference {
    pub(crate) fn concerns(&self, scenario: &str) -> bool {
        self.scenarios.contains(&scenario)
    }

    pub(crate) fn why(&self) -> &'static str {
        self.why
    }

    /// Changes the records; how much of them.
    pub(crate) fn apply(
        &self,
        records: &mut Vec<Expected>,
        lossless: &mut Lossless,
        ground: &Ground<'_>,
    ) -> Result<usize> {
        let count = records.len();
        match &self.change {
            Change::NoSnapshot => records.retain(|record| record.op().as_deref() != Some("r")),
            Change::NoKeylessTombstones => {
                records.retain(|record| record.key.is_some() || record.value.is_some());
            }
            Change::NoContextHeaders => return Ok(records.iter_mut().map(without_context).sum()),
            Change::OwnSource => {
                return Ok(records.iter_mut().map(|record| own_source(record, ground)).sum());
            }
            Change::OnlyTheKeyBefore => return Ok(records.iter_mut().map(only_the_key).sum()),
            Change::NullStaysNull { topic, column, keys } => {
                return Ok(records.iter_mut().map(|record| null_again(record, topic, column, keys)).sum());
            }
            Change::LosslessValues => return lossless_values(records, lossless, ground),
            Change::More(more) => {
                let places = (0..records.len()).filter(|index| records[*index].topic == more.topic);
                let places: Vec<usize> = places.collect();
                let record = more.like(&records[places[more.like]])?;
                records.insert(places[more.behind - 1] + 1, record);
            }
        }
        Ok(count.abs_diff(records.len()))
    }
}

fn without_context(record: &mut Expected) -> usize {
    let count = record.headers.len();
    record.headers.retain(|(name, _)| !name.starts_with("__debezium.context."));
    count - record.headers.len()
}

fn own_source(record: &mut Expected, ground: &Ground<'_>) -> usize {
    let own = [("version", env!("CARGO_PKG_VERSION")), ("name", ground.prefix), ("db", ground.database)];
    let mut changed = 0;
    for (name, text) in own {
        if let Some(field) = record.source_mut(name) {
            *field = Json::Scalar(format!("\"{text}\""));
            changed += 1;
        }
    }
    changed
}

/// Takes out of a deleted row what is not in its key. The rest stays in the table's order.
fn only_the_key(record: &mut Expected) -> usize {
    let key = record.key.clone();
    let Some(Json::Object(before)) = record.value.as_mut().and_then(|value| value.get_mut("before")) else {
        return 0;
    };
    let count = before.len();
    before.retain(|(name, _)| key.as_ref().is_some_and(|key| key.get(name).is_some()));
    count - before.len()
}

fn null_again(record: &mut Expected, topic: &str, column: &str, keys: &[&str]) -> usize {
    let id = record.key.as_ref().and_then(|key| key.get("id")).map(ToString::to_string);
    let is_it = record.topic == topic && id.is_some_and(|id| keys.contains(&id.as_str()));
    let after = record.value.as_mut().and_then(|value| value.get_mut("after")).filter(|_| is_it);
    let Some(field) = after.and_then(|after| after.get_mut(column)) else { return 0 };
    *field = Json::Scalar("null".to_owned());
    1
}

fn lossless_values(records: &mut [Expected], lossless: &mut Lossless, ground: &Ground<'_>) -> Result<usize> {
    let (mut changed, mut moved) = (0, false);
    for Expected { topic, partition: place, key, value, headers, unchanged } in records.iter_mut() {
        let has_other_key = key.as_mut().map_or(0, |key| convert(key, topic, lossless, &mut Vec::new())) > 0;
        if let Some(key) = key.as_ref().filter(|_| has_other_key) {
            *place = Some(partition(key.to_string().as_bytes(), ground.partitions));
            moved = true;
        }
        for side in ["before", "after"] {
            let row = value.as_mut().and_then(|value| value.get_mut(side));
            changed += row.map_or(0, |row| convert(row, topic, lossless, unchanged));
        }
        for (_, other_key) in headers {
            let mut key = Json::parse(other_key)?;
            convert(&mut key, topic, lossless, &mut Vec::new());
            *other_key = key.to_string();
        }
    }
    if moved {
        // They are listed by the partitions they were in: back into the order of the changes.
        let lsn = |record: &Expected| Some(record.source("lsn")?.number().unwrap_or_default());
        if records.iter().any(|record| lsn(record).is_none()) {
            return Err("the order of tombstones with other keys is not known".into());
        }
        records.sort_by_key(|record| (record.topic.clone(), lsn(record)));
    }
    Ok(changed)
}

/// Converts the columns of a row or key; how many. What is left out is appended to `unchanged`.
fn convert(row: &mut Json, topic: &str, lossless: &mut Lossless, unchanged: &mut Vec<String>) -> usize {
    let Json::Object(columns) = row else { return 0 };
    let mut changed = 0;
    columns.retain_mut(|(name, value)| match lossless.form(topic, name, value) {
        Form::Same => true,
        Form::Lossless(other) => {
            *value = other;
            changed += 1;
            true
        }
        Form::LeftOut => {
            unchanged.push(name.clone());
            changed += 1;
            false
        }
    });
    changed
}

impl More {
    fn like(&self, like: &Expected) -> Result<Expected> {
        let mut record = like.clone();
        let fields = [
            ("before", "null".to_owned()),
            ("after", self.after.to_owned()),
            ("op", format!("\"{}\"", self.op)),
        ];
        let value = record.value.as_mut().ok_or("a tombstone is no model")?;
        for (name, json) in fields {
            *value.get_mut(name).ok_or("no such field")? = Json::parse(&json)?;
        }
        // Of a transaction of its own, behind others.
        *record.source_mut("txId").ok_or("no txId")? = Json::Scalar("\"another\"".to_owned());
        *record.source_mut("sequence").ok_or("no sequence")? =
            Json::Scalar("\"[\\\"0\\\",\\\"0\\\"]\"".to_owned());
        record.key = record.key.filter(|_| self.has_key);
        record.partition = record.partition.filter(|_| self.has_key);
        Ok(record)
    }
}
