//! `lossless.jsonl`: the values that pgsluice writes in another form than the reference.

use std::collections::BTreeSet;

use serde_json::Value;

use super::script::golden;
use crate::json::Json;
use crate::support::Result;

/// The values of one scenario.
#[derive(Debug)]
pub(crate) struct Lossless {
    entries: Vec<Entry>,
    used: BTreeSet<usize>,
}

#[derive(Debug)]
struct Entry {
    column: String,
    reference: Json,
    /// None: it stands for a value that the server did not send.
    lossless: Option<Json>,
}

/// What becomes of a value.
#[derive(Debug)]
pub(crate) enum Form {
    Same,
    Lossless(Json),
    LeftOut,
}

impl Lossless {
    pub(crate) fn read(scenario: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for line in golden("lossless.jsonl")?.lines() {
            let entry: Value = serde_json::from_str(line)?;
            if entry["scenario"] == scenario {
                entries.push(Entry {
                    column: entry["column"].as_str().ok_or("no column")?.to_owned(),
                    reference: Json::parse(&entry["reference"].to_string())?,
                    lossless: entry
                        .get("lossless")
                        .map(|value| Json::parse(&value.to_string()))
                        .transpose()?,
                });
            }
        }
        Ok(Self { entries, used: BTreeSet::new() })
    }

    /// What pgsluice writes for a value of the reference in a column of a topic.
    pub(crate) fn form(&mut self, topic: &str, column: &str, value: &Json) -> Form {
        let name = format!("{topic}.{column}");
        let is_it = |entry: &Entry| entry.column == name && entry.reference == *value;
        let Some(index) = self.entries.iter().position(is_it) else { return Form::Same };
        self.used.insert(index);
        self.entries[index].lossless.clone().map_or(Form::LeftOut, Form::Lossless)
    }

    /// A line that no record of the reference has is a mistake.
    pub(crate) fn check_used(&self) -> Result<()> {
        match (0..self.entries.len()).find(|index| !self.used.contains(index)) {
            Some(unused) => Err(format!("lossless.jsonl: never used: {:?}", self.entries[unused]).into()),
            None => Ok(()),
        }
    }
}
