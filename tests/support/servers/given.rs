//! Servers of the user's own, named in the environment: `PGSLUICE_TEST_PG15=postgresql://user:password@host:port/db`
//! and `PGSLUICE_TEST_KAFKA=host:port`. Shared tests then run there; tests that stop a server still start their own.

use super::Result;
use super::session::Address;

/// The user's server of that major.
pub(crate) fn postgres(major: u16) -> Result<Option<Address>> {
    let name = format!("PGSLUICE_TEST_PG{major}");
    let Ok(url) = std::env::var(&name) else { return Ok(None) };
    // The value may hold a password, so it is not shown.
    let address =
        parse(&url).ok_or_else(|| format!("{name} is not like postgresql://user:password@host:5432/db"))?;
    Ok(Some(address))
}

/// The user's broker.
pub(crate) fn kafka() -> Option<String> {
    std::env::var("PGSLUICE_TEST_KAFKA").ok()
}

fn parse(url: &str) -> Option<Address> {
    let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"))?;
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, target) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password)?)),
        None => (login, None),
    };
    let (host, port) = target.rsplit_once(':').unwrap_or((target, "5432"));
    let or_postgres = |name: &str| Some(if name.is_empty() { "postgres".to_owned() } else { decoded(name)? });
    Some(Address {
        host: host.to_owned(),
        port: port.parse().ok()?,
        user: or_postgres(user)?,
        password,
        database: or_postgres(database)?,
    })
}

/// Undoes `%40` and the like.
fn decoded(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            out.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}
