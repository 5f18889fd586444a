//! The password file (manual, "The Password File"): `host:port:database:user:password`, the first line that fits.

use std::path::{Path, PathBuf};

use super::service::text_of;
use crate::secret::Secret;

/// Folders of sockets that libraries have as their default: for them the file says `localhost`.
const DEFAULT_SOCKET_FOLDERS: [&str; 3] = ["/tmp", "/var/run/postgresql", "/run/postgresql"];

/// Whom a password is for.
#[derive(Debug, Clone, Copy)]
pub struct Whom<'a> {
    /// The host as it was named.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database, also of a stream.
    pub database: &'a str,
    /// The role.
    pub user: &'a str,
}

/// Why a file is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the password file {} is not used: {problem}", .path.display())]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Where it is looked for when nobody says where.
pub fn usual() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".pgpass"))
}

/// Looks a password up. A file that is not there holds none.
pub fn look_up(path: &Path, whom: &Whom<'_>) -> Result<Option<Secret>, Unusable> {
    let unusable = |problem: String| Unusable { path: path.to_owned(), problem };
    if !path.exists() {
        return Ok(None);
    }
    verify_mode(path).map_err(unusable)?;
    let text = zeroize::Zeroizing::new(text_of(path).map_err(unusable)?);
    Ok(text.lines().find_map(|line| password_in(line, whom)))
}

/// A file that others can read is not used: they have the password already, and its owner should know.
#[cfg(unix)]
pub fn verify_mode(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;

    let found = std::fs::metadata(path).map_err(|error| error.kind().to_string())?;
    if !found.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mode = found.permissions().mode() & 0o7777;
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    Err(format!("others have access to it (mode {mode:04o}): chmod 0600 it"))
}

/// There is nothing to look at.
#[cfg(not(unix))]
pub fn verify_mode(_path: &Path) -> Result<(), String> {
    Ok(())
}

fn password_in(line: &str, whom: &Whom<'_>) -> Option<Secret> {
    if line.starts_with('#') {
        return None;
    }
    let host = if DEFAULT_SOCKET_FOLDERS.contains(&whom.host) { "localhost" } else { whom.host };
    let port = whom.port.to_string();
    let mut rest = line;
    for wanted in [host, &port, whom.database, whom.user] {
        let (field, behind) = field(rest)?;
        if !(field == Field::Any || field == Field::Text(wanted.to_owned())) {
            return None;
        }
        rest = behind;
    }
    // An empty password is none; the rest of the line may hold a further field of a later version.
    let password = match field(&format!("{rest}:"))?.0 {
        Field::Any => "*".to_owned(),
        Field::Text(text) => text,
    };
    (!password.is_empty()).then(|| Secret::new(password))
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    /// A bare `*`.
    Any,
    Text(String),
}

/// The text up to the next colon, without its escapes, and what stands behind.
fn field(text: &str) -> Option<(Field, &str)> {
    let mut value = String::new();
    let mut escaped = false;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                escaped = true;
                value.push(chars.next()?.1);
            }
            ':' => {
                let field = if value == "*" && !escaped { Field::Any } else { Field::Text(value) };
                return Some((field, text.get(at + 1..)?));
            }
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Whom, password_in};

    const WHOM: Whom<'_> = Whom { host: "db", port: 5432, database: "shop", user: "ada" };

    #[test]
    fn lines() {
        for (line, expected) in [
            ("db:5432:shop:ada:secret", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("*:*:*:*:*", Some("*")),
            (r"db:5432:shop:ada:a\:b\\c", Some(r"a:b\c")),
            ("db:5432:shop:ada:pass:more", Some("pass")),
            ("db:5432:shop:ada:", None),
            ("db:5432:shop:ada", None),
            ("other:5432:shop:ada:secret", None),
            ("db:5433:shop:ada:secret", None),
            ("db:5432:other:ada:secret", None),
            ("db:5432:shop:bob:secret", None),
            (r"\*:5432:shop:ada:secret", None),
            ("#db:5432:shop:ada:secret", None),
            ("", None),
            (r"db:5432:shop:ada:x\", None),
        ] {
            let found = password_in(line, &WHOM).map(|secret| secret.expose().to_owned());
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn sockets() {
        for (host, line, fits) in [
            ("/var/run/postgresql", "localhost:*:*:*:x", true),
            ("/tmp", "localhost:*:*:*:x", true),
            ("/srv/pg", "localhost:*:*:*:x", false),
            ("/srv/pg", "/srv/pg:*:*:*:x", true),
        ] {
            assert_eq!(password_in(line, &Whom { host, ..WHOM }).is_some(), fits, "{host} {line}");
        }
    }
}
