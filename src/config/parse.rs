//! From the file's text to the tree of [`Config`], with errors that say what was meant.

use std::path::{Path, PathBuf};

use crate::config::{Config, suggest};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration {path}: {kind}")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// The text is not TOML, or has keys or values that are not understood.
    #[error("{file}, line {line}: {reason}")]
    Parse {
        /// The file, as the user named it.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and the nearest known key.
        reason: String,
    },
    /// Keys that do not fit together, or a value out of range.
    #[error("{key}: {reason}")]
    Invalid {
        /// The key, dotted.
        key: String,
        /// What is wrong and what to write instead.
        reason: String,
    },
}

impl ConfigError {
    /// A value that cannot be used.
    pub fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), reason: reason.into() }
    }
}

/// Reads and parses a file.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.to_owned(), kind: error.kind() })?;
    parse(&text, &path.display().to_string())
}

/// Parses a text. `file` names it in errors.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigError> {
    // The library's own display quotes the line, which may hold a password: only message and place are taken.
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::Parse {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            reason: with_nearest(error.message()),
        }
    })
}

/// Adds the nearest known word to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_nearest(message: &str) -> String {
    let message = message.replace("unknown field", "unknown key");
    if !message.starts_with("unknown key") && !message.starts_with("unknown variant") {
        return message;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next() else { return message };
    match suggest::nearest(unknown, quoted) {
        Some(known) => format!("{message}; did you mean `{known}`?"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::parse;
    use crate::config::Config;
    use crate::config::resolve::resolve;

    const MINIMAL: &str = "[source]\nserver = \"db\"\n[sink.kafka]\nprefix = \"shop\"\n\
                           [sink.kafka.librdkafka]\n\"bootstrap.servers\" = \"kafka:9092\"\n";

    #[test]
    fn the_smallest_file() {
        let config = parse(MINIMAL, "f").unwrap();
        assert_eq!(config.source.replication.slot, "pgsluice");
        assert_eq!(config.tables[0].include, "*.*");
    }

    #[test]
    fn a_misspelt_key_names_the_nearest() {
        let error = parse(&MINIMAL.replace("server =", "sevrer ="), "pipeline.toml").unwrap_err().to_string();
        assert!(error.starts_with("pipeline.toml, line 2: unknown key `sevrer`"), "{error}");
        assert!(error.ends_with("did you mean `server`?"), "{error}");
    }

    #[test]
    fn a_secret_in_a_faulty_line_does_not_show() {
        let text = format!("{MINIMAL}[source.auth]\npassword = {{ environment = \"hunter2\" }}\n");
        let error = parse(&text, "f").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_bare_number_for_a_span_says_what_to_write() {
        let error = parse(&format!("start_timeout = \"5\"\n{MINIMAL}"), "f").unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("\"5s\""), "{error}");
    }

    const EXAMPLE: &str = include_str!("../../config.example.toml");

    #[test]
    fn the_example_holds_the_defaults() {
        let of_its_own = "server = \"db.internal\"\ndatabase = \"shop\"\nauth.user = \"cdc\"\n\
                          auth.password.file = \"/run/secrets/pgsluice\"\n";
        let plain = MINIMAL.replace("server = \"db\"\n", of_its_own);
        let [example, plain] = [EXAMPLE, &plain].map(|text| resolve(&parse(text, "f").unwrap()).unwrap());
        assert_eq!(format!("{example:#?}"), format!("{plain:#?}"));
    }

    #[test]
    fn the_example_names_every_key() {
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        let mut keys = BTreeSet::new();
        for (name, object) in schema["$defs"].as_object().unwrap().iter().chain([(&String::new(), &schema)]) {
            let of_a_value = ["FromEnvironment", "FromFile"].contains(&name.as_str());
            if let Some(properties) = object["properties"].as_object().filter(|_| !of_a_value) {
                keys.extend(properties.keys().cloned());
            }
        }
        assert!(keys.len() > 25 && keys.contains("replication_factor"), "{keys:?}");
        let is_shown = |key: &str| {
            EXAMPLE.lines().any(|line| {
                let line = line.trim_start_matches("# ");
                let table = line.trim_start_matches('[').trim_end_matches(']');
                line.starts_with(&format!("{key} = "))
                    || (table != line && table.split('.').any(|part| part == key))
            })
        };
        let missing: Vec<_> = keys.iter().filter(|key| !is_shown(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
