//! The judgement.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::partition::{Partition, Place};
use super::truth::{Change, Truth};
use super::{Fault, Findings, Kind, Record, Recorded};

/// Judges everything that was read, given partition by partition in order of offset.
pub(crate) fn judge(truth: &Truth, records: &[Record], progress: &[Recorded]) -> Findings {
    let mut findings = Findings {
        changes: truth.changes.len(),
        transactions: truth.changes.iter().map(|change| change.xid).collect::<BTreeSet<_>>().len(),
        records: records.len(),
        ..Findings::default()
    };
    let index = Index::of(truth);
    let mut seen = Seen::default();
    for record in records {
        if let Some(fault) = seen.take(&index, record) {
            findings.fault(fault);
        }
    }
    findings.repeats = seen.repeats;
    for (number, change) in truth.changes.iter().enumerate() {
        for (part, expected) in change.parts().iter().enumerate() {
            if !seen.parts.contains(&(number, part)) {
                findings.fault(Fault::Missing { change: change.clone(), kind: expected.kind });
            }
        }
    }
    fold(truth, records, &mut findings);
    positions(truth, progress, &mut findings);
    findings
}

/// The changes by what a record shows of them.
struct Index<'a> {
    changes: &'a [Change],
    /// By transaction, ordinal and table; a message outside of transactions by its token.
    by_id: HashMap<(u64, u64, &'a str), usize>,
    by_token: HashMap<u64, usize>,
    transactions: BTreeSet<u64>,
    last_token: u64,
}

impl<'a> Index<'a> {
    fn of(truth: &'a Truth) -> Self {
        let changes = truth.changes.as_slice();
        let all = || changes.iter().enumerate();
        let id = |change: &'a Change| match change.xid {
            0 => (0, change.token, change.table.as_str()),
            xid => (xid, change.ordinal, change.table.as_str()),
        };
        Self {
            changes,
            by_id: all().map(|(number, change)| (id(change), number)).collect(),
            by_token: all()
                .filter(|(_, change)| change.token > 0)
                .map(|(number, change)| (change.token, number))
                .collect(),
            transactions: changes.iter().map(|change| change.xid).filter(|xid| *xid > 0).collect(),
            last_token: truth.last_token,
        }
    }

    /// Which record of which change it is.
    fn find(&self, record: &Record) -> Result<Option<(usize, usize)>, Box<Fault>> {
        let ordinal = if record.xid == 0 { record.token.unwrap_or_default() } else { record.ordinal };
        let by_id = self.by_id.get(&(record.xid, ordinal, record.table.as_str())).copied();
        let other = record.token.and_then(|token| self.by_token.get(&token)).filter(|n| by_id != Some(**n));
        if let Some(change) = other.and_then(|number| self.changes.get(*number)) {
            let (record, xid, ordinal) = (record.clone(), change.xid, change.ordinal);
            return Err(Box::new(Fault::WrongId { record, xid, ordinal }));
        }
        let was_given_out = |token| (1..=self.last_token).contains(&token);
        let is_unknown = |token: &u64| !self.by_token.contains_key(token);
        match record.token.filter(is_unknown) {
            // Outside of transactions a message is sent although the transaction around it is rolled back.
            Some(token) if was_given_out(token) && record.xid == 0 => return Ok(None),
            Some(token) if was_given_out(token) => return Err(Box::new(Fault::RolledBack(record.clone()))),
            Some(_) => return Err(Box::new(Fault::Invented(record.clone()))),
            None => {}
        }
        let Some((number, change)) = by_id.and_then(|number| Some((number, self.changes.get(number)?)))
        else {
            return Err(Box::new(if self.transactions.contains(&record.xid) {
                Fault::WrongId { record: record.clone(), xid: record.xid, ordinal: 0 }
            } else {
                Fault::Invented(record.clone())
            }));
        };
        let is_it = |part: &super::truth::Part| {
            part.kind == record.kind
                && part.key == record.key
                && part.other_key == record.other_key
                && part.token == record.token
        };
        match change.parts().iter().position(is_it) {
            Some(part) => Ok(Some((number, part))),
            None => Err(Box::new(Fault::Differs { record: record.clone(), change: change.clone() })),
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Seen {
    parts: BTreeSet<(usize, usize)>,
    first_lsn: HashMap<u64, u64>,
    partitions: BTreeMap<(String, i32), Partition>,
    repeats: usize,
}

impl Seen {
    fn take(&mut self, index: &Index<'_>, record: &Record) -> Option<Fault> {
        let (number, part) = match index.find(record) {
            Ok(Some(found)) => found,
            Ok(None) => return None,
            Err(fault) => return Some(*fault),
        };
        let change = index.changes.get(number)?;
        if !self.parts.insert((number, part)) {
            self.repeats += 1;
        }
        // A message outside of transactions has its own LSN there.
        let transaction = if record.xid == 0 { u64::MAX - change.token } else { record.xid };
        let first_lsn = *self.first_lsn.entry(transaction).or_insert(record.first_lsn);
        if first_lsn != record.first_lsn {
            return Some(Fault::IdChanged { record: record.clone(), first_lsn });
        }
        let place = Place { number, part, transaction, ordinal: change.ordinal };
        let partition = self.partitions.entry((record.table.clone(), record.partition)).or_default();
        partition.take(place, record, change.seq)
    }
}

/// Reads each topic from the beginning, and compares what comes of it with the table.
fn fold(truth: &Truth, records: &[Record], findings: &mut Findings) {
    let mut folded: BTreeMap<&str, BTreeMap<i64, u64>> = BTreeMap::new();
    for record in records {
        let rows = folded.entry(&record.table).or_default();
        match (record.kind, record.key, record.token) {
            (Kind::Create | Kind::Update, Some(key), Some(token)) => drop(rows.insert(key, token)),
            (Kind::Delete | Kind::Tombstone, Some(key), _) => drop(rows.remove(&key)),
            (Kind::Truncate, _, _) => rows.clear(),
            _ => {}
        }
    }
    let none = BTreeMap::new();
    for (table, rows) in &truth.tables {
        let topic = folded.get(table.as_str()).unwrap_or(&none);
        for key in rows.keys().chain(topic.keys()).copied().collect::<BTreeSet<_>>() {
            let (topic, row) = (topic.get(&key).copied(), rows.get(&key).copied());
            if topic != row {
                findings.fault(Fault::Fold { table: table.clone(), key, topic, row });
            }
        }
    }
}

fn positions(truth: &Truth, progress: &[Recorded], findings: &mut Findings) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for recorded in progress {
        let before = last.insert(&recorded.instance, recorded.end_lsn);
        if before.is_some_and(|before| before > recorded.end_lsn) {
            findings.fault(Fault::ProgressWentBack(recorded.clone()));
        }
    }
    let recorded = progress.iter().map(|recorded| recorded.end_lsn).max().unwrap_or_default();
    if truth.confirmed > recorded {
        findings.fault(Fault::ConfirmedAhead { confirmed: truth.confirmed, recorded });
    }
}
