//! What is larger than usual: transactions, rows, tables, numbers of tables. `make test` runs it in a size that takes
//! seconds, `make large` in full, with an optimised program.

mod many_tables;
mod row;
mod transaction;

use std::fs;
use std::time::Duration;

use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::ops::sluice::Sluice;
use crate::suite::Suite;
use crate::support::{Result, nap};

/// How long a test may take.
const LIMIT: Duration = Duration::from_mins(30);
/// The ticks of a second in `/proc/PID/stat`: Linux has had 100 everywhere for decades.
const TICKS: u64 = 100;

pub(crate) fn register(suite: &mut Suite) {
    transaction::register(suite);
    row::register(suite);
    many_tables::register(suite);
}

/// Whether the full size is wanted.
fn in_full() -> bool {
    std::env::var_os("PGSLUICE_TEST_LARGE").is_some()
}

/// Waits, however long it takes, until everything that is in the WAL now is confirmed.
fn catches_up(pipeline: &Pipeline<'_>, sluice: &Sluice) -> Result<()> {
    let mut session = pipeline.session()?;
    let end = slot::wal_end(&mut session)?;
    while slot::get(&mut session, &pipeline.slot)?.confirmed < end {
        if let Some(status) = sluice.has_ended()? {
            return Err(format!("it ended ({status}) before it had caught up").into());
        }
        nap(Duration::from_millis(50));
    }
    Ok(())
}

/// Microseconds a row, with two digits behind the point.
fn per_row(time: Duration, rows: u64) -> String {
    let hundredths = time.as_nanos() / u128::from(rows.max(1)) / 10;
    format!("{}.{:02} µs", hundredths / 100, hundredths % 100)
}

/// In MiB, with one digit behind the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// The processor time that it has taken so far.
fn processor_time(sluice: &Sluice) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", sluice.pid().as_raw_nonzero()))?;
    // The second field, the name, may hold spaces and ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in it")?;
    let mut times = fields.split_whitespace().skip(11);
    let mut time = || -> Result<u64> { Ok(times.next().ok_or("no times in it")?.parse()?) };
    Ok(Duration::from_millis((time()? + time()?) * 1000 / TICKS))
}
