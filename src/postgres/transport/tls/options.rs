//! What of TLS is asked for, in libpq's words.

use std::path::PathBuf;

use crate::secret::Secret;

/// `sslmode`: whether TLS is used, and what is asked of the server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Where the server refuses a login without it.
    Allow,
    /// Where the server offers it, and without it otherwise, also when it fails.
    Prefer,
    /// Always, whatever the certificate.
    #[default]
    Require,
    /// Always, with a certificate of an authority that is trusted.
    VerifyCa,
    /// The same, and the certificate must name the host.
    VerifyFull,
}

impl SslMode {
    /// All of them, the weakest first.
    pub const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether a connection without TLS is no alternative.
    pub fn demands_tls(self) -> bool {
        matches!(self, Self::Require | Self::VerifyCa | Self::VerifyFull)
    }
}

/// `sslrootcert`: which authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// `~/.postgresql/root.crt` where it exists, as libpq has it, else the system's.
    #[default]
    Usual,
    /// The system's.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// Everything about TLS.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Whether, and how strictly.
    pub mode: SslMode,
    /// The authorities.
    pub roots: Roots,
    /// `sslcrl`: a PEM file of certificates that are revoked.
    pub revoked: Option<PathBuf>,
    /// `sslsni`: whether the server is told which host is meant.
    pub sni: bool,
    /// `sslnegotiation`.
    pub negotiation: Negotiation,
    /// The certificate that the server may ask for.
    pub client: ClientCertificate,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// The newest.
    pub max_version: TlsVersion,
}

/// `sslnegotiation`: how TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Negotiation {
    /// With a question in the clear.
    #[default]
    Postgres,
    /// At once; servers from 17 on take it.
    Direct,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}

/// `sslcertmode`: whether our certificate is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendCertificate {
    /// Never, not even where there is one.
    Never,
    /// Where the server asks.
    #[default]
    Allow,
    /// The server must ask.
    Require,
}

/// `sslcert`, `sslkey`, `sslpassword`, `sslcertmode`.
#[derive(Clone, Debug, Default)]
pub struct ClientCertificate {
    /// The certificate in PEM, with those between it and its authority. Default: `~/.postgresql/postgresql.crt`
    /// where it exists.
    pub certificate: Option<PathBuf>,
    /// Its key. Default: `~/.postgresql/postgresql.key`.
    pub key: Option<PathBuf>,
    /// What the key is encrypted with.
    pub key_password: Option<Secret>,
    /// Whether it is shown.
    pub send: SendCertificate,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            mode: SslMode::default(),
            roots: Roots::default(),
            revoked: None,
            sni: true,
            negotiation: Negotiation::default(),
            client: ClientCertificate::default(),
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_3,
        }
    }
}

/// What is asked of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Nothing, but the server must hold its key.
    Nothing,
    /// A trusted authority has issued it.
    Authority,
    /// The same, and it names the host.
    Name,
}

impl TlsOptions {
    /// What is asked of the server's certificate. A file of authorities is not named for nothing: with one, the
    /// modes that would take any certificate take only theirs, as libpq has it.
    pub fn verification(&self) -> Verification {
        match (self.mode, &self.roots) {
            (SslMode::VerifyFull, _) => Verification::Name,
            (SslMode::VerifyCa, _) | (_, Roots::File(_)) => Verification::Authority,
            _ => Verification::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Roots, SslMode, TlsOptions, Verification};

    #[test]
    fn a_named_file_is_asked() {
        for (mode, with_file, without) in [
            (SslMode::Allow, Verification::Authority, Verification::Nothing),
            (SslMode::Prefer, Verification::Authority, Verification::Nothing),
            (SslMode::Require, Verification::Authority, Verification::Nothing),
            (SslMode::VerifyCa, Verification::Authority, Verification::Authority),
            (SslMode::VerifyFull, Verification::Name, Verification::Name),
        ] {
            let with = |roots| TlsOptions { mode, roots, ..TlsOptions::default() }.verification();
            assert_eq!(with(Roots::File("ca.crt".into())), with_file, "{mode:?}");
            assert_eq!(with(Roots::Usual), without, "{mode:?}");
        }
    }

    #[test]
    fn names() {
        for mode in SslMode::ALL {
            assert_eq!(SslMode::from_name(mode.name()), Some(mode));
        }
        assert_eq!(SslMode::from_name("Require"), None);
    }
}
