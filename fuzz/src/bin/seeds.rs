//! Adds what was captured from servers (`tests/data`) to the corpus of each target that reads bytes of a server.
//!
//! The captures are in git already; the corpus is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

// Brings what the instrumented code calls.
use libfuzzer_sys as _;
use serde_json::Value;

/// Longer captures say nothing more.
const LONGEST: usize = 4000;

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let captures = fuzz.join("../tests/data");
    let corpus = Corpus { folder: fuzz.join("corpus") };
    sessions(&captures.join("wire"), &corpus);
    payloads(&captures.join("corpus"), &corpus);
}

/// Where the seeds go.
struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    fn add(&self, target: &str, name: &str, parts: &[&[u8]]) {
        let seed = parts.concat();
        if seed.len() <= LONGEST {
            let folder = self.folder.join(target);
            fs::create_dir_all(&folder).expect("the corpus can be written");
            fs::write(folder.join(name), seed).expect("the corpus can be written");
        }
    }
}

/// The files in `folder` whose name ends in `ending`, and what is in them.
fn files(folder: &Path, ending: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the captures are there")
        .map(|entry| entry.expect("the captures can be listed").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
            Some((name, fs::read(path).expect("a capture can be read")))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} in {}", folder.display());
    files
}

/// Whole connections, as the server's side of them.
fn sessions(folder: &Path, corpus: &Corpus) {
    for (name, bytes) in files(folder, ".backend.bin") {
        for (choice, phase) in [(0, "startup"), (1, "query"), (2, "stream")] {
            corpus.add("frame", &format!("{name}-{phase}"), &[&[choice, 100], &bytes]);
        }
        corpus.add("startup", &name, &[&[1], &bytes]);
        let mut rest = bytes.as_slice();
        for n in 0.. {
            let Some((frame, behind)) = split_frame(rest) else { break };
            corpus.add("backend_message", &format!("{name}-{n}"), &[&frame[..1], &frame[5..]]);
            if frame[0] == b'W' {
                corpus.add("replication_message", &name, &[&[100], behind]);
            }
            rest = behind;
        }
    }
}

/// The first frame, and what follows.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.get(1..5)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    bytes.split_at_checked(length + 1)
}

/// What the plugin wrote: one payload of each form, and each capture as a stream.
fn payloads(folder: &Path, corpus: &Corpus) {
    let mut forms = BTreeSet::new();
    for (name, text) in files(folder, ".jsonl") {
        let text = String::from_utf8(text).expect("a capture is UTF-8");
        let mut stream = vec![100];
        for (n, line) in text.lines().skip(1).enumerate() {
            let payload = payload(&serde_json::from_str(line).expect("a capture is JSON"));
            let message = xlog_data(&payload);
            if stream.len() + message.len() <= LONGEST {
                stream.extend(message);
            }
            if forms.insert(form(&payload)) {
                corpus.add("test_decoding", &format!("{name}-{n}"), &[&payload]);
            }
        }
        corpus.add("replication_message", &name, &[&stream]);
    }
}

fn payload(line: &Value) -> Vec<u8> {
    match (line["text"].as_str(), line["hex"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => {
            let digits: Vec<u8> = hex
                .chars()
                .map(|digit| u8::try_from(digit.to_digit(16).expect("a digit")).expect("small"))
                .collect();
            digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
        }
        _ => panic!("neither text nor hex: {line}"),
    }
}

/// Letters and digits do not make a form.
fn form(payload: &[u8]) -> Vec<u8> {
    let words = payload.chunk_by(|a, b| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric());
    words.map(|word| if word[0].is_ascii_alphanumeric() { b'a' } else { word[0] }).collect()
}

fn xlog_data(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + 25 + payload.len()).expect("a short payload").to_be_bytes();
    [b"d", &length[..], b"w", &[0; 24], payload].concat()
}
