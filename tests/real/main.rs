//! Tests against real servers: PostgreSQL 12–18 and an Apache Kafka broker.
//!
//! Part of plain `cargo test`; nothing is skipped. A server that cannot be had fails the tests that need it. Servers
//! start when the first test asks for them and stop at the end, however it comes about. Filters and options are those
//! of any Rust test binary: `cargo test --test real -- pg15::`.

#![cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "the broker's own tests are not in such a build")
)]

#[cfg(feature = "kafka")]
mod chaos;
#[cfg(feature = "kafka")]
mod conninfo;
mod context;
#[cfg(feature = "kafka")]
mod golden;
#[cfg(feature = "kafka")]
mod json;
#[cfg(feature = "kafka")]
mod large;
mod left_behind;
mod login;
#[cfg(feature = "kafka")]
mod ops;
#[cfg(feature = "kafka")]
mod oracle;
#[cfg(feature = "kafka")]
mod pgsluice;
mod psql;
#[cfg(feature = "kafka")]
mod random;
mod replay;
mod server_encodings;
mod servers;
mod shared;
mod suite;
mod tally;
mod tls;
#[cfg(feature = "kafka")]
mod values;

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/corpus.rs"]
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a corpus that cannot be read fails the test"
)]
mod corpus;
#[cfg(feature = "kafka")]
#[path = "../support/history/mod.rs"]
mod history;
#[path = "../support/servers/mod.rs"]
mod support;

use std::num::NonZero;
use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::suite::Suite;

fn main() -> ExitCode {
    if let Err(error) = left_behind::start_only() {
        support::finish();
        support::tell(&format!("no test was run: {error}"));
        return ExitCode::FAILURE;
    }
    let mut arguments = Arguments::from_args();
    // Most of a test's time is waiting: for a server to start, for a time-out to pass.
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    arguments.test_threads.get_or_insert(2 * processors);
    suite::note_places_of_panics();
    let mut suite = Suite::default();
    servers::register(&mut suite);
    left_behind::register(&mut suite);
    replay::register(&mut suite);
    server_encodings::register(&mut suite);
    tls::register(&mut suite);
    login::register(&mut suite);
    #[cfg(feature = "kafka")]
    {
        conninfo::register(&mut suite);
        golden::register(&mut suite);
        values::register(&mut suite);
        oracle::register(&mut suite);
        ops::register(&mut suite);
        chaos::register(&mut suite);
        large::register(&mut suite);
    }
    let conclusion = libtest_mimic::run(&arguments, suite.into_trials());
    support::finish();
    if !arguments.list {
        tally::print();
    }
    conclusion.exit_code()
}
