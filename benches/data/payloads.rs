//! Payloads for the benchmarks: the shapes of row that decide what decoding and encoding cost.
#![allow(dead_code, reason = "each benchmark uses its own part")]

/// A shape of row, as the plugin prints it.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) payloads: Vec<Vec<u8>>,
}

impl Shape {
    /// How many of the payloads are rows, each of which makes one event.
    pub(crate) fn rows(&self) -> u64 {
        self.payloads.iter().filter(|payload| payload.starts_with(b"table ")).count() as u64
    }

    /// Bytes of all payloads.
    pub(crate) fn bytes(&self) -> u64 {
        self.payloads.iter().map(|payload| payload.len() as u64).sum()
    }
}

/// Every shape.
pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        Shape { name: "narrow", payloads: (0..1000).map(narrow).collect() },
        Shape { name: "ten_columns", payloads: (0..1000).map(ten_columns).collect() },
        Shape { name: "hundred_columns", payloads: (0..100).map(hundred_columns).collect() },
        Shape { name: "one_mebibyte", payloads: vec![one_mebibyte()] },
        Shape { name: "small_transactions", payloads: (0..1000).flat_map(small_transaction).collect() },
        Shape { name: "quotes", payloads: (0..1000).map(quotes).collect() },
    ]
}

fn narrow(n: usize) -> Vec<u8> {
    format!("table public.narrow: INSERT: id[integer]:{n} v[integer]:{}", n * 7).into_bytes()
}

fn ten_columns(n: usize) -> Vec<u8> {
    format!(
        "table public.b: INSERT: id[bigint]:{n} a[integer]:{} n[numeric]:{n}.25 t[text]:'some text with a '' quote \
         and more text {n}' v[character varying]:'varchar {n}' ts[timestamp with time zone]:'2026-01-02 \
         03:04:05.678901+00' f[boolean]:true j[jsonb]:'{{\"k\": {n}, \"v\": \"x\"}}' \
         u[uuid]:'c4ca4238-a0b9-2382-0dcc-509a6f75849b' d[double precision]:{n}.1",
        n % 1000
    )
    .into_bytes()
}

fn hundred_columns(n: usize) -> Vec<u8> {
    let columns: Vec<String> = (0..100).map(|c| format!("column_{c}[integer]:{}", n * c)).collect();
    format!("table public.wide: INSERT: {}", columns.join(" ")).into_bytes()
}

fn one_mebibyte() -> Vec<u8> {
    format!("table public.big: INSERT: id[integer]:1 t[text]:'{}'", "0123456789abcdef".repeat(65_536))
        .into_bytes()
}

fn small_transaction(n: usize) -> [Vec<u8>; 3] {
    [
        format!("BEGIN {n}").into_bytes(),
        narrow(n),
        format!("COMMIT {n} (at 2026-01-02 03:04:05.678901+00)").into_bytes(),
    ]
}

fn quotes(n: usize) -> Vec<u8> {
    let text = "it''s ''quoted'' text, ".repeat(20);
    format!("table public.q: INSERT: id[integer]:{n} t[text]:'{text}'").into_bytes()
}
