//! The envelope around the rows: `{"before":…,"after":…,"source":{…},"transaction":null,"op":…,"ts_ms":…}`, with
//! the fields and their order of the reference connector.
//!
//! What is constant for a transaction, and for one reading of the clock, is rendered once and copied from then on.

use super::json::{self, Quotes};
use crate::event::{Source, TransactionId};
use crate::lsn::Lsn;
use crate::time::UnixMicros;

/// Ends `source`: no transaction's xmin and no origin is ever known here.
const SOURCE_END: &[u8] = b",\"xmin\":null,\"origin\":null,\"origin_lsn\":null}";

/// The operations of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Update,
    Delete,
    Truncate,
}

impl Op {
    /// What stands between `source` and the times.
    fn json(self) -> &'static [u8] {
        match self {
            Self::Create => b",\"transaction\":null,\"op\":\"c\",",
            Self::Update => b",\"transaction\":null,\"op\":\"u\",",
            Self::Delete => b",\"transaction\":null,\"op\":\"d\",",
            Self::Truncate => b",\"transaction\":null,\"op\":\"t\",",
        }
    }
}

/// The pieces of an envelope that change less often than rows do.
pub(super) struct Envelope {
    /// `"source":{"version":…,"name":…,"ts_ms":`.
    source_start: Vec<u8>,
    /// `,"snapshot":"false","db":…,"sequence":"[`.
    source_database: Vec<u8>,
    /// What the next two are rendered for.
    rendered: Option<(UnixMicros, Option<TransactionId>, Option<Lsn>)>,
    /// `"source":{…,"sequence":"[…,\"`: up to the first LSN of the change.
    before_sequence_lsn: Vec<u8>,
    /// `\"]","ts_us":…,"ts_ns":…,`: up to the table.
    before_table: Vec<u8>,
    /// `745,"lsn":`: behind the table, up to the second LSN.
    before_lsn: Vec<u8>,
    /// What the next is rendered for.
    now: Option<UnixMicros>,
    /// `"ts_ms":…,"ts_us":…,"ts_ns":…}`.
    times: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(prefix: &str, database: &str) -> Self {
        let mut source_start = b"\"source\":{\"version\":".to_vec();
        json::push_string(&mut source_start, env!("CARGO_PKG_VERSION"), Quotes::Single);
        source_start.extend_from_slice(b",\"connector\":\"postgresql\",\"name\":");
        json::push_string(&mut source_start, prefix, Quotes::Single);
        source_start.extend_from_slice(b",\"ts_ms\":");
        let mut source_database = b",\"snapshot\":\"false\",\"db\":".to_vec();
        json::push_string(&mut source_database, database, Quotes::Single);
        source_database.extend_from_slice(b",\"sequence\":\"[");
        Self {
            source_start,
            source_database,
            rendered: None,
            before_sequence_lsn: Vec::new(),
            before_table: Vec::new(),
            before_lsn: Vec::new(),
            now: None,
            times: Vec::new(),
        }
    }

    /// Renders what `source` and `now` have new.
    pub(super) fn prepare(&mut self, source: &Source, now: UnixMicros) {
        let wanted = (source.time, source.transaction, source.last_commit);
        if self.rendered != Some(wanted) {
            self.render_source(source);
            self.rendered = Some(wanted);
        }
        if self.now != Some(now) {
            self.times.clear();
            push_times(&mut self.times, now);
            self.now = Some(now);
        }
    }

    fn render_source(&mut self, source: &Source) {
        let head = &mut self.before_sequence_lsn;
        head.clear();
        head.extend_from_slice(&self.source_start);
        json::push_number(head, source.time.millis());
        head.extend_from_slice(&self.source_database);
        match source.last_commit {
            Some(lsn) => {
                head.extend_from_slice(b"\\\"");
                json::push_number(head, lsn.0);
                head.extend_from_slice(b"\\\",\\\"");
            }
            None => head.extend_from_slice(b"null,\\\""),
        }
        self.before_table.clear();
        self.before_table.extend_from_slice(b"\\\"]\",\"ts_us\":");
        json::push_number(&mut self.before_table, source.time.0);
        self.before_table.extend_from_slice(b",\"ts_ns\":");
        json::push_number(&mut self.before_table, nanos(source.time));
        self.before_table.push(b',');
        self.before_lsn.clear();
        match source.transaction {
            Some(transaction) => json::push_number(&mut self.before_lsn, transaction.xid),
            None => self.before_lsn.extend_from_slice(b"null"),
        }
        self.before_lsn.extend_from_slice(b",\"lsn\":");
    }

    /// Appends `"source":{…}`. `table` is the part that names the table, up to `"txId":`.
    pub(super) fn push_source(&self, out: &mut Vec<u8>, table: &[u8], lsn: Lsn) {
        let mut digits = itoa::Buffer::new();
        let lsn = digits.format(lsn.0).as_bytes();
        for piece in
            [&self.before_sequence_lsn, lsn, &self.before_table, table, &self.before_lsn, lsn, SOURCE_END]
        {
            out.extend_from_slice(piece);
        }
    }

    /// Appends all that follows the rows.
    pub(super) fn push_end(&self, out: &mut Vec<u8>, table: &[u8], lsn: Lsn, op: Op) {
        out.push(b',');
        self.push_source(out, table, lsn);
        out.extend_from_slice(op.json());
        out.extend_from_slice(&self.times);
    }
}

/// The three resolutions of one instant are cuts of the same digits.
fn push_times(out: &mut Vec<u8>, at: UnixMicros) {
    out.extend_from_slice(b"\"ts_ms\":");
    json::push_number(out, at.millis());
    out.extend_from_slice(b",\"ts_us\":");
    json::push_number(out, at.0);
    out.extend_from_slice(b",\"ts_ns\":");
    json::push_number(out, nanos(at));
    out.push(b'}');
}

fn nanos(at: UnixMicros) -> i64 {
    at.0.saturating_mul(1000)
}
