//! The whole pipeline in a simulated world: a walsender over a pipe, a broker behind the sink, a virtual clock, and
//! faults that a seed decides. The code under test is the real one from the supervisor down; only sockets, Kafka
//! and time are not.
//!
//! `PGSLUICE_SEED=N` replays a seed and prints its trace (with `--nocapture`), `PGSLUICE_SEEDS=N` runs so many,
//! `PGSLUICE_FIRST_SEED=N` from there on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod answers;
mod broker;
mod connection;
mod database;
mod history;
mod link;
mod plan;
mod rng;
mod run;
#[cfg(feature = "sabotage")]
mod sabotage;
#[path = "../support/scram.rs"]
mod scram;
#[allow(dead_code, reason = "other test binaries use the rest of it")]
#[path = "../support/scripted.rs"]
mod scripted;
mod server;
#[path = "../support/sha256.rs"]
mod sha256;
mod text;
mod walsender;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use run::{Mode, Outcome, run};

/// Seeds of a usual run.
const SEEDS: u64 = 3000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Runs these seeds on every processor until one fails; returns that one and the totals.
fn sweep(seeds: Range<u64>) -> (Option<(u64, String)>, BTreeMap<&'static str, u64>) {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new((None, BTreeMap::new()));
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || lock().0.is_some() {
                        break;
                    }
                    let Outcome { violation, counts, .. } = run(seed, Mode::default());
                    let mut found = lock();
                    *found.1.entry("seeds").or_default() += 1;
                    for (what, count) in counts {
                        *found.1.entry(what).or_default() += count;
                    }
                    if let Some(violation) = violation {
                        found.0.get_or_insert((seed, violation));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_promise_holds_whatever_fails() {
    if let Some(seed) = number("PGSLUICE_SEED") {
        let outcome = run(seed, Mode { trace: true, print: true, ..Mode::default() });
        assert_eq!(outcome.violation, None, "seed {seed}");
        return;
    }
    let count = number("PGSLUICE_SEEDS").unwrap_or(SEEDS);
    let started = Instant::now();
    let first = number("PGSLUICE_FIRST_SEED").unwrap_or(0);
    let (violation, counts) = sweep(first..first + count);
    let time = started.elapsed().as_secs_f64();
    // Past the harness, which shows what a test prints only when it fails.
    let done = counts["seeds"];
    let rate = f64::from(u32::try_from(done).unwrap()) / time;
    let mut report = format!("{done} seeds from {first} on in {time:.1} s, {rate:.0} a second\n");
    for (what, count) in counts {
        writeln!(report, "{count:>10} {what}").unwrap();
    }
    std::io::Write::write_all(&mut std::io::stderr(), report.as_bytes()).unwrap();
    if let Some((seed, violation)) = violation {
        panic!("seed {seed}: {violation}\nPGSLUICE_SEED={seed} replays it with its trace");
    }
}

/// Seeds that have found something.
const FINDS: [(u64, &str); 4] = [
    (1, "another instance's progress was removed before there was one of our own"),
    (741, "the answer to a command never came, and a start waited for it for ever"),
    (1880, "a late record of a failed sink turned back the progress of the next one"),
    (66020, "the command that makes the slot never arrived, and a start waited for the slot for ever"),
];

#[test]
fn what_was_found_once_is_not_found_again() {
    for (seed, what) in FINDS {
        assert_eq!(run(seed, Mode::default()).violation, None, "{what}: seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89] {
        let mode = Mode { trace: true, ..Mode::default() };
        let (first, second) = (run(seed, mode), run(seed, mode));
        assert!(first.trace.len() > 20, "seed {seed}");
        for (line, (first, second)) in first.trace.iter().zip(&second.trace).enumerate() {
            assert_eq!(first, second, "seed {seed}, line {line}");
        }
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
    }
}
