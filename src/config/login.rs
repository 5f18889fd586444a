//! How to log in: from `[source]`, a service file and libpq's environment, in this order.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Source;
use crate::config::parse::ConfigError;
use crate::postgres::client::Login;
use crate::postgres::client::conninfo::{Conninfo, ConninfoError, environment, service};
use crate::secret::Secret;
use crate::secret_source::{SecretError, SecretSource};

/// How long a host may take, unless somebody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How to log in. The keys win over `dsn`, that over the service, that over the environment.
pub fn login(source: &Source) -> Result<Login, ConfigError> {
    login_in(source, &|name| std::env::var(name).ok())
}

/// The same in the environment that `get` has.
pub fn login_in(source: &Source, get: &dyn Fn(&str) -> Option<String>) -> Result<Login, ConfigError> {
    let mut conninfo = keys(source)?.or(dsn(source)?);
    let environment = environment::read(get)
        .map_err(|error| ConfigError::invalid(error.variable, in_words(&error.error)))?;
    if let Some(name) = conninfo.service.clone().or_else(|| environment.service.clone()) {
        let named = conninfo.servicefile.clone().or_else(|| environment.servicefile.clone());
        let found = service::read(&name, &places(named, get));
        conninfo =
            conninfo.or(found.map_err(|error| ConfigError::invalid("source.service", error.to_string()))?);
    }
    let mut conninfo = conninfo.or(environment);
    if conninfo.host.is_none() && conninfo.hostaddr.is_none() && source.dsn.is_none() {
        return Err(ConfigError::invalid("source", "server or dsn is missing: where is the database?"));
    }
    conninfo.user = conninfo.user.or_else(|| get("USER"));
    conninfo.connect_timeout = conninfo.connect_timeout.or(Some(CONNECT_TIMEOUT));
    let from_conninfo = conninfo.password.take().filter(|password| !password.expose().is_empty());
    let password = source.auth.password.clone().or(from_conninfo.map(SecretSource::Literal));
    let options = conninfo.into_options().map_err(|error| match error {
        ConninfoError::NoUser => ConfigError::invalid("source.auth.user", "is missing: which role logs in?"),
        other => ConfigError::invalid("source", in_words(&other)),
    })?;
    Ok(Login { options, password, credentials: None })
}

fn dsn(source: &Source) -> Result<Conninfo, ConfigError> {
    let Some(dsn) = &source.dsn else { return Ok(Conninfo::default()) };
    Conninfo::parse(dsn).map_err(|error| ConfigError::invalid("source.dsn", error.to_string()))
}

/// The keys of the file, by libpq's names where those differ.
fn keys(source: &Source) -> Result<Conninfo, ConfigError> {
    let auth = &source.auth;
    let mut conninfo = Conninfo {
        sslmode: source.sslmode.map(Into::into),
        sslsni: source.sslsni,
        channel_binding: auth.channel_binding.map(Into::into),
        connect_timeout: source.connect_timeout.map(|span| span.0),
        sslpassword: secret("source.sslpassword", source.sslpassword.as_ref())?,
        ..Conninfo::default()
    };
    let port = source.port.map(|port| port.to_string());
    for (key, libpq, value) in [
        ("source.server", "host", &source.server),
        ("source.port", "port", &port),
        ("source.database", "dbname", &source.database),
        ("source.sslrootcert", "sslrootcert", &source.sslrootcert),
        ("source.sslcrl", "sslcrl", &source.sslcrl),
        ("source.sslcert", "sslcert", &source.sslcert),
        ("source.sslkey", "sslkey", &source.sslkey),
        ("source.sslcertmode", "sslcertmode", &source.sslcertmode),
        ("source.sslnegotiation", "sslnegotiation", &source.sslnegotiation),
        ("source.ssl_min_protocol_version", "ssl_min_protocol_version", &source.ssl_min_protocol_version),
        ("source.ssl_max_protocol_version", "ssl_max_protocol_version", &source.ssl_max_protocol_version),
        ("source.service", "service", &source.service),
        ("source.target_session_attrs", "target_session_attrs", &source.target_session_attrs),
        ("source.auth.user", "user", &auth.user),
        ("source.auth.passfile", "passfile", &auth.passfile),
        ("source.auth.require_auth", "require_auth", &auth.require_auth),
    ] {
        let Some(value) = value else { continue };
        conninfo.take(libpq, value).map_err(|error| ConfigError::invalid(key, in_words(&error)))?;
    }
    Ok(conninfo)
}

fn secret(key: &str, source: Option<&SecretSource>) -> Result<Option<Secret>, ConfigError> {
    let read = source.map(SecretSource::read).transpose();
    read.map_err(|error: SecretError| ConfigError::invalid(key, error.to_string()))
}

/// The files that a service may be in.
fn places(named: Option<PathBuf>, get: &dyn Fn(&str) -> Option<String>) -> service::Places {
    let folder = |variable: &str| get(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    service::Places {
        named,
        user: folder("HOME").map(|home| home.join(".pg_service.conf")),
        system: folder("PGSYSCONFDIR").map(|folder| folder.join("pg_service.conf")),
    }
}

/// The words of an error that is not about a connection string.
fn in_words(error: &ConninfoError) -> String {
    match error {
        ConninfoError::BadValue { expected, .. } => format!("expected {expected}"),
        ConninfoError::UnsupportedKey { instead, .. } => format!("is not supported: {instead}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
