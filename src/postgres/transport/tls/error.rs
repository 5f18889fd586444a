//! Why there is no TLS.

use std::io;
use std::path::PathBuf;

/// TLS cannot be had, or not as it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server does not offer it.
    #[error(
        "the server does not offer TLS, which sslmode = {mode} demands: set ssl = on at the server, or sslmode = \
         disable on a network that you trust"
    )]
    NotOffered {
        /// The mode.
        mode: &'static str,
    },
    /// The server answered the request with an error. Its text is from nobody in particular and is not shown.
    #[error("the server answered the request for TLS with an error; it may be out of resources: see its log")]
    RequestFailed,
    /// The server answered with something that is no answer.
    #[error("the server answered the request for TLS with the byte {byte:#04x}: is it a PostgreSQL server?")]
    UnexpectedAnswer {
        /// What came.
        byte: u8,
    },
    /// Bytes came behind the answer, where the server has to wait: somebody puts them between.
    #[error(
        "the server sent bytes in the clear behind its answer to the request for TLS, which no server does: is \
         somebody between?"
    )]
    BytesInTheClear,
    /// The connection ended or failed while TLS was asked for.
    #[error("the connection ended while TLS was asked for")]
    Request(#[source] io::Error),
    /// The connection ended or failed in the handshake.
    #[error("the connection ended in the TLS handshake{note}")]
    Interrupted {
        /// What that may mean.
        note: &'static str,
        /// How it ended.
        source: io::Error,
    },
    /// The server did not say that it speaks this protocol.
    #[error(
        "the server took TLS at once without naming the protocol postgresql: sslnegotiation = direct needs \
         PostgreSQL 17 or later, or a proxy that speaks for it"
    )]
    NoAlpn,
    /// The server has not asked for our certificate.
    #[error("sslcertmode = require: the server has not asked for a certificate, or there is none to show")]
    CertificateNotAsked,
    /// The two sides did not agree, or the other side broke the protocol.
    #[error("the TLS handshake failed: {reason}")]
    Handshake {
        /// What rustls says, and what it means.
        reason: String,
    },
    /// The server's certificate is not taken.
    #[error("the server's certificate is not accepted: {0}")]
    Certificate(Refusal),
    /// Certificates of authorities cannot be had.
    #[error("sslrootcert: {path}: {problem}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Revoked certificates cannot be had.
    #[error("sslcrl: {path}: {problem}")]
    Revoked {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Our certificate cannot be had.
    #[error("sslcert: {path}: {problem}")]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Our key cannot be had.
    #[error("sslkey: {path}: {problem}")]
    ClientKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no certificates of authorities.
    #[error(
        "the system has no certificates of authorities ({problem}): install ca-certificates, set SSL_CERT_FILE, or \
         name a file with sslrootcert"
    )]
    NoSystemRoots {
        /// Why.
        problem: String,
    },
    /// The host cannot stand in a certificate.
    #[error("the host {host} is neither a DNS name nor an address, so no certificate can name it")]
    HostName {
        /// The host.
        host: String,
    },
    /// rustls does not take the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl TlsError {
    /// Whether it was the handshake that failed, so that a login without TLS may do better.
    pub fn is_of_the_handshake(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::Handshake { .. } | Self::Certificate(_))
    }

    /// Whether it may pass by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RequestFailed | Self::Request(_) | Self::Interrupted { .. })
    }
}

/// What is wrong with a certificate, and what to do. Names are the certificate's own and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its issuer is not trusted.
    #[error(
        "its issuer \"{issuer}\" is none of {roots}; name a file with its authority's certificate: sslrootcert"
    )]
    UnknownIssuer {
        /// Who signed it.
        issuer: String,
        /// Where the trusted ones come from.
        roots: String,
    },
    /// Its issuer's name is known, and the signature is not that one's.
    #[error(
        "it is not signed by the \"{issuer}\" of {roots}, but by another authority of that name, or with a key that \
         is too weak to be looked at; name the file with the right authority's certificate: sslrootcert"
    )]
    WrongSignature {
        /// The issuer's name.
        issuer: String,
        /// Where the trusted ones come from.
        roots: String,
    },
    /// It is for other hosts.
    #[error("it is for {names}, not for {host}: connect by one of its names, or have it issued for this one")]
    WrongName {
        /// The host.
        host: String,
        /// The names it has.
        names: String,
    },
    /// It names the host only where names are no longer looked for.
    #[error(
        "it has its name, {name}, only in the CN of its subject, which does not count: have it re-issued with \
         subjectAltName = {wanted}"
    )]
    CommonNameOnly {
        /// What the CN says.
        name: String,
        /// What the extension must say.
        wanted: String,
    },
    /// Its time is over.
    #[error("it has expired, at {at}: renew it")]
    Expired {
        /// When.
        at: String,
    },
    /// Its time has not come.
    #[error("it is not valid before {at}: are the clocks of both machines right?")]
    NotYetValid {
        /// From when on it is.
        at: String,
    },
    /// It has no extensions.
    #[error("it is of X.509 version 1, which has no place for names and purposes: re-issue it as version 3")]
    Version1,
    /// It is an authority's own.
    #[error(
        "it is an authority's own (CA:TRUE) and not among {roots}: name it itself with sslrootcert, or re-issue it \
         with basicConstraints = CA:FALSE"
    )]
    AuthorityAsServer {
        /// Where the trusted ones come from.
        roots: String,
    },
    /// A signature that is not verified here.
    #[error(
        "{what} is not supported (weak, or unusual): re-issue it with RSA of 2048 bits or more, P-256 or P-384, \
         signed with SHA-256 or SHA-384"
    )]
    Algorithm {
        /// The algorithm or the key.
        what: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
