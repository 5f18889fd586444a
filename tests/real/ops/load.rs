//! A load whose every change is known beforehand, so that a consumer's view of it can be checked to the last record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::ops::events::{Event, state};
use crate::ops::pipeline::Pipeline;
use crate::support::session::{Address, Session};
use crate::support::{Result, nap};

/// One transaction after the other: number n inserts row n, updates the rows [`UPDATES`] before it, and deletes row
/// n - [`DELETE`]. So a row lives through versions 1 to 4 and is gone.
const UPDATES: [u64; 3] = [1, 3, 10];
const DELETE: u64 = 15;
const PACE: Duration = Duration::from_millis(2);
/// How long to wait for a server that is away.
const AWAY: Duration = Duration::from_millis(50);

pub(crate) const TABLE: &str = "public.load";

/// A thread that writes until it is told to stop, through any outage of the server.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Makes the table.
    pub(crate) fn prepare(session: &mut Session) -> Result<()> {
        session.query("CREATE TABLE public.load (id bigint PRIMARY KEY, version int NOT NULL)").map(drop)
    }

    pub(crate) fn start(address: &Address) -> Result<Self> {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn({
            let (stop, written, address) = (Arc::clone(&stop), Arc::clone(&written), address.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    // Whatever ends a session, the next one goes on behind the last row that is there.
                    drop(write(&address, &stop, &written));
                    nap(AWAY);
                }
            }
        })?;
        Ok(Self { stop, written, thread: Some(thread) })
    }

    /// Waits until so many more transactions have committed.
    pub(crate) fn writes(&self, more: u64) -> Result<()> {
        let goal = self.written.load(Ordering::Relaxed) + more;
        crate::ops::slot::until("the load is written", Duration::from_mins(1), || {
            Ok(self.written.load(Ordering::Relaxed) >= goal)
        })
        .map(drop)
    }

    /// Stops writing.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| thread.join().map_err(|_| "the load panicked".into()))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn write(address: &Address, stop: &AtomicBool, written: &AtomicU64) -> Result<()> {
    let mut session = Session::open(address, &address.database)?;
    let last = session.query("SELECT coalesce(max(id), 0) FROM load")?;
    let mut n: u64 = last.into_iter().flatten().flatten().next().ok_or("no answer")?.parse()?;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let updated = UPDATES.map(|back| n.saturating_sub(back).to_string()).join(", ");
        session.query(&format!(
            "BEGIN; INSERT INTO load VALUES ({n}, 1); \
             UPDATE load SET version = version + 1 WHERE id IN ({updated}); \
             DELETE FROM load WHERE id = {}; COMMIT",
            n.saturating_sub(DELETE)
        ))?;
        written.fetch_add(1, Ordering::Relaxed);
        nap(PACE);
    }
    Ok(())
}

/// What a consumer saw of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) transactions: u64,
    pub(crate) repeats: usize,
}

/// Checks that a consumer sees every change of the load, each row's in order, and that a repeated record is the same
/// as it was the first time.
pub(crate) fn verify(pipeline: &Pipeline<'_>) -> Result<Seen> {
    let events = pipeline.events(TABLE)?;
    let mut session = pipeline.session()?;
    let mut rows = BTreeMap::new();
    for row in session.query("SELECT id, version FROM load")? {
        let mut numbers = row.into_iter().flatten().map(|text| text.parse::<u64>());
        let (Some(id), Some(version)) = (numbers.next(), numbers.next()) else {
            return Err("a row without a value".into());
        };
        rows.insert(id?, version?);
    }
    let last = rows.last_key_value().map_or(0, |(id, _)| *id);
    let (changes, repeats) = first_seen(&events)?;
    for id in 1..=last {
        let seen = changes.get(&id).map_or(&[][..], Vec::as_slice);
        assert_eq!(seen, expected(id, last), "changes of row {id} of {last}");
        let version = (id + DELETE > last)
            .then(|| 1 + UPDATES.iter().filter(|back| id + **back <= last).count() as u64);
        assert_eq!(rows.get(&id).copied(), version, "row {id} of {last} in the table");
    }
    assert!(changes.keys().all(|id| *id <= last), "rows that never were");
    let state = state(&events);
    let table: BTreeMap<String, Value> = rows
        .iter()
        .map(|(id, version)| (format!("{{\"id\":{id}}}"), serde_json::json!({"id": id, "version": version})))
        .collect();
    assert_eq!(state, table, "the last record of each key against the table");
    Ok(Seen { transactions: last, repeats })
}

/// What becomes of a row until transaction `last`: `c1 u2 u3 u4 d tombstone`.
fn expected(id: u64, last: u64) -> Vec<String> {
    let mut changes = vec!["c1".to_owned()];
    let updates = UPDATES.iter().filter(|back| id + **back <= last);
    changes.extend(updates.zip(2..).map(|(_, version)| format!("u{version}")));
    if id + DELETE <= last {
        changes.extend(["d".to_owned(), "tombstone".to_owned()]);
    }
    changes
}

/// The changes of each row in the order in which they were first seen, and how many records were repeats.
fn first_seen(events: &[Event]) -> Result<(BTreeMap<u64, Vec<String>>, usize)> {
    let mut known = BTreeMap::new();
    let mut changes: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut repeats = 0;
    for event in events {
        let id = event.key.get("id").and_then(Value::as_u64).ok_or("a record without a key")?;
        let version = event.after().get("version").map(Value::to_string).unwrap_or_default();
        let change = format!("{}{version}", event.op());
        let is_tombstone = event.value.is_none();
        if let Some(before) = known.insert((&event.id, is_tombstone), (id, change.clone())) {
            assert_eq!(before, (id, change), "another change with the id {:?}", event.id);
            repeats += 1;
        } else {
            changes.entry(id).or_default().push(change);
        }
    }
    Ok((changes, repeats))
}
