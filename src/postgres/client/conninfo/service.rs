//! Service files (manual, "The Connection Service File"): settings by a name, in the form of an INI file.

use std::path::{Path, PathBuf};

use super::{Conninfo, ConninfoError};

/// A file above this size is something else.
const FILE_LIMIT: u64 = 1 << 20;

/// A service that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// No file has it.
    #[error("the service {name} is in none of {places}")]
    NotFound {
        /// Its name.
        name: String,
        /// The files looked at.
        places: String,
    },
    /// A file that was named cannot be read.
    #[error("the service file {path} cannot be read: {problem}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A line that is no setting.
    #[error("the service file {path}, line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// The files to look at: one that was named in place of the user's own, then the system's.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Named by `servicefile`: it must be there.
    pub named: Option<PathBuf>,
    /// `~/.pg_service.conf`.
    pub user: Option<PathBuf>,
    /// `pg_service.conf` in `PGSYSCONFDIR`.
    pub system: Option<PathBuf>,
}

/// What the first file that has the service says of it.
pub fn read(name: &str, places: &Places) -> Result<Conninfo, ServiceError> {
    let first = places.named.as_ref().or(places.user.as_ref());
    let looked_at: Vec<&PathBuf> = first.into_iter().chain(&places.system).collect();
    for path in &looked_at {
        if places.named.as_ref() != Some(*path) && !path.exists() {
            continue;
        }
        let text = text_of(path).map_err(|problem| ServiceError::Read { path: (*path).clone(), problem })?;
        if let Some(conninfo) = find(name, &text, path)? {
            return Ok(conninfo);
        }
    }
    let places = looked_at.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let places = if places.is_empty() { "no file".to_owned() } else { places };
    Err(ServiceError::NotFound { name: name.to_owned(), places })
}

pub(super) fn text_of(path: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
    file.take(FILE_LIMIT + 1).read_to_string(&mut text).map_err(|error| error.kind().to_string())?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(format!("it is longer than {FILE_LIMIT} bytes"));
    }
    Ok(text)
}

fn find(name: &str, text: &str, path: &Path) -> Result<Option<Conninfo>, ServiceError> {
    let mut found: Option<Conninfo> = None;
    for (number, line) in text.lines().enumerate() {
        let bad = |problem: &str| ServiceError::Line {
            path: path.to_owned(),
            line: number + 1,
            problem: problem.to_owned(),
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let section = section.split(']').next().unwrap_or_default();
            if section == name {
                found = Some(Conninfo::default());
            }
            continue;
        }
        let Some(conninfo) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(bad("services from a directory are not supported: write the settings out"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| bad("expected key=value"))?;
        if matches!(key, "service" | "servicefile") {
            return Err(bad("a service cannot name another one"));
        }
        // The first of two lines with one key holds, as libpq has it.
        let mut one = Conninfo::default();
        one.take(key, value).map_err(|error| bad(&in_words(&error)))?;
        *conninfo = std::mem::take(conninfo).or(one);
    }
    Ok(found)
}

/// Its own words are about a connection string.
fn in_words(error: &ConninfoError) -> String {
    error.to_string().replace(" in the connection string", "").replace(" of the connection string", "")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Places, ServiceError, find, read};

    const FILE: &str = "# comment\n\n[one]\nhost=h1\nport=5433\nhost=h2\nuser= with blank\n[two]\nsslmode=disable\n\
                        [bad]\nhots=x\n[nested]\nservice=one\n[ldap]\nldap://x\n[broken]\nhost\n";

    #[test]
    fn services() {
        let service = |name: &str| find(name, FILE, Path::new("f"));
        let one = service("one").unwrap().unwrap();
        assert_eq!((one.host.as_deref(), one.port.as_deref()), (Some("h1"), Some("5433")));
        assert_eq!(one.user.as_deref(), Some(" with blank"));
        assert!(one.sslmode.is_none());
        assert!(service("two").unwrap().unwrap().host.is_none());
        assert!(service("three").unwrap().is_none());
        for (name, line, says) in [
            ("bad", 12, "did you mean host?"),
            ("nested", 14, "cannot name another"),
            ("ldap", 16, "directory"),
            ("broken", 18, "expected key=value"),
        ] {
            let error = service(name).unwrap_err();
            let ServiceError::Line { line: told, ref problem, .. } = error else { panic!("{error}") };
            assert_eq!(told, line - 1, "{name}");
            assert!(problem.contains(says), "{problem}");
        }
    }

    #[test]
    fn files_that_are_not_there() {
        let absent = |name: &str| Some(Path::new("/no/such/folder").join(name));
        let places = Places { named: None, user: absent("a"), system: absent("b") };
        let error = read("one", &places).unwrap_err().to_string();
        assert!(error.contains("one") && error.contains("/folder/a, /no/such/folder/b"), "{error}");
        let places = Places { named: absent("a"), ..Places::default() };
        assert!(matches!(read("one", &places), Err(ServiceError::Read { .. })));
    }
}
