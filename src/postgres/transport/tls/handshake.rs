//! From a fresh connection to one that is encrypted, or is known not to be.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustls::client::ClientConnection;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::binding;
use super::certificate::Certificate;
use super::config::{ALPN, Prepared, prepare};
use super::error::TlsError;
use super::options::{Negotiation, SendCertificate, TlsOptions, Verification};
use super::request::{self, Answer};
use super::verify::Verifier;
use crate::postgres::transport::stream::{BELOW_TLS, Stream};

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// The protocol's version, such as `TLSv1.3`.
    pub protocol: String,
    /// The cipher suite.
    pub cipher: String,
    /// What was asked of the certificate, and found right.
    pub verification: Verification,
    /// Whether the authorities that were asked are those of a file, which somebody chose.
    pub roots_are_private: bool,
    /// The certificate's hash for channel binding; `None` where its signature has no digest for it.
    pub end_point: Option<Vec<u8>>,
    /// Who the certificate says the server is. Anybody may say so where nothing was asked of it.
    pub subject: String,
    /// When the certificate expires.
    pub expires: String,
    /// How long that is from now.
    pub valid_for: Option<Duration>,
}

/// Asks for TLS on a fresh connection to `host` and shakes hands. Where the server does not offer it and the mode
/// does not demand it, the connection goes on in the clear.
///
/// Not cancel-safe: dropping the future closes the connection.
pub async fn secure<S>(
    mut stream: S,
    host: &str,
    options: &TlsOptions,
) -> Result<(Stream<S>, Option<TlsSession>), TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What cannot be set up should not cost the server a process.
    let prepared = prepare(options)?;
    let name = server_name(host, options.verification())?;
    if options.negotiation == Negotiation::Postgres {
        match request::ask(&mut stream).await? {
            Answer::Yes => {}
            Answer::No if options.mode.demands_tls() => {
                return Err(TlsError::NotOffered { mode: options.mode.name() });
            }
            Answer::No => return Ok((Stream::Plain(stream), None)),
        }
    }
    let stream = shake_hands(stream, name, &prepared, options.negotiation).await?;
    let connection = stream.get_ref().1;
    if options.client.send == SendCertificate::Require && !prepared.shown.was_asked() {
        return Err(TlsError::CertificateNotAsked);
    }
    // Without the question in the clear this is what keeps the handshake from being another protocol's.
    if options.negotiation == Negotiation::Direct && connection.alpn_protocol() != Some(ALPN) {
        return Err(TlsError::NoAlpn);
    }
    let session = describe(connection, options.verification(), prepared.roots_are_private);
    Ok((Stream::Tls(Box::new(stream)), Some(session)))
}

/// The failure of a login that is TLS' own. With TLS 1.3 a server judges our certificate after the handshake, and
/// its alert comes in place of its first message.
pub fn alert(error: &std::io::Error) -> Option<TlsError> {
    let of_rustls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(TlsError::Handshake { reason: explain(of_rustls) })
}

async fn shake_hands<S>(
    stream: S,
    name: ServerName<'static>,
    prepared: &Prepared,
    negotiation: Negotiation,
) -> Result<TlsStream<BufReader<S>>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connector = TlsConnector::from(std::sync::Arc::clone(&prepared.config));
    let below = BufReader::with_capacity(BELOW_TLS, stream);
    let outcome = Box::pin(connector.connect(name, below)).await;
    outcome.map_err(|error| failure(error, &prepared.verifier, negotiation))
}

/// The name that the certificate must have. Where it need not have any, a host that cannot be in one (with a blank
/// in it, say) is no obstacle.
fn server_name(host: &str, verification: Verification) -> Result<ServerName<'static>, TlsError> {
    // A zone, as in fe80::1%eth0, is this machine's own business.
    let bare = host.split_once('%').map_or(host, |(address, _)| address);
    match ServerName::try_from(bare.trim_end_matches('.').to_owned()) {
        Ok(name) => Ok(name),
        Err(_) if verification == Verification::Name => Err(TlsError::HostName { host: host.to_owned() }),
        Err(_) => Ok(ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED))),
    }
}

fn describe(connection: &ClientConnection, verification: Verification, private: bool) -> TlsSession {
    let end_entity = connection.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
    let certificate = end_entity.and_then(|der| Certificate::parse(der));
    let version = connection.protocol_version();
    TlsSession {
        protocol: version.and_then(|version| version.as_str()).unwrap_or("TLS").replace('_', "."),
        cipher: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("an unnamed cipher")
            .to_owned(),
        verification,
        roots_are_private: private,
        end_point: end_entity.and_then(|der| binding::end_point(der)),
        subject: certificate.as_ref().map(Certificate::subject).unwrap_or_default(),
        expires: certificate.as_ref().map(Certificate::not_after_text).unwrap_or_default(),
        valid_for: certificate.as_ref().and_then(|known| known.not_after().checked_sub(now())),
    }
}

/// Since the epoch, by rustls' clock, by which it judges certificates.
fn now() -> Duration {
    Duration::from_secs(UnixTime::now().as_secs())
}

/// What went wrong, by the most telling source there is.
fn failure(error: std::io::Error, verifier: &Verifier, negotiation: Negotiation) -> TlsError {
    if let Some(refusal) = verifier.refusal() {
        return TlsError::Certificate(refusal);
    }
    alert(&error).unwrap_or(TlsError::Interrupted {
        note: match negotiation {
            Negotiation::Postgres => "",
            Negotiation::Direct => "; sslnegotiation = direct needs PostgreSQL 17 or later",
        },
        source: error,
    })
}

fn explain(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, Error};

    let advice = match error {
        Error::PeerIncompatible(_)
        | Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
            "; TLS 1.2 or 1.3 is needed, with a certificate and ciphers that are not weak"
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "; the server wants a certificate of ours: sslcert and sslkey"
        }
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate,
        ) => "; the server does not take our certificate: sslcert",
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "; the server does not speak the protocol postgresql: is it a PostgreSQL server?"
        }
        Error::InvalidMessage(_) => "; what came is not TLS",
        _ => "",
    };
    format!("{error}{advice}")
}
