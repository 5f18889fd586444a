//! Reads the corpus of captured payloads, `tests/data/corpus`.
#![allow(dead_code, reason = "several test binaries include this module and each uses its own part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// How many files and messages the corpus has. It may grow; a file that is lost must be noticed.
const FILES: usize = 109;
const FRAMES: usize = 9866;

/// A capture.
pub(crate) struct Case {
    /// File name without its ending.
    pub(crate) name: String,
    /// Line 1: what was captured and how.
    pub(crate) head: Value,
    /// Its messages, in the order received.
    pub(crate) frames: Vec<Frame>,
}

/// One captured message.
pub(crate) struct Frame {
    /// The first position of the message's header.
    pub(crate) data_start: u64,
    /// What the plugin wrote.
    pub(crate) payload: Vec<u8>,
    /// How it is to be read, without the keys that say that something was not printed.
    pub(crate) ast: Value,
}

/// The folder.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus")
}

/// All captures, by name.
pub(crate) fn cases() -> Vec<Case> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the corpus is there")
        .map(|entry| entry.expect("the corpus can be listed").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    paths.sort();
    let cases: Vec<Case> = paths.iter().map(|path| case(path)).collect();
    let frames: usize = cases.iter().map(|case| case.frames.len()).sum();
    assert!(cases.len() >= FILES && frames >= FRAMES, "{} files, {frames} messages", cases.len());
    cases
}

fn case(path: &Path) -> Case {
    let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("a capture is UTF-8");
    let mut lines = text.lines().map(|line| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    let head = lines.next().unwrap_or_else(|| panic!("{name} is empty"));
    let frames: Vec<Frame> = lines.map(|line| frame(&line)).collect();
    assert_eq!(head["frames"], frames.len(), "{name}: line 1 says how many messages follow");
    Case { name, head, frames }
}

fn frame(line: &Value) -> Frame {
    let payload = match (line["text"].as_str(), line["hex"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(hex)) => unhex(hex),
        _ => panic!("either text or hex: {line}"),
    };
    assert_eq!(line["len"], payload.len(), "{line}");
    let mut ast = line["ast"].clone();
    // A key left out and null mean the same: not printed.
    let keys = ast.as_object_mut().expect("an ast is an object");
    keys.retain(|key, value| !(matches!(key.as_str(), "xid" | "ts") && value.is_null()));
    Frame { data_start: position(line["data_start"].as_str().expect("a position")), payload, ast }
}

/// `0/16E88C78`.
pub(crate) fn position(text: &str) -> u64 {
    let (high, low) = text.split_once('/').expect("a position has two halves");
    let half = |half: &str| u64::from_str_radix(half, 16).expect("hexadecimal digits");
    half(high) << 32 | half(low)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).expect("half a byte is a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What [`hex`] does, undone.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal digits");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("two digits are a byte"))
        .collect()
}
