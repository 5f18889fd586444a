//! The certificate we show: which keys can be read, and which may not be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use pgsluice::postgres::client::{ClientCertificate, ConnectOptions, Negotiation, SendCertificate, SslMode};
use pgsluice::postgres::error::{ClientError, ErrorClass};
use pgsluice::postgres::transport::tls::{TlsError, TlsVersion};
use pgsluice::secret::Secret;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::server::{ANY, accept, config, shake_hands};
use super::{Outcome, options, play, trusting};
use crate::certificates::Certificates;
use crate::run;
use crate::support::scripted::Scripted;

const PASSWORD: &str = "pass phrase";

/// The client's key in another form, made by `openssl` once a test.
fn key(words: &[&str], name: &str) -> PathBuf {
    let files = Certificates::get().unwrap();
    files.openssl(&[words, &["-in", "client.key", "-out", name]].concat()).unwrap();
    let path = files.certificate("client").with_file_name(name);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn showing(key: PathBuf, password: Option<&str>) -> ConnectOptions {
    let mut options = trusting(SslMode::VerifyFull, "ca");
    options.tls.client = ClientCertificate {
        certificate: Some(Certificates::get().unwrap().certificate("client")),
        key: Some(key),
        key_password: password.map(|password| Secret::new(password.to_owned())),
        send: SendCertificate::Allow,
    };
    options
}

/// Logs in to a server that takes certificates of this authority alone.
async fn log_in(options: &ConnectOptions, authority: &str) -> Outcome {
    let (outcome, ..) = play(options, async |[mut server, _]: [Scripted; 2]| {
        if !server.is_asked_for_tls().await {
            return;
        }
        let mut roots = rustls::RootCertStore::empty();
        let file = Certificates::get().unwrap().certificate(authority);
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        if let Ok(mut server) = shake_hands(server, config("server", ANY, Some(verifier))).await {
            server.trust_login("15.20").await;
        }
    })
    .await;
    outcome
}

#[test]
fn every_form_of_a_key() {
    run(async {
        let pass = "pass:pass phrase";
        for (words, name, password) in [
            (vec!["pkey"], "plain.key", None),
            (vec!["ec"], "sec1.key", None),
            (vec!["pkey", "-outform", "DER"], "plain.der", None),
            (vec!["pkcs8", "-topk8", "-passout", pass], "aes.key", Some(PASSWORD)),
            (vec!["pkcs8", "-topk8", "-v2", "des3", "-passout", pass], "des3.key", Some(PASSWORD)),
            (vec!["pkcs8", "-topk8", "-v2prf", "hmacWithSHA1", "-passout", pass], "sha1.key", Some(PASSWORD)),
            (vec!["pkcs8", "-topk8", "-scrypt", "-passout", pass], "scrypt.key", Some(PASSWORD)),
        ] {
            let connection = log_in(&showing(key(&words, name), password), "ca").await;
            assert!(connection.unwrap_or_else(|error| panic!("{name}: {error}")).tls().is_some());
        }
    });
}

#[test]
fn keys_that_cannot_be_used() {
    run(async {
        let pass = "pass:pass phrase";
        let open = key(&["pkey"], "open.key");
        fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
        let other = Certificates::get().unwrap().key("server");
        let certificate = Certificates::get().unwrap().certificate("client");
        let not_a_key = certificate.with_file_name("not-a.key");
        fs::copy(&certificate, &not_a_key).unwrap();
        fs::set_permissions(&not_a_key, Permissions::from_mode(0o600)).unwrap();
        for (path, password, says) in [
            (open, None, "chmod"),
            (key(&["pkcs8", "-topk8", "-passout", pass], "wrong.key"), Some("wrong"), "is sslpassword right"),
            (key(&["pkcs8", "-topk8", "-passout", pass], "without.key"), None, "set sslpassword"),
            (key(&["ec", "-aes128", "-passout", pass], "old.key"), Some(PASSWORD), "openssl pkcs8 -topk8"),
            (other, None, "it is not the key of"),
            (not_a_key, None, "holds no key"),
            (PathBuf::from("/no/such.key"), None, "not found"),
            (PathBuf::from("/dev/zero"), None, "not a file"),
        ] {
            let shown = path.display().to_string();
            let error = log_in(&showing(path, password), "ca").await.expect_err("refused");
            assert!(matches!(error, ClientError::Tls(TlsError::ClientKey { .. })), "{shown}: {error}");
            let text = error.to_string();
            assert!(text.contains(says) && text.contains(&shown) && !text.contains(PASSWORD), "{text}");
            assert_eq!(error.classify(), ErrorClass::TlsRefused);
        }
    });
}

/// A server that wants a certificate, and gets none, or one of somebody else's.
#[test]
fn servers_that_want_a_certificate() {
    run(async {
        let path = key(&["pkey"], "wanted.key");
        let none = trusting(SslMode::VerifyFull, "ca");
        let mut never = showing(path.clone(), None);
        never.tls.client.send = SendCertificate::Never;
        for (options, authority, says) in [
            (none, "ca", "sslcert and sslkey"),
            (never, "ca", "sslcert and sslkey"),
            (showing(path.clone(), None), "other_ca", "does not take our certificate"),
        ] {
            let error = log_in(&options, authority).await.expect_err("refused");
            assert!(matches!(error, ClientError::Tls(TlsError::Handshake { .. })), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
        let mut required = showing(path, None);
        required.tls.client.send = SendCertificate::Require;
        assert!(log_in(&required, "ca").await.is_ok());
        let (outcome, ..) = play(&required, async |[server, _]: [Scripted; 2]| {
            // The client may be gone before the server's last word of the handshake.
            if let Ok(mut server) = accept(server, "server", ANY).await {
                server.expect_end().await;
            }
        })
        .await;
        let error = outcome.expect_err("nobody asked");
        assert!(matches!(error, ClientError::Tls(TlsError::CertificateNotAsked)), "{error}");
    });
}

/// No question in the clear; the protocol's name in the handshake is what tells the server apart.
#[test]
fn direct() {
    run(async {
        let mut options = trusting(SslMode::VerifyFull, "ca");
        options.tls.negotiation = Negotiation::Direct;
        let (outcome, ..) = play(&options, async |[server, _]: [Scripted; 2]| {
            let mut server = shake_hands(server, config("server", ANY, None)).await.expect("a handshake");
            server.trust_login("17.1").await;
        })
        .await;
        assert!(outcome.unwrap().tls().is_some());
        let (outcome, ..) = play(&options, async |[server, _]: [Scripted; 2]| {
            let mut config = config("server", ANY, None);
            config.alpn_protocols.clear();
            if let Ok(mut server) = shake_hands(server, config).await {
                server.expect_end().await;
            }
        })
        .await;
        assert!(matches!(outcome.err(), Some(ClientError::Tls(TlsError::NoAlpn))));
        let (outcome, ..) = play(&options, async |[mut server, _]: [Scripted; 2]| {
            // A server before 17 takes it for a packet of absurd length and closes.
            server.expect_client_hello().await;
        })
        .await;
        let text = outcome.expect_err("refused").to_string();
        assert!(text.contains("PostgreSQL 17"), "{text}");
    });
}

#[test]
fn versions() {
    run(async {
        for (least, most, spoken, expected) in [
            (TlsVersion::V1_2, TlsVersion::V1_2, ANY, Some("TLSv1.2")),
            (TlsVersion::V1_3, TlsVersion::V1_3, ANY, Some("TLSv1.3")),
            (TlsVersion::V1_3, TlsVersion::V1_3, &ANY[1..], None),
        ] {
            let mut options = options(SslMode::Require);
            (options.tls.min_version, options.tls.max_version) = (least, most);
            let (outcome, ..) = play(&options, async |[server, _]: [Scripted; 2]| {
                if let Ok(mut server) = accept(server, "server", spoken).await {
                    server.trust_login("15.20").await;
                }
            })
            .await;
            match (outcome, expected) {
                (Ok(connection), Some(version)) => assert_eq!(connection.tls().unwrap().protocol, version),
                (Err(ClientError::Tls(TlsError::Handshake { .. })), None) => {}
                (outcome, _) => panic!("{outcome:?}"),
            }
        }
    });
}
