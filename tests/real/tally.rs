//! How many tests ran against each server, counted when a test gets hold of one, and the table of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::support::postgres::MAJORS;

/// A server as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Postgres(u16),
    Kafka,
}

static TESTS: Mutex<BTreeMap<Kind, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// Notes that `test` has used a server of `kind`; a second use changes nothing.
pub(crate) fn used(kind: Kind, test: &str) {
    let mut tests = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    tests.entry(kind).or_default().insert(test.to_owned());
}

/// Prints the table.
pub(crate) fn print() {
    let tests = TESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let line = |kind: Kind| {
        let name = match kind {
            Kind::Postgres(major) => format!("PostgreSQL {major}"),
            Kind::Kafka => "Apache Kafka".to_owned(),
        };
        format!("  {name:<14}{:>5}\n", tests.get(&kind).map_or(0, BTreeSet::len))
    };
    let kinds = MAJORS.map(Kind::Postgres).into_iter().chain([Kind::Kafka]);
    let table = kinds.map(line).collect::<String>();
    // Nobody reads it when standard output is closed.
    drop(writeln!(std::io::stdout().lock(), "tests run against each server:\n{table}"));
}
