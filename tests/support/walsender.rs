//! A pipeline's stream over a pipe: [`Rig`] is the client's side, [`Walsender`] the server's, both in the hands of
//! one test. Nothing here is a socket, so that time can stand still.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pgsluice::clock::Clock;
use pgsluice::encode::terminal::TerminalEncoder;
use pgsluice::lsn::Lsn;
use pgsluice::pipeline::acknowledgement::Acknowledgement;
use pgsluice::pipeline::delivery::{Delivery, ProgressTarget};
use pgsluice::pipeline::emitter::{Counts, Emitter, Format};
use pgsluice::pipeline::options::Intervals;
use pgsluice::pipeline::reader::Reader;
use pgsluice::pipeline::stream::{Ended, Session};
use pgsluice::pipeline::table_filter::{Rule, TableFilter};
use pgsluice::pipeline::transaction::XidEpoch;
use pgsluice::pipeline::{PipelineError, PipelineStatus};
use pgsluice::postgres::client::{ConnectOptions, Mode, ReplicationStream, connect_with};
use pgsluice::postgres::transport::dial::Dialed;
use pgsluice::progress::{ProgressKey, SourceIdentity};
use pgsluice::sink::reports::Reports;
use tokio::io::{AsyncWriteExt as _, DuplexStream, WriteHalf};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::catalog::ScriptedCatalog;
use super::held_sink::{HeldSink, PROGRESS};
use super::ledger::{Entry, Ledger};
use super::scripted::{Scripted, Status, xlog};
use super::tap::{Chunks, Tap, Wire};

/// This instance's id.
pub(crate) const INSTANCE: &str = "this";

/// No test needs more time than this, as its clock counts.
const TOO_LONG: Duration = Duration::from_mins(30);

/// What a test wants otherwise than usual.
pub(crate) struct Options {
    /// Records that may be in flight.
    pub(crate) records: usize,
    /// Bytes that may be in flight.
    pub(crate) bytes: usize,
    /// Whether positions are recorded in the sink.
    pub(crate) progress: bool,
    /// Instances whose records are to be removed.
    pub(crate) predecessors: &'static [&'static str],
    pub(crate) format: Format<ScriptedCatalog>,
}

impl Default for Options {
    fn default() -> Self {
        Self { records: 100, bytes: 1 << 20, progress: true, predecessors: &[], format: lines("*", &[]) }
    }
}

/// Lines for people of these tables.
pub(crate) fn lines(include: &str, exclude: &[&str]) -> Format<ScriptedCatalog> {
    let exclude = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
    let filter = TableFilter::new(vec![Rule { include: include.to_owned(), exclude }]);
    Format::Lines { encoder: TerminalEncoder::new(false), filter }
}

/// A delivery and what it takes to stream into it, over one connection after the other.
pub(crate) struct Rig {
    pub(crate) sink: HeldSink,
    pub(crate) ledger: Ledger,
    pub(crate) delivery: Delivery<HeldSink>,
    /// Where the next stream starts.
    pub(crate) start: u64,
    /// Where it stops by itself.
    pub(crate) end_lsn: Option<u64>,
    pub(crate) intervals: Intervals,
    /// Bytes that the pipe holds each way.
    pub(crate) capacity: usize,
    /// Whether the reader naps while a backlog comes.
    pub(crate) lazy: bool,
    /// How many bytes each read may bring.
    pub(crate) chunks: fn() -> Chunks,
    /// The longest message taken.
    pub(crate) max_stream_message: usize,
    pub(crate) format: Format<ScriptedCatalog>,
    pub(crate) progress: bool,
}

impl Default for Rig {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Rig {
    pub(crate) fn new(options: Options) -> Self {
        let ledger = Ledger::default();
        let reports = Reports::new(options.records);
        let sink = HeldSink::new(reports.clone(), ledger.clone());
        let target = options.progress.then(|| ProgressTarget {
            topic: PROGRESS.to_owned(),
            key: ProgressKey::of_instance(INSTANCE),
            source: source(),
            predecessors: options.predecessors.iter().map(|id| ProgressKey::of_instance(id)).collect(),
        });
        Self {
            delivery: Delivery::new(sink.clone(), reports, options.bytes, target),
            sink,
            ledger,
            start: 0,
            end_lsn: None,
            intervals: Intervals {
                progress: Duration::from_secs(1),
                status: Duration::from_secs(10),
                silence: Duration::from_hours(1),
                drain: Duration::from_secs(30),
            },
            capacity: 64 << 10,
            lazy: false,
            chunks: || Box::new(|| usize::MAX),
            max_stream_message: 1 << 30,
            format: options.format,
            progress: options.progress,
        }
    }

    /// Streams while `script` plays the server; the connection breaks where the script ends.
    pub(crate) async fn play<T>(&mut self, script: impl AsyncFnOnce(&mut Walsender) -> T) -> T {
        let chunks = (self.chunks)();
        let wire = Wire::new(self.start, self.progress, chunks, self.sink.clone(), self.ledger.clone());
        let (stream, pipe) = self.open(&wire).await;
        let (mut replies, to_client) = tokio::io::split(pipe);
        let (stop, stopped) = watch::channel(false);
        let (publish, status) = watch::channel(PipelineStatus::default());
        let (over, outcome) = (Rc::new(Notify::new()), Rc::new(Cell::new(None)));
        let mut server = Walsender {
            to_client,
            sent_of_part: 0,
            wire,
            sink: self.sink.clone(),
            ledger: self.ledger.clone(),
            stop: Some(stop),
            status,
            over: Rc::clone(&over),
            outcome: Rc::clone(&outcome),
        };
        let clock = Clock::system();
        let session = Session {
            reader: Reader::new(Instant::now(), self.lazy),
            stream,
            emitter: Emitter {
                format: &mut self.format,
                delivery: &mut self.delivery,
                ack: Acknowledgement::new(Lsn(self.start)),
                epoch: XidEpoch::new(750),
                open: None,
                last_commit: None,
                now: clock.now(),
                counts: Counts::default(),
            },
            intervals: self.intervals,
            end_lsn: self.end_lsn.map(Lsn),
            status: &publish,
            clock,
        };
        let client = async {
            outcome.set(Some(session.run(stopped).await));
            over.notify_one();
        };
        // A server reads whatever it is told; the tap has looked at it.
        let mut read = tokio::io::sink();
        let background = async {
            let ((), _) = tokio::join!(client, tokio::io::copy(&mut replies, &mut read));
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // The script has the first word, so that what it arranges holds from the start.
            biased;
            played = Box::pin(timeout(TOO_LONG, script(&mut server))) => played.expect("the test hangs"),
            () = Box::pin(background) => unreachable!("it waits for ever"),
        }
    }

    async fn open(&self, wire: &Rc<RefCell<Wire>>) -> (ReplicationStream<Tap>, DuplexStream) {
        let (client, server) = tokio::io::duplex(self.capacity);
        let tap = Cell::new(Some(Tap::new(client, Rc::clone(wire))));
        let dial =
            async || Ok(Dialed { stream: tap.take().expect("one connection is enough"), round_trip: None });
        let mut options = ConnectOptions::new("unused", "ada", "shop");
        options.max_stream_message = self.max_stream_message;
        let mut server = Scripted::over(server);
        let login = connect_with(dial, &options, Mode::Replication);
        let (connection, _) = tokio::join!(login, server.trust_login("15.20"));
        let start = connection.expect("a login").start_replication("s", Lsn(self.start), &[]);
        let (stream, _) = tokio::join!(start, server.start_stream());
        wire.borrow_mut().begin();
        (stream.expect("a stream"), server.into_pipe())
    }
}

/// The stream the positions belong to.
pub(crate) fn source() -> SourceIdentity {
    SourceIdentity {
        system_identifier: "7300000000000000001".to_owned(),
        timeline: 1,
        database: "shop".to_owned(),
        slot: "s".to_owned(),
        plugin: "test_decoding".to_owned(),
    }
}

/// The server's side of a stream, and the test's hands on all that is not the client.
pub(crate) struct Walsender {
    to_client: WriteHalf<DuplexStream>,
    /// How much of what [`Walsender::send_part`] was given last has gone.
    sent_of_part: usize,
    pub(crate) wire: Rc<RefCell<Wire>>,
    pub(crate) sink: HeldSink,
    pub(crate) ledger: Ledger,
    stop: Option<watch::Sender<bool>>,
    pub(crate) status: watch::Receiver<PipelineStatus>,
    over: Rc<Notify>,
    outcome: Rc<Cell<Option<Result<Ended, PipelineError>>>>,
}

impl Walsender {
    /// Sends these messages; waits while the pipe is full.
    pub(crate) async fn send(&mut self, messages: &[Vec<u8>]) {
        self.send_bytes(&messages.concat()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.to_client.write_all(bytes).await.expect("the client is there");
    }

    /// Sends as much as the client takes within this time. Returns whether it took all.
    pub(crate) async fn send_within(&mut self, messages: &[Vec<u8>], time: Duration) -> bool {
        matches!(timeout(time, self.to_client.write_all(&messages.concat())).await, Ok(Ok(())))
    }

    /// Sends these bytes, or what is left of them since the last call; `false` when the client does not read.
    pub(crate) async fn send_part(&mut self, bytes: &[u8]) -> bool {
        let rest = bytes.get(self.sent_of_part..).unwrap_or_default();
        let mut written = 0;
        let all = async {
            while written < rest.len() {
                written += self.to_client.write(&rest[written..]).await.expect("the client is there");
            }
        };
        let sent = timeout(Duration::from_secs(2), all).await.is_ok();
        self.sent_of_part = if sent { 0 } else { self.sent_of_part + written };
        sent
    }

    /// Closes the connection.
    pub(crate) async fn hang_up(&mut self) {
        self.to_client.shutdown().await.unwrap();
    }

    /// Lets time pass.
    pub(crate) async fn pause(&self, time: Duration) {
        sleep(time).await;
    }

    /// Lets so much time pass that whatever is due happens: more than a progress interval.
    pub(crate) async fn settle(&self) {
        sleep(Duration::from_secs(3)).await;
    }

    /// Waits, at most for `limit`, until `holds`; returns how long it took.
    pub(crate) async fn until(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() <= limit, "not within {limit:?}: {:?}", self.ledger.entries());
            sleep(Duration::from_millis(1)).await;
        }
        start.elapsed()
    }

    /// Tells the client to stop.
    pub(crate) fn stop(&self) {
        self.stop.as_ref().expect("not stopped").send_replace(true);
    }

    /// Whoever could have told the client to stop is gone.
    pub(crate) fn drop_stop(&mut self) {
        self.stop = None;
    }

    /// How the client's stream ended.
    pub(crate) async fn outcome(&self) -> Result<Ended, PipelineError> {
        loop {
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            self.over.notified().await;
        }
    }

    /// Whether the client's stream has ended.
    pub(crate) fn is_over(&self) -> bool {
        let outcome = self.outcome.take();
        let over = outcome.is_some();
        self.outcome.set(outcome);
        over
    }

    /// Waits for the client's `CopyDone` and answers it.
    pub(crate) async fn finish(&mut self) {
        self.until(TOO_LONG, Self::is_asked_to_end).await;
        let mut end = Vec::new();
        end.extend(super::scripted::copy_done());
        end.extend(super::scripted::complete("COPY 0"));
        end.extend(super::scripted::complete("START_REPLICATION"));
        end.extend(super::scripted::ready());
        self.send_bytes(&end).await;
    }

    /// Whether the client has sent `CopyDone`.
    pub(crate) fn is_asked_to_end(&self) -> bool {
        self.ledger.entries().contains(&Entry::CopyDone)
    }

    /// The positions of the last status update.
    pub(crate) fn last(&self) -> Status {
        Status { reply: false, ..self.wire.borrow().last() }
    }

    /// The position the client has confirmed.
    pub(crate) fn flush(&self) -> u64 {
        self.last().flush
    }

    /// The values of the records that are no progress.
    pub(crate) fn produced(&self) -> Vec<String> {
        self.sink.data().iter().map(|record| record.text().to_owned()).collect()
    }
}

/// The commit time of transactions here.
pub(crate) const COMMITTED_AT: &str = "2026-01-02 03:04:05.678901+00";
/// The same in microseconds since 1970.
pub(crate) const COMMITTED_AT_MICROS: i64 = 1_767_323_045_678_901;

pub(crate) fn begin(lsn: u64, xid: u32) -> Vec<u8> {
    xlog(lsn, format!("BEGIN {xid}").as_bytes())
}

pub(crate) fn commit(lsn: u64, xid: u32) -> Vec<u8> {
    xlog(lsn, format!("COMMIT {xid} (at {COMMITTED_AT})").as_bytes())
}

pub(crate) fn insert(lsn: u64, id: usize) -> Vec<u8> {
    xlog(lsn, format!("table public.t: INSERT: id[integer]:{id}").as_bytes())
}

/// A row that is longer than what is held back of a transaction: it is sent on although its COMMIT is not there.
pub(crate) fn long_insert(lsn: u64, id: usize) -> Vec<u8> {
    let long = "x".repeat(300 << 10);
    xlog(lsn, format!("table public.t: INSERT: id[integer]:{id} v[text]:'{long}'").as_bytes())
}

pub(crate) fn logical_message(lsn: u64, transactional: bool, content: &str) -> Vec<u8> {
    let flag = u8::from(transactional);
    let size = content.len();
    xlog(lsn, format!("message: transactional: {flag} prefix: p, sz: {size} content:{content}").as_bytes())
}

/// A transaction with rows of these ids.
pub(crate) fn transaction(start: u64, xid: u32, ids: std::ops::Range<usize>, end: u64) -> Vec<u8> {
    let rows = ids.flat_map(|id| insert(start, id));
    [begin(start, xid), rows.collect(), commit(end, xid)].concat()
}
