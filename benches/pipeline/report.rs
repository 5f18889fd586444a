//! The table and the JSON file.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::drain::Cost;
use crate::latency::Latency;
use crate::support::Result;

/// Everything measured.
pub(crate) struct Report {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) latency: Option<Latency>,
}

/// One shape of load: pairs of runs, ours and `pg_recvlogical`'s.
pub(crate) struct Shape {
    rows_per_transaction: u64,
    rows: u64,
    pub(crate) rounds: Vec<(Cost, Cost)>,
}

impl Shape {
    pub(crate) fn new(rows_per_transaction: u64, rows: u64) -> Self {
        Self { rows_per_transaction, rows, rounds: Vec::new() }
    }

    /// The median over the rounds of what `of` says of one.
    fn median(&self, of: impl Fn(&Cost, &Cost) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(|(ours, theirs)| of(ours, theirs)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    #[allow(clippy::cast_precision_loss, reason = "rows are far below 2^52")]
    fn rate(&self, cost: &Cost) -> f64 {
        self.rows as f64 / cost.wall.as_secs_f64()
    }

    fn json(&self) -> Value {
        let rows = self.rows;
        json!({
            "rows_per_transaction": self.rows_per_transaction,
            "rows": rows,
            "rows_per_s": round(self.median(|ours, _| self.rate(ours)), 0),
            "recvlogical_rows_per_s": round(self.median(|_, theirs| self.rate(theirs)), 0),
            "ratio": round(self.median(|ours, theirs| self.rate(ours) / self.rate(theirs)), 2),
            "cpu_us_per_row": round(self.median(|ours, _| ours.cpu_per_row(rows)), 2),
            "recvlogical_cpu_us_per_row": round(self.median(|_, theirs| theirs.cpu_per_row(rows)), 2),
            "cpu_ratio": round(self.median(|ours, theirs| ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64()), 2),
            "walsender_cpu_us_per_row": round(self.median(|ours, _| ours.walsender_per_row(rows)), 2),
            "recvlogical_walsender_cpu_us_per_row": round(self.median(|_, theirs| theirs.walsender_per_row(rows)), 2),
            "peak_rss_mb": round(self.median(|ours, _| mib(ours.peak_kib)), 1),
        })
    }

    pub(crate) fn print(&self) {
        println!("{}", self.json());
    }
}

#[allow(clippy::cast_precision_loss, reason = "memory is far below 2^52 KiB")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn round(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { shapes: Vec::new(), latency: None }
    }

    fn json(&self) -> Value {
        let millis = |time: std::time::Duration| round(time.as_secs_f64() * 1000.0, 2);
        json!({
            "shapes": self.shapes.iter().map(Shape::json).collect::<Vec<_>>(),
            "start_to_first_event_ms": self.latency.map(|latency| millis(latency.start_to_first_event)),
            "latency_ms": self.latency.map(|latency| json!({"p50": millis(latency.p50), "p99": millis(latency.p99)})),
            "commit": first_line("git", &["rev-parse", "--short", "HEAD"]),
            "machine": machine(),
        })
    }

    /// The table.
    pub(crate) fn print(&self) {
        println!(
            "rows/tx   rows/s   recvlogical  ratio  CPU µs/row  recvlogical  ratio  walsender µs/row  RSS MB"
        );
        for shape in &self.shapes {
            let json = shape.json();
            let number = |name: &str| json.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
            println!(
                "{:<8} {:>8.0} {:>12.0} {:>6.2} {:>11.2} {:>12.2} {:>6.2} {:>17.2} {:>7.1}",
                shape.rows_per_transaction,
                number("rows_per_s"),
                number("recvlogical_rows_per_s"),
                number("ratio"),
                number("cpu_us_per_row"),
                number("recvlogical_cpu_us_per_row"),
                number("cpu_ratio"),
                number("walsender_cpu_us_per_row"),
                number("peak_rss_mb"),
            );
        }
        if let Some(latency) = self.latency {
            println!(
                "start to first event {:?}; commit to consumer p50 {:?}, p99 {:?} of {} transactions",
                latency.start_to_first_event, latency.p50, latency.p99, latency.samples
            );
        }
    }

    /// The JSON file.
    pub(crate) fn write(&self) -> Result<()> {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench/pipeline.json"));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&self.json())?)?;
        println!("written to target/bench/pipeline.json");
        Ok(())
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// Processor, cores and kernel.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = first_line("uname", &["-sr"]).unwrap_or_default();
    format!("{}, {cores} cores, {kernel}", model.trim_start_matches(['\t', ' ', ':']))
}
