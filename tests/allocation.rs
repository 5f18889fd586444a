//! Decoding a row allocates nothing once the decoder's vectors have grown to the widest row.

#![expect(
    unsafe_code,
    reason = "a global allocator cannot be written without; nothing else is counted right"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{Columns, Decoded};

thread_local! {
    /// Allocations of this thread. Others, such as the test harness, are none of the decoder's.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // While a thread ends there is nothing to count in.
    let _ended = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract, which is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How many allocations `work` makes.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = ALLOCATIONS.with(Cell::get);
    let result = work();
    (ALLOCATIONS.with(Cell::get) - before, result)
}

/// Rows of every kind, with quoted names, doubled quotes and arrays; a TRUNCATE, messages, transaction ends.
const PAYLOADS: &[&str] = &[
    "BEGIN 5",
    "table public.orders: INSERT: id[bigint]:1 quantity[integer]:-7 price[numeric]:12.50 note[text]:'it''s'",
    "table public.orders: UPDATE: old-key: id[bigint]:1 new-tuple: id[bigint]:2 note[text]:unchanged-toast-datum",
    "table \"My Schema\".\"T\"\"x\": INSERT: \"Id\"[integer]:1 tags[text[]]:'{a,\"b c\"}' on_sale[boolean]:true",
    "table public.orders: DELETE: (no-tuple-data)",
    "table public.orders: DELETE: id[bigint]:2",
    "table public.a, public.b, \"X\".c: TRUNCATE: restart_seqs cascade",
    "message: transactional: 1 prefix: p, sz: 29 content:q, sz: 11 content:hello world",
    "COMMIT 5 (at 2026-11-22 23:02:07.862666+00)",
];

/// Reads every column, so that the lazy parts are counted too.
fn visit(line: &Decoded<'_>, scratch: &mut Vec<u8>) -> usize {
    let mut text = |columns: Option<Columns<'_>>| {
        let mut length = 0;
        for column in columns.iter().flat_map(Columns::iter) {
            length += column.name.0.len() + column.value.text_in(scratch).map_or(0, <[u8]>::len);
        }
        length
    };
    match line {
        Decoded::Change(change) => text(change.old) + text(change.new),
        Decoded::Truncate(truncate) => truncate.tables().map(|table| table.text.len()).sum(),
        _ => 0,
    }
}

#[test]
fn a_row_costs_no_allocation() {
    let mut decoder = TestDecoding::new();
    let mut scratch = Vec::new();
    let mut round = || {
        let mut bytes = 0;
        for payload in PAYLOADS {
            match decoder.decode(payload.as_bytes()) {
                Ok(line) => bytes += visit(&line, &mut scratch),
                Err(error) => panic!("{payload}: {error}"),
            }
        }
        bytes
    };
    let (growing, bytes) = allocations(&mut round);
    assert!(growing > 0, "the first rows make the vectors grow, or nothing is counted");
    let (steady, repeated) = allocations(|| (0..1000).map(|_| round()).sum::<usize>());
    assert_eq!(repeated, bytes * 1000);
    assert_eq!(steady, 0, "allocations in 1000 rounds of {} payloads", PAYLOADS.len());
}
