//! The whole pipeline against `pg_recvlogical`, on real servers.
//!
//! A slot is filled once and copied for every run. Each round drains one copy into Kafka with pgsluice (`acks=all`,
//! idempotent) and an identical one with `pg_recvlogical` to `/dev/null`, over loopback TCP. What counts are the
//! quotients of the two, taken round by round: the machine's speed drifts. The walsender's CPU a row stands beside
//! them, because it has two regimes (see `pipeline::reader`).
//!
//! `cargo bench --bench pipeline -- --rows 1000000 --rounds 3 --shapes 1,100,100000`; results go to standard output
//! and to `target/bench/pipeline.json`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

mod drain;
mod latency;
mod load;
mod report;
#[path = "../../tests/support/servers/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::report::{Report, Shape};
use crate::support::Result;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;

/// What is measured.
struct Plan {
    rows: u64,
    rounds: usize,
    shapes: Vec<u64>,
    major: u16,
    latency_seconds: u64,
    /// The build of pgsluice that is measured.
    program: PathBuf,
}

impl Plan {
    fn from_arguments() -> Result<Self> {
        let mut plan = Self {
            rows: 1_000_000,
            rounds: 3,
            shapes: vec![1, 100, 100_000],
            major: 15,
            latency_seconds: 30,
            program: PathBuf::from(env!("CARGO_BIN_EXE_pgsluice")),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            // Cargo itself passes `--bench`.
            if name == "--bench" {
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rows" => plan.rows = value.parse()?,
                "--rounds" => plan.rounds = value.parse()?,
                "--shapes" => {
                    plan.shapes = value.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
                }
                "--major" => plan.major = value.parse()?,
                "--program" => plan.program = PathBuf::from(value),
                "--latency-seconds" => plan.latency_seconds = value.parse()?,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(plan)
    }
}

fn main() -> ExitCode {
    let outcome = run();
    support::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            support::tell(&format!("the benchmark failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let plan = Plan::from_arguments()?;
    drain::find_recvlogical()?;
    support::tell("starting PostgreSQL and Kafka");
    let settings = [
        ("shared_buffers", "512MB"),
        ("synchronous_commit", "off"),
        ("max_wal_size", "16GB"),
        ("checkpoint_timeout", "1h"),
    ];
    let postgres = Postgres::start(plan.major, &settings)?;
    let kafka = Kafka::start(&[])?;
    let mut report = Report::new();

    support::tell("warming the broker up");
    measure(&plan.program, &postgres, &kafka, 100, 100_000, 1)?;
    for rows_per_transaction in &plan.shapes {
        let shape = measure(&plan.program, &postgres, &kafka, *rows_per_transaction, plan.rows, plan.rounds)?;
        shape.print();
        report.shapes.push(shape);
    }
    if plan.latency_seconds > 0 {
        support::tell("measuring latency");
        report.latency = Some(latency::measure(&plan.program, &postgres, &kafka, plan.latency_seconds)?);
    }
    report.print();
    report.write()
}

/// Fills slots with one shape of load, and drains them in turn.
fn measure(
    program: &Path,
    postgres: &Postgres,
    kafka: &Kafka,
    rows_per_transaction: u64,
    rows: u64,
    rounds: usize,
) -> Result<Shape> {
    support::tell(&format!("filling slots with {rows} rows, {rows_per_transaction} a transaction"));
    let database = format!("bench_{rows_per_transaction}_{rows}");
    let filled = load::fill(postgres, &database, rows_per_transaction, rows, rounds)?;
    let mut shape = Shape::new(rows_per_transaction, rows);
    for round in 0..rounds {
        let ours = drain::with_pgsluice(program, postgres, kafka, &filled, round)?;
        let theirs = drain::with_recvlogical(postgres, &filled, round)?;
        support::tell(&format!(
            "round {}: pgsluice {:.2} s ({:.2} µs a row), pg_recvlogical {:.2} s ({:.2} µs a row)",
            round + 1,
            ours.wall.as_secs_f64(),
            ours.cpu_per_row(rows),
            theirs.wall.as_secs_f64(),
            theirs.cpu_per_row(rows),
        ));
        shape.rounds.push((ours, theirs));
    }
    load::forget(postgres, &filled)?;
    Ok(shape)
}
