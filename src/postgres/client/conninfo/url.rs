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
    parse_hosts(host, at, conninfo)?;
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

/// `name:port`, `[address]:port`, with commas between; either part may be absent.
fn parse_hosts(text: &str, at: usize, conninfo: &mut Conninfo) -> Result<(), ConninfoError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for one in text.split(',') {
        let (host, port) = parse_host(one, at)?;
        let host = decode(host, at)?;
        // Behind its decoding a comma would be another host.
        if host.contains(',') {
            return Err(ConninfoError::Syntax { at, problem: "a host has a comma in it" });
        }
        hosts.push(host);
        ports.push(decode(port, at)?);
    }
    conninfo.set("host", joined(&hosts), at)?;
    conninfo.set("port", joined(&ports), at)
}

/// A list in which nothing is said is none.
fn joined(list: &[String]) -> String {
    if list.iter().all(String::is_empty) { String::new() } else { list.join(",") }
}

fn parse_host(text: &str, at: usize) -> Result<(&str, &str), ConninfoError> {
    let Some(rest) = text.strip_prefix('[') else {
        let (host, port) = cut(text, ':');
        return Ok((host, port.unwrap_or_default()));
    };
    let problem = "the bracket of the address is not closed";
    let (address, behind) = rest.split_once(']').ok_or(ConninfoError::Syntax { at, problem })?;
    match behind.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if behind.is_empty() => Ok((address, "")),
        None => Err(ConninfoError::Syntax { at, problem: "expected : or / behind the address" }),
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
