//! Which module may know which: a table, and a reader of sources that holds them against it.
//!
//! Tests inside the sources are left out: they may borrow from a neighbour what makes an example.

use std::fs;
use std::path::{Path, PathBuf};

/// What everything may use: plain data and errors, without IO.
const DATA: &[&str] = &["lsn", "time", "table", "data_type", "record", "event"];

/// A module with all below it, unless a longer name in the table says otherwise.
struct Layer {
    module: &'static str,
    /// Modules of this crate it may use besides itself and [`DATA`].
    uses: &'static [&'static str],
    /// Names from elsewhere that must not occur in it.
    without: &'static [&'static str],
}

/// No waiting, no sockets, no clock, no Kafka.
const PURE: &[&str] = &["tokio", "rdkafka", "std::net", "std::thread", "std::time::Instant", "SystemTime"];
/// Only the clock reads the clock, and the sink alone knows Kafka.
const NO_KAFKA: &[&str] = &["rdkafka", "std::time::Instant", "SystemTime"];
const NO_CLOCK: &[&str] = &["std::time::Instant", "SystemTime"];

const PROTOCOL: &str = "postgres::protocol";
const AUTH: &str = "postgres::auth";

const TABLE: &[Layer] = &[
    layer("lsn", &[], PURE),
    layer("time", &[], PURE),
    layer("table", &[], PURE),
    layer("data_type", &[], PURE),
    layer("record", &[], PURE),
    layer("event", &[], PURE),
    layer("secret", &[], PURE),
    layer("secret_source", &["secret"], PURE),
    layer("credential", &["secret"], PURE),
    layer("backoff", &[], PURE),
    layer("error", &[], PURE),
    layer("clock", &[], &["rdkafka", "std::net"]),
    layer("task", &[], NO_KAFKA),
    layer("telemetry", &[], NO_KAFKA),
    layer("postgres", &[], PURE),
    layer(PROTOCOL, &["secret", AUTH], PURE),
    layer(AUTH, &["secret", "credential", PROTOCOL], PURE),
    layer(
        "postgres::transport",
        &["secret", "postgres::protocol::frame", "postgres::protocol::error"],
        NO_KAFKA,
    ),
    layer("postgres::error", &[PROTOCOL, AUTH, "postgres::transport"], NO_KAFKA),
    layer(
        "postgres::client",
        &["secret", "secret_source", "credential", PROTOCOL, AUTH, "postgres::transport", "postgres::error"],
        NO_KAFKA,
    ),
    layer("postgres::catalog", &["postgres::client", "postgres::error", "postgres::transport"], NO_KAFKA),
    layer("decode", &[], PURE),
    layer("encode", &["decode"], PURE),
    layer("sink", &["task"], &["rdkafka", "std::time::Instant", "SystemTime"]),
    layer("sink::kafka", &["sink", "task"], NO_CLOCK),
    layer("progress", &["sink", "task"], PURE),
    layer("progress::topic", &["progress", "sink", "task"], &["SystemTime"]),
    layer(
        "pipeline",
        &["clock", "credential", "error", "decode", "encode", "sink", "progress", "postgres", "sabotage"],
        NO_KAFKA,
    ),
    // Faults that tests plant, in builds of their own.
    layer("sabotage", &["pipeline::acknowledgement"], NO_KAFKA),
    layer("pipeline::acknowledgement", &["sabotage"], PURE),
    layer("pipeline::in_flight", &["sink::reports"], PURE),
    layer("pipeline::look_ahead", &["decode::timestamp", PROTOCOL], PURE),
    layer("pipeline::transaction", &[], PURE),
    layer("pipeline::table_filter", &[], PURE),
    layer("pipeline::slot", &["pipeline::error", "pipeline::options", "postgres::catalog"], PURE),
    layer("check", &["error", "encode", "sink", "progress", "postgres", "pipeline"], NO_CLOCK),
    layer(
        "config",
        &[
            "secret",
            "secret_source",
            "encode",
            "pipeline::PipelineOptions",
            "pipeline::options",
            "pipeline::table_filter",
            "postgres::client",
            "sink::kafka",
        ],
        PURE,
    ),
    layer("app", &["backoff", "error", "pipeline", "sink", "progress", "postgres"], NO_KAFKA),
    layer("cli", &["*"], NO_CLOCK),
    layer("main", &["*"], NO_CLOCK),
    layer("lib", &[], PURE),
];

const fn layer(
    module: &'static str,
    uses: &'static [&'static str],
    without: &'static [&'static str],
) -> Layer {
    Layer { module, uses, without }
}

/// Whether `path` is `module` or lies in it.
fn lies_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The entry of the table for a module.
fn layer_of(module: &str) -> Option<&'static Layer> {
    TABLE.iter().filter(|layer| lies_in(module, layer.module)).max_by_key(|layer| layer.module.len())
}

/// What a module's source does against the table.
fn violations(module: &str, source: &str) -> Vec<String> {
    let Some(layer) = layer_of(module) else {
        return vec![format!("{module} has no place in the table of layers")];
    };
    let code = code_of(source);
    let mut found = Vec::new();
    for path in paths(module, &code, &["crate::", "super::"]) {
        let allowed = lies_in(&path, layer.module)
            || DATA.iter().chain(layer.uses).any(|used| *used == "*" || lies_in(&path, used));
        if !allowed {
            found.push(format!("{module} uses {path}"));
        }
    }
    let standard = paths(module, &code, &["std::"]);
    let occurs = |name: &&&str| names(&code, name) || standard.iter().any(|path| lies_in(path, name));
    found.extend(layer.without.iter().filter(occurs).map(|name| format!("{module} names {name}")));
    found
}

/// The source without its tests, comments and texts.
fn code_of(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut code = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(['/', '"', '\'']) {
        code.push_str(&rest[..at]);
        rest = &rest[at..];
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with('"') {
            end_of_text(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push_str(&rest[..1]);
            1
        };
        rest = &rest[skipped..];
    }
    code + rest
}

/// How long a text in double quotes is.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a name stands in the code by itself.
fn names(code: &str, name: &str) -> bool {
    let in_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| {
        !in_word(code[..at].chars().next_back()) && !in_word(code[at + name.len()..].chars().next())
    })
}

/// The paths with these beginnings that occur in a module's code; those into this crate from the crate's root.
fn paths(module: &str, code: &str, roots: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let base = match *root {
                "crate::" => Vec::new(),
                "super::" => parent(module),
                _ => vec!["std"],
            };
            follow(&base, &code[at + root.len()..], &mut found);
        }
    }
    found
}

fn parent(module: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = module.split("::").collect();
    parts.pop();
    parts
}

/// Follows a path, or the tree of a `use`, from `base`; returns how much of `text` it was.
fn follow(base: &[&str], text: &str, found: &mut Vec<String>) -> usize {
    let mut path: Vec<String> = base.iter().map(|&part| part.to_owned()).collect();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with('{') {
            return at + follow_group(&path, rest, found);
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        match &rest[..length] {
            "" => break,
            "super" => drop(path.pop()),
            "self" => {}
            part => path.push(part.to_owned()),
        }
        at += length;
        if !text[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    found.push(path.join("::"));
    at
}

fn follow_group(base: &[String], text: &str, found: &mut Vec<String>) -> usize {
    let base: Vec<&str> = base.iter().map(String::as_str).collect();
    let mut at = 1;
    while let Some(character) = text[at..].chars().next() {
        match character {
            '}' => return at + 1,
            ',' => at += 1,
            c if c.is_whitespace() => at += 1,
            // `*` and a renaming's `as`.
            '*' => at += 1,
            _ if text[at..].starts_with("as ") => at += text[at..].find([',', '}']).unwrap_or(0),
            _ => at += follow(&base, &text[at..], found).max(1),
        }
    }
    at
}

/// Every source with its module's name.
fn sources(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push((module_of(path.strip_prefix(folder).unwrap()), path));
            }
        }
    }
    all.retain(|(module, _)| !module.split("::").any(|part| part == "tests"));
    all.sort();
    all
}

fn module_of(file: &Path) -> String {
    let parts: Vec<_> =
        file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let name = parts.join("::");
    name.strip_suffix("::mod").unwrap_or(&name).to_owned()
}

#[test]
fn every_module_keeps_to_its_layer() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 90, "{} sources", sources.len());
    let found: Vec<_> = sources
        .iter()
        .flat_map(|(module, path)| violations(module, &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "against the table of layers:\n{}", found.join("\n"));
}

/// A layer that nobody is in any more is a mistake in the table.
#[test]
fn every_layer_has_a_module() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for layer in TABLE {
        assert!(sources.iter().any(|(module, _)| lies_in(module, layer.module)), "{}", layer.module);
    }
}

#[test]
fn a_planted_violation_is_found() {
    for (module, source, expected) in [
        ("decode", "use crate::pipeline::stream;", "decode uses pipeline::stream"),
        ("decode::array", "use crate::{lsn::Lsn, sink};", "decode::array uses sink"),
        ("decode::array", "use super::super::sink::Sink;", "decode::array uses sink::Sink"),
        ("encode::value", "fn f() -> crate::config::Config {}", "encode::value uses config::Config"),
        ("encode::plan", "use super::{topic, super::clock::Clock};", "encode::plan uses clock::Clock"),
        (
            "sink::kafka::topics",
            "use crate::{\n    sink::{SinkError, reports},\n    decode as d,\n};",
            "sink::kafka::topics uses decode",
        ),
        ("postgres::protocol::frame", "use tokio::io::AsyncRead;", "postgres::protocol::frame names tokio"),
        (
            "postgres::auth::scram",
            "use std::time::{Duration, Instant};",
            "postgres::auth::scram names std::time::Instant",
        ),
        ("postgres::auth::scram", "use std::{fmt, net::IpAddr};", "postgres::auth::scram names std::net"),
        (
            "postgres::transport::framed",
            "use crate::postgres::protocol::{frame, replication};",
            "postgres::transport::framed uses postgres::protocol::replication",
        ),
        (
            "postgres::client",
            "use super::catalog::Catalog;",
            "postgres::client uses postgres::catalog::Catalog",
        ),
        ("pipeline::stream", "std::time::Instant::now()", "pipeline::stream names std::time::Instant"),
        ("pipeline::stream", "use crate::cli::run;", "pipeline::stream uses cli::run"),
        ("pipeline::in_flight", "use tokio::time;", "pipeline::in_flight names tokio"),
        (
            "config::resolve",
            "use crate::pipeline::stream::Session;",
            "config::resolve uses pipeline::stream::Session",
        ),
        (
            "progress::record",
            "use crate::postgres::client::Login;",
            "progress::record uses postgres::client::Login",
        ),
        ("novelty", "", "novelty has no place in the table of layers"),
    ] {
        assert_eq!(violations(module, source), [expected], "{source}");
    }
}

#[test]
fn what_is_allowed_or_no_code_is_not_found() {
    for (module, source) in [
        ("decode", "//! See [`pipeline`](crate::pipeline).\nuse crate::lsn::Lsn;"),
        (
            "decode",
            "const TEXT: &str = \"crate::sink \\\" tokio\"; // crate::sink\nuse super::decode::array;",
        ),
        ("decode", "use crate::time;\n\n#[cfg(test)]\nmod tests {\n    use crate::sink::Sink;\n}\n"),
        ("decode", "let quote = '\"'; let tokio_like = Kind::Instant; pub(crate) fn f() {}"),
        ("encode::plan", "use super::topic::Topic;\nuse crate::decode::{Columns, Ident as Name};"),
        ("pipeline::reader", "use tokio::time::Instant;"),
        ("cli::run", "use crate::config::resolve;"),
    ] {
        assert_eq!(violations(module, source), [""; 0], "{source}");
    }
}
