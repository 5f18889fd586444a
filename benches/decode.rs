//! Decoding alone, and decoding with encoding, in rows and bytes a second on one core.
#![allow(missing_docs, reason = "criterion's macros make public items")]

#[path = "data/passes.rs"]
mod passes;
#[path = "data/payloads.rs"]
mod payloads;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgsluice::decode::test_decoding::TestDecoding;

use crate::passes::Encoding;
use crate::payloads::Shape;

/// What one pass over the payloads goes through.
fn throughput(shape: &Shape) -> Throughput {
    Throughput::ElementsAndBytes { elements: shape.rows(), bytes: shape.bytes() }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for shape in payloads::shapes() {
        let mut plugin = TestDecoding::new();
        assert_eq!(passes::decode(&mut plugin, &shape), shape.rows(), "{} is not decoded", shape.name);
        group.throughput(throughput(&shape));
        group.bench_function(shape.name, |bencher| bencher.iter(|| passes::decode(&mut plugin, &shape)));
    }
}

fn decode_and_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_and_encode");
    for shape in payloads::shapes() {
        let Some(mut encoding) = Encoding::new() else { return };
        assert_eq!(encoding.pass(&shape), shape.rows(), "{} is not encoded", shape.name);
        group.throughput(throughput(&shape));
        group.bench_function(shape.name, |bencher| bencher.iter(|| encoding.pass(&shape)));
    }
}

criterion_group!(benches, decode, decode_and_encode);
criterion_main!(benches);
