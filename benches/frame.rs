//! Walking frames and reading their headers, and the books on what is in flight.
#![allow(missing_docs, reason = "criterion's macros make public items")]

#[path = "data/passes.rs"]
mod passes;
#[path = "data/payloads.rs"]
mod payloads;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgsluice::lsn::Lsn;
use pgsluice::pipeline::in_flight::{InFlight, Mark};

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for shape in payloads::shapes() {
        let stream = passes::framed(&shape);
        let frames = shape.payloads.len() as u64;
        assert_eq!(passes::walk(&stream), frames, "{} is not walked", shape.name);
        group.throughput(Throughput::ElementsAndBytes { elements: frames, bytes: stream.len() as u64 });
        group.bench_function(shape.name, |bencher| bencher.iter(|| passes::walk(&stream)));
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
