//! Decoding alone, and decoding with encoding, in bytes and rows a second on one core.
#![allow(missing_docs, reason = "criterion's macros make public items")]

#[path = "data/payloads.rs"]
mod payloads;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Decoded, RowChange};
use pgsluice::encode::charset::Charset;
use pgsluice::encode::{EncodeError, EncodeOptions, Encoder, TablePlan};
use pgsluice::event::{Source, TransactionId};
use pgsluice::lsn::Lsn;
use pgsluice::record::Record;
use pgsluice::time::UnixMicros;

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for shape in payloads::shapes() {
        group.throughput(Throughput::Bytes(shape.bytes()));
        group.bench_function(shape.name, |bencher| {
            let mut decoder = TestDecoding::new();
            bencher.iter(|| {
                for payload in &shape.payloads {
                    black_box(decoder.decode(black_box(payload)).is_ok());
                }
            });
        });
    }
}

fn decode_and_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_and_encode");
    for shape in payloads::shapes() {
        group.throughput(Throughput::Bytes(shape.bytes()));
        group.bench_function(shape.name, |bencher| {
            let mut decoder = TestDecoding::new();
            let Ok(mut encoder) = Encoder::new(&EncodeOptions::new("bench", "bench"), Charset::utf8()) else {
                return;
            };
            let mut plan = None;
            bencher.iter(|| {
                for payload in &shape.payloads {
                    if let Ok(Decoded::Change(change)) = decoder.decode(black_box(payload)) {
                        encode(&mut encoder, &mut plan, &change);
                    }
                }
            });
        });
    }
}

fn encode(encoder: &mut Encoder, plan: &mut Option<TablePlan>, change: &RowChange<'_>) {
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
    let Some(plan) = plan else { return };
    let mut emit = |record: Record<'_>| {
        black_box(record.size());
        Ok::<(), EncodeError>(())
    };
    let outcome = encoder.encode_change(plan, change, &source, UnixMicros(0), &mut emit);
    black_box(outcome.is_ok());
}

criterion_group!(benches, decode, decode_and_encode);
criterion_main!(benches);
