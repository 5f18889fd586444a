//! Rows written at random, and what SQL returns for them: what each change is to look like.

use super::table::{Column, Described, Filled, Identity, Table};
use super::words;
use crate::random::Random;
use crate::support::Result;
use crate::support::session::{Session, literal, quoted};

/// From so many bytes on a long value is stored out of line.
const OUT_OF_LINE: u64 = 2100;
/// A pointer to such a value, in bytes.
const POINTER: u32 = 24;
/// An index takes no longer ones.
const LONGEST_KEY: u64 = 2200;

/// What SQL returns for a column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The output function's text.
    pub(crate) text: Option<Vec<u8>>,
    /// What is to stand in an event; asked for only under the program's settings.
    pub(crate) json: Option<String>,
    /// Whether it is stored out of line, where the server tells (17 on) or it is known from how it was made.
    pub(crate) is_external: Option<bool>,
}

/// A row, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    place: String,
    pub(crate) cells: Vec<Cell>,
}

/// What was done to a row, and what the plugin is to print of it.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) statement: String,
    pub(crate) old: Option<Row>,
    pub(crate) new: Option<Row>,
    /// The columns whose value was not given anew.
    pub(crate) untouched: Vec<bool>,
}

/// A table that is written to.
pub(crate) struct Writer<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) table: &'a Table,
    pub(crate) major: u16,
    /// Whether JSON is asked for.
    pub(crate) with_json: bool,
    pub(crate) random: &'a mut Random,
    rows: Vec<Row>,
    /// Keys made so far.
    keys: u64,
    pub(crate) described: Vec<Described>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        session: &'a mut Session,
        table: &'a Table,
        major: u16,
        with_json: bool,
        random: &'a mut Random,
    ) -> Result<Self> {
        let described = table.describe(session, major)?;
        Ok(Self { session, table, major, with_json, random, rows: Vec::new(), keys: 0, described })
    }

    /// After the table was altered: every row is read again.
    pub(crate) fn altered(&mut self) -> Result<()> {
        self.described = self.table.describe(self.session, self.major)?;
        for index in 0..self.rows.len() {
            let place = self.rows[index].place.clone();
            self.rows[index] = self.read(&place)?;
        }
        Ok(())
    }

    pub(crate) fn anything(&mut self) -> Result<Change> {
        match self.random.between(0, 9) {
            _ if self.rows.is_empty() => self.insert(),
            0..=2 => self.insert(),
            3..=7 => self.update(),
            _ => self.delete(),
        }
    }

    pub(crate) fn insert(&mut self) -> Result<Change> {
        let columns = self.writable();
        // Nothing of such a row is an old row without columns.
        let without_values = self.table.identity == Identity::FullKeyless && self.random.percent(20);
        let (names, values): (Vec<String>, Vec<String>) = columns
            .into_iter()
            .map(|index| {
                let value = if without_values { "NULL".to_owned() } else { self.value(index) };
                (quoted(&self.table.columns[index].name), value)
            })
            .unzip();
        let statement = if names.is_empty() {
            format!("INSERT INTO {} DEFAULT VALUES RETURNING ctid", self.table.qualified())
        } else {
            format!(
                "INSERT INTO {} ({}) VALUES ({}) RETURNING ctid",
                self.table.qualified(),
                names.join(", "),
                values.join(", ")
            )
        };
        let new = self.write(&statement)?;
        self.rows.push(new.clone());
        let untouched = vec![false; self.described.len()];
        Ok(Change { statement, old: None, new: Some(new), untouched })
    }

    fn update(&mut self) -> Result<Change> {
        let index = self.choose();
        let old = self.rows[index].clone();
        let mut untouched = vec![true; self.described.len()];
        let mut set = Vec::new();
        for column in self.writable() {
            let is_key = matches!(self.table.columns[column].filled, Filled::Key);
            if !self.random.percent(if is_key { 25 } else { 40 }) {
                continue;
            }
            let name = quoted(&self.table.columns[column].name);
            // The same value by its name is none that was given anew.
            if self.random.percent(15) {
                set.push(format!("{name} = {name}"));
            } else {
                untouched[column] = false;
                set.push(format!("{name} = {}", self.value(column)));
            }
        }
        let Some(first) = self.writable().first().copied() else {
            return self.delete_row(index);
        };
        if set.is_empty() {
            let name = quoted(&self.table.columns[first].name);
            set.push(format!("{name} = {name}"));
        }
        for (index, column) in self.table.columns.iter().enumerate().take(untouched.len()) {
            // Made anew by every update.
            if matches!(column.filled, Filled::Generated) {
                untouched[index] = false;
            }
        }
        let statement = format!(
            "UPDATE {} SET {} WHERE ctid = {} RETURNING ctid",
            self.table.qualified(),
            set.join(", "),
            literal(&old.place)
        );
        let new = self.write(&statement)?;
        self.rows[index] = new.clone();
        Ok(Change { statement, old: Some(old), new: Some(new), untouched })
    }

    fn delete(&mut self) -> Result<Change> {
        let index = self.choose();
        self.delete_row(index)
    }

    fn delete_row(&mut self, index: usize) -> Result<Change> {
        let old = self.rows.swap_remove(index);
        let statement =
            format!("DELETE FROM {} WHERE ctid = {}", self.table.qualified(), literal(&old.place));
        self.session.query(&statement)?;
        Ok(Change { statement, old: Some(old), new: None, untouched: Vec::new() })
    }

    fn choose(&mut self) -> usize {
        usize::try_from(self.random.between(0, self.rows.len() as u64 - 1)).unwrap_or_default()
    }

    /// Columns that there are by now and that take values.
    fn writable(&self) -> Vec<usize> {
        let takes = |index: &usize| !matches!(self.table.columns[*index].filled, Filled::Generated);
        (0..self.described.len()).filter(takes).collect()
    }

    /// An expression for a column.
    fn value(&mut self, index: usize) -> String {
        let Column { kind, filled, .. } = &self.table.columns[index];
        match filled {
            Filled::Long if self.random.percent(10) => "NULL".to_owned(),
            Filled::Long => literal(&words::incompressible(self.random, OUT_OF_LINE, 20_000)),
            Filled::Key => {
                self.keys += 1;
                // The whole key must fit into an index.
                let is_text =
                    |column: &Column| matches!(column.filled, Filled::Key) && column.kind.declared == "text";
                let may_be_long = self.table.columns.iter().position(is_text) == Some(index);
                key(&kind.declared, self.keys, may_be_long, self.random)
            }
            Filled::Any | Filled::Generated => kind.value_or_null(self.major, self.random),
        }
    }

    fn write(&mut self, statement: &str) -> Result<Row> {
        let place = self.session.query(statement)?.into_iter().flatten().flatten().next();
        self.read(&place.ok_or("no row was written")?)
    }

    /// The row at a place, column by column.
    fn read(&mut self, place: &str) -> Result<Row> {
        let columns = || self.table.columns.iter().take(self.described.len());
        let texts = columns().map(|column| quoted(&column.name));
        let jsons = columns().map(|column| {
            if self.with_json {
                format!("{}::text", column.kind.json(&quoted(&column.name)))
            } else {
                "NULL".to_owned()
            }
        });
        let external = self.described.iter().map(|column| {
            let name = quoted(str::from_utf8(&column.name).unwrap_or_default());
            match self.major {
                _ if column.is_virtual => "false".to_owned(),
                17.. => format!("pg_column_toast_chunk_id({name}) IS NOT NULL"),
                // What is no longer than a pointer to it stays; whether more does depends on the rest of the row.
                _ => format!("CASE WHEN coalesce(pg_column_size({name}), 0) <= {POINTER} THEN false END"),
            }
        });
        let columns: Vec<String> = texts.chain(jsons).chain(external).collect();
        let list = if columns.is_empty() { "1".to_owned() } else { columns.join(", ") };
        let sql = format!("SELECT {list} FROM {} WHERE ctid = {}", self.table.qualified(), literal(place));
        let row = self.session.query_raw(&sql)?.pop().ok_or("the row is not there")?;
        let count = self.described.len();
        let mut cells = Vec::with_capacity(count);
        for index in 0..count {
            let text = row[index].clone();
            let json = row[count + index].clone().map(String::from_utf8).transpose()?;
            let told = row[2 * count + index].as_deref().map(|told| told == b"t");
            let long = |text: &Vec<u8>| text.len() as u64 >= OUT_OF_LINE;
            let known = match self.table.columns[index].filled {
                Filled::Long => Some(text.is_some()),
                Filled::Key if text.as_ref().is_some_and(long) => Some(true),
                _ => None,
            };
            cells.push(Cell { text, json, is_external: told.or(known) });
        }
        Ok(Row { place: place.to_owned(), cells })
    }
}

/// A key that no other row has.
fn key(declared: &str, number: u64, may_be_long: bool, random: &mut Random) -> String {
    let start: String = words::text(random).chars().take(30).collect();
    let text = format!("{number} {start}");
    match declared {
        "text" if may_be_long && random.percent(20) => {
            literal(&(words::incompressible(random, OUT_OF_LINE, LONGEST_KEY) + &number.to_string()))
        }
        "text" | "character varying" => literal(&text),
        "numeric" => {
            literal(&format!("{number}.{:0>1$}", "", usize::try_from(random.between(1, 9)).unwrap_or(1)))
        }
        "uuid" => literal(&format!("{number:032x}")),
        "bytea" => format!("convert_to({}, 'UTF8')", literal(&text)),
        _ => number.to_string(),
    }
}

impl Table {
    /// Whether a column is of what the WAL keeps of an old row.
    pub(crate) fn is_logged(&self, index: usize) -> bool {
        match self.identity {
            Identity::Full | Identity::FullKeyless => true,
            Identity::Default | Identity::Index => matches!(self.columns[index].filled, Filled::Key),
            Identity::Deferrable | Identity::Keyless | Identity::Nothing => false,
        }
    }

    /// Whether every column of an old row is kept.
    pub(crate) fn keeps_whole_rows(&self) -> bool {
        matches!(self.identity, Identity::Full | Identity::FullKeyless)
    }

    /// Whether anything of an old row is kept.
    pub(crate) fn keeps_old_rows(&self) -> bool {
        !matches!(self.identity, Identity::Deferrable | Identity::Keyless | Identity::Nothing)
    }
}
