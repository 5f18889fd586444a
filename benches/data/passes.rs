//! What is measured: one pass over the payloads of a shape. Each says how many rows it has gone through, so that a
//! measurement of something that failed is noticed.
#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::hint::black_box;

use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Decoded, RowChange};
use pgsluice::encode::charset::Charset;
use pgsluice::encode::{EncodeError, EncodeOptions, Encoder, Outcome, TablePlan};
use pgsluice::event::{Source, TransactionId};
use pgsluice::lsn::Lsn;
use pgsluice::postgres::client::StreamEvent;
use pgsluice::postgres::protocol::frame::{DEFAULT_STREAM_LIMIT, Limits};
use pgsluice::record::Record;
use pgsluice::time::UnixMicros;

use crate::payloads::Shape;

/// Decoding alone.
pub(crate) fn decode(plugin: &mut TestDecoding, shape: &Shape) -> u64 {
    let mut rows = 0;
    for payload in &shape.payloads {
        if let Ok(Decoded::Change(change)) = plugin.decode(black_box(payload)) {
            black_box(&change);
            rows += 1;
        }
    }
    rows
}

/// Decoding, and the JSON of every row.
pub(crate) struct Encoding {
    plugin: TestDecoding,
    encoder: Encoder,
    /// Of the shape's one table.
    plan: Option<TablePlan>,
}

impl Encoding {
    /// `None` if the usual options are refused.
    pub(crate) fn new() -> Option<Self> {
        let encoder = Encoder::new(&EncodeOptions::new("bench", "bench"), Charset::utf8()).ok()?;
        Some(Self { plugin: TestDecoding::new(), encoder, plan: None })
    }

    pub(crate) fn pass(&mut self, shape: &Shape) -> u64 {
        let mut rows = 0;
        for payload in &shape.payloads {
            if let Ok(Decoded::Change(change)) = self.plugin.decode(black_box(payload)) {
                rows += encode(&mut self.encoder, &mut self.plan, &change);
            }
        }
        rows
    }
}

fn encode(encoder: &mut Encoder, plan: &mut Option<TablePlan>, change: &RowChange<'_>) -> u64 {
    let source = Source {
        lsn: Lsn(16),
        transaction: Some(TransactionId { xid: 745, first_lsn: Lsn(16) }),
        ordinal: 1,
        time: UnixMicros(1_767_323_045_678_901),
        commit_time_known: true,
        last_commit: Some(Lsn(8)),
    };
    if plan.is_none() {
        *plan = encoder.plan(change, None).ok();
    }
    let Some(plan) = plan else { return 0 };
    let mut emit = |record: Record<'_>| {
        black_box(record.size());
        Ok::<(), EncodeError>(())
    };
    let outcome = encoder.encode_change(plan, change, &source, UnixMicros(0), &mut emit);
    u64::from(matches!(black_box(outcome), Ok(Outcome::Written { .. })))
}

/// The payloads in the frames that a walsender puts around them.
pub(crate) fn framed(shape: &Shape) -> Vec<u8> {
    let mut stream = Vec::new();
    for payload in &shape.payloads {
        let length = u32::try_from(payload.len() + 29).unwrap_or(u32::MAX);
        stream.push(b'd');
        stream.extend_from_slice(&length.to_be_bytes());
        stream.push(b'w');
        stream.extend_from_slice(&[0; 24]);
        stream.extend_from_slice(payload);
    }
    stream
}

/// Walking the frames and reading their headers; how many there were.
pub(crate) fn walk(stream: &[u8]) -> u64 {
    let (mut rest, mut frames) = (black_box(stream), 0);
    while let Ok(Some((event, length))) = StreamEvent::next(rest, Limits::streaming(DEFAULT_STREAM_LIMIT)) {
        black_box(event);
        rest = rest.get(length..).unwrap_or_default();
        frames += 1;
    }
    frames
}
