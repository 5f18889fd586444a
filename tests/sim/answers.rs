//! The catalog's answers, in the form in which the client asks.

use pgsluice::postgres::catalog::queries;
use pgsluice::table::TableName;

use super::connection::Connection;
use super::scripted::{complete, data_row, ready, row_description};
use super::text::TABLES;
use super::world::lsn;

impl Connection {
    pub(crate) fn answer(&mut self, rows: &[Vec<Option<String>>]) {
        let width = rows.first().map_or(1, Vec::len);
        let mut answer = row_description(&vec!["c"; width]);
        for row in rows {
            let values: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
            answer.extend(data_row(&values));
        }
        answer.extend(complete(&format!("SELECT {}", rows.len())));
        answer.extend(ready());
        self.say(&answer);
    }

    /// The rows of a catalog question.
    pub(crate) fn catalog(&self, text: &str) -> Option<Vec<Vec<Option<String>>>> {
        let row = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect();
        let database = self.world.database.borrow();
        if text == queries::SERVER {
            let timeout = self.world.plan.wal_sender_timeout;
            let timeout = timeout.map_or("0".to_owned(), |timeout| format!("{}ms", timeout.as_millis()));
            let next_xid = database.next_xid().to_string();
            let (version, wal, name) = (Some("150018"), Some("logical"), Some("shop"));
            let role = [Some("ada"), Some("t"), Some(timeout.as_str())];
            let server =
                [version, Some("15.18"), Some("UTF8"), wal, Some("f"), Some(next_xid.as_str()), name];
            return Some(vec![row(&[&server[..], &role[..]].concat())]);
        }
        if text.contains("txid_visible_in_snapshot") {
            // What has committed is visible at once, or a little later.
            let visible = self.world.server.borrow_mut().rng.chance(800);
            return Some(vec![row(&[Some(if visible { "t" } else { "f" })])]);
        }
        if text == queries::slot("s", 150_018) {
            let server = self.world.server.borrow();
            let Some(slot) = &server.slot else { return Some(Vec::new()) };
            let (active, pid) = (slot.active.is_some(), slot.active.map(|id| id.to_string()));
            let (restart, confirmed, end) = (lsn(slot.restart), lsn(slot.confirmed), lsn(database.end));
            let active = Some(if active { "t" } else { "f" });
            return Some(vec![row(&[
                Some("logical"),
                Some("test_decoding"),
                Some("shop"),
                Some("f"),
                active,
                pid.as_deref(),
                Some(&restart),
                Some(&confirmed),
                Some("reserved"),
                None,
                None,
                Some(&end),
                None,
                None,
            ])]);
        }
        let entry = |table: &super::text::Table| {
            let oid = table.oid.to_string();
            let primary = table.keyed.then_some("[\"id\"]");
            let immediate = if table.keyed { "t" } else { "f" };
            let names = [Some(oid.as_str()), Some(table.schema), Some(table.name), Some("r")];
            let rest = [Some(table.identity), Some("p"), Some(immediate), primary, None];
            row(&[&names[..], &rest[..]].concat())
        };
        if text == queries::all_tables() {
            return Some(TABLES.iter().map(entry).collect());
        }
        for table in &TABLES {
            let name = TableName { schema: table.schema.to_owned(), table: table.name.to_owned() };
            if text == queries::one_table(&name) {
                return Some(vec![entry(table)]);
            }
            if text == queries::columns(table.oid) {
                let column = |name, printed, oid, kind| {
                    let start = [Some(name), Some(printed), Some("f"), Some("-1"), Some(oid), Some(kind)];
                    row(&[&start[..], &[None, None, None]].concat())
                };
                return Some(vec![column("id", "integer", "23", "int4"), column("v", "text", "25", "text")]);
            }
        }
        None
    }
}
