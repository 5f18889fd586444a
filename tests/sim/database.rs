//! The database: sessions that change rows under locks, and the WAL that comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::history::{Body, Change, Expected, History};
use super::plan::Plan;
use super::rng::Rng;
use super::text::{self, MESSAGES, TABLES, Table};
use super::world::wall;

/// What decoding finds in the WAL, in order.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Where the record starts that commits it: what a position is compared with.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) what: What,
    /// Its number in the history; none before the slot was there.
    pub(crate) group: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Transaction(Rc<Transaction>),
    Message(Rc<str>),
}

#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) xid: u64,
    /// Of its first record.
    pub(crate) begin: u64,
    pub(crate) rows: Vec<(u64, Rc<str>)>,
    pub(crate) committed_at: String,
}

/// A transaction that may still roll back.
#[derive(Debug)]
struct Open {
    xid: u64,
    begin: u64,
    rows: Vec<(u64, Rc<str>)>,
    records: Vec<Vec<Expected>>,
    undo: Vec<((usize, u64), Option<String>)>,
    savepoints: Vec<(usize, usize)>,
    steps_left: u64,
}

pub(crate) struct Database {
    rng: Rng,
    pub(crate) history: History,
    pub(crate) items: Vec<Item>,
    /// The end of the WAL; all of it is flushed.
    pub(crate) end: u64,
    next_xid: u64,
    next_token: u64,
    long_rows: u64,
    rows: BTreeMap<(usize, u64), String>,
    locks: BTreeSet<(usize, u64)>,
    sessions: Vec<Option<Open>>,
    prepared: Vec<Open>,
    /// A slot is being made: no transaction begins until all have ended.
    pub(crate) slot_wanted: bool,
    /// Committed changes count from here on.
    slot_exists: bool,
}

impl Database {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            rng: Rng::new(plan.seed, 2),
            history: History::default(),
            items: Vec::new(),
            end: 0x0150_0000,
            next_xid: plan.next_xid,
            next_token: 0,
            long_rows: plan.long_rows,
            rows: BTreeMap::new(),
            locks: BTreeSet::new(),
            sessions: (0..plan.sessions).map(|_| None).collect(),
            prepared: Vec::new(),
            slot_wanted: false,
            slot_exists: plan.slot_exists,
        }
    }

    pub(crate) fn next_xid(&self) -> u64 {
        self.next_xid
    }

    /// The slot's first position, once every running transaction has ended.
    pub(crate) fn make_slot(&mut self) -> Option<u64> {
        self.slot_wanted = true;
        if self.sessions.iter().any(Option::is_some) || !self.prepared.is_empty() {
            return None;
        }
        self.slot_wanted = false;
        self.slot_exists = true;
        Some(self.end)
    }

    /// Writes a WAL record. Records follow each other without a gap, but at the start of a page.
    fn write(&mut self, size: u64) -> (u64, u64) {
        let start = if self.end.is_multiple_of(8192) { self.end + 24 } else { self.end };
        let mut end = start + size.next_multiple_of(8);
        if start / 8192 != end / 8192 && !end.is_multiple_of(8192) {
            end += 24;
        }
        self.end = end;
        (start, end)
    }

    /// WAL of other databases, of vacuum, of checkpoints.
    pub(crate) fn write_foreign(&mut self) {
        let size = self.rng.between(24, 4000);
        self.write(size);
    }

    /// The server crashed: what was not committed or prepared is gone.
    pub(crate) fn crash(&mut self) {
        for session in 0..self.sessions.len() {
            if let Some(open) = self.sessions[session].take() {
                self.roll_back(open);
            }
        }
        self.write_foreign();
    }

    /// One step of one session. Returns what was done, for the trace.
    pub(crate) fn step(&mut self) -> &'static str {
        let session = self.rng.index(self.sessions.len());
        match self.sessions[session].take() {
            Some(open) if open.steps_left == 0 => self.finish(open),
            Some(mut open) => {
                open.steps_left -= 1;
                let did = self.change(&mut open);
                self.sessions[session] = Some(open);
                did
            }
            None => self.idle_step(session),
        }
    }

    /// Ends what is open, one transaction a call; `false` when nothing is.
    pub(crate) fn wind_up(&mut self) -> bool {
        let open = self.sessions.iter_mut().find_map(Option::take).or_else(|| self.prepared.pop());
        let Some(open) = open else { return false };
        self.commit(open);
        true
    }

    fn idle_step(&mut self, session: usize) -> &'static str {
        if !self.prepared.is_empty() && (self.slot_wanted || self.rng.chance(300)) {
            let open = self.prepared.swap_remove(self.rng.index(self.prepared.len()));
            if self.rng.chance(700) {
                return self.commit(open);
            }
            self.roll_back(open);
            return "rollback prepared";
        }
        if self.rng.chance(80) {
            self.write_foreign();
            return "foreign WAL";
        }
        if self.rng.chance(60) {
            return self.message_outside();
        }
        if self.slot_wanted {
            return "wait for the slot";
        }
        let steps = if self.rng.chance(50) { self.rng.between(10, 40) } else { self.rng.between(0, 5) };
        let (begin, _) = self.write(40);
        self.sessions[session] = Some(Open {
            xid: self.next_xid,
            begin,
            rows: Vec::new(),
            records: Vec::new(),
            undo: Vec::new(),
            savepoints: Vec::new(),
            steps_left: steps,
        });
        self.next_xid += 1;
        "begin"
    }

    fn finish(&mut self, open: Open) -> &'static str {
        match self.rng.between(0, 99) {
            0..=11 => {
                self.roll_back(open);
                self.write(34);
                "rollback"
            }
            12..=19 => {
                self.write(120);
                self.prepared.push(open);
                "prepare"
            }
            _ => self.commit(open),
        }
    }

    fn commit(&mut self, open: Open) -> &'static str {
        let (start, end) = self.write(46);
        for ((table, id), _) in &open.undo {
            self.locks.remove(&(*table, *id));
        }
        let time = wall();
        let first = open.rows.first().map_or(0, |(lsn, _)| *lsn);
        let transaction = format!("{}:{first}", open.xid);
        let changes = open.records.into_iter().enumerate().map(|(number, records)| {
            let marked = records.into_iter().map(|mut record| {
                if let Body::Event(texts) = &mut record.body {
                    texts.push(format!("\"txId\":{}", open.xid));
                }
                record
            });
            Change {
                transaction: transaction.clone(),
                ordinal: number as u64 + 1,
                records: marked.collect(),
                time: Some(format!("\"ts_us\":{},", time.0)),
            }
        });
        let changes: Vec<Change> = changes.filter(|change| !change.records.is_empty()).collect();
        let group = self.slot_exists.then(|| self.history.committed(&changes));
        let committed = Transaction {
            xid: open.xid,
            begin: open.begin,
            rows: open.rows,
            committed_at: text::timestamp(time),
        };
        self.items.push(Item { start, end, what: What::Transaction(Rc::new(committed)), group });
        "commit"
    }

    fn roll_back(&mut self, open: Open) {
        self.undo(open.undo);
    }

    fn undo(&mut self, undo: Vec<((usize, u64), Option<String>)>) {
        for (row, before) in undo.into_iter().rev() {
            match before {
                Some(value) => self.rows.insert(row, value),
                None => self.rows.remove(&row),
            };
            self.locks.remove(&row);
        }
    }

    fn message_outside(&mut self) -> &'static str {
        let token = self.token();
        let (start, end) = self.write(60);
        let change = Change {
            transaction: format!("0:{end}"),
            ordinal: 1,
            records: vec![message_record(&token)],
            time: None,
        };
        let group = self.slot_exists.then(|| self.history.committed(&[change]));
        let what = What::Message(text::message(false, &token).into());
        self.items.push(Item { start, end, what, group });
        "message outside of transactions"
    }

    fn token(&mut self) -> String {
        self.next_token += 1;
        let mut token = format!("t{}.", self.next_token);
        if self.rng.chance(100) {
            token.push('\'');
        }
        if self.rng.chance(self.long_rows) {
            let length = usize::try_from(self.rng.between(1000, 120_000)).unwrap();
            token.extend(std::iter::repeat_n('x', length));
        }
        token
    }

    fn change(&mut self, open: &mut Open) -> &'static str {
        match self.rng.between(0, 99) {
            0..=5 => {
                open.savepoints.push((open.rows.len(), open.undo.len()));
                "savepoint"
            }
            6..=12 => self.roll_back_to(open),
            13..=19 => self.copy(open),
            20..=22 => self.truncate(open),
            23..=26 => {
                let token = self.token();
                let (_, end) = self.write(60);
                open.rows.push((end, text::message(true, &token).into()));
                open.records.push(vec![message_record(&token)]);
                "message"
            }
            _ => self.row(open),
        }
    }

    fn roll_back_to(&mut self, open: &mut Open) -> &'static str {
        let Some((rows, undo)) = open.savepoints.pop() else { return "nothing" };
        self.write(34);
        open.rows.truncate(rows);
        open.records.truncate(rows);
        let undone = open.undo.split_off(undo);
        // A row that was locked before the savepoint stays locked.
        let kept: Vec<(usize, u64)> = open.undo.iter().map(|(row, _)| *row).collect();
        self.undo(undone);
        self.locks.extend(kept);
        "rollback to savepoint"
    }

    /// Rows that share one WAL record.
    fn copy(&mut self, open: &mut Open) -> &'static str {
        let count = self.rng.between(2, 12);
        let (start, _) = self.write(40 * count);
        for _ in 0..count {
            let table = self.rng.index(TABLES.len());
            let id = self.rng.between(1, 40);
            if !TABLES[table].keyed || self.is_free(open, table, id) && !self.rows.contains_key(&(table, id))
            {
                self.insert(open, table, id, start);
            }
        }
        "copy"
    }

    fn truncate(&mut self, open: &mut Open) -> &'static str {
        if self.locks.iter().any(|(table, _)| *table < 2) {
            return "nothing";
        }
        let (start, _) = self.write(60);
        let tables = [&TABLES[0], &TABLES[1]];
        open.rows.push((start, text::truncate(&tables).into()));
        let records = tables.iter().filter_map(|table| {
            let body = Body::Event(vec!["\"op\":\"t\"".to_owned()]);
            Some(Expected { topic: table.topic?.to_owned(), key: None, body })
        });
        open.records.push(records.collect());
        // Every id is locked, so that nobody else writes to the tables before the end.
        for table in 0..2 {
            for id in 1..=40 {
                let before = self.rows.remove(&(table, id));
                self.locks.insert((table, id));
                open.undo.push(((table, id), before));
            }
        }
        "truncate"
    }

    fn is_free(&self, open: &Open, table: usize, id: u64) -> bool {
        !self.locks.contains(&(table, id)) || open.undo.iter().any(|(row, _)| *row == (table, id))
    }

    fn row(&mut self, open: &mut Open) -> &'static str {
        let table = self.rng.index(TABLES.len());
        let id = if self.rng.chance(600) { self.rng.between(1, 5) } else { self.rng.between(1, 40) };
        if !TABLES[table].keyed {
            let (start, _) = self.write(80);
            self.insert(open, table, id, start);
            return "insert";
        }
        if !self.is_free(open, table, id) {
            return "nothing";
        }
        let (start, _) = self.write(80);
        let Some(before) = self.rows.get(&(table, id)).cloned() else {
            self.insert(open, table, id, start);
            return "insert";
        };
        let other = self.rng.between(1, 40);
        let moves = self.is_free(open, table, other) && !self.rows.contains_key(&(table, other));
        match self.rng.between(0, 9) {
            0..=2 => self.delete(open, table, (id, &before), start),
            3..=4 if moves => self.update(open, table, (id, &before), other, start),
            _ => self.update(open, table, (id, &before), id, start),
        }
    }

    fn set(&mut self, open: &mut Open, row: (usize, u64), value: Option<String>) {
        let before = match value {
            Some(value) => self.rows.insert(row, value),
            None => self.rows.remove(&row),
        };
        self.locks.insert(row);
        open.undo.push((row, before));
    }

    fn insert(&mut self, open: &mut Open, table: usize, id: u64, lsn: u64) {
        let value = self.token();
        open.rows.push((lsn, text::insert(&TABLES[table], id, &value).into()));
        open.records.push(TABLES[table].event('c', id, &value).into_iter().collect());
        if TABLES[table].keyed {
            self.set(open, (table, id), Some(value));
        }
    }

    fn update(&mut self, open: &mut Open, table: usize, old: (u64, &str), id: u64, lsn: u64) -> &'static str {
        let value = self.token();
        let of = &TABLES[table];
        open.rows.push((lsn, text::update(of, old, id, &value).into()));
        if old.0 == id {
            open.records.push(of.event('u', id, &value).into_iter().collect());
            self.set(open, (table, id), Some(value));
            return "update";
        }
        let mut records = of.removal(old.0, old.1);
        records.extend(of.event('c', id, &value));
        open.records.push(records);
        self.set(open, (table, old.0), None);
        self.set(open, (table, id), Some(value));
        "update of the key"
    }

    fn delete(&mut self, open: &mut Open, table: usize, old: (u64, &str), lsn: u64) -> &'static str {
        let of = &TABLES[table];
        open.rows.push((lsn, text::delete(of, old.0, old.1).into()));
        open.records.push(of.removal(old.0, old.1));
        self.set(open, (table, old.0), None);
        "delete"
    }
}

fn message_record(token: &str) -> Expected {
    let content = format!("\"content\":\"{}\"", text::base64(token.as_bytes()));
    Expected {
        topic: MESSAGES.to_owned(),
        key: Some("{\"prefix\":\"p\"}".to_owned()),
        body: Body::Event(vec!["\"op\":\"m\"".to_owned(), content]),
    }
}

fn row_json(id: u64, value: &str) -> String {
    format!("{{\"id\":{id},\"v\":\"{value}\"}}")
}

impl Table {
    fn key(&self, id: u64) -> Option<String> {
        self.keyed.then(|| format!("{{\"id\":{id}}}"))
    }

    /// The event of a new row, unless the table is left out.
    fn event(&self, op: char, id: u64, value: &str) -> Option<Expected> {
        let after = format!("\"after\":{}", row_json(id, value));
        let texts = vec![format!("\"op\":\"{op}\""), after];
        Some(Expected { topic: self.topic?.to_owned(), key: self.key(id), body: Body::Event(texts) })
    }

    /// The records of a row that is gone.
    fn removal(&self, id: u64, value: &str) -> Vec<Expected> {
        let Some(topic) = self.topic else { return Vec::new() };
        let mut texts = vec!["\"op\":\"d\"".to_owned(), "\"after\":null".to_owned()];
        if self.identity == "f" {
            texts.push(format!("\"before\":{}", row_json(id, value)));
        }
        let key = self.key(id);
        let event = Expected { topic: topic.to_owned(), key: key.clone(), body: Body::Event(texts) };
        vec![event, Expected { topic: topic.to_owned(), key, body: Body::Tombstone }]
    }
}
