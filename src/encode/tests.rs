use super::charset::Charset;
use super::{DeleteMode, EncodeError, EncodeOptions, Encoder, Outcome, TablePlan};
use crate::data_type::DataType;
use crate::decode::test_decoding::TestDecoding;
use crate::decode::{Decoded, RowChange};
use crate::event::{Source, TransactionId};
use crate::lsn::Lsn;
use crate::record::Record;
use crate::table::{Column, ReplicaIdentity, Table, TableName};
use crate::time::UnixMicros;

mod changes;
mod delete;
mod envelope;
mod golden;
mod property;

/// A record that outlives the encoder's buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) topic: String,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

impl Sent {
    fn of(record: Record<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self {
            topic: record.topic.to_owned(),
            key: record.key.map(text),
            value: record.value.map(text),
            headers: record.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect(),
        }
    }

    /// The value, parsed.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.value.as_ref().expect("a value")).expect("JSON")
    }

    /// One top-level field of the value as its very text.
    pub(super) fn field(&self, name: &str) -> String {
        let value = self.value.as_ref().expect("a value");
        let name = format!("\"{name}\":");
        let (mut depth, mut in_string, mut escaped, mut start) = (0, false, false, None);
        for (at, character) in value.char_indices() {
            if let Some(start) = start.filter(|_| !in_string && matches!(character, ',' | '}') && depth == 1)
            {
                return value.get(start..at).expect("a field").to_owned();
            }
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = in_string,
                '"' => {
                    if !in_string && depth == 1 && value.get(at..).is_some_and(|rest| rest.starts_with(&name))
                    {
                        start = Some(at + name.len());
                    }
                    in_string = !in_string;
                }
                '{' | '[' if !in_string => depth += 1,
                '}' | ']' if !in_string => depth -= 1,
                _ => {}
            }
        }
        panic!("no field {name} in {value}")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Encodes lines of the plugin with one table of the catalog.
pub(super) struct Bench {
    pub(super) decoder: TestDecoding,
    pub(super) encoder: Encoder,
    pub(super) table: Option<Table>,
    pub(super) plan: Option<TablePlan>,
    pub(super) source: Source,
    pub(super) now: UnixMicros,
}

impl Bench {
    pub(super) fn new(table: Option<Table>) -> Self {
        Self::with(table, DeleteMode::EventAndTombstone, Charset::utf8())
    }

    pub(super) fn with(table: Option<Table>, delete: DeleteMode, charset: Charset) -> Self {
        let options = EncodeOptions { delete, ..EncodeOptions::new("shop", "shop") };
        Self {
            decoder: TestDecoding::new(),
            encoder: Encoder::new(&options, charset).expect("options"),
            table,
            plan: None,
            source: source(),
            now: UnixMicros(1_795_563_007_106_694),
        }
    }

    /// Records and outcome of one line; makes a plan where there is none that fits. A stale plan in the end means
    /// that not even a new one does.
    pub(super) fn try_encode(&mut self, line: &[u8]) -> Result<(Vec<Sent>, Outcome), EncodeError> {
        let Decoded::Change(change) = self.decoder.decode(line).expect("a line of the plugin") else {
            panic!("not a change");
        };
        for _ in 0..2 {
            let mut sent = Vec::new();
            if let Some(plan) = &self.plan {
                let outcome =
                    self.encoder.encode_change(plan, &change, &self.source, self.now, &mut |record| {
                        sent.push(Sent::of(record));
                        Ok::<_, EncodeError>(())
                    })?;
                if outcome != Outcome::StalePlan {
                    return Ok((sent, outcome));
                }
                assert_eq!(sent, []);
            }
            self.plan = Some(make_plan(&self.encoder, &change, self.table.as_ref()));
        }
        Ok((Vec::new(), Outcome::StalePlan))
    }

    pub(super) fn encode(&mut self, line: &str) -> Vec<Sent> {
        let (sent, outcome) = self.try_encode(line.as_bytes()).expect("encodes");
        assert!(matches!(outcome, Outcome::Written { records, .. } if records == sent.len()), "{outcome:?}");
        sent
    }

    pub(super) fn outcome(&mut self, line: &str) -> Outcome {
        let (sent, outcome) = self.try_encode(line.as_bytes()).expect("encodes");
        assert_eq!(sent, []);
        outcome
    }

    /// The only record of a line.
    pub(super) fn one(&mut self, line: &str) -> Sent {
        let mut sent = self.encode(line);
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }
}

fn make_plan(encoder: &Encoder, change: &RowChange<'_>, table: Option<&Table>) -> TablePlan {
    encoder.plan(change, table).expect("a plan")
}

pub(super) fn source() -> Source {
    Source {
        lsn: Lsn(92_144_408),
        transaction: Some(TransactionId { xid: 981, first_lsn: Lsn(92_144_400) }),
        ordinal: 7,
        time: UnixMicros(1_795_563_007_038_567),
        commit_time_known: true,
        last_commit: None,
    }
}

/// `public.t` with columns of the given names, types and encodings.
pub(super) fn table(
    identity: ReplicaIdentity,
    key: Option<&[&str]>,
    columns: &[(&str, &str, DataType)],
) -> Table {
    Table {
        name: TableName { schema: "public".to_owned(), table: "t".to_owned() },
        replica_identity: identity,
        columns: columns
            .iter()
            .map(|(name, type_text, data_type)| Column {
                name: (*name).to_owned(),
                type_text: (*type_text).to_owned(),
                data_type: data_type.clone(),
                virtual_generated: false,
            })
            .collect(),
        key: key.map(|key| key.iter().map(|name| (*name).to_owned()).collect()),
        key_is_logged: true,
    }
}

/// `public.t (id integer primary key, t text, n integer)`.
pub(super) fn small(identity: ReplicaIdentity) -> Table {
    table(
        identity,
        Some(&["id"]),
        &[
            ("id", "integer", DataType::Integer),
            ("t", "text", DataType::Text),
            ("n", "integer", DataType::Integer),
        ],
    )
}
