//! `NAME.sql` of the golden files.

use std::path::{Path, PathBuf};

use crate::support::Result;

/// What is run for a scenario, statement by statement.
#[derive(Debug)]
pub(crate) struct Script {
    /// Of every topic.
    pub(crate) partitions: i32,
    /// Runs before the slot is made.
    pub(crate) setup: Vec<String>,
    /// Runs while the stream is open.
    pub(crate) stream: Vec<String>,
}

/// A file of the golden files.
pub(crate) fn golden(file: &str) -> Result<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(file);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

impl Script {
    pub(crate) fn read(scenario: &str) -> Result<Self> {
        let text = golden(&format!("{scenario}.sql"))?;
        let mut lines = text.lines();
        let head = lines.next().and_then(|line| line.strip_prefix("-- ")).ok_or("no head line")?;
        let head: serde_json::Value = serde_json::from_str(head)?;
        let partitions = head["partitions"].as_i64().ok_or("no partitions")?.try_into()?;
        let mut script = Self { partitions, setup: Vec::new(), stream: Vec::new() };
        let mut section = "";
        for line in lines.filter(|line| !line.is_empty()) {
            match (line.strip_prefix("--; "), section) {
                (Some(name), _) => section = name,
                // A line is a statement, or a whole transaction from BEGIN to its end.
                (None, "setup") => script.setup.push(line.to_owned()),
                (None, "stream") => script.stream.push(line.to_owned()),
                (None, other) => return Err(format!("section {other:?} is not read here").into()),
            }
        }
        Ok(script)
    }
}
