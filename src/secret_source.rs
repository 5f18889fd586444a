//! Where a secret comes from: written down, in the environment, or in a file.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::Secret;

/// A secret of the configuration. It is read anew at every login, so a rotated one needs no restart.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a string, { env = \"NAME\" } or { file = \"PATH\" }")]
pub enum SecretSource {
    /// The secret itself.
    Literal(#[schemars(with = "String")] Secret),
    /// The name of an environment variable.
    #[serde(deserialize_with = "table")]
    Environment(FromEnvironment),
    /// The path of a file; one line break at its end does not belong to the secret.
    #[serde(deserialize_with = "table")]
    File(FromFile),
}

/// `{ env = "NAME" }`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromEnvironment {
    env: String,
}

/// `{ file = "PATH" }`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromFile {
    file: PathBuf,
}

/// Takes a table alone. A derived structure would take an array as well, and `["…"]`, which somebody wrote around a
/// password, would be the name of a variable and show as such.
fn table<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Table<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Table(PhantomData))
}

/// The secret is not where the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("the environment variable {0} is not set (or not UTF-8)")]
    Environment(String),
    /// No such file, or not readable, or not UTF-8.
    #[error("the secret file {path} cannot be read: {kind}")]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        kind: std::io::ErrorKind,
    },
}

impl SecretSource {
    /// Reads the secret.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Literal(secret) => Ok(secret.clone()),
            Self::Environment(FromEnvironment { env }) => {
                std::env::var(env).map(Secret::new).or(Err(SecretError::Environment(env.clone())))
            }
            Self::File(FromFile { file }) => match std::fs::read_to_string(file) {
                Ok(mut text) => {
                    if text.ends_with('\n') {
                        text.pop();
                        if text.ends_with('\r') {
                            text.pop();
                        }
                    }
                    Ok(Secret::new(text))
                }
                Err(error) => Err(SecretError::File { path: file.clone(), kind: error.kind() }),
            },
        }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::File(FromFile { file }) => Some(file),
            _ => None,
        }
    }
}

/// What stands for a literal secret wherever a configuration is shown.
pub const REDACTED: &str = "***";

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str(REDACTED),
            Self::Environment(source) => source.fmt(f),
            Self::File(source) => source.fmt(f),
        }
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(_) => serializer.serialize_str(REDACTED),
            Self::Environment(source) => source.serialize(serializer),
            Self::File(source) => source.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SecretSource;
    use crate::secret::Secret;

    #[test]
    fn a_literal_never_shows() {
        let source = SecretSource::Literal(Secret::new("hunter2".to_owned()));
        assert!(!format!("{source:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&source).unwrap().contains("hunter2"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let source: SecretSource = toml::from_str::<std::collections::BTreeMap<String, SecretSource>>(
            "a = { env = \"PGSLUICE_NO_SUCH_VARIABLE\" }",
        )
        .unwrap()
        .remove("a")
        .unwrap();
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("PGSLUICE_NO_SUCH_VARIABLE"), "{error}");
    }
}
