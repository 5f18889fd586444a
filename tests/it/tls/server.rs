//! A server with TLS at the other end of a pipe.

use std::sync::Arc;

use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Certificates;
use crate::support::scripted::Scripted;

/// Both versions.
pub(crate) const ANY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Answers yes to the request and shakes hands with this certificate. An error is the client's refusal.
pub(crate) async fn accept<P: AsyncRead + AsyncWrite + Unpin>(
    mut server: Scripted<P>,
    certificate: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<Scripted<TlsStream<P>>> {
    server.expect_tls_request().await;
    server.send(b"S").await;
    shake_hands(server, config(certificate, versions, None)).await
}

/// Shakes hands at once.
pub(crate) async fn shake_hands<P: AsyncRead + AsyncWrite + Unpin>(
    server: Scripted<P>,
    config: ServerConfig,
) -> std::io::Result<Scripted<TlsStream<P>>> {
    Ok(Scripted::over(TlsAcceptor::from(Arc::new(config)).accept(server.into_pipe()).await?))
}

/// The certificate itself.
pub(super) fn der(name: &str) -> Vec<u8> {
    let path = Certificates::get().unwrap().certificate(name);
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}

/// With a judge of the client's certificate it asks for one.
pub(crate) fn config(
    certificate: &str,
    versions: &[&'static SupportedProtocolVersion],
    judge: Option<Arc<dyn ClientCertVerifier>>,
) -> ServerConfig {
    let files = Certificates::get().unwrap();
    let chain = CertificateDer::from_pem_file(files.certificate(certificate)).unwrap();
    let key = PrivateKeyDer::from_pem_file(files.key(certificate)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // The certificate is taken as it is, also where rustls cannot read it.
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![chain], key);
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = match judge {
        Some(judge) => builder.with_client_cert_verifier(judge),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    config
}
