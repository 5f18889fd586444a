//! `postgresql://user:password@host:port/database?key=value&…`, each part percent-encoded.

use super::{Conninfo, ConninfoError};

/// What stands behind `postgresql://` or `postgres://`.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Reads a URL without its scheme; `offset` is where `rest` starts in the whole text.
pub(super) fn parse(rest: &str, offset: usize, conninfo: &mut Conninfo) -> Result<(), ConninfoError> {
    let (before_query, query) = cut(rest, '?');
    let (authority, database) = cut(before_query, '/');
    // The last @ ends the user's part: a password with an unencoded @ is common and clear enough.
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    if let Some(login) = login {
        let (user, password) = cut(login, ':');
        set(conninfo, "user", user, offset)?;
        if let Some(password) = password {
            set(conninfo, "password", password, offset + user.len() + 1)?;
        }
    }
    let at = offset + login.map_or(0, |login| login.len() + 1);
    parse_host(host, at, conninfo)?;
    if let Some(database) = database {
        // An unencoded / in the password would make the password's halves a host and a database.
        if database.contains('@') {
            let problem = "an @ behind the first /: in user and password / is written %2F and @ %40";
            return Err(ConninfoError::Syntax { at: offset + authority.len(), problem });
        }
        set(conninfo, "dbname", database, offset + authority.len() + 1)?;
    }
    match query {
        Some(query) => parse_query(query, offset + before_query.len() + 1, conninfo),
        None => Ok(()),
    }
}

/// `name:port`, `[address]:port`; either may be absent.
fn parse_host(text: &str, at: usize, conninfo: &mut Conninfo) -> Result<(), ConninfoError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let problem = "the bracket of the address is not closed";
            let (address, behind) = rest.split_once(']').ok_or(ConninfoError::Syntax { at, problem })?;
            let problem = "expected : or / behind the address";
            match behind.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if behind.is_empty() => (address, None),
                None => return Err(ConninfoError::Syntax { at, problem }),
            }
        }
        None => cut(text, ':'),
    };
    if !host.is_empty() {
        set(conninfo, "host", host, at)?;
    }
    match port {
        Some(port) => set(conninfo, "port", port, at + host.len() + 1),
        None => Ok(()),
    }
}

fn parse_query(query: &str, offset: usize, conninfo: &mut Conninfo) -> Result<(), ConninfoError> {
    let mut at = offset;
    for item in query.split('&') {
        let problem = "a parameter has no =";
        let (key, value) = item.split_once('=').ok_or(ConninfoError::Syntax { at, problem })?;
        let key = decode(key, at)?;
        // The one key that JDBC-minded URLs have and libpq translates.
        if key == "ssl" && value == "true" {
            set(conninfo, "sslmode", "require", at)?;
        } else {
            conninfo.set(&key, decode(value, at)?, at)?;
        }
        at += item.len() + 1;
    }
    Ok(())
}

fn set(conninfo: &mut Conninfo, key: &str, encoded: &str, at: usize) -> Result<(), ConninfoError> {
    conninfo.set(key, decode(encoded, at)?, at)
}

fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// Percent-decoding. `+` is an ordinary character.
fn decode(text: &str, at: usize) -> Result<String, ConninfoError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let problem = "% is not followed by two hexadecimal digits (a % itself is written %25)";
        match (rest.next().and_then(hex), rest.next().and_then(hex)) {
            (Some(0), Some(0)) => {
                return Err(ConninfoError::Syntax { at, problem: "%00 is not allowed" });
            }
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err(ConninfoError::Syntax { at, problem }),
        }
    }
    String::from_utf8(bytes).or(Err(ConninfoError::Syntax { at, problem: "the decoded text is not UTF-8" }))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
