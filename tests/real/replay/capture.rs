//! Writes what a server has printed as a capture, when `PGSLUICE_CAPTURE` names a folder: how a case is added, and how a
//! major that prints another text is looked at.

use std::fs;
use std::path::{Path, PathBuf};

use pgsluice::decode::ast::Ast;
use pgsluice::decode::test_decoding::TestDecoding;
use serde_json::{Value, json};

use super::cases::Plan;
use super::read::Frame;
use crate::corpus;
use crate::support::Result;

pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("PGSLUICE_CAPTURE").map(PathBuf::from)
}

/// As `CASE.pgNN.jsonl`. Nothing is left out.
pub(crate) fn write(
    folder: &Path,
    plan: &Plan<'_>,
    frames: &[Frame],
    major: u16,
    version: &str,
) -> Result<()> {
    let base = plan.case.name.split(".pg").next().unwrap_or_default();
    let name = format!("{base}.pg{major}");
    let mut head = plan.case.head.clone();
    head["case"] = json!(name);
    head["frames"] = json!(frames.len());
    head["frames_elided"] = json!(0);
    head["server"] = json!(version);
    head["startup_options"] = json!(plan.settings);
    let mut decoder = TestDecoding::new();
    let mut lines = vec![head.to_string()];
    for (number, frame) in frames.iter().enumerate() {
        let position = format!("{:X}/{:X}", frame.lsn >> 32, frame.lsn & 0xFFFF_FFFF);
        let (key, payload) = match str::from_utf8(&frame.payload) {
            Ok(text) => ("text", json!(text)),
            Err(_) => ("hex", json!(corpus::hex(&frame.payload))),
        };
        let ast: Value = match decoder.decode(&frame.payload) {
            Ok(read) => serde_json::to_value(Ast(&read))?,
            Err(error) => json!({ "error": error.to_string() }),
        };
        let line = json!({
            "n": number, "data_start": position, "wal_end": position, "len": frame.payload.len(), key: payload, "ast": ast,
        });
        lines.push(line.to_string());
    }
    fs::create_dir_all(folder)?;
    Ok(fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n") + "\n")?)
}
