//! `[source]` and what lies below it: the server, the login and the slot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Span;
use crate::config::yes;
use crate::postgres::client;
use crate::secret_source::SecretSource;

/// `[source]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// libpq URL or keyword/value string; the keys below win over what it says, and it wins over a service file and
    /// libpq's environment variables. Keep passwords out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dsn: Option<String>,
    /// Host name or address, or the folder of a Unix socket; several with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Port, of every host. Default: 5432.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Database. Default: the user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Whether TLS is used, and what is asked of the server's certificate, with libpq's meanings. Default: `require`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslmode: Option<SslMode>,
    /// File with the certificates of the authorities to trust, in PEM, or `system`. Default: `~/.postgresql/root.crt`
    /// if it exists, else the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslrootcert: Option<String>,
    /// File with certificates that are revoked, in PEM. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslcrl: Option<String>,
    /// File with our certificate, in PEM. Default: `~/.postgresql/postgresql.crt` if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslcert: Option<String>,
    /// File with its key, which nobody else may read. Default: `~/.postgresql/postgresql.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslkey: Option<String>,
    /// What the key is encrypted with: a string, `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslpassword: Option<SecretSource>,
    /// Whether our certificate is shown: `disable`, `allow` (where the server asks) or `require` (it must ask).
    /// Default: `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslcertmode: Option<String>,
    /// How TLS begins: `postgres`, or `direct`, which servers from 17 on take. Default: `postgres`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslnegotiation: Option<String>,
    /// The oldest version of TLS: `TLSv1.2` or `TLSv1.3`. Default: `TLSv1.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_min_protocol_version: Option<String>,
    /// The newest version of TLS. Default: `TLSv1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_max_protocol_version: Option<String>,
    /// Whether the server is told the host's name before encryption begins. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslsni: Option<bool>,
    /// Name of a service in a service file of libpq, whose settings hold where these say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Which of several hosts is wanted: `any`, `read-write`, `read-only`, `primary`, `standby` or `prefer-standby`.
    /// Default: `any` for one host, `read-write` among several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_session_attrs: Option<String>,
    /// How long connecting to a host and logging in may take. Default: `30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// How to log in.
    #[serde(default)]
    pub auth: Auth,
    /// The slot.
    #[serde(default)]
    pub replication: Replication,
}

/// The modes of TLS.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server refuses a login without it.
    Allow,
    /// TLS where the server offers it.
    Prefer,
    /// TLS, whatever the certificate; with `sslrootcert` the same as `verify-ca`.
    Require,
    /// TLS, with a certificate of a trusted authority.
    VerifyCa,
    /// TLS, with a certificate of a trusted authority that names the host.
    VerifyFull,
}

impl From<SslMode> for client::SslMode {
    fn from(mode: SslMode) -> Self {
        match mode {
            SslMode::Disable => Self::Disable,
            SslMode::Allow => Self::Allow,
            SslMode::Prefer => Self::Prefer,
            SslMode::Require => Self::Require,
            SslMode::VerifyCa => Self::VerifyCa,
            SslMode::VerifyFull => Self::VerifyFull,
        }
    }
}

/// `[source.auth]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The scheme. `Password` covers trust, cleartext, MD5 and SCRAM-SHA-256: the server chooses.
    #[serde(default)]
    pub scheme: Scheme,
    /// Role to log in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its password: a string, `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// File to look the password up in if none is given. Default: `~/.pgpass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passfile: Option<String>,
    /// The methods the server may ask for, as libpq writes them: `scram-sha-256`, or `password,md5`, or
    /// `!password,!md5`. Default: all, but `password` and `md5` need TLS or a Unix socket unless they are named here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_auth: Option<String>,
    /// Whether the login is tied to the server's certificate. Default: `prefer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_binding: Option<ChannelBinding>,
}

/// Whether the login is tied to the server's certificate (SCRAM-SHA-256-PLUS).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where server and certificate allow it.
    Prefer,
    /// Always.
    Require,
}

impl From<ChannelBinding> for client::ChannelBinding {
    fn from(binding: ChannelBinding) -> Self {
        match binding {
            ChannelBinding::Disable => Self::Disable,
            ChannelBinding::Prefer => Self::Prefer,
            ChannelBinding::Require => Self::Require,
        }
    }
}

/// The login schemes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub enum Scheme {
    /// User name and password.
    #[default]
    #[serde(alias = "password", alias = "PASSWORD")]
    Password,
}

/// `[source.replication]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replication {
    /// Name of the replication slot.
    #[serde(default = "default_slot")]
    pub slot: String,
    /// Whether `run` makes the slot if it does not exist.
    #[serde(default = "yes")]
    pub create: bool,
    /// The output plugin.
    #[serde(default)]
    pub plugin: Plugin,
}

impl Default for Replication {
    fn default() -> Self {
        Self { slot: default_slot(), create: true, plugin: Plugin::default() }
    }
}

/// The output plugins that can be read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub enum Plugin {
    /// PostgreSQL's own `test_decoding`.
    #[default]
    #[serde(rename = "test_decoding")]
    TestDecoding,
}

fn default_slot() -> String {
    "pgsluice".to_owned()
}
