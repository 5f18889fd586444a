//! From a record to what it says: the kind of event, the key, the rows.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::reader::Consumed;
use crate::support::Result;

/// Headers that tie the three records of a changed key together.
const NEW_KEY: &str = "__debezium.newkey";
const OLD_KEY: &str = "__debezium.oldkey";

/// A JSON object with its members in their own order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Columns(pub(crate) Vec<(String, Value)>);

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    /// The table, or `message`.
    pub(crate) table: String,
    pub(crate) key: Option<Columns>,
    pub(crate) before: Option<Columns>,
    pub(crate) after: Option<Columns>,
    /// The key before or after, where a key changed.
    pub(crate) other_key: Option<Columns>,
    /// Of a logical message.
    pub(crate) content: Option<String>,
}

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Insert,
    Update,
    Delete,
    Tombstone,
    Truncate,
    Message,
}

#[derive(Deserialize)]
struct Envelope {
    op: String,
    #[serde(default)]
    before: Option<Columns>,
    #[serde(default)]
    after: Option<Columns>,
    #[serde(default)]
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

impl Event {
    pub(crate) fn of(record: &Consumed) -> Result<Self> {
        let understood = Self::parse(record);
        understood.map_err(|error| format!("a record of {} is not understood: {error}", record.topic).into())
    }

    fn parse(record: &Consumed) -> Result<Self> {
        let table = record.topic.rsplit('.').next().unwrap_or_default().to_owned();
        let key = record.key.as_deref().map(serde_json::from_slice).transpose()?;
        let header = |name: &str| record.headers.iter().find(|(found, _)| found == name);
        let other_key = header(NEW_KEY).or_else(|| header(OLD_KEY));
        let other_key = other_key.map(|(_, key)| serde_json::from_slice(key)).transpose()?;
        let tombstone =
            Self { kind: Kind::Tombstone, table, key, before: None, after: None, other_key, content: None };
        let Some(value) = &record.value else { return Ok(tombstone) };
        let envelope: Envelope = serde_json::from_slice(value)?;
        let kind = match envelope.op.as_str() {
            "c" => Kind::Insert,
            "u" => Kind::Update,
            "d" => Kind::Delete,
            "t" => Kind::Truncate,
            "m" => Kind::Message,
            other => return Err(format!("op is {other:?}").into()),
        };
        let content = envelope.message.map(|message| from_base64(&message.content)).transpose()?;
        Ok(Self { kind, before: envelope.before, after: envelope.after, content, ..tombstone })
    }
}

impl Columns {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Columns, M::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Columns(columns))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// RFC 4648, section 4; the content of messages is bytes, and those of this demo are text.
fn from_base64(text: &str) -> Result<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0_u32);
    for character in text.trim_end_matches('=').bytes() {
        let position = ALPHABET.iter().position(|known| *known == character).ok_or("not base64")?;
        bits = (bits << 6) | u32::try_from(position)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xFF)?);
        }
    }
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::{Event, Kind, from_base64};
    use crate::reader::Consumed;

    fn record(value: Option<&str>, headers: &[(&str, &str)]) -> Consumed {
        Consumed {
            topic: "shop.public.orders".to_owned(),
            key: Some(br#"{"id":1}"#.to_vec()),
            value: value.map(|value| value.as_bytes().to_vec()),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        }
    }

    #[test]
    fn base64() {
        assert_eq!(from_base64("b3JkZXIgMSBpcyBwYWlk").unwrap(), "order 1 is paid");
        assert_eq!(from_base64("YQ==").unwrap(), "a");
        assert_eq!(from_base64("").unwrap(), "");
        assert!(from_base64("a-b").is_err());
    }

    #[test]
    fn columns_keep_their_order() {
        let event =
            Event::of(&record(Some(r#"{"before":null,"after":{"z":1,"a":null},"op":"c"}"#), &[])).unwrap();
        assert_eq!((event.kind, event.table.as_str()), (Kind::Insert, "orders"));
        let after = event.after.unwrap();
        assert_eq!(after.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["z", "a"]);
    }

    #[test]
    fn a_record_without_a_value_is_a_tombstone() {
        let event = Event::of(&record(None, &[("__debezium.newkey", r#"{"id":2}"#)])).unwrap();
        assert_eq!(event.kind, Kind::Tombstone);
        assert_eq!(event.other_key.unwrap().get("id").unwrap(), 2);
    }

    #[test]
    fn an_unknown_operation_is_an_error() {
        assert!(Event::of(&record(Some(r#"{"op":"x"}"#), &[])).is_err());
    }
}
