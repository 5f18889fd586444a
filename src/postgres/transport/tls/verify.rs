//! Which certificates of a server are taken.
//!
//! rustls' own verifier does the work. Around it stand the cases in which libpq takes a certificate and rustls does
//! not: any certificate where none is asked for, also one of X.509 version 1; one without the host's name where only
//! its authority is asked for; a self-signed one that is its own authority. In every case the handshake's signature
//! must be right: the server holds the key of the certificate it shows.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use x509_cert::der::Decode as _;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::certificate::Certificate;
use super::error::{Refusal, TlsError};
use super::options::Verification;
use super::roots::LoadedRoots;

/// Judges the certificate of one server.
#[derive(Debug)]
pub(super) struct Verifier {
    asked: Verification,
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted themselves, whatever they say about their use.
    own: Vec<CertificateDer<'static>>,
    place: String,
    provider: Arc<CryptoProvider>,
    /// What was wrong, in more words than rustls has.
    refusal: Mutex<Option<Refusal>>,
}

impl Verifier {
    /// `roots` are there unless nothing is asked. With any list of revoked certificates every certificate of a
    /// chain must be covered by one.
    pub(super) fn new(
        asked: Verification,
        roots: Option<LoadedRoots>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut verifier = Self {
            asked,
            chain: None,
            own: Vec::new(),
            place: String::new(),
            provider: Arc::clone(&provider),
            refusal: Mutex::new(None),
        };
        if let Some(roots) = roots {
            verifier.place = roots.place();
            let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store), provider)
                .with_crls(revoked)
                .build();
            verifier.chain = Some(chain.map_err(|error| TlsError::Setup(error.to_string()))?);
            verifier.own = roots.certificates;
        }
        Ok(verifier)
    }

    /// Why the certificate was refused, if it was.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(chain) = &self.chain else {
            return match self.asked {
                Verification::Nothing => Ok(()),
                _ => Err(CertificateError::UnknownIssuer.into()),
            };
        };
        if self.own.iter().any(|own| own.as_ref() == end_entity.as_ref()) {
            return self.judge_own(end_entity, host, now);
        }
        match chain.verify_server_cert(end_entity, intermediates, host, &[], now) {
            // The name is looked at last: everything else was right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.asked == Verification::Authority => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// A certificate that is trusted as it is: no chain to look for, only dates and name.
    fn judge_own(
        &self,
        certificate: &CertificateDer<'_>,
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let dates = Certificate::parse(certificate).ok_or(CertificateError::BadEncoding)?;
        if now.as_secs() > dates.not_after().as_secs() {
            return Err(CertificateError::Expired.into());
        }
        if now.as_secs() < dates.not_before().as_secs() {
            return Err(CertificateError::NotValidYet.into());
        }
        if self.asked == Verification::Name { verify_server_name(&parsed, host) } else { Ok(()) }
    }

    fn note(&self, error: &Error, certificate: &CertificateDer<'_>, host: &ServerName<'_>) {
        let Error::InvalidCertificate(error) = error else { return };
        let refusal = explain(error, certificate, host, &self.place);
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// A handshake signature that cannot be verified because of the key. With a sound key it is simply wrong, and
    /// the server does not hold the key.
    fn note_signature(&self, error: &Error, certificate: &CertificateDer<'_>) {
        let Some(known) = Certificate::parse(certificate) else { return };
        if is_about_algorithm(error) || known.has_odd_rsa_key() {
            let what = format!("its key ({})", known.key_text());
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(Refusal::Algorithm { what });
        }
    }
}

/// rustls has several errors for it, some deprecated.
fn is_about_algorithm(error: &Error) -> bool {
    format!("{error:?}").contains("UnsupportedSignatureAlgorithm")
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.judge(end_entity, intermediates, server_name, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                self.note(&error, end_entity, server_name);
                Err(error)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let outcome = match version_1_key(cert) {
            Some(key) => verify_tls12_with_key(message, &key, dss, &self.provider),
            None => verify_tls12_signature(message, cert, dss, algorithms),
        };
        outcome.inspect_err(|error| self.note_signature(error, cert))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let outcome = match version_1_key(cert) {
            Some(key) => verify_tls13_signature_with_raw_key(message, &key, dss, algorithms),
            None => verify_tls13_signature(message, cert, dss, algorithms),
        };
        outcome.inspect_err(|error| self.note_signature(error, cert))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The key of a certificate of version 1, which rustls does not read. Such a one comes this far only where no
/// certificate is asked for.
fn version_1_key(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = Certificate::parse(certificate)?;
    if certificate.is_version_1() { certificate.public_key() } else { None }
}

/// What rustls has for TLS 1.3 alone: the signature of a bare key.
fn verify_tls12_with_key(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    dss: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoRef::from_der(key).map_err(|_| CertificateError::BadEncoding)?;
    let known = provider.signature_verification_algorithms.mapping;
    let (_, algorithms) = known
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let public_key = key.subject_public_key.raw_bytes();
    let right = algorithms
        .iter()
        .any(|algorithm| algorithm.verify_signature(public_key, message, dss.signature()).is_ok());
    if right { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

/// What rustls found, and what to do about it.
fn explain(
    error: &CertificateError,
    der: &CertificateDer<'_>,
    host: &ServerName<'_>,
    place: &str,
) -> Refusal {
    let Some(certificate) = Certificate::parse(der) else { return Refusal::Other(error.to_string()) };
    if certificate.is_version_1() {
        return Refusal::Version1;
    }
    let roots = || place.to_owned();
    match error {
        CertificateError::UnknownIssuer => {
            Refusal::UnknownIssuer { issuer: certificate.issuer(), roots: roots() }
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Refusal::Expired { at: certificate.not_after_text() }
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Refusal::NotYetValid { at: certificate.not_before_text() }
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            wrong_name(&certificate, host)
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            Refusal::AuthorityAsServer { roots: roots() }
        }
        other if is_about_algorithm(&Error::InvalidCertificate(other.clone())) => {
            let (signature, key) = (certificate.signature_text(), certificate.key_text());
            Refusal::Algorithm { what: format!("its signature ({signature}) or key ({key})") }
        }
        CertificateError::BadSignature => {
            Refusal::WrongSignature { issuer: certificate.issuer(), roots: roots() }
        }
        other => Refusal::Other(other.to_string()),
    }
}

fn wrong_name(certificate: &Certificate, host: &ServerName<'_>) -> Refusal {
    let names = certificate.names();
    let host_text = host.to_str().into_owned();
    if !names.is_empty() {
        return Refusal::WrongName { host: host_text, names: names.join(", ") };
    }
    let kind = if matches!(host, ServerName::IpAddress(_)) { "IP" } else { "DNS" };
    let name = certificate.common_name().unwrap_or_else(|| "none".to_owned());
    Refusal::CommonNameOnly { name, wanted: format!("{kind}:{host_text}") }
}
