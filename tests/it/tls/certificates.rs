//! Which certificates are taken, and what is said about the others.

use pgsluice::lsn::Lsn;
use pgsluice::postgres::client::{ConnectOptions, Roots, SslMode, Verification};
use pgsluice::postgres::error::{ClientError, ErrorClass};
use pgsluice::postgres::transport::tls::TlsError;
use rustls::version::TLS12;

use super::server::{ANY, accept};
use super::{Outcome, options, play, trusting};
use crate::certificates::Certificates;
use crate::run;
use crate::support::scripted::{Scripted, one_row, xlog};

async fn connect(options: &ConnectOptions, certificate: &str) -> Outcome {
    connect_by(options, certificate, ANY).await
}

async fn connect_by(
    options: &ConnectOptions,
    certificate: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Outcome {
    let (outcome, opened, ()) = play(options, async |[server, _]: [Scripted; 2]| {
        if let Ok(mut server) = accept(server, certificate, versions).await {
            server.trust_login("15.20").await;
        }
    })
    .await;
    assert_eq!(opened, 1);
    outcome
}

/// What a mode makes of each certificate: the words of its refusal, or none.
#[test]
fn each_kind() {
    run(async {
        let cases = [
            // Certificate, authority; require without authority, verify-ca, verify-full.
            ("server", "ca", ["", "", ""]),
            ("server", "other_ca", ["", "Test authority", "Test authority"]),
            ("server", "same_name_ca", ["", "of that name", "of that name"]),
            ("rsa_sha256", "ca", ["", "", ""]),
            ("elsewhere", "ca", ["", "", "it is for elsewhere.example, not for localhost"]),
            ("cn_only", "ca", ["", "", "subjectAltName = DNS:localhost"]),
            ("expired", "ca", ["", "it has expired", "it has expired"]),
            ("version1", "ca", ["", "re-issue it as version 3", "re-issue it as version 3"]),
            ("self_signed", "self_signed", ["", "", ""]),
            ("self_signed", "ca", ["", "an authority's own", "an authority's own"]),
        ];
        for (certificate, authority, expected) in cases {
            for (mode, expected) in
                [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull].into_iter().zip(expected)
            {
                let options =
                    if mode == SslMode::Require { options(mode) } else { trusting(mode, authority) };
                let outcome = connect(&options, certificate).await;
                let case = format!("{certificate} by {authority}, {}", mode.name());
                match outcome {
                    Ok(connection) => {
                        assert_eq!("", expected, "{case} is taken");
                        assert!(connection.tls().is_some());
                    }
                    Err(error) => {
                        assert!(
                            matches!(error, ClientError::Tls(TlsError::Certificate(_))),
                            "{case}: {error:?}"
                        );
                        assert_eq!(error.classify(), ErrorClass::TlsRefused);
                        let text = error.to_string();
                        assert!(!expected.is_empty() && text.contains(expected), "{case}: {text}");
                    }
                }
            }
        }
    });
}

/// A certificate of version 1 has no place in rustls; its key signs the handshake all the same.
#[test]
fn version_1_by_both_protocols() {
    run(async {
        let connection = connect_by(&options(SslMode::Require), "version1", &[&TLS12]).await.unwrap();
        assert_eq!(connection.tls().unwrap().protocol, "TLSv1.2");
        let connection = connect(&options(SslMode::Require), "version1").await.unwrap();
        assert_eq!(connection.tls().unwrap().protocol, "TLSv1.3");
    });
}

/// A file of authorities is asked in every mode with TLS; a name only in the strictest.
#[test]
fn a_file_is_asked() {
    run(async {
        for mode in [SslMode::Require, SslMode::VerifyCa] {
            let error = connect(&trusting(mode, "other_ca"), "server").await.expect_err("another authority");
            assert!(matches!(error, ClientError::Tls(TlsError::Certificate(_))), "{error}");
            let connection = connect(&trusting(mode, "ca"), "elsewhere").await.unwrap();
            assert_eq!(connection.tls().unwrap().verification, Verification::Authority);
        }
        let by_address =
            ConnectOptions { host: "127.0.0.1".to_owned(), ..trusting(SslMode::VerifyFull, "ca") };
        let connection = connect(&by_address, "server").await.unwrap();
        let session = connection.tls().unwrap();
        assert_eq!((session.verification, session.roots_are_private), (Verification::Name, true));
        assert_eq!(session.subject, "CN=localhost");
        let another = ConnectOptions { host: "127.0.0.2".to_owned(), ..by_address };
        let error = connect(&another, "server").await.expect_err("another address").to_string();
        assert!(error.contains("it is for localhost, 127.0.0.1, not for 127.0.0.2"), "{error}");
    });
}

/// A file that cannot be used costs no connection.
#[test]
fn a_file_that_is_none() {
    run(async {
        let files = Certificates::get().unwrap();
        for (path, says) in [
            (files.certificate("absent"), "not found"),
            (files.key("ca"), "no certificate"),
            (std::path::PathBuf::from("/dev/zero"), "longer than"),
        ] {
            let mut options = options(SslMode::VerifyCa);
            options.tls.roots = Roots::File(path);
            let (outcome, _, ()) =
                play(&options, async |[mut server, _]: [Scripted; 2]| server.expect_eof().await).await;
            let error = outcome.expect_err("refused");
            assert!(matches!(error, ClientError::Tls(TlsError::Roots { .. })), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    });
}

/// More than a record, more than the buffers below: everything arrives, and one read brings more than a record.
#[test]
fn long_answers() {
    run(async {
        let long = "x".repeat(300_000);
        let options = trusting(SslMode::VerifyFull, "ca");
        let (outcome, _, server) = play(&options, async |[server, _]: [Scripted; 2]| {
            let mut server = accept(server, "server", ANY).await.expect("a handshake");
            server.trust_login("15.20").await;
            server
        })
        .await;
        let (mut connection, mut server) = (outcome.unwrap(), server);
        let script = async {
            assert_eq!(server.expect_query().await, "SELECT 1");
            server.send(&one_row(&[("a", Some(&long))], "SELECT 1")).await;
        };
        let (results, ()) = tokio::join!(connection.query("SELECT 1"), script);
        assert_eq!(results.unwrap()[0].value(0, "a").map(str::len), Some(long.len()));
    });
}

/// How the pipeline's reader tells that the socket is dry: by a short read. With TLS one read must bring as much as
/// without, and a read must not wait for more once it has something.
#[test]
fn one_read_brings_what_is_there() {
    run(async {
        let options = trusting(SslMode::VerifyFull, "ca");
        let (outcome, _, server) = play(&options, async |[server, _]: [Scripted; 2]| {
            let mut server = accept(server, "server", ANY).await.expect("a handshake");
            server.trust_login("15.20").await;
            server
        })
        .await;
        let (connection, mut server) = (outcome.unwrap(), server);
        let (stream, _) = tokio::join!(connection.start_replication("s", Lsn(1), &[]), server.start_stream());
        let mut stream = stream.unwrap();
        // As much as the pipe holds, in records of any length.
        let messages: Vec<u8> = (0..50).flat_map(|n| xlog(n, &vec![b'x'; 1000])).collect();
        server.send(&messages).await;
        assert_eq!(stream.fill().await.unwrap(), messages.len());
        assert_eq!(stream.fill_now().await.unwrap(), None);
        assert_eq!(stream.frames().count(), 50);
        drop(server);
        assert!(matches!(stream.fill().await, Err(ClientError::Closed { .. })));
    });
}
