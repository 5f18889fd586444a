//! What all parts of a simulated world share: its trace, its verdict, its time of day.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use pgsluice::time::UnixMicros;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::broker::Broker;
use super::database::Database;
use super::plan::Plan;
use super::run::Mode;
use super::server::Server;

/// 2026-01-01 00:00:00 UTC.
const EPOCH: i64 = 1_767_225_600_000_000;

thread_local! {
    /// Where the runtime's clock started, and how far the wall clock was set since.
    static WALL: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
}

/// The world's time of day.
pub(crate) fn wall() -> UnixMicros {
    let now = Instant::now();
    let (start, offset) = WALL.get().unwrap_or((now, 0));
    let elapsed = i64::try_from(now.duration_since(start).as_micros()).unwrap();
    UnixMicros(EPOCH + elapsed + offset)
}

/// Sets the wall clock by so much.
pub(crate) fn step_wall(micros: i64) {
    if let Some((start, offset)) = WALL.get() {
        WALL.set(Some((start, offset + micros)));
    }
}

pub(crate) type Shared = Rc<World>;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) database: RefCell<Database>,
    pub(crate) server: RefCell<Server>,
    pub(crate) broker: RefCell<Broker>,
    /// Says that a promise is broken.
    pub(crate) failed: Notify,
    violation: RefCell<Option<String>>,
    start: Instant,
    trace: Option<RefCell<Vec<String>>>,
    mode: Mode,
    counts: RefCell<BTreeMap<&'static str, u64>>,
    /// Whether faults may still happen.
    pub(crate) stormy: Cell<bool>,
    /// Items of the WAL that are known to be whole in the topics.
    pub(crate) checked: Cell<usize>,
    pub(crate) virtual_seconds: Cell<u64>,
}

impl World {
    pub(crate) fn new(plan: Plan, mode: Mode) -> Shared {
        let start = Instant::now();
        WALL.set(Some((start, 0)));
        Rc::new(Self {
            database: RefCell::new(Database::new(&plan)),
            server: RefCell::new(Server::new(&plan)),
            broker: RefCell::new(Broker::new(&plan)),
            plan,
            failed: Notify::new(),
            violation: RefCell::new(None),
            start,
            trace: mode.trace.then(RefCell::default),
            mode,
            counts: RefCell::default(),
            stormy: Cell::new(true),
            checked: Cell::new(0),
            virtual_seconds: Cell::new(0),
        })
    }

    /// Writes a line of the trace.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        if let Some(trace) = &self.trace {
            let line = format!("{:>10.3} {what}", self.elapsed().as_secs_f64());
            if self.mode.print {
                println!("{line}");
            }
            trace.borrow_mut().push(line);
        }
    }

    /// Adds to a total.
    pub(crate) fn tally(&self, what: &'static str, count: u64) {
        *self.counts.borrow_mut().entry(what).or_default() += count;
    }

    /// Counts a fault or an event, and traces it.
    pub(crate) fn count(&self, what: &'static str) {
        self.tally(what, 1);
        self.note(format_args!("* {what}"));
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.borrow().clone()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.as_ref().map(|trace| trace.borrow().clone()).unwrap_or_default()
    }

    /// A rule about the way there is broken.
    pub(crate) fn fail_on_the_way(&self, what: impl fmt::Display) {
        if !self.mode.outcome_only {
            self.fail(what);
        }
    }

    /// A promise is broken. The first one counts.
    pub(crate) fn fail(&self, what: impl fmt::Display) {
        let mut violation = self.violation.borrow_mut();
        if violation.is_none() {
            let text = format!("at {:.3} s: {what}", self.elapsed().as_secs_f64());
            self.note(format_args!("VIOLATION {text}"));
            *violation = Some(text);
            self.failed.notify_one();
        }
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A position as PostgreSQL prints it.
pub(crate) fn lsn(position: u64) -> String {
    pgsluice::lsn::Lsn(position).to_string()
}
