//! A decoded change as the program's own encoder makes an event of it, beside what SQL makes of the row.

use pgsluice::decode::{Literal, RowChange};
use pgsluice::encode::charset::Charset;
use pgsluice::encode::{EncodeError, EncodeOptions, Encoder, Outcome};
use pgsluice::event::{Source, TransactionId};
use pgsluice::lsn::Lsn;
use pgsluice::postgres::catalog::Catalog;
use pgsluice::postgres::client::{ConnectOptions, Login, SslMode};
use pgsluice::secret::Secret;
use pgsluice::table::TableName;
use pgsluice::time::UnixMicros;

use super::rows::{Change, Row};
use super::table::{Described, Filled, Table};
use crate::json::Json;
use crate::support::Result;
use crate::support::session::Address;

/// The encoder, and the catalog it knows tables from.
pub(crate) struct Events {
    catalog: Catalog,
    encoder: Encoder,
    table: Option<pgsluice::table::Table>,
}

impl Events {
    pub(crate) fn new(address: &Address) -> Result<Self> {
        let mut options = ConnectOptions::new(&address.host, &address.user, &address.database);
        options.port = address.port;
        options.tls.mode = SslMode::Disable;
        options.password = address.password.clone().map(Secret::new);
        let encoder = Encoder::new(&EncodeOptions::new("oracle", &*address.database), Charset::utf8())?;
        Ok(Self {
            catalog: Catalog::new(Login { options, password: None, credentials: None }),
            encoder,
            table: None,
        })
    }

    /// Looks a table up, as it is now.
    pub(crate) async fn look_up(&mut self, table: &Table) -> Result<()> {
        let name = TableName { schema: table.schema.clone(), table: table.name.clone() };
        self.table = Some(self.catalog.table(&name).await?.ok_or("the catalog has no such table")?);
        Ok(())
    }

    /// Makes events of a change and holds their rows against those of SQL; how many values were compared.
    pub(crate) fn compare(
        &mut self,
        table: &Table,
        described: &[Described],
        expected: &Change,
        decoded: &RowChange<'_>,
    ) -> Result<usize> {
        let plan = self.encoder.plan(decoded, self.table.as_ref())?;
        let mut values = Vec::new();
        let mut emit = |record: pgsluice::record::Record<'_>| {
            values.extend(record.value.map(<[u8]>::to_vec));
            Ok::<_, EncodeError>(())
        };
        let outcome = self.encoder.encode_change(&plan, decoded, &source(), UnixMicros(0), &mut emit);
        let outcome = match outcome {
            Err(EncodeError::KeyColumnUnchanged { .. }) if lacks_key(table, decoded) => return Ok(0),
            other => other?,
        };
        if outcome == Outcome::DeleteWithoutKey && !table.keeps_old_rows() {
            return Ok(0);
        }
        let (mut compared, mut rows) = (0, [false, false]);
        for value in values {
            let event = Json::parse(str::from_utf8(&value)?)?;
            let sides = [("before", &expected.old), ("after", &expected.new)];
            for ((side, row), seen) in sides.into_iter().zip(&mut rows) {
                let sent = event.get(side).ok_or("no such side")?;
                if sent.is_null() {
                    continue;
                }
                let row = row.as_ref().ok_or_else(|| format!("there is no row {side}"))?;
                let names = names(side, table, described, decoded);
                compared += same(&names, described, row, sent).map_err(|error| format!("{side}: {error}"))?;
                *seen = true;
            }
        }
        match rows {
            [_, false] if expected.new.is_some() => Err("no event has the new row".into()),
            [false, _] if expected.new.is_none() => Err("no event has the deleted row".into()),
            _ => Ok(compared),
        }
    }
}

/// Neither the new row nor an old one tells the key.
fn lacks_key(table: &Table, decoded: &RowChange<'_>) -> bool {
    let unchanged = |index| {
        let column = decoded.new.and_then(|new| new.get(index));
        column.is_some_and(|column| column.value == Literal::UnchangedToast)
    };
    let mut key = table.columns.iter().enumerate().filter(|(_, column)| matches!(column.filled, Filled::Key));
    decoded.old.is_none() && key.any(|(index, _)| unchanged(index))
}

/// The columns that a side of an event has.
fn names(side: &str, table: &Table, described: &[Described], decoded: &RowChange<'_>) -> Vec<usize> {
    let has = |index: &usize| {
        if described[*index].is_virtual {
            return false;
        }
        if side == "before" {
            return table.is_logged(*index);
        }
        // What was not sent is taken from the old row, if that has it.
        let value = decoded.new.and_then(|new| new.get(*index)).map(|column| column.value);
        let old = || {
            decoded.old.is_some_and(|old| {
                old.iter().any(|column| *column.name.unquoted() == *described[*index].name)
            })
        };
        value != Some(Literal::UnchangedToast) || old()
    };
    (0..described.len()).filter(has).collect()
}

fn same(names: &[usize], described: &[Described], row: &Row, sent: &Json) -> Result<usize> {
    let sent = sent.fields();
    if sent.len() != names.len() {
        return Err(format!("{} columns, not {}", sent.len(), names.len()).into());
    }
    for (index, (name, value)) in names.iter().zip(sent) {
        let (column, cell) = (&described[*index], &row.cells[*index]);
        let shown = column.name.escape_ascii();
        let name: String = serde_json::from_str(&format!("\"{name}\""))?;
        let expected = Json::parse_spaced(cell.json.as_deref().unwrap_or("null"))?;
        if name.as_bytes() != column.name || !value.means(&expected) {
            let type_text = column.type_text.escape_ascii();
            return Err(
                format!("column {shown} of type {type_text}: {name:?} is {value}, not {expected}").into()
            );
        }
    }
    Ok(names.len())
}

fn source() -> Source {
    Source {
        lsn: Lsn(1),
        transaction: Some(TransactionId { xid: 1, first_lsn: Lsn(1) }),
        ordinal: 1,
        time: UnixMicros(0),
        commit_time_known: true,
        last_commit: None,
    }
}
