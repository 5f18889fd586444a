//! The keys that are refused, and the nearest known one for a key that nobody knows.

use super::ConninfoError;

/// Taken by [`Conninfo::set`](super::Conninfo::set).
const SUPPORTED: [&str; 30] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "service",
    "servicefile",
    "target_session_attrs",
    "application_name",
    "fallback_application_name",
    "connect_timeout",
    "options",
    "require_auth",
    "channel_binding",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslcrl",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcertmode",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "sslcompression",
    "client_encoding",
    "gssencmode",
];

/// Keys of libpq, and what to do instead.
const UNSUPPORTED: [(&str, &str); 22] = [
    ("keepalives", "TCP keepalives are always on"),
    ("keepalives_idle", "a silent server is probed after 30 s"),
    ("keepalives_interval", "a silent server is probed every 10 s"),
    ("keepalives_count", "a server that answers no three probes is given up"),
    ("tcp_user_timeout", "it is one minute"),
    ("replication", "each connection asks for what it needs"),
    ("gssdelegation", "GSSAPI is not spoken here"),
    ("gsslib", "GSSAPI is not spoken here"),
    ("krbsrvname", "GSSAPI is not spoken here"),
    ("requirepeer", "let the folder of the socket belong to the server's user alone"),
    ("load_balance_hosts", "hosts are tried in their order"),
    ("min_protocol_version", "protocol 3.0 is spoken"),
    ("max_protocol_version", "protocol 3.0 is spoken"),
    ("scram_client_key", "give the password itself"),
    ("scram_server_key", "give the password itself"),
    ("sslkeylogfile", "keys of a session are not given away"),
    ("sslcrldir", "name one file with sslcrl"),
    ("oauth_issuer", OAUTH),
    ("oauth_client_id", OAUTH),
    ("oauth_client_secret", OAUTH),
    ("oauth_scope", OAUTH),
    ("oauth_ca_file", OAUTH),
];

const OAUTH: &str = "a token is fetched by the scheme of [source.auth]";

/// Whether the key is taken.
pub(super) fn is_supported(key: &str) -> bool {
    SUPPORTED.contains(&key)
}

/// The error for a key that is not taken.
pub(super) fn refuse(key: &str, at: usize) -> ConninfoError {
    if let Some(&(key, instead)) = UNSUPPORTED.iter().find(|(name, _)| *name == key) {
        return ConninfoError::UnsupportedKey { key, instead };
    }
    // What does not look like a key may be a part of a password that was not quoted.
    let plausible = key.len() <= 32 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if key.is_empty() || !plausible {
        return ConninfoError::Syntax { at, problem: "expected a key of lower-case letters" };
    }
    ConninfoError::UnknownKey { key: key.to_owned(), nearest: nearest(key) }
}

fn nearest(key: &str) -> &'static str {
    SUPPORTED.into_iter().min_by_key(|known| distance(key.as_bytes(), known.as_bytes())).unwrap_or("host")
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let substituted = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("host", "hots", 2), ("prt", "port", 1)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
