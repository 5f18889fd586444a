//! A transaction that keeps account of itself: what it changed is written into `truth` by its last statement, while it
//! still holds every lock, so the account commits or is rolled back with the changes.
//!
//! Nothing is assumed of what a statement does: the server says which rows it touched, in the order of its WAL.

use std::fmt::Write as _;

use super::schema::{JOURNAL, MESSAGES, PREFIX};
use crate::random::Random;
use crate::support::Result;
use crate::support::session::{Rows, Session};

/// One line of the account.
#[derive(Debug, Clone)]
struct Line {
    table: &'static str,
    op: &'static str,
    key: Option<u64>,
    new_key: Option<u64>,
    token: u64,
}

#[derive(Debug)]
pub(super) struct Transaction<'a> {
    session: &'a mut Session,
    writer: u64,
    /// By ordinal: a truncation of two tables has two lines.
    account: Vec<Vec<Line>>,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(session: &'a mut Session, writer: u64) -> Result<Self> {
        session.query("BEGIN")?;
        Ok(Self { session, writer, account: Vec::new() })
    }

    pub(super) fn insert(&mut self, table: &'static str, rows: u64, random: &mut Random) -> Result<()> {
        let (writer, v) = (self.writer, value(random));
        let sql = format!(
            "INSERT INTO {table} (owner, v) SELECT {writer}, {v} FROM generate_series(1, {rows}) RETURNING id, token"
        );
        self.note(&sql, |row| Ok(line(table, "insert", number(row, 0)?, number(row, 1)?)))
    }

    /// Inserts a row that may be there already: then it is an update.
    pub(super) fn upsert(&mut self, table: &'static str, id: u64, random: &mut Random) -> Result<()> {
        let (writer, v) = (self.writer, value(random));
        let sql = format!(
            "INSERT INTO {table} (id, owner, v) VALUES ({id}, {writer}, {v}) \
             ON CONFLICT (id) DO UPDATE SET token = nextval('tokens'), v = excluded.v \
             RETURNING id, token, CASE WHEN xmax = 0 THEN 0 ELSE 1 END"
        );
        self.note(&sql, |row| {
            let op = if number(row, 2)? == 0 { "insert" } else { "update" };
            Ok(line(table, op, number(row, 0)?, number(row, 1)?))
        })
    }

    pub(super) fn update(&mut self, table: &'static str, of: &str, random: &mut Random) -> Result<()> {
        // A large value that stays as it is is not sent again.
        let v = if random.percent(30) { String::new() } else { format!(", v = {}", value(random)) };
        let sql =
            format!("UPDATE {table} SET token = nextval('tokens'){v} WHERE id IN ({of}) RETURNING id, token");
        self.note(&sql, |row| Ok(line(table, "update", number(row, 0)?, number(row, 1)?)))
    }

    /// Gives rows another key.
    pub(super) fn move_away(&mut self, table: &'static str, of: &str) -> Result<()> {
        let sql = format!(
            "UPDATE {table} SET was = id, id = nextval('ids'), token = nextval('tokens') WHERE id IN ({of}) \
             RETURNING was, id, token"
        );
        self.note(&sql, |row| {
            let moved = line(table, "move", number(row, 0)?, number(row, 2)?);
            Ok(Line { new_key: Some(number(row, 1)?), ..moved })
        })
    }

    pub(super) fn delete(&mut self, table: &'static str, of: &str) -> Result<()> {
        let sql = format!("DELETE FROM {table} WHERE id IN ({of}) RETURNING id");
        self.note(&sql, |row| Ok(line(table, "delete", number(row, 0)?, 0)))
    }

    pub(super) fn truncate(&mut self, tables: &[&'static str]) -> Result<()> {
        self.session.query(&format!("TRUNCATE {}", tables.join(", ")))?;
        let truncated = |table: &&'static str| Line { key: None, ..line(table, "truncate", 0, 0) };
        self.account.push(tables.iter().map(truncated).collect());
        Ok(())
    }

    /// `COPY … FROM STDIN`, whose rows share their LSNs.
    pub(super) fn copy(&mut self, table: &'static str, rows: u64, random: &mut Random) -> Result<()> {
        let sql = format!("SELECT nextval('ids'), nextval('tokens') FROM generate_series(1, {rows})");
        let (mut lines, mut account) = (String::new(), Vec::new());
        let filler = "x".repeat(usize::try_from(random.between(0, 200))?);
        for row in self.session.query(&sql)? {
            let (id, token) = (number(&row, 0)?, number(&row, 1)?);
            if table == JOURNAL {
                writeln!(lines, "{token}\t{filler}")?;
                account.push(vec![Line { key: None, ..line(table, "insert", 0, token) }]);
            } else {
                writeln!(lines, "{id}\t{}\t{token}\t{filler}", self.writer)?;
                account.push(vec![line(table, "insert", id, token)]);
            }
        }
        let columns = if table == JOURNAL { "token, v" } else { "id, owner, token, v" };
        self.session.copy_in(&format!("COPY {table} ({columns}) FROM STDIN"), &lines)?;
        self.account.append(&mut account);
        Ok(())
    }

    pub(super) fn message(&mut self) -> Result<()> {
        let sql = message_sql(true);
        self.note(&sql, |row| Ok(Line { key: None, ..line(MESSAGES, "message", 0, number(row, 0)?) }))?;
        // The server files a message under its end, which is the beginning of the next record. A change that follows
        // at once, in another subtransaction, has the same LSN then and may be sent before the message: so something
        // that nobody sees is put between them.
        self.session.query("SELECT setval('spacer', 1)").map(drop)
    }

    /// A statement that changes no row.
    pub(super) fn run(&mut self, sql: &str) -> Result<()> {
        self.session.query(sql).map(drop)
    }

    /// Lets `inner` do something and takes it back.
    pub(super) fn in_vain(&mut self, inner: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let before = self.account.len();
        self.session.query("SAVEPOINT s")?;
        inner(self)?;
        self.session.query("ROLLBACK TO s; RELEASE s")?;
        self.account.truncate(before);
        Ok(())
    }

    /// Lets `inner` do something in a subtransaction that is kept.
    pub(super) fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.session.query("SAVEPOINT s")?;
        inner(self)?;
        self.session.query("RELEASE s").map(drop)
    }

    pub(super) fn commit(mut self) -> Result<()> {
        self.write_account()?;
        self.session.query("COMMIT").map(drop)
    }

    pub(super) fn roll_back(mut self) -> Result<()> {
        self.write_account()?;
        self.session.query("ROLLBACK").map(drop)
    }

    /// Leaves it prepared.
    pub(super) fn prepare(mut self, name: &str) -> Result<()> {
        self.write_account()?;
        self.session.query(&format!("PREPARE TRANSACTION '{name}'")).map(drop)
    }

    fn note(&mut self, sql: &str, line: impl Fn(&[Option<String>]) -> Result<Line>) -> Result<()> {
        for row in self.session.query(sql)? {
            self.account.push(vec![line(&row)?]);
        }
        Ok(())
    }

    fn write_account(&mut self) -> Result<()> {
        if self.account.is_empty() {
            return Ok(());
        }
        let rows = self.session.query("SELECT nextval('turns'), txid_current()")?;
        let (seq, xid) = turn(&rows)?;
        let mut sql = String::from("INSERT INTO truth VALUES ");
        for (lines, ordinal) in self.account.iter().zip(1..) {
            for line in lines {
                let Line { table, op, token, .. } = line;
                let null =
                    |number: Option<u64>| number.map_or("NULL".to_owned(), |number| number.to_string());
                let (key, new_key) = (null(line.key), null(line.new_key));
                write!(sql, "({seq},{xid},{ordinal},'{table}','{op}',{key},{new_key},{token}),")?;
            }
        }
        sql.pop();
        self.session.query(&sql).map(drop)
    }
}

/// A message outside of transactions. The transaction that then says so commits behind it.
pub(super) fn message_outside(session: &mut Session) -> Result<()> {
    let rows = session.query(&message_sql(false))?;
    let token = rows.first().map_or(Err("no token".into()), |row| number(row, 0))?;
    session
        .query(&format!(
            "INSERT INTO truth VALUES (nextval('turns'), 0, 1, '{MESSAGES}', 'message', NULL, NULL, {token})"
        ))
        .map(drop)
}

fn message_sql(transactional: bool) -> String {
    format!(
        "SELECT t, pg_logical_emit_message({transactional}, '{PREFIX}', t::text) \
         FROM (SELECT nextval('tokens') AS t OFFSET 0) AS given"
    )
}

fn line(table: &'static str, op: &'static str, key: u64, token: u64) -> Line {
    Line { table, op, key: Some(key), new_key: None, token }
}

fn turn(rows: &Rows) -> Result<(u64, u64)> {
    let row = rows.first().ok_or("no turn")?;
    Ok((number(row, 0)?, number(row, 1)?))
}

fn number(row: &[Option<String>], column: usize) -> Result<u64> {
    Ok(row.get(column).and_then(Option::as_deref).ok_or("no number")?.parse()?)
}

/// An expression for a value; now and then one that is stored out of line.
fn value(random: &mut Random) -> String {
    let length = if random.percent(3) { random.between(100, 300) } else { random.between(0, 6) };
    format!(
        "(SELECT string_agg(md5(n::text || '{}'), '') FROM generate_series(1, {length}) n)",
        random.next()
    )
}
