//! Ways to log in, and what each of them may give away: written down again, not asked of the code under test.

use pgsluice::postgres::client::{
    ChannelBinding, ConnectOptions, RequireAuth, Roots, SecretKind, SslMode, TlsOptions,
};
use pgsluice::secret::Secret;

use crate::certificates::Certificates;
use crate::support::sha256::base64;

pub(super) const SECRET: &str = "planted.secret.7f3a9c";

pub(super) struct Client {
    pub(super) name: String,
    mode: SslMode,
    is_token: bool,
    /// `require_auth`, where the user has written it.
    requires: Option<&'static str>,
    is_bound: bool,
    /// What the server shows.
    pub(super) certificate: &'static str,
}

/// One in the clear, one encrypted.
pub(super) fn few() -> [Client; 2] {
    [Client::new(SslMode::Disable, false).named(), Client::new(SslMode::VerifyFull, true).named()]
}

/// Every mode with a password and with a token, and the settings that narrow them.
pub(super) fn all() -> Vec<Client> {
    let mut clients = Vec::new();
    for mode in SslMode::ALL {
        for is_token in [false, true] {
            clients.push(Client::new(mode, is_token));
        }
    }
    for (mode, requires) in [
        (SslMode::Disable, "password"),
        (SslMode::Disable, "md5"),
        (SslMode::Disable, "scram-sha-256"),
        (SslMode::Prefer, "scram-sha-256"),
        (SslMode::Prefer, "!password,!md5"),
        (SslMode::VerifyFull, "scram-sha-256"),
        (SslMode::VerifyFull, "!none"),
    ] {
        clients.push(Client { requires: Some(requires), ..Client::new(mode, false) });
    }
    for mode in [SslMode::Disable, SslMode::Prefer, SslMode::VerifyFull] {
        clients.push(Client { is_bound: true, ..Client::new(mode, false) });
    }
    // Somebody else's certificate.
    for is_token in [false, true] {
        clients.push(Client { certificate: "self_signed", ..Client::new(SslMode::VerifyFull, is_token) });
    }
    clients.into_iter().map(Client::named).collect()
}

impl Client {
    fn new(mode: SslMode, is_token: bool) -> Self {
        let name = String::new();
        Self { name, mode, is_token, requires: None, is_bound: false, certificate: "server" }
    }

    fn named(mut self) -> Self {
        let secret = if self.is_token { "token" } else { "password" };
        let bound = if self.is_bound { ", bound" } else { "" };
        let (mode, certificate, requires) =
            (self.mode.name(), self.certificate, self.requires.unwrap_or("all"));
        self.name = format!("{mode} of {certificate} ({requires}) with a {secret}{bound}");
        self
    }

    pub(super) fn options(&self) -> ConnectOptions {
        let mut options = crate::options();
        "localhost".clone_into(&mut options.host);
        options.password = Some(Secret::new(SECRET.to_owned()));
        options.tls = TlsOptions { mode: self.mode, ..TlsOptions::default() };
        if self.verifies() {
            options.tls.roots = Roots::File(Certificates::get().unwrap().certificate("ca"));
        }
        if self.is_token {
            options.policy.kind = SecretKind::BearerToken;
            options.policy.require_auth = RequireAuth::of_tokens();
        }
        if let Some(list) = self.requires {
            options.policy.require_auth = RequireAuth::parse(list).unwrap();
        }
        if self.is_bound {
            options.policy.channel_binding = ChannelBinding::Require;
        }
        options
    }

    fn verifies(&self) -> bool {
        matches!(self.mode, SslMode::VerifyCa | SslMode::VerifyFull)
    }

    /// Whether a server may be shown the secret that asks for it like this.
    pub(super) fn may_send(&self, method: &str, is_encrypted: bool) -> bool {
        let reaches_its_server = is_encrypted && self.verifies() && self.certificate == "server";
        if self.is_token {
            return reaches_its_server && ["password", "oauth"].contains(&method);
        }
        let is_named = self.requires == Some(method);
        let is_allowed = match self.requires {
            None | Some("!none") => true,
            _ => is_named,
        };
        let may_be_read = is_encrypted || is_named;
        ["password", "md5"].contains(&method) && is_allowed && may_be_read && !self.is_bound
    }

    /// Whether a server may let it in without asking for anything.
    pub(super) fn takes_trust(&self) -> bool {
        !self.is_token && self.requires.is_none_or(|list| list == "!password,!md5") && !self.is_bound
    }
}

/// Whether the secret can be had from these bytes: as it is, as its hash, or in another spelling.
pub(super) fn is_given_away_by(bytes: &[u8]) -> bool {
    let hash = postgres_protocol::authentication::md5_hash(b"ada", SECRET.as_bytes(), *b"salt");
    let hex = SECRET.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    [SECRET.to_owned(), hash, hex, base64(SECRET.as_bytes())]
        .iter()
        .any(|spelling| bytes.windows(spelling.len()).any(|part| part == spelling.as_bytes()))
}
