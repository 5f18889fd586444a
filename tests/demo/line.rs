//! An event in one line: operation, table, key, before → after.

use serde_json::Value;

use crate::envelope::{Columns, Event, Kind};
use crate::screen::Colour;

/// The word a line begins with, as wide as the longest.
pub(crate) fn word(kind: Kind) -> (&'static str, Colour) {
    match kind {
        Kind::Insert => ("c insert   ", Colour::Green),
        Kind::Update => ("u update   ", Colour::Yellow),
        Kind::Delete => ("d delete   ", Colour::Red),
        Kind::Tombstone => ("  tombstone", Colour::Red),
        Kind::Truncate => ("t truncate ", Colour::Magenta),
        Kind::Message => ("m message  ", Colour::Blue),
    }
}

/// What stands behind the word.
pub(crate) fn rest(event: &Event) -> String {
    let key = event.key.as_ref().map_or_else(|| "(no key)".to_owned(), all);
    format!("{:<11} {key:<22} {}", event.table, what(event)).trim_end().to_owned()
}

fn what(event: &Event) -> String {
    let moved = event.other_key.as_ref().map(all);
    match (event.kind, moved) {
        (Kind::Delete | Kind::Tombstone, Some(key)) => format!("the key becomes {key}"),
        (Kind::Insert, Some(key)) => {
            format!("the key was {key}; → {}", but(event.after.as_ref(), event.key.as_ref()))
        }
        (Kind::Insert, None) => format!("→ {}", but(event.after.as_ref(), event.key.as_ref())),
        (Kind::Update, _) => match (&event.before, &event.after) {
            (Some(before), Some(after)) => changed(before, after),
            _ => format!("→ {}", but(event.after.as_ref(), event.key.as_ref())),
        },
        (Kind::Delete, None) => match known_but(event.before.as_ref(), event.key.as_ref()) {
            known if known.is_empty() => "(key only) →".to_owned(),
            known => format!("{known} →"),
        },
        (Kind::Message, _) => event.content.clone().unwrap_or_default(),
        (Kind::Tombstone | Kind::Truncate, _) => String::new(),
    }
}

/// Every column.
fn all(columns: &Columns) -> String {
    but(Some(columns), None)
}

/// The columns that are not in the key, which is shown already.
fn but(columns: Option<&Columns>, key: Option<&Columns>) -> String {
    let columns = columns.map(|columns| columns.0.as_slice()).unwrap_or_default();
    let shown = columns.iter().filter(|(name, _)| key.is_none_or(|key| key.get(name).is_none()));
    shown.map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
}

/// The same without NULLs: what the server did not send of an old row is NULL there.
fn known_but(columns: Option<&Columns>, key: Option<&Columns>) -> String {
    let mut columns = columns.cloned().unwrap_or_default();
    columns.0.retain(|(_, value)| !value.is_null());
    but(Some(&columns), key)
}

/// The columns that differ.
fn changed(before: &Columns, after: &Columns) -> String {
    let differing = after.0.iter().filter_map(|(name, value)| {
        let old = before.get(name)?;
        (old != value).then(|| format!("{name}: {} → {}", plain(old), plain(value)))
    });
    differing.collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::rest;
    use crate::envelope::{Columns, Event, Kind};

    fn columns(json: &str) -> Option<Columns> {
        serde_json::from_str(json).unwrap()
    }

    fn event(kind: Kind) -> Event {
        Event {
            kind,
            table: "orders".to_owned(),
            key: columns(r#"{"id":7}"#),
            before: None,
            after: None,
            other_key: None,
            content: None,
        }
    }

    #[test]
    fn an_update_shows_what_changed() {
        let before = columns(r#"{"id":7,"status":"new","total":"4.50"}"#);
        let after = columns(r#"{"id":7,"status":"paid","total":"4.50"}"#);
        let line = rest(&Event { before, after, ..event(Kind::Update) });
        assert_eq!(line, "orders      id=7                   status: new → paid");
    }

    #[test]
    fn an_update_without_its_old_row_shows_the_new_one() {
        let after = columns(r#"{"id":7,"status":null}"#);
        assert!(rest(&Event { after, ..event(Kind::Update) }).ends_with(" → status=null"));
    }

    #[test]
    fn a_delete_shows_what_the_server_sent() {
        let before = columns(r#"{"id":7,"status":"paid","total":null}"#);
        assert!(rest(&Event { before, ..event(Kind::Delete) }).ends_with(" status=paid →"));
        let before = columns(r#"{"id":7,"status":null}"#);
        assert!(rest(&Event { before, ..event(Kind::Delete) }).ends_with(" (key only) →"));
    }

    #[test]
    fn a_changed_key_shows_the_other_one() {
        let other_key = columns(r#"{"id":8}"#);
        let delete = rest(&Event { other_key: other_key.clone(), ..event(Kind::Delete) });
        assert!(delete.ends_with("id=7                   the key becomes id=8"), "{delete}");
        let insert = rest(&Event { other_key, after: columns(r#"{"id":7,"n":1}"#), ..event(Kind::Insert) });
        assert!(insert.ends_with("the key was id=8; → n=1"), "{insert}");
    }

    #[test]
    fn a_truncate_has_neither_key_nor_rows() {
        assert_eq!(rest(&Event { key: None, ..event(Kind::Truncate) }), "orders      (no key)");
    }
}
