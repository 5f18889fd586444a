//! Writers: each a connection that makes transactions of every kind until it is told to stop, through any outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::schema::JOURNAL;
use super::transaction::{Transaction, message_outside};
use crate::random::Random;
use crate::support::session::{Address, Session};
use crate::support::{Result, nap};

const WRITERS: u64 = 6;
/// How long to wait for a server that is away.
const AWAY: Duration = Duration::from_millis(50);
/// Keys of the table that all writers write to.
const HOT: u64 = 30;

#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    /// Transactions that were begun.
    begun: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(address: &Address, random: &mut Random) -> Result<Self> {
        let (stop, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut load = Self { stop, begun, threads: Vec::new() };
        for number in 1..=WRITERS {
            let mut writer = Writer {
                number,
                address: address.clone(),
                random: random.fork(),
                stop: Arc::clone(&load.stop),
                begun: Arc::clone(&load.begun),
                prepared: 0,
            };
            let thread = std::thread::Builder::new().name(format!("writer-{number}"));
            load.threads.push(thread.spawn(move || writer.run())?);
        }
        Ok(load)
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Stops writing, with no transaction left prepared. The server must be up.
    pub(crate) fn finish(mut self, session: &mut Session) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a writer panicked")?;
        }
        for gid in prepared(session, "%")? {
            session.query(&format!("COMMIT PREPARED '{gid}'"))?;
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    number: u64,
    address: Address,
    random: Random,
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicU64>,
    prepared: u64,
}

impl Writer {
    fn run(&mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            // Whatever ends a session, there is another.
            drop(self.connected());
            nap(AWAY);
        }
    }

    fn connected(&mut self) -> Result<()> {
        let mut session = Session::open(&self.address, &self.address.database)?;
        session.query("SET lock_timeout = '2s'")?;
        for gid in prepared(&mut session, &format!("w{}-%", self.number))? {
            let end = self.random.one_of(&["COMMIT", "ROLLBACK"]);
            session.query(&format!("{end} PREPARED '{gid}'"))?;
        }
        while !self.stop.load(Ordering::Relaxed) {
            self.begun.fetch_add(1, Ordering::Relaxed);
            if self.transaction(&mut session).is_err() {
                // A deadlock, a lock not given: the next one may have more luck. A lost session has not.
                session.query("ROLLBACK")?;
            }
            nap(Duration::from_millis(self.random.between(0, 30)));
        }
        Ok(())
    }

    fn transaction(&mut self, session: &mut Session) -> Result<()> {
        if self.random.percent(3) {
            return message_outside(session);
        }
        let mut transaction = Transaction::begin(session, self.number)?;
        match self.random.between(0, 99) {
            0..=1 => self.alter(&mut transaction)?,
            2..=4 => self.truncate(&mut transaction)?,
            5..=9 => {
                let table = self.random.one_of(&[JOURNAL, "account", "whole"]);
                let rows = self.random.between(1, 400);
                transaction.copy(table, rows, &mut self.random)?;
            }
            10..=14 => self.many_rows(&mut transaction)?,
            15..=19 => {
                for _ in 0..self.random.between(2, 5) {
                    self.change(&mut transaction)?;
                    nap(Duration::from_millis(self.random.between(20, 400)));
                }
            }
            20..=34 => self.savepoints(&mut transaction)?,
            _ => {
                for _ in 0..self.random.between(1, 5) {
                    self.change(&mut transaction)?;
                }
            }
        }
        match self.random.between(0, 99) {
            0..=9 => transaction.roll_back(),
            10..=17 => {
                self.prepared += 1;
                let name = format!("w{}-{}", self.number, self.prepared);
                transaction.prepare(&name)?;
                nap(Duration::from_millis(self.random.between(0, 200)));
                let end = if self.random.percent(70) { "COMMIT" } else { "ROLLBACK" };
                session.query(&format!("{end} PREPARED '{name}'")).map(drop)
            }
            _ => transaction.commit(),
        }
    }

    fn change(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        let random = &mut self.random;
        let table = random.one_of(&["account", "account", "whole", "wide", "cut", "cut_too", "hot"]);
        if table == "hot" {
            let id = random.between(1, HOT);
            return match random.between(0, 9) {
                0 => transaction.delete(table, &id.to_string()),
                1..=4 => transaction.update(table, &id.to_string(), random),
                _ => transaction.upsert(table, id, random),
            };
        }
        let of = |rows: u64, random: &mut Random| {
            let (owner, skip) = (self.number, random.between(0, 40));
            format!(
                "SELECT id FROM {table} WHERE owner = {owner} ORDER BY id DESC OFFSET {skip} LIMIT {rows}"
            )
        };
        match random.between(0, 99) {
            0..=34 => {
                let rows = random.between(1, 3);
                transaction.insert(table, rows, random)
            }
            35..=64 => {
                let of = of(random.between(1, 3), random);
                transaction.update(table, &of, random)
            }
            65..=79 => {
                let of = of(random.between(1, 2), random);
                transaction.move_away(table, &of)
            }
            80..=95 => {
                let of = of(random.between(1, 5), random);
                transaction.delete(table, &of)
            }
            _ => transaction.message(),
        }
    }

    fn many_rows(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        let (owner, table) = (self.number, self.random.one_of(&["account", "whole"]));
        let oldest = |rows| format!("SELECT id FROM {table} WHERE owner = {owner} ORDER BY id LIMIT {rows}");
        let rows = self.random.between(50, 300);
        transaction.insert(table, rows, &mut self.random)?;
        transaction.update(table, &oldest(rows), &mut self.random)?;
        transaction.delete(table, &oldest(rows))
    }

    fn savepoints(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        self.change(transaction)?;
        for _ in 0..self.random.between(1, 3) {
            let (kept, inner_kept) = (self.random.percent(50), self.random.percent(50));
            let inner = |transaction: &mut Transaction<'_>| {
                self.change(transaction)?;
                if inner_kept {
                    transaction.nested(|transaction| self.change(transaction))?;
                } else {
                    transaction.in_vain(|transaction| self.change(transaction))?;
                }
                self.change(transaction)
            };
            if kept { transaction.nested(inner)? } else { transaction.in_vain(inner)? }
        }
        self.change(transaction)
    }

    fn truncate(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        let tables = self.random.one_of(&[&["cut"][..], &["cut", "cut_too"]]);
        self.change(transaction)?;
        transaction.truncate(tables)?;
        self.change(transaction)
    }

    /// Adds a column and drops the one added before, with changes of the table around it.
    fn alter(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        transaction.insert("wide", 2, &mut self.random)?;
        transaction.run("ALTER TABLE wide DROP COLUMN IF EXISTS extra")?;
        transaction.insert("wide", 1, &mut self.random)?;
        let column = self.random.one_of(&["int", "text DEFAULT 'x'", "timestamptz DEFAULT now()", "boolean"]);
        transaction.run(&format!("ALTER TABLE wide ADD COLUMN extra {column}"))?;
        transaction.insert("wide", 2, &mut self.random)
    }
}

/// The prepared transactions whose names are like this.
fn prepared(session: &mut Session, like: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE '{like}'"
    );
    Ok(session.query(&sql)?.into_iter().flatten().flatten().collect())
}
