use std::time::Duration;

use super::login_in;
use crate::config::Source;
use crate::config::parse::ConfigError;
use crate::postgres::client::{ConnectOptions, Login, SessionAttrs, SslMode};

fn source(text: &str) -> Source {
    toml::from_str(text).unwrap()
}

fn log_in(text: &str, environment: &[(&str, &str)]) -> Result<Login, ConfigError> {
    let get = |name: &str| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    login_in(&source(text), &get)
}

fn options(text: &str, environment: &[(&str, &str)]) -> ConnectOptions {
    log_in(text, environment).unwrap().options
}

/// Each layer says what the ones before it leave open.
#[test]
fn precedence() {
    let file = std::env::temp_dir().join(format!("pgsluice-service-{}", std::process::id()));
    std::fs::write(&file, "[s]\nhost=of-service\nport=3\nuser=of-service\nsslmode=verify-ca\n").unwrap();
    let path = file.to_str().unwrap();
    let environment = [
        ("PGHOST", "of-environment"),
        ("PGPORT", "4"),
        ("PGUSER", "of-environment"),
        ("PGSSLMODE", "disable"),
        ("PGAPPNAME", "of-environment"),
        ("PGCONNECT_TIMEOUT", "7"),
        ("PGSERVICE", "s"),
        ("PGSERVICEFILE", path),
        ("USER", "of-system"),
    ];
    let all = options("server = \"of-key\"\ndsn = \"host=of-dsn port=2\"", &environment);
    std::fs::remove_file(&file).unwrap();
    assert_eq!((all.host.as_str(), all.port, all.user.as_str()), ("of-key", 2, "of-service"));
    assert_eq!((all.tls.mode, all.application_name.as_str()), (SslMode::VerifyCa, "of-environment"));
    assert_eq!((all.database.as_str(), all.connect_timeout), ("of-service", Duration::from_secs(7)));

    let without_service = options("", &environment[..6]);
    assert_eq!((without_service.host.as_str(), without_service.port), ("of-environment", 4));
    let bare = options("server = \"h\"", &[("USER", "ada")]);
    assert_eq!((bare.user.as_str(), bare.port, bare.connect_timeout), ("ada", 5432, Duration::from_secs(30)));
    assert_eq!(bare.tls.mode, SslMode::Require);
}

#[test]
fn passwords() {
    for (text, environment, expected) in [
        ("server = \"h\"\nauth.password = \"key\"\ndsn = \"password=dsn\"", "environment", Some("key")),
        ("server = \"h\"\ndsn = \"password=dsn\"", "environment", Some("dsn")),
        ("server = \"h\"", "environment", Some("environment")),
        ("server = \"h\"", "", None),
    ] {
        let login = log_in(text, &[("PGPASSWORD", environment), ("USER", "ada")]).unwrap();
        let password = login.password.map(|source| source.read().unwrap().expose().to_owned());
        assert_eq!(password.as_deref(), expected, "{text}");
    }
}

#[test]
fn several_hosts() {
    let two = options("server = \"a,b\"\nport = 5433", &[("USER", "ada")]);
    let names: Vec<_> = two.endpoints().into_iter().map(|one| (one.host, one.port)).collect();
    assert_eq!(names, [("a".to_owned(), 5433), ("b".to_owned(), 5433)]);
    assert_eq!(two.target_session_attrs, SessionAttrs::ReadWrite);
    assert_eq!(options("server = \"a\"", &[("USER", "u")]).target_session_attrs, SessionAttrs::Any);
    let any = options("server = \"a,b\"\ntarget_session_attrs = \"any\"", &[("USER", "u")]);
    assert_eq!(any.target_session_attrs, SessionAttrs::Any);
}

/// What is wrong is named by the key or variable it stands in.
#[test]
fn what_is_wrong_is_named() {
    for (text, environment, key, says) in [
        ("", ("", ""), "source", "where is the database"),
        ("server = \"h\"", ("PGSSLMODE", "on"), "PGSSLMODE", "expected disable"),
        ("server = \"h\"", ("PGREQUIREPEER", "x"), "PGREQUIREPEER", "not supported"),
        ("server = \"h\"\nsslcertmode = \"x\"", ("", ""), "source.sslcertmode", "expected disable"),
        ("server = \"h\"\nauth.require_auth = \"x\"", ("", ""), "source.auth.require_auth", "scram-sha-256"),
        ("server = \"h\"\nservice = \"x\"", ("", ""), "source.service", "the service x"),
        ("dsn = \"hots=h\"", ("", ""), "source.dsn", "did you mean host"),
        ("server = \"h\"\nsslpassword.env = \"NO_SUCH_NAME\"", ("", ""), "source.sslpassword", "NO_SUCH"),
        (
            "server = \"h\"\nsslmode = \"prefer\"\nsslnegotiation = \"direct\"",
            ("", ""),
            "source",
            "sslnegotiation = direct goes with",
        ),
        (
            "server = \"h\"\nsslrootcert = \"system\"\nsslmode = \"require\"",
            ("", ""),
            "source",
            "verify-full",
        ),
    ] {
        let error = log_in(text, &[environment, ("USER", "u")]).unwrap_err();
        let ConfigError::Invalid { key: named, reason } = error else { panic!("{error}") };
        assert_eq!(named, key, "{text}");
        assert!(reason.contains(says), "{reason}");
    }
    let error = log_in("server = \"h\"", &[]).unwrap_err().to_string();
    assert!(error.contains("source.auth.user"), "{error}");
}
