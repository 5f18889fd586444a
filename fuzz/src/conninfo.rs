//! Connection strings.
//!
//! Input: text.
//!
//! Promised: pairs are read as a plain reader after libpq's manual reads them. What was read of any string, written
//! as pairs and as a URL, is read again. The text as a password comes back from both forms. Neither an error nor
//! `Debug` shows what was in a value.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use pgsluice::postgres::client::conninfo::{Conninfo, ConninfoError};
use pgsluice::secret::Secret;

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    match Conninfo::parse(text) {
        Ok(read) => {
            if !is_url {
                let pairs = plain_pairs(text).expect("the plain reader takes it");
                as_pairs_say(&read, &pairs);
            }
            written_again(&read);
            shows_no_password(&read);
        }
        Err(error) => {
            if !is_url && matches!(error, ConninfoError::Syntax { .. }) {
                let pairs = plain_pairs(text);
                assert!(
                    pairs.is_none_or(|pairs| pairs.iter().any(|(key, _)| !is_key(key))),
                    "{error}: {text:?}"
                );
            }
            shows_no_text(&error, text);
        }
    }
    password_survives(text);
}

/// Key and value of each pair; `None` where libpq would refuse the text, or where it ends in a backslash, which
/// libpq takes for nothing.
fn plain_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let space = |c: &char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}');
    let mut rest: Vec<char> = text.chars().rev().collect();
    let mut pairs = Vec::new();
    loop {
        while rest.pop_if(|c| space(c)).is_some() {}
        if rest.is_empty() {
            return Some(pairs);
        }
        let mut key = String::new();
        while let Some(c) = rest.pop_if(|c| *c != '=' && !space(c)) {
            key.push(c);
        }
        while rest.pop_if(|c| space(c)).is_some() {}
        rest.pop_if(|c| *c == '=')?;
        while rest.pop_if(|c| space(c)).is_some() {}
        let quoted = rest.pop_if(|c| *c == '\'').is_some();
        let mut value = String::new();
        loop {
            match rest.pop() {
                Some('\\') => value.push(rest.pop()?),
                Some('\'') if quoted => break,
                Some(c) if !quoted && space(&c) => break,
                Some(c) => value.push(c),
                None if quoted => return None,
                None => break,
            }
        }
        pairs.push((key, value));
    }
}

/// The last value of each key counts; an empty one says nothing, but for a password.
fn as_pairs_say(read: &Conninfo, pairs: &[(String, String)]) {
    let last = |key: &str| {
        let says = |value: &str| key == "password" || !value.is_empty();
        let mut of_key = pairs.iter().rev().filter(|(found, value)| found == key && says(value));
        of_key.next().map(|(_, value)| value.as_str())
    };
    for (key, value) in texts(read) {
        assert_eq!(value.as_deref(), last(key), "{key}");
    }
    let seconds = last("connect_timeout").map(|text| number(text.trim())).filter(|seconds| *seconds > 0);
    assert_eq!(read.connect_timeout.map(|timeout| timeout.as_secs()), seconds.map(|seconds| seconds.max(2)));
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let one_of = |values: &[&str]| assert!(values.contains(&value.as_str()), "{key} = {value}");
        match key.as_str() {
            "sslmode" => one_of(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
            "sslnegotiation" => one_of(&["postgres", "direct"]),
            "sslcertmode" => one_of(&["disable", "allow", "require"]),
            "channel_binding" => one_of(&["disable", "prefer", "require"]),
            "target_session_attrs" => {
                one_of(&["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]);
            }
            "gssencmode" => one_of(&["disable", "prefer"]),
            "sslsni" => one_of(&["0", "1"]),
            "client_encoding" => {
                let plain = value.to_ascii_lowercase().replace(['-', '_'], "");
                assert!(["utf8", "unicode"].contains(&plain.as_str()));
            }
            "ssl_min_protocol_version" | "ssl_max_protocol_version" => {
                assert!(value.to_ascii_lowercase().starts_with("tlsv1"), "{value}");
            }
            "port" => {
                let mut ports = value.split(',').map(str::trim).filter(|port| !port.is_empty());
                assert!(ports.all(|port| (1..=65_535).contains(&number(port))));
            }
            "hostaddr" => {
                let mut addresses = value.split(',').filter(|address| !address.is_empty());
                assert!(addresses.all(|address| address.parse::<IpAddr>().is_ok()));
            }
            "connect_timeout" => assert!(number(value.trim()) <= 86_400),
            "require_auth" | "sslrootcert" | "sslcompression" => {}
            key => assert!(texts(read).iter().any(|(text, _)| *text == key), "{key} was taken"),
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number was taken")
}

/// The values that are kept as they are written.
fn texts(read: &Conninfo) -> [(&'static str, Option<String>); 16] {
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_str().expect("UTF-8").to_owned());
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    [
        ("host", read.host.clone()),
        ("hostaddr", read.hostaddr.clone()),
        ("port", read.port.clone()),
        ("user", read.user.clone()),
        ("password", secret(&read.password)),
        ("passfile", file(&read.passfile)),
        ("dbname", read.database.clone()),
        ("service", read.service.clone()),
        ("servicefile", file(&read.servicefile)),
        ("application_name", read.application_name.clone()),
        ("fallback_application_name", read.fallback_application_name.clone()),
        ("options", read.options.clone()),
        ("sslcrl", file(&read.sslcrl)),
        ("sslcert", file(&read.sslcert)),
        ("sslkey", file(&read.sslkey)),
        ("sslpassword", secret(&read.sslpassword)),
    ]
}

/// Values of a connection string, by their keys.
fn members(read: &Conninfo) -> Vec<(&'static str, String)> {
    let seconds = read.connect_timeout.map(|timeout| timeout.as_secs().to_string());
    let texts = texts(read).into_iter().chain([("connect_timeout", seconds)]);
    texts.filter_map(|(key, value)| Some((key, value?))).collect()
}

fn written_again(read: &Conninfo) {
    let expected = members(read);
    let pairs: Vec<String> = expected.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    let pairs = pairs.join(" ");
    assert_eq!(members(&Conninfo::parse(&pairs).expect("pairs")), expected, "{pairs}");
    // A zero byte cannot stand in a URL.
    if expected.iter().all(|(_, value)| !value.contains('\0')) {
        let parameters: Vec<String> =
            expected.iter().map(|(key, value)| format!("{key}={}", percent(value, |_| false))).collect();
        let url =
            format!("postgresql://{}{}", if parameters.is_empty() { "" } else { "?" }, parameters.join("&"));
        assert_eq!(members(&Conninfo::parse(&url).expect("a URL")), expected, "{url}");
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Percent-encoded, but for the bytes that are `kept`.
fn percent(value: &str, kept: impl Fn(u8) -> bool) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        if kept(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02x}").expect("a String takes all");
        }
        out
    })
}

/// Behind user and password of a URL, and as a pair.
fn password_survives(text: &str) {
    let pairs = Conninfo::parse(&format!("user=ada password={}", quoted(text))).expect("pairs");
    assert_eq!(pairs.password.as_ref().map(Secret::expose), Some(text));
    if !text.contains('\0') {
        // An `@` in a password is clear enough.
        let kept =
            |byte: u8| byte.is_ascii_alphanumeric() || b"@:+;,=&-_.~!$'()* \"<>[]{}|\\^`#".contains(&byte);
        let url = format!("postgres://ada:{}@host:5/db", percent(text, kept));
        let read = Conninfo::parse(&url).expect("a URL");
        assert_eq!(read.password.as_ref().map(Secret::expose), Some(text), "{url}");
        assert_eq!(
            (read.user.as_deref(), read.host.as_deref(), read.port.as_deref()),
            (Some("ada"), Some("host"), Some("5"))
        );
    }
}

/// All that an error says of the text is a key, and only one that looks like a key.
fn shows_no_text(error: &ConninfoError, text: &str) {
    match error {
        ConninfoError::UnknownKey { key, .. } => {
            assert!(is_key(key), "{key}");
        }
        ConninfoError::Syntax { at, .. } => assert!(*at <= text.len(), "{at}"),
        // The rest holds nothing of the text: `&'static str` only.
        ConninfoError::UnsupportedKey { .. }
        | ConninfoError::BadValue { .. }
        | ConninfoError::SystemRootsNeedTheName(_)
        | ConninfoError::DirectNeedsTls(_)
        | ConninfoError::NoVersionLeft
        | ConninfoError::Uneven { .. }
        | ConninfoError::RequireAuth(_) => {}
        error => panic!("{error:?}"),
    }
}

/// Whether it looks like a key, and not like a part of a password that was not quoted.
fn is_key(key: &str) -> bool {
    (1..=32).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `Debug` is the same whatever the passwords.
fn shows_no_password(read: &Conninfo) {
    // An empty one is none.
    let another =
        |one: Secret| Secret::new(if one.expose().is_empty() { String::new() } else { "another".into() });
    let mut other = read.clone();
    other.password = other.password.map(another);
    other.sslpassword = other.sslpassword.map(another);
    assert_eq!(format!("{read:?}"), format!("{other:?}"));
    let options = [read, &other].map(|read| format!("{:?}", read.clone().into_options()));
    assert_eq!(options[0], options[1]);
}
