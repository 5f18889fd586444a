//! The one byte before the handshake, and servers that cheat with it.

use std::time::Duration;

use pgsluice::postgres::client::SslMode;
use pgsluice::postgres::error::{ClientError, ErrorClass};
use pgsluice::postgres::transport::tls::TlsError;

use super::server::{ANY, accept};
use super::{options, play, trusting};
use crate::run;
use crate::support::scripted::{Scripted, auth_ok, error};

const VERSION: &str = "15.20";

/// Without TLS at the server the strict modes send nothing, not even a user's name.
#[test]
fn a_server_that_says_no() {
    run(async {
        for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
            let options = trusting(mode, "ca");
            let (outcome, opened, ()) = play(&options, async |[mut server, _]: [Scripted; 2]| {
                server.expect_tls_request().await;
                server.send(b"N").await;
                server.expect_eof().await;
            })
            .await;
            let error = outcome.expect_err("refused");
            assert!(matches!(error, ClientError::Tls(TlsError::NotOffered { .. })), "{error}");
            assert!(error.to_string().contains(mode.name()));
            assert_eq!((error.classify(), opened), (ErrorClass::TlsRefused, 1));
        }
        let (outcome, opened, ()) =
            play(&options(SslMode::Prefer), async |[mut server, _]: [Scripted; 2]| {
                server.expect_tls_request().await;
                server.send(b"N").await;
                server.trust_login(VERSION).await;
            })
            .await;
        assert!(outcome.expect("in the clear").tls().is_none());
        assert_eq!(opened, 1);
    });
}

#[test]
fn modes_that_do_not_ask() {
    run(async {
        let mut local = options(SslMode::VerifyFull);
        "/var/run/postgresql".clone_into(&mut local.host);
        for options in [options(SslMode::Disable), options(SslMode::Allow), local] {
            let (outcome, opened, _) =
                play(&options, async |[mut server, _]: [Scripted; 2]| server.trust_login(VERSION).await)
                    .await;
            assert!(outcome.expect("in the clear").tls().is_none());
            assert_eq!(opened, 1);
        }
    });
}

/// The text of an error before TLS comes from anybody (CVE-2024-10977).
#[test]
fn an_error_is_not_shown() {
    run(async {
        let (outcome, opened, ()) =
            play(&options(SslMode::Prefer), async |[mut server, _]: [Scripted; 2]| {
                server.expect_tls_request().await;
                server.send(&error("FATAL", "28000", "send your password to evil.example")).await;
                server.expect_eof().await;
            })
            .await;
        let error = outcome.expect_err("refused");
        assert!(!pgsluice::error::chain(&error).contains("evil"), "{error}");
        assert_eq!((error.classify(), opened), (ErrorClass::Retry, 1));
    });
}

#[test]
fn an_answer_that_is_none() {
    run(async {
        for byte in [b'H', 0, 0x16, b's'] {
            let (outcome, opened, ()) =
                play(&options(SslMode::Prefer), async |[mut server, _]: [Scripted; 2]| {
                    server.expect_tls_request().await;
                    server.send(&[byte]).await;
                    server.expect_eof().await;
                })
                .await;
            let error = outcome.expect_err("refused");
            let ClientError::Tls(TlsError::UnexpectedAnswer { byte: told }) = error else {
                panic!("{error}")
            };
            assert_eq!((told, opened), (byte, 1));
        }
    });
}

/// Bytes behind the yes would be read as the server's once TLS stands (CVE-2021-23222).
#[test]
fn bytes_behind_the_yes() {
    run(async {
        for mode in [SslMode::Prefer, SslMode::Require] {
            let (outcome, opened, ()) = play(&options(mode), async |[mut server, _]: [Scripted; 2]| {
                server.expect_tls_request().await;
                server.send(&[b"S", auth_ok().as_slice()].concat()).await;
                server.expect_eof().await;
            })
            .await;
            let error = outcome.expect_err("refused");
            assert!(matches!(error, ClientError::Tls(TlsError::BytesInTheClear)), "{error}");
            assert_eq!((error.classify(), opened), (ErrorClass::TlsRefused, 1));
        }
    });
}

#[test]
fn silence_runs_into_the_time_out() {
    run(async {
        for answer in [b"".as_slice(), b"S"] {
            let mut options = options(SslMode::Prefer);
            options.connect_timeout = Duration::from_millis(50);
            let (outcome, opened, ()) = play(&options, async |[mut server, _]: [Scripted; 2]| {
                server.expect_tls_request().await;
                server.send(answer).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            })
            .await;
            assert!(matches!(outcome.err(), Some(ClientError::Timeout { .. })));
            assert_eq!(opened, 1);
        }
    });
}

#[test]
fn an_end_at_each_point() {
    run(async {
        for (answer, of_the_handshake) in [(b"".as_slice(), false), (b"S", true)] {
            let (outcome, opened, ()) =
                play(&options(SslMode::Require), async |[mut server, _]: [Scripted; 2]| {
                    server.expect_tls_request().await;
                    server.send(answer).await;
                })
                .await;
            let ClientError::Tls(error) = outcome.expect_err("refused") else { panic!() };
            assert!(error.is_transient(), "{error}");
            // Where the end is seen first is a matter of luck.
            assert!(of_the_handshake || !error.is_of_the_handshake(), "{error}");
            assert_eq!(opened, 1);
        }
    });
}

/// Records and messages of TLS whose lengths promise more than anybody sends.
#[test]
fn garbage_for_a_handshake() {
    run(async {
        for bytes in [
            b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
            &[0x16, 3, 3, 0xFF, 0xFF, 2, 0xFF, 0xFF, 0xFF],
            &[0x16, 3, 3, 0, 4, 2, 0xFF, 0xFF, 0xFF],
            &[0x15, 3, 3, 0, 2, 2, 40],
            &[0x17, 3, 3, 0, 1, 0],
            &[0; 64],
        ] {
            let (outcome, opened, ()) =
                play(&options(SslMode::Require), async |[mut server, _]: [Scripted; 2]| {
                    server.expect_tls_request().await;
                    server.send(b"S").await;
                    // Not before the client has begun, or it is another case.
                    server.expect_client_hello().await;
                    server.send_or_lose(bytes).await;
                })
                .await;
            let ClientError::Tls(error) = outcome.expect_err("refused") else { panic!() };
            assert!(error.is_of_the_handshake(), "{error}");
            assert_eq!(opened, 1);
        }
    });
}

/// A handshake that fails is tried again without TLS where that is wanted, over another connection.
#[test]
fn prefer_goes_on_without() {
    run(async {
        let (outcome, opened, ()) =
            play(&options(SslMode::Prefer), async |[mut server, mut again]: [Scripted; 2]| {
                server.expect_tls_request().await;
                server.send(b"S").await;
                server.expect_client_hello().await;
                server.send(&[0x15, 3, 3, 0, 2, 2, 40]).await;
                again.trust_login(VERSION).await;
            })
            .await;
        assert!(outcome.expect("in the clear").tls().is_none());
        assert_eq!(opened, 2);
    });
}

/// `hostnossl` and `hostssl` lines of `pg_hba.conf`: the refusal of one way is the reason to try the other.
#[test]
fn a_refused_login_is_tried_the_other_way() {
    run(async {
        let refusal = error("FATAL", "28000", "no pg_hba.conf entry for host");
        let (outcome, opened, ()) =
            play(&options(SslMode::Prefer), async |[server, mut again]: [Scripted; 2]| {
                let mut server = accept(server, "server", ANY).await.expect("a handshake");
                server.startup().await;
                server.send(&refusal).await;
                again.trust_login(VERSION).await;
            })
            .await;
        assert!(outcome.expect("in the clear").tls().is_none());
        assert_eq!(opened, 2);

        let (outcome, opened, ()) =
            play(&options(SslMode::Allow), async |[mut server, again]: [Scripted; 2]| {
                server.startup().await;
                server.send(&refusal).await;
                let mut again = accept(again, "server", ANY).await.expect("a handshake");
                again.trust_login(VERSION).await;
            })
            .await;
        assert!(outcome.expect("encrypted").tls().is_some());
        assert_eq!(opened, 2);

        for mode in [SslMode::Disable, SslMode::Require] {
            let (outcome, opened, ()) = play(&options(mode), async |[mut server, _]: [Scripted; 2]| {
                if mode == SslMode::Require {
                    let mut server = accept(server, "server", ANY).await.expect("a handshake");
                    server.startup().await;
                    server.send(&refusal).await;
                } else {
                    server.startup().await;
                    server.send(&refusal).await;
                }
            })
            .await;
            assert_eq!(outcome.expect_err("refused").classify(), ErrorClass::LoginRefused);
            assert_eq!(opened, 1);
        }
    });
}

/// Of two refusals the one about the password says more.
#[test]
fn the_more_telling_refusal_is_told() {
    run(async {
        let (outcome, ..) = play(&options(SslMode::Prefer), async |[server, mut again]: [Scripted; 2]| {
            let mut server = accept(server, "server", ANY).await.expect("a handshake");
            server.startup().await;
            server.send(&error("FATAL", "28P01", "password authentication failed")).await;
            again.startup().await;
            again.send(&error("FATAL", "28000", "no pg_hba.conf entry, no encryption")).await;
        })
        .await;
        assert_eq!(outcome.expect_err("refused").sqlstate().unwrap().to_string(), "28P01");
    });
}
