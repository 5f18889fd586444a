//! A sink whose reports come when the test says so.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use pgsluice::progress::Position;
use pgsluice::record::Record;
use pgsluice::sink::reports::{Reports, Ticket};
use pgsluice::sink::{Sink, SinkError};
use tokio::time::{Instant, sleep};

use super::ledger::{Entry, Ledger};

/// The topic of progress records.
pub(crate) const PROGRESS: &str = "pgsluice.progress.test";

/// Whose reports wait for the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Nothing,
    Data,
    Progress,
    Everything,
}

/// A record the sink was handed.
#[derive(Clone, Debug)]
pub(crate) struct Produced {
    pub(crate) topic: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: BTreeMap<String, String>,
    ticket: Ticket,
}

impl Produced {
    pub(crate) fn is_progress(&self) -> bool {
        self.topic == PROGRESS
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().unwrap_or_default()).unwrap()
    }

    /// The position in a progress record; `None` for data and tombstones.
    pub(crate) fn end_lsn(&self) -> Option<u64> {
        let value = self.value.as_deref().filter(|_| self.is_progress())?;
        Some(Position::parse("a test's", value).unwrap().end_lsn.0)
    }
}

struct State {
    reports: Reports,
    records: Vec<Produced>,
    held: BTreeSet<usize>,
    /// Not held: reported once their time has come.
    coming: VecDeque<(Instant, usize)>,
    hold: Hold,
    delay: Duration,
    failure: Option<SinkError>,
    /// The furthest position in a durable progress record.
    recorded: u64,
    prepared: Vec<String>,
    preparing_takes: Duration,
    /// The most bytes, and the most records, that were ever in flight.
    peak: (usize, usize),
    in_flight: (usize, usize),
    ledger: Ledger,
}

/// The sink and, as its clone, the test's hold on it.
#[derive(Clone)]
pub(crate) struct HeldSink(Rc<RefCell<State>>);

impl HeldSink {
    pub(crate) fn new(reports: Reports, ledger: Ledger) -> Self {
        Self(Rc::new(RefCell::new(State {
            reports,
            records: Vec::new(),
            held: BTreeSet::new(),
            coming: VecDeque::new(),
            hold: Hold::Nothing,
            delay: Duration::ZERO,
            failure: None,
            recorded: 0,
            prepared: Vec::new(),
            preparing_takes: Duration::ZERO,
            peak: (0, 0),
            in_flight: (0, 0),
            ledger,
        })))
    }

    /// From now on these reports wait for [`HeldSink::deliver`].
    pub(crate) fn hold(&self, hold: Hold) {
        self.0.borrow_mut().hold = hold;
    }

    /// From now on reports that are not held come so much later.
    pub(crate) fn delay(&self, delay: Duration) {
        self.0.borrow_mut().delay = delay;
    }

    /// From now on a topic takes so long to prepare.
    pub(crate) fn preparing_takes(&self, time: Duration) {
        self.0.borrow_mut().preparing_takes = time;
    }

    /// The next poll fails.
    pub(crate) fn fail(&self) {
        let failure = SinkError::Retry { reason: "a report failed".to_owned(), hint: "this is a test" };
        self.0.borrow_mut().failure = Some(failure);
    }

    /// The report of a held record comes.
    pub(crate) fn deliver(&self, number: usize) {
        let mut state = self.0.borrow_mut();
        assert!(state.held.remove(&number), "record {number} is not held: {:?}", state.held);
        state.durable(number);
    }

    /// The reports of all held records come; none is held from now on.
    pub(crate) fn release(&self) {
        let mut state = self.0.borrow_mut();
        state.hold = Hold::Nothing;
        for number in std::mem::take(&mut state.held) {
            state.durable(number);
        }
    }

    /// The numbers of the records that are held.
    pub(crate) fn held(&self) -> Vec<usize> {
        self.0.borrow().held.iter().copied().collect()
    }

    pub(crate) fn records(&self) -> Vec<Produced> {
        self.0.borrow().records.clone()
    }

    /// The records that are no progress.
    pub(crate) fn data(&self) -> Vec<Produced> {
        self.0.borrow().records.iter().filter(|record| !record.is_progress()).cloned().collect()
    }

    /// Positions of the progress records.
    pub(crate) fn progress(&self) -> Vec<u64> {
        self.0.borrow().records.iter().filter_map(Produced::end_lsn).collect()
    }

    /// The furthest position in a durable progress record.
    pub(crate) fn recorded(&self) -> u64 {
        self.0.borrow().recorded
    }

    /// Topics in the order they were prepared.
    pub(crate) fn prepared(&self) -> Vec<String> {
        self.0.borrow().prepared.clone()
    }

    /// The most records and the most bytes that were in flight at one time.
    pub(crate) fn peak(&self) -> (usize, usize) {
        self.0.borrow().peak
    }
}

impl State {
    fn durable(&mut self, number: usize) {
        let record = &self.records[number];
        self.in_flight.0 -= 1;
        self.in_flight.1 -= size(record);
        self.recorded = self.recorded.max(record.end_lsn().unwrap_or(0));
        self.ledger.note(Entry::Durable(number));
        self.reports.delivered(record.ticket);
    }

    fn is_held(&self, is_progress: bool) -> bool {
        match self.hold {
            Hold::Nothing => false,
            Hold::Data => !is_progress,
            Hold::Progress => is_progress,
            Hold::Everything => true,
        }
    }
}

fn size(record: &Produced) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len) + headers
}

impl Sink for HeldSink {
    fn produce(&mut self, record: &Record<'_>, ticket: Ticket) -> Result<(), SinkError> {
        let mut state = self.0.borrow_mut();
        let number = state.records.len();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let produced = Produced {
            topic: record.topic.to_owned(),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
            ticket,
        };
        state.in_flight.0 += 1;
        state.in_flight.1 += size(&produced);
        state.peak = (state.peak.0.max(state.in_flight.0), state.peak.1.max(state.in_flight.1));
        if state.is_held(produced.is_progress()) {
            state.held.insert(number);
        } else {
            let due = Instant::now() + state.delay;
            state.coming.push_back((due, number));
        }
        state.records.push(produced);
        state.ledger.note(Entry::Produced(number));
        Ok(())
    }

    fn poll(&mut self) -> Result<(), SinkError> {
        let mut state = self.0.borrow_mut();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        while let Some(&(due, number)) = state.coming.front() {
            if due > Instant::now() {
                break;
            }
            state.coming.pop_front();
            state.durable(number);
        }
        Ok(())
    }

    async fn prepare_topic(&mut self, topic: &str) -> Result<(), SinkError> {
        let takes = self.0.borrow().preparing_takes;
        sleep(takes).await;
        self.0.borrow_mut().prepared.push(topic.to_owned());
        Ok(())
    }
}
