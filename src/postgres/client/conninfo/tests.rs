use std::time::Duration;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Conninfo, ConninfoError};
use crate::postgres::auth::policy::{ChannelBinding, Policy};
use crate::postgres::transport::tls::{Roots, SslMode, TlsOptions};

type Seen = (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>);

/// Host, port, user, password, database.
fn seen(text: &str) -> Seen {
    let c = Conninfo::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (c.host, c.port, c.user, c.password.map(|p| p.expose().to_owned()), c.database)
}

fn expected(host: &str, port: u16, user: &str, password: &str, database: &str) -> Seen {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (text(host), (port > 0).then(|| port.to_string()), text(user), text(password), text(database))
}

#[test]
fn urls() {
    for (text, want) in [
        ("postgresql://", expected("", 0, "", "", "")),
        ("postgres://h", expected("h", 0, "", "", "")),
        (
            "postgresql://ada:s3cret@db.example:6543/shop",
            expected("db.example", 6543, "ada", "s3cret", "shop"),
        ),
        ("postgresql://ada@/shop", expected("", 0, "ada", "", "shop")),
        ("postgresql://ad%40a:p%2F%3a%20%C3%A9@h/s%20p", expected("h", 0, "ad@a", "p/: é", "s p")),
        ("postgresql://ada:p@ss@h/d", expected("h", 0, "ada", "p@ss", "d")),
        ("postgresql://[::1]:5433/d", expected("::1", 5433, "", "", "d")),
        ("postgresql://[fe80::1]/d", expected("fe80::1", 0, "", "", "d")),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/d", expected("/var/run/postgresql", 0, "", "", "d")),
        ("postgresql:///d?host=/tmp&port=1&user=u&password=a%26b", expected("/tmp", 1, "u", "a&b", "d")),
        ("postgresql://h:/d", expected("h", 0, "", "", "d")),
        ("postgresql://u:a+b@h/?dbname=x", expected("h", 0, "u", "a+b", "x")),
    ] {
        assert_eq!(seen(text), want, "{text}");
    }
}

#[test]
fn pairs() {
    for (text, want) in [
        ("", expected("", 0, "", "", "")),
        ("host=h port=5433 user=u password=p dbname=d", expected("h", 5433, "u", "p", "d")),
        (" host = h\n\tuser\t=\tu ", expected("h", 0, "u", "", "")),
        (r"password='it\'s a \\ ' user='a b'", expected("", 0, "a b", r"it's a \ ", "")),
        (r"password=a\ b\'c user=u", expected("", 0, "u", "a b'c", "")),
        ("\u{b}host\u{b}=\u{b}h\u{b}user=u\u{c}", expected("h", 0, "u", "", "")),
        ("user=a user=b", expected("", 0, "b", "", "")),
        ("user=postgresql://x", expected("", 0, "postgresql://x", "", "")),
    ] {
        assert_eq!(seen(text), want, "{text}");
    }
}

#[test]
fn options_of_a_connection() {
    let text = "host=/tmp user=u password=p application_name=a connect_timeout=7 options='-c jit=off' sslmode=prefer \
                client_encoding=utf-8";
    let options = Conninfo::parse(text).unwrap().into_options().unwrap();
    assert_eq!((options.host.as_str(), options.port, options.database.as_str()), ("/tmp", 5432, "u"));
    assert_eq!((options.application_name.as_str(), options.connect_timeout), ("a", Duration::from_secs(7)));
    assert_eq!(options.settings.user_options.as_deref(), Some("-c jit=off"));
    assert_eq!(options.password.unwrap().expose(), "p");
    let options = Conninfo::parse("postgresql://u@/?connect_timeout=0").unwrap().into_options().unwrap();
    assert_eq!((options.host.as_str(), options.connect_timeout), ("localhost", Duration::from_secs(10)));
    for text in ["", "host=h", "user=''"] {
        assert!(
            matches!(Conninfo::parse(text).unwrap().into_options(), Err(ConninfoError::NoUser)),
            "{text}"
        );
    }
}

fn refused(text: &str) -> ConninfoError {
    Conninfo::parse(text).expect_err(text)
}

#[test]
fn tls() {
    let tls = |text: &str| Conninfo::parse(text).unwrap().into_options().map(|options| options.tls);
    for mode in SslMode::ALL {
        assert_eq!(tls(&format!("user=u sslmode={}", mode.name())).unwrap().mode, mode);
        assert_eq!(tls(&format!("postgres://u@h/?sslmode={}", mode.name())).unwrap().mode, mode);
    }
    assert_eq!(tls("postgres://u@h/?ssl=true").unwrap().mode, SslMode::Require);
    let shown = |options: &TlsOptions| format!("{options:?}");
    assert_eq!(shown(&tls("user=u").unwrap()), shown(&TlsOptions::default()));
    assert!(matches!(refused("sslmode=Disable"), ConninfoError::BadValue { key: "sslmode", .. }));
    assert!(matches!(refused("sslsni=yes"), ConninfoError::BadValue { key: "sslsni", .. }));
    let file = tls("user=u sslrootcert=/etc/ca.crt sslsni=0").unwrap();
    assert_eq!((file.roots, file.sni), (Roots::File("/etc/ca.crt".into()), false));
}

#[test]
fn rules_of_the_login() {
    let policy = |text: &str| Conninfo::parse(text).unwrap().into_options().map(|options| options.policy);
    assert_eq!(policy("user=u").unwrap(), Policy::default());
    let strict = policy("user=u channel_binding=require require_auth=scram-sha-256").unwrap();
    assert_eq!(strict.channel_binding, ChannelBinding::Require);
    assert!(strict.require_auth.names("scram-sha-256") && !strict.require_auth.allows("md5"));
    assert!(matches!(refused("channel_binding=on"), ConninfoError::BadValue { key: "channel_binding", .. }));
    assert!(matches!(refused("require_auth=md5,!none"), ConninfoError::RequireAuth(_)));
}

/// A certificate of the system's authorities proves nothing without its name.
#[test]
fn system_roots() {
    let tls = |text: &str| Conninfo::parse(text).unwrap().into_options().map(|options| options.tls);
    let whole = tls("user=u sslrootcert=system").unwrap();
    assert_eq!((whole.mode, whole.roots), (SslMode::VerifyFull, Roots::System));
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let error = tls(&format!("user=u sslrootcert=system sslmode={mode}")).unwrap_err();
        assert_eq!(error, ConninfoError::SystemRootsNeedTheName(mode));
    }
}

#[test]
fn keys_that_are_not_taken() {
    for (key, nearest) in [
        ("hots", "host"),
        ("usr", "user"),
        ("dbnam", "dbname"),
        ("passwort", "password"),
        ("ssl_mode", "sslmode"),
    ] {
        let expected = ConninfoError::UnknownKey { key: key.to_owned(), nearest };
        assert_eq!(refused(&format!("{key}=x")), expected);
        assert_eq!(refused(&format!("postgresql://h/?{key}=x")), expected);
    }
    for key in ["keepalives", "sslcrldir", "requirepeer", "replication", "load_balance_hosts"] {
        let error = refused(&format!("{key}=x"));
        assert!(matches!(error, ConninfoError::UnsupportedKey { key: k, .. } if k == key), "{error}");
    }
}

#[test]
fn values_that_are_not_taken() {
    for (text, key) in [
        ("port=0", "port"),
        ("port=65536", "port"),
        ("port=+1", "port"),
        ("port=1,x", "port"),
        ("hostaddr=db", "hostaddr"),
        ("target_session_attrs=master", "target_session_attrs"),
        ("sslnegotiation=x", "sslnegotiation"),
        ("sslcertmode=x", "sslcertmode"),
        ("ssl_min_protocol_version=SSLv3", "ssl_min_protocol_version"),
        ("ssl_max_protocol_version=TLSv1.1", "ssl_max_protocol_version"),
        ("gssencmode=require", "gssencmode"),
        ("connect_timeout=x", "connect_timeout"),
        ("connect_timeout=-1", "connect_timeout"),
        ("connect_timeout=86401", "connect_timeout"),
        ("client_encoding=LATIN1", "client_encoding"),
        ("postgres://h:x/d", "port"),
    ] {
        assert!(matches!(refused(text), ConninfoError::BadValue { key: k, .. } if k == key), "{text}");
    }
}

#[test]
fn syntax() {
    for text in [
        "host",
        "host h",
        "user='a",
        "user=a\\",
        "=x",
        "Host=x",
        "postgres://[::1/d",
        "postgres://[::1]x/d",
        "postgres://h/d?x",
        "postgres://%zz/d",
        "postgres://%2/d",
        "postgres://%00/d",
        "postgres://%ff/d",
        "postgres://u:12/34@h/d",
    ] {
        assert!(matches!(refused(text), ConninfoError::Syntax { .. }), "{text} {}", refused(text));
    }
}

type Hosts<'a> = &'a [(&'a str, Option<&'a str>, u16)];

/// As the manual has it in "Specifying Multiple Hosts".
#[test]
fn several_hosts() {
    let cases: [(&str, Hosts<'_>); 9] = [
        ("user=u host=a", &[("a", None, 5432)]),
        ("user=u host=a,b", &[("a", None, 5432), ("b", None, 5432)]),
        ("user=u host=a,b port=5433", &[("a", None, 5433), ("b", None, 5433)]),
        ("user=u host=a,b port=1,2", &[("a", None, 1), ("b", None, 2)]),
        ("user=u host=a,,b port=1,,3", &[("a", None, 1), ("localhost", None, 5432), ("b", None, 3)]),
        ("user=u host=a hostaddr=127.0.0.1", &[("a", Some("127.0.0.1"), 5432)]),
        (
            "user=u hostaddr=::1,127.0.0.1",
            &[("::1", Some("::1"), 5432), ("127.0.0.1", Some("127.0.0.1"), 5432)],
        ),
        ("postgres://u@a:1,b:2/d", &[("a", None, 1), ("b", None, 2)]),
        ("postgres://u@[::1]:1,%2Ftmp,c/d", &[("::1", None, 1), ("/tmp", None, 5432), ("c", None, 5432)]),
    ];
    for (text, expected) in cases {
        let options = Conninfo::parse(text).unwrap().into_options().unwrap();
        let found: Vec<_> = options
            .endpoints()
            .into_iter()
            .map(|one| (one.host, one.address.map(|address| address.to_string()), one.port))
            .collect();
        let found: Vec<_> =
            found.iter().map(|(host, address, port)| (host.as_str(), address.as_deref(), *port)).collect();
        assert_eq!(found, expected, "{text}");
    }
    for (text, key) in [
        ("user=u host=a,b port=1,2,3", "port"),
        ("user=u host=a,b hostaddr=::1", "hostaddr"),
        ("user=u host=a port=1,2", "port"),
    ] {
        let error = Conninfo::parse(text).unwrap().into_options().unwrap_err();
        assert!(matches!(error, ConninfoError::Uneven { key: k, .. } if k == key), "{text}: {error}");
    }
    let many = format!("user=u host={}", ["h"; 65].join(","));
    assert!(Conninfo::parse(&many).unwrap().into_options().is_err());
}

/// An empty value says nothing, and the next source is asked.
#[test]
fn layers() {
    let layer = |text: &str| Conninfo::parse(text).unwrap();
    let both = layer("host=a port='' sslmode=require").or(layer("host=b port=2 user=u sslmode=disable"));
    assert_eq!(
        (both.host.as_deref(), both.port.as_deref(), both.user.as_deref()),
        (Some("a"), Some("2"), Some("u"))
    );
    assert_eq!(both.sslmode, Some(SslMode::Require));
}

/// A password with characters that were not quoted must not come out in the error.
#[test]
fn errors_show_no_password() {
    for text in [
        "password=foo Hunter2",
        "password=foo Hunter2=x",
        "password='foo' 'Hunter2",
        "postgres://u:Hunter2/x@h/d",
        "postgres://u:x/Hunter2@h/d",
        "postgres://u:a?Hunter2@h/d",
        "postgres://u:Hunter2%@h/d",
        "postgres://u:p@h:Hunter2/d",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("Hunter"), "{error:?}");
    }
    let conninfo = Conninfo::parse("postgres://u:Hunter2@h/d").unwrap();
    assert!(!format!("{conninfo:?} {:?}", conninfo.clone().into_options()).contains("Hunter"));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), scheme in any::<bool>()) {
        let text = if scheme { format!("postgres://{text}") } else { text };
        drop(Conninfo::parse(&text));
    }

    /// Both forms give back any value that was quoted as they ask.
    #[test]
    fn values_survive(user in "[^\0]{1,20}", password in "[^\0]{0,20}") {
        let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let pairs = Conninfo::parse(&format!("user={}password={}", quote(&user), quote(&password))).unwrap();
        let percent = |text: &str| -> String {
            let digit = |n: u8| char::from_digit(n.into(), 16).unwrap();
            text.bytes().flat_map(|b| ['%', digit(b >> 4), digit(b & 15)]).collect()
        };
        let url = Conninfo::parse(&format!("postgres://{}:{}@h", percent(&user), percent(&password))).unwrap();
        for conninfo in [pairs, url] {
            prop_assert_eq!(conninfo.user.as_deref(), Some(user.as_str()));
            prop_assert!(conninfo.password.is_some_and(|p| p.expose() == password));
        }
    }
}
