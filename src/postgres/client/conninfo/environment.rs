//! libpq's environment variables (manual, "Environment Variables").
//!
//! Those of sessions (`PGTZ`, `PGDATESTYLE`, `PGGEQO`) are not looked at: what a server prints must not depend on
//! them. Neither is `PGCLIENTENCODING`, since text is read as UTF-8, and libpq's localisation folders.

use super::{Conninfo, ConninfoError};

/// The variables and the keys they stand for.
const VARIABLES: [(&str, &str); 29] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGSERVICE", "service"),
    ("PGSERVICEFILE", "servicefile"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGAPPNAME", "application_name"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGOPTIONS", "options"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLSNI", "sslsni"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
];

/// A variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable}: {error}")]
pub struct EnvironmentError {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong with its value.
    pub error: ConninfoError,
}

/// What the environment says, as `get` has it.
pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Conninfo, EnvironmentError> {
    let mut conninfo = Conninfo::default();
    for (variable, key) in VARIABLES {
        // An empty variable is one that is not set.
        let Some(value) = get(variable).filter(|value| !value.is_empty()) else { continue };
        conninfo.take(key, &value).map_err(|error| EnvironmentError { variable, error })?;
    }
    if conninfo.sslmode.is_none() && get("PGREQUIRESSL").is_some_and(|value| value == "1") {
        let demanded = conninfo.take("sslmode", "require");
        demanded.map_err(|error| EnvironmentError { variable: "PGREQUIRESSL", error })?;
    }
    Ok(conninfo)
}

#[cfg(test)]
mod tests {
    use super::{VARIABLES, read};
    use crate::postgres::transport::tls::SslMode;

    #[test]
    fn variables() {
        let set = |name: &str| match name {
            "PGHOST" => Some("db".to_owned()),
            "PGPASSWORD" => Some("hunter2".to_owned()),
            "PGREQUIRESSL" => Some("1".to_owned()),
            "PGPORT" => Some(String::new()),
            _ => None,
        };
        let conninfo = read(set).unwrap();
        assert_eq!(conninfo.host.as_deref(), Some("db"));
        assert_eq!(conninfo.sslmode, Some(SslMode::Require));
        assert_eq!(conninfo.port, None);
        assert!(!format!("{conninfo:?}").contains("hunter2"));
    }

    #[test]
    fn a_wrong_one_is_named() {
        for (variable, value) in [
            ("PGSSLMODE", "Require"),
            ("PGPORT", "x"),
            ("PGGSSENCMODE", "require"),
            ("PGREQUIREPEER", "postgres"),
            ("PGSSLCRLDIR", "/crl"),
        ] {
            let error = read(|name| (name == variable).then(|| value.to_owned())).unwrap_err();
            assert_eq!(error.variable, variable);
            assert!(!error.to_string().contains(value) || value == "x", "{error}");
        }
    }

    #[test]
    fn every_variable_is_taken_or_refused_by_name() {
        for (variable, _) in VARIABLES {
            let error = read(|name| (name == variable).then(|| "\u{1}".to_owned())).err();
            assert!(error.is_none_or(|error| error.variable == variable));
        }
    }
}
