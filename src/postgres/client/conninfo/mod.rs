//! What a connection is made with, from every place libpq looks at (manual, "Database Connection Control Functions").
//!
//! [`Conninfo`] holds what one source says: a URL or `key=value` pairs ([`Conninfo::parse`]), the environment
//! ([`environment`]), a service file ([`service`]). [`Conninfo::or`] lays one over another. [`resolve`] makes the
//! options of a connection of it.
//!
//! What this build cannot honour is an error that names the key, never ignored. No error repeats text of a source
//! other than a key it can name: a password with a stray character must not end up in a log as something else.

pub mod environment;
mod keys;
mod pairs;
pub mod passfile;
pub mod resolve;
pub mod service;
mod url;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use crate::postgres::auth::policy::ChannelBinding;
use crate::postgres::auth::require::{RequireAuth, RequireAuthError};
use crate::postgres::client::hosts::SessionAttrs;
use crate::postgres::transport::tls::{Negotiation, Roots, SendCertificate, SslMode, TlsVersion};
use crate::secret::Secret;

/// A source that cannot be used.
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
    /// A list of methods that is none.
    #[error(transparent)]
    RequireAuth(#[from] RequireAuthError),
    /// The system's authorities have issued certificates to everybody, so the name must be looked at.
    #[error(
        "sslrootcert = system goes with sslmode = verify-full alone, not with {0}: anybody can have a certificate of \
         the system's authorities, for a name of their own"
    )]
    SystemRootsNeedTheName(&'static str),
    /// TLS at once cannot be given up for a connection without.
    #[error("sslnegotiation = direct goes with sslmode = require, verify-ca or verify-full, not with {0}")]
    DirectNeedsTls(&'static str),
    /// The oldest version is newer than the newest.
    #[error("ssl_min_protocol_version is above ssl_max_protocol_version")]
    NoVersionLeft,
    /// Lists of different lengths.
    #[error("{key} has {found} values for {hosts} hosts: one for each, or (of ports) one for all")]
    Uneven {
        /// The key of the shorter or longer list.
        key: &'static str,
        /// How many it has.
        found: usize,
        /// How many hosts there are.
        hosts: usize,
    },
    /// No role is named.
    #[error("the connection string names no user")]
    NoUser,
}

/// What one source says; `None` where it says nothing.
#[derive(Debug, Clone, Default)]
pub struct Conninfo {
    /// Names, addresses, or folders of Unix-domain sockets, with commas between.
    pub host: Option<String>,
    /// Addresses to connect to in place of looking the names up.
    pub hostaddr: Option<String>,
    /// Ports.
    pub port: Option<String>,
    /// The role.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The file to look the password up in.
    pub passfile: Option<PathBuf>,
    /// The database; the role's name where it is absent.
    pub database: Option<String>,
    /// The name of a service, whose settings come next.
    pub service: Option<String>,
    /// The file that the service is in.
    pub servicefile: Option<PathBuf>,
    /// Which of several hosts is wanted.
    pub target_session_attrs: Option<SessionAttrs>,
    /// The application's name.
    pub application_name: Option<String>,
    /// The same, where nothing else names it.
    pub fallback_application_name: Option<String>,
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
    /// How it begins.
    pub sslnegotiation: Option<Negotiation>,
    /// Which authorities are trusted.
    pub sslrootcert: Option<Roots>,
    /// Which certificates are revoked.
    pub sslcrl: Option<PathBuf>,
    /// Our certificate.
    pub sslcert: Option<PathBuf>,
    /// Its key.
    pub sslkey: Option<PathBuf>,
    /// What the key is encrypted with.
    pub sslpassword: Option<Secret>,
    /// Whether our certificate is shown.
    pub sslcertmode: Option<SendCertificate>,
    /// Whether the server is told the host's name in the clear.
    pub sslsni: Option<bool>,
    /// The oldest version of TLS.
    pub ssl_min_protocol_version: Option<TlsVersion>,
    /// The newest.
    pub ssl_max_protocol_version: Option<TlsVersion>,
}

impl Conninfo {
    /// Reads either form of a connection string.
    pub fn parse(text: &str) -> Result<Self, ConninfoError> {
        let mut conninfo = Self::default();
        match url::strip_scheme(text) {
            Some(rest) => url::parse(rest, text.len() - rest.len(), &mut conninfo)?,
            None => pairs::parse(text, &mut conninfo)?,
        }
        Ok(conninfo)
    }

    /// What this source says, and where it says nothing what `weaker` says.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            host: self.host.or(weaker.host),
            hostaddr: self.hostaddr.or(weaker.hostaddr),
            port: self.port.or(weaker.port),
            user: self.user.or(weaker.user),
            password: self.password.or(weaker.password),
            passfile: self.passfile.or(weaker.passfile),
            database: self.database.or(weaker.database),
            service: self.service.or(weaker.service),
            servicefile: self.servicefile.or(weaker.servicefile),
            target_session_attrs: self.target_session_attrs.or(weaker.target_session_attrs),
            application_name: self.application_name.or(weaker.application_name),
            fallback_application_name: self.fallback_application_name.or(weaker.fallback_application_name),
            connect_timeout: self.connect_timeout.or(weaker.connect_timeout),
            options: self.options.or(weaker.options),
            require_auth: self.require_auth.or(weaker.require_auth),
            channel_binding: self.channel_binding.or(weaker.channel_binding),
            sslmode: self.sslmode.or(weaker.sslmode),
            sslnegotiation: self.sslnegotiation.or(weaker.sslnegotiation),
            sslrootcert: self.sslrootcert.or(weaker.sslrootcert),
            sslcrl: self.sslcrl.or(weaker.sslcrl),
            sslcert: self.sslcert.or(weaker.sslcert),
            sslkey: self.sslkey.or(weaker.sslkey),
            sslpassword: self.sslpassword.or(weaker.sslpassword),
            sslcertmode: self.sslcertmode.or(weaker.sslcertmode),
            sslsni: self.sslsni.or(weaker.sslsni),
            ssl_min_protocol_version: self.ssl_min_protocol_version.or(weaker.ssl_min_protocol_version),
            ssl_max_protocol_version: self.ssl_max_protocol_version.or(weaker.ssl_max_protocol_version),
        }
    }

    /// Takes one key of libpq's and its value. An empty value says nothing.
    pub fn take(&mut self, key: &str, value: &str) -> Result<(), ConninfoError> {
        self.set(key, value.to_owned(), 0)
    }

    /// The same from a connection string; `at` is where the key stands.
    fn set(&mut self, key: &str, value: String, at: usize) -> Result<(), ConninfoError> {
        if key == "password" {
            self.password = Some(Secret::new(value));
            return Ok(());
        }
        if value.is_empty() {
            return if keys::is_supported(key) { Ok(()) } else { Err(keys::refuse(key, at)) };
        }
        match key {
            "host" => self.host = Some(value),
            "hostaddr" => self.hostaddr = Some(values::addresses(value)?),
            "port" => self.port = Some(values::ports(value)?),
            "user" => self.user = Some(value),
            "passfile" => self.passfile = Some(value.into()),
            "dbname" => self.database = Some(value),
            "service" => self.service = Some(value),
            "servicefile" => self.servicefile = Some(value.into()),
            "target_session_attrs" => self.target_session_attrs = Some(values::session_attrs(&value)?),
            "application_name" => self.application_name = Some(value),
            "fallback_application_name" => self.fallback_application_name = Some(value),
            "connect_timeout" => self.connect_timeout = values::timeout(&value)?,
            "options" => self.options = Some(value),
            "require_auth" => self.require_auth = Some(RequireAuth::parse(&value)?),
            "channel_binding" => self.channel_binding = Some(values::channel_binding(&value)?),
            "sslmode" => self.sslmode = Some(values::sslmode(&value)?),
            "sslnegotiation" => self.sslnegotiation = Some(values::negotiation(&value)?),
            "sslrootcert" => self.sslrootcert = Some(values::roots(&value)),
            "sslcrl" => self.sslcrl = Some(value.into()),
            "sslcert" => self.sslcert = Some(value.into()),
            "sslkey" => self.sslkey = Some(value.into()),
            "sslpassword" => self.sslpassword = Some(Secret::new(value)),
            "sslcertmode" => self.sslcertmode = Some(values::certificate_mode(&value)?),
            "sslsni" => self.sslsni = Some(values::switch("sslsni", &value)?),
            "ssl_min_protocol_version" => {
                self.ssl_min_protocol_version = Some(values::min_version(&value)?);
            }
            "ssl_max_protocol_version" => {
                self.ssl_max_protocol_version = Some(values::max_version(&value)?);
            }
            "client_encoding" => values::encoding(&value)?,
            "gssencmode" => values::gssencmode(&value)?,
            // Not spoken by any server's OpenSSL of today, and libpq ignores it as well.
            "sslcompression" => {}
            key => return Err(keys::refuse(key, at)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
