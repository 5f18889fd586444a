//! Connection strings in libpq's two forms (manual, "Connection Strings"): a URL, or `key=value` pairs.
//!
//! One host, one port. What this build cannot honour is an error that names the key, never ignored. No error
//! repeats text of the string other than a key it can name or a value of a key that cannot hold a secret: a
//! password with a stray character must not end up in a log as something else.

mod keys;
mod pairs;
mod url;

use std::time::Duration;

use super::options::ConnectOptions;
use crate::postgres::auth::policy::ChannelBinding;
use crate::postgres::auth::require::{RequireAuth, RequireAuthError};
use crate::postgres::transport::tls::{Roots, SslMode, TlsOptions};
use crate::secret::Secret;

/// The host when none is given. libpq would look for a socket's folder, which differs between builds.
const DEFAULT_HOST: &str = "localhost";

/// A connection string that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConninfoError {
    /// The text is neither a URL nor pairs.
    #[error("the connection string is not valid at byte {at}: {problem}")]
    Syntax {
        /// The offset of the byte.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// Nobody knows this key.
    #[error("unknown key {key} in the connection string; did you mean {nearest}?")]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key most like it.
        nearest: &'static str,
    },
    /// libpq knows the key, this build does not.
    #[error("the key {key} of the connection string is not supported: {instead}")]
    UnsupportedKey {
        /// The key.
        key: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A value that its key does not take.
    #[error("the value of {key} in the connection string is not valid: expected {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// What the key takes.
        expected: &'static str,
    },
    /// The system's authorities have issued certificates to everybody, so the name must be looked at.
    #[error(
        "sslrootcert = system goes with sslmode = verify-full alone, not with {0}: anybody can have a certificate of \
         the system's authorities, for a name of their own"
    )]
    SystemRootsNeedTheName(&'static str),
    /// A list of methods that is none.
    #[error(transparent)]
    RequireAuth(#[from] RequireAuthError),
    /// No role is named.
    #[error("the connection string names no user")]
    NoUser,
}

/// What a connection string says; `None` where it says nothing.
#[derive(Debug, Clone, Default)]
pub struct Conninfo {
    /// Name, address, or folder of a Unix-domain socket.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The role.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The database; the role's name where it is absent.
    pub database: Option<String>,
    /// The application's name.
    pub application_name: Option<String>,
    /// The time to log in; absent also for 0, which means no limit of the user's own.
    pub connect_timeout: Option<Duration>,
    /// Settings in the syntax of `options`.
    pub options: Option<String>,
    /// The methods the server may ask for.
    pub require_auth: Option<RequireAuth>,
    /// Whether the login is tied to the server's certificate.
    pub channel_binding: Option<ChannelBinding>,
    /// Whether TLS is used.
    pub sslmode: Option<SslMode>,
    /// Which authorities are trusted.
    pub sslrootcert: Option<Roots>,
    /// Whether the server is told the host's name in the clear.
    pub sslsni: Option<bool>,
}

impl Conninfo {
    /// Reads either form.
    pub fn parse(text: &str) -> Result<Self, ConninfoError> {
        let mut conninfo = Self::default();
        match url::strip_scheme(text) {
            Some(rest) => url::parse(rest, text.len() - rest.len(), &mut conninfo)?,
            None => pairs::parse(text, &mut conninfo)?,
        }
        Ok(conninfo)
    }

    /// The options of a connection, with this crate's defaults for what the string leaves open.
    pub fn into_options(self) -> Result<ConnectOptions, ConninfoError> {
        let tls = self.tls()?;
        let user = self.user.filter(|user| !user.is_empty()).ok_or(ConninfoError::NoUser)?;
        let host = self.host.filter(|host| !host.is_empty());
        let database = self.database.filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
        let mut options = ConnectOptions::new(host.as_deref().unwrap_or(DEFAULT_HOST), &user, &database);
        options.tls = tls;
        options.policy.require_auth = self.require_auth.unwrap_or_default();
        options.policy.channel_binding = self.channel_binding.unwrap_or_default();
        options.password = self.password;
        options.settings.user_options = self.options;
        if let Some(port) = self.port {
            options.port = port;
        }
        if let Some(name) = self.application_name {
            options.application_name = name;
        }
        if let Some(timeout) = self.connect_timeout {
            options.connect_timeout = timeout;
        }
        Ok(options)
    }

    /// The options of TLS.
    fn tls(&self) -> Result<TlsOptions, ConninfoError> {
        let roots = self.sslrootcert.clone().unwrap_or_default();
        let mode = match (self.sslmode, &roots) {
            (None, Roots::System) => SslMode::VerifyFull,
            (mode, _) => mode.unwrap_or_default(),
        };
        if roots == Roots::System && mode != SslMode::VerifyFull {
            return Err(ConninfoError::SystemRootsNeedTheName(mode.name()));
        }
        Ok(TlsOptions { mode, roots, sni: self.sslsni.unwrap_or(true) })
    }

    /// Takes one key and its value, from either form; `at` is where the key stands.
    fn set(&mut self, key: &str, value: String, at: usize) -> Result<(), ConninfoError> {
        match key {
            "host" => self.host = Some(single_host(value)?),
            "port" => self.port = parse_port(&value)?,
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.database = Some(value),
            "application_name" => self.application_name = Some(value),
            "connect_timeout" => self.connect_timeout = parse_timeout(&value)?,
            "options" => self.options = Some(value),
            "require_auth" => self.require_auth = Some(RequireAuth::parse(&value)?),
            "channel_binding" => self.channel_binding = Some(parse_channel_binding(&value)?),
            "sslmode" => self.sslmode = Some(parse_sslmode(&value)?),
            "sslrootcert" => self.sslrootcert = parse_roots(&value),
            "sslsni" => self.sslsni = Some(parse_switch("sslsni", &value)?),
            "client_encoding" => check_encoding(&value)?,
            key => return Err(keys::refuse(key, at)),
        }
        Ok(())
    }
}

fn single_host(value: String) -> Result<String, ConninfoError> {
    if value.contains(',') {
        return Err(ConninfoError::BadValue { key: "host", expected: "one host: lists are not supported" });
    }
    Ok(value)
}

fn parse_port(value: &str) -> Result<Option<u16>, ConninfoError> {
    if value.is_empty() {
        return Ok(None);
    }
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let port = value.parse::<u16>().ok().filter(|&port| digits && port > 0);
    let expected = "one number from 1 to 65535";
    port.map(Some).ok_or(ConninfoError::BadValue { key: "port", expected })
}

fn parse_timeout(value: &str) -> Result<Option<Duration>, ConninfoError> {
    let expected = "a number of seconds up to 86400";
    let seconds = value.trim().parse::<u64>().ok().filter(|&seconds| seconds <= 86_400);
    match seconds {
        Some(0) => Ok(None),
        // libpq, too, takes 1 as 2.
        Some(seconds) => Ok(Some(Duration::from_secs(seconds.max(2)))),
        None => Err(ConninfoError::BadValue { key: "connect_timeout", expected }),
    }
}

fn parse_sslmode(value: &str) -> Result<SslMode, ConninfoError> {
    let expected = "disable, allow, prefer, require, verify-ca or verify-full";
    SslMode::from_name(value).ok_or(ConninfoError::BadValue { key: "sslmode", expected })
}

fn parse_channel_binding(value: &str) -> Result<ChannelBinding, ConninfoError> {
    let expected = "disable, prefer or require";
    ChannelBinding::from_name(value).ok_or(ConninfoError::BadValue { key: "channel_binding", expected })
}

/// A file, or `system`.
pub fn parse_roots(value: &str) -> Option<Roots> {
    match value {
        "" => None,
        "system" => Some(Roots::System),
        path => Some(Roots::File(path.into())),
    }
}

fn parse_switch(key: &'static str, value: &str) -> Result<bool, ConninfoError> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err(ConninfoError::BadValue { key, expected: "0 or 1" }),
    }
}

/// Query results are read as UTF-8, and a stream is not affected at all.
fn check_encoding(value: &str) -> Result<(), ConninfoError> {
    let plain = value.replace(['-', '_'], "").to_ascii_uppercase();
    match plain.as_str() {
        "UTF8" | "UNICODE" => Ok(()),
        _ => Err(ConninfoError::BadValue { key: "client_encoding", expected: "UTF8" }),
    }
}

#[cfg(test)]
mod tests;
