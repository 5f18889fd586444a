//! From options to what rustls connects with.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, SupportedProtocolVersion};

use super::client_certificate::{self, Shown};
use super::error::TlsError;
use super::options::{TlsOptions, TlsVersion, Verification};
use super::roots;
use super::verify::Verifier;

/// What the server is told that the connection is for; a server from 17 on refuses any other name.
pub(super) const ALPN: &[u8] = b"postgresql";

/// rustls' settings for one connection, and the judge of its certificate.
pub(super) struct Prepared {
    pub(super) config: Arc<ClientConfig>,
    pub(super) verifier: Arc<Verifier>,
    /// What the server may ask us for.
    pub(super) shown: Arc<Shown>,
    /// Whether the authorities are those of a file, which somebody chose.
    pub(super) roots_are_private: bool,
}

/// Reads the files and puts everything together. Blocks for as long as files take to read.
pub(super) fn prepare(options: &TlsOptions) -> Result<Prepared, TlsError> {
    let asked = options.verification();
    let roots = match asked {
        Verification::Nothing => None,
        _ => Some(roots::load(&options.roots)?),
    };
    let roots_are_private = roots.as_ref().is_some_and(|roots| roots.file.is_some());
    let provider = Arc::new(provider());
    let revoked = options.revoked.as_deref().map(roots::revoked).transpose()?.unwrap_or_default();
    let verifier = Arc::new(Verifier::new(asked, roots, revoked, Arc::clone(&provider))?);
    let shown = Arc::new(client_certificate::load(&options.client, &provider)?);
    let judge: Arc<dyn rustls::client::danger::ServerCertVerifier> = Arc::<Verifier>::clone(&verifier);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(options))
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(judge)
        .with_client_cert_resolver(Arc::<Shown>::clone(&shown));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = options.sni;
    // Nothing is resumed: each connection has settings of its own.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Prepared { config: Arc::new(config), verifier, shown, roots_are_private })
}

fn versions(options: &TlsOptions) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::V1_3, &rustls::version::TLS13), (TlsVersion::V1_2, &rustls::version::TLS12)]
        .into_iter()
        .filter(|(version, _)| (options.min_version..=options.max_version).contains(version))
        .map(|(_, version)| version)
        .collect()
}

/// The one provider of cryptography in this program, named wherever rustls would look for a default.
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}
