//! Walking frames and reading their headers, and the books on what is in flight.
#![allow(missing_docs, reason = "criterion's macros make public items")]

#[path = "data/payloads.rs"]
mod payloads;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgsluice::lsn::Lsn;
use pgsluice::pipeline::in_flight::{InFlight, Mark};
use pgsluice::postgres::client::StreamEvent;
use pgsluice::postgres::protocol::frame::{DEFAULT_STREAM_LIMIT, Limits};

/// The payload in the frame a walsender puts around it.
fn push_frame(stream: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len() + 29).unwrap_or(u32::MAX);
    stream.push(b'd');
    stream.extend_from_slice(&length.to_be_bytes());
    stream.push(b'w');
    stream.extend_from_slice(&[0; 24]);
    stream.extend_from_slice(payload);
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for shape in payloads::shapes() {
        let mut stream = Vec::new();
        for payload in &shape.payloads {
            push_frame(&mut stream, payload);
        }
        group.throughput(Throughput::Elements(shape.payloads.len() as u64));
        group.bench_function(shape.name, |bencher| {
            bencher.iter(|| {
                let mut rest = black_box(stream.as_slice());
                while let Ok(Some((event, length))) =
                    StreamEvent::next(rest, Limits::streaming(DEFAULT_STREAM_LIMIT))
                {
                    black_box(event);
                    rest = rest.get(length..).unwrap_or_default();
                }
            });
        });
    }
}

fn in_flight(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("in_flight");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("issue_mark_settle", |bencher| {
        let mut flight = InFlight::new(5000);
        let mut lsn = 0;
        bencher.iter(|| {
            for _ in 0..1000 {
                black_box(flight.issue(700));
                lsn += 1;
                flight.mark(Mark::Delivered(Lsn(lsn)));
            }
            black_box(flight.settle(|_| true));
        });
    });
}

criterion_group!(benches, frames, in_flight);
criterion_main!(benches);
