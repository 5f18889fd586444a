//! What a connection is opened with.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::hosts::{Endpoint, SessionAttrs};
use crate::credential::{Credential, SecretKind};
use crate::postgres::auth::policy::Policy;
use crate::postgres::auth::require::RequireAuth;
use crate::postgres::protocol::frame::{DEFAULT_QUERY_LIMIT, DEFAULT_STREAM_LIMIT};
use crate::postgres::transport::dial::Target;
use crate::postgres::transport::tls::TlsOptions;
use crate::secret::Secret;

/// Everything needed to open a connection. `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// A name, an address, or the folder of a Unix-domain socket.
    pub host: String,
    /// The address to connect to in place of looking the name up.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// Hosts to try after this one.
    pub further: Vec<Endpoint>,
    /// Which of them is wanted.
    pub target_session_attrs: SessionAttrs,
    /// TLS.
    pub tls: TlsOptions,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password, sent or proved only if the server asks.
    pub password: Option<Secret>,
    /// Where a [`Login`](super::Login) looks the password up if there is none; `None`: in `~/.pgpass`.
    pub passfile: Option<PathBuf>,
    /// What may be told to whom.
    pub policy: Policy,
    /// Shown in the server's views and log, and matched by `synchronous_standby_names`.
    pub application_name: String,
    /// For resolving, connecting and logging in together.
    pub connect_timeout: Duration,
    /// `SO_RCVBUF` in bytes; `None` leaves it to the kernel.
    pub receive_buffer: Option<u32>,
    /// The longest row of a query and the longest message of a stream, in bytes.
    pub max_query_row: usize,
    /// The longest `CopyData` of a stream, in bytes.
    pub max_stream_message: usize,
    /// The settings of the session.
    pub settings: SessionSettings,
    /// Further parameters of the `StartupMessage`, which may name any setting.
    pub extra: Vec<(String, String)>,
}

impl ConnectOptions {
    /// Options with the usual defaults: port 5432, TLS with any certificate, no password, 10 s to log in, pinned settings.
    pub fn new(host: &str, user: &str, database: &str) -> Self {
        Self {
            host: host.to_owned(),
            address: None,
            port: 5432,
            further: Vec::new(),
            target_session_attrs: SessionAttrs::Any,
            tls: TlsOptions::default(),
            user: user.to_owned(),
            database: database.to_owned(),
            password: None,
            passfile: None,
            policy: Policy::default(),
            application_name: "pgsluice".to_owned(),
            connect_timeout: Duration::from_secs(10),
            receive_buffer: None,
            max_query_row: DEFAULT_QUERY_LIMIT,
            max_stream_message: DEFAULT_STREAM_LIMIT,
            settings: SessionSettings::default(),
            extra: Vec::new(),
        }
    }

    /// All hosts, in the order in which they are tried.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let first = Endpoint { host: self.host.clone(), address: self.address, port: self.port };
        std::iter::once(first).chain(self.further.iter().cloned()).collect()
    }

    /// Whether the host is the folder of a Unix-domain socket.
    pub fn is_local(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }

    /// Whether the host is this machine, by the network.
    pub(super) fn is_loopback(&self) -> bool {
        match self.address.or_else(|| self.host.parse().ok()) {
            Some(address) => address.is_loopback(),
            None => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Takes a credential for this attempt. A server that asks for something else than the token, or for nothing, is
    /// then another server than was meant, unless the user named the methods.
    pub(super) fn take_credential(&mut self, credential: Credential) {
        self.policy.kind = credential.kind;
        self.password = Some(credential.secret);
        if credential.kind == SecretKind::BearerToken && self.policy.require_auth == RequireAuth::default() {
            self.policy.require_auth = RequireAuth::of_tokens();
        }
    }

    pub(super) fn target(&self) -> Target {
        Target {
            host: self.address.map_or_else(|| self.host.clone(), |address| address.to_string()),
            port: self.port,
            receive_buffer: self.receive_buffer,
            timeout: self.connect_timeout,
        }
    }
}

/// Settings in the `options` of the `StartupMessage`. What a server prints depends on them, and those set there
/// also hold when its configuration is reloaded under a running stream.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// `options` as a user wrote them, in libpq's syntax; the settings below come behind and win.
    pub user_options: Option<String>,
    /// Name and value of each setting.
    pub pinned: Vec<(String, String)>,
    /// `wal_sender_timeout` for replication connections. Servers before 12 refuse it at login and are then asked
    /// again without it.
    pub wal_sender_timeout: Option<Duration>,
}

impl Default for SessionSettings {
    /// The settings that make printed values and type names the same everywhere.
    fn default() -> Self {
        let pinned = [
            ("search_path", ""),
            ("datestyle", "ISO"),
            ("intervalstyle", "postgres"),
            ("timezone", "UTC"),
            ("bytea_output", "hex"),
            ("extra_float_digits", "3"),
            ("lc_monetary", "C"),
            ("quote_all_identifiers", "off"),
        ];
        Self {
            user_options: None,
            pinned: pinned.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            wal_sender_timeout: None,
        }
    }
}

impl SessionSettings {
    /// The text of the `options` parameter for a connection of this mode.
    pub(super) fn options(&self, mode: Mode) -> String {
        let mut options = self.user_options.clone().unwrap_or_default();
        for (name, value) in &self.pinned {
            push_setting(&mut options, name, value);
        }
        if let (Mode::Replication, Some(timeout)) = (mode, self.wal_sender_timeout) {
            push_setting(&mut options, "wal_sender_timeout", &format!("{}ms", timeout.as_millis()));
        }
        options
    }
}

/// ` -c name=value`; white space would end the value and a backslash escapes, so both take a backslash.
fn push_setting(options: &mut String, name: &str, value: &str) {
    if !options.is_empty() {
        options.push(' ');
    }
    options.push_str("-c ");
    options.push_str(name);
    options.push('=');
    for c in value.chars() {
        if c.is_ascii_whitespace() || c == '\\' {
            options.push('\\');
        }
        options.push(c);
    }
}

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// SQL.
    Sql,
    /// A walsender of the database (`replication=database`): replication commands, and SQL as simple queries.
    Replication,
}
