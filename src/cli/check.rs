//! `pgsluice check`.

use std::path::Path;

use crate::check::{self, Line, Verdict};
use crate::cli::config::write_out;
use crate::config::{parse, resolve};
use crate::error::{Exit, Failure};

/// Prints the report; fails when `run` would.
pub async fn execute(file: &Path, colours: bool) -> Result<(), Failure> {
    let config = parse::load(file).map_err(|error| Failure::new(Exit::Configuration, &error))?;
    let resolved = resolve::resolve(&config).map_err(|error| Failure::new(Exit::Configuration, &error))?;
    let report = check::run(&resolved.pipeline, &resolved.kafka).await;
    let text: String = report.lines.iter().map(|line| render(line, colours)).collect();
    write_out(text.as_bytes())?;
    let failed = report.lines.iter().filter(|line| line.verdict == Verdict::Fail).count();
    if report.would_run() {
        return Ok(());
    }
    Err(Failure::text(Exit::CheckFailed, format!("run would not work: {failed} of the lines above say why")))
}

fn render(line: &Line, colours: bool) -> String {
    let (word, colour) = match line.verdict {
        Verdict::Pass => ("pass", "\x1b[32m"),
        Verdict::Warn => ("warn", "\x1b[33m"),
        Verdict::Fail => ("fail", "\x1b[31m"),
    };
    let (on, off) = if colours { (colour, "\x1b[0m") } else { ("", "") };
    let repair = if line.repair.is_empty() { String::new() } else { format!(" -> {}", line.repair) };
    format!("{on}{word}{off}  {:<22}  {}{repair}\n", line.name, line.seen)
}
