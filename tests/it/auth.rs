//! Every authentication method, and servers that cheat.

use pgsluice::postgres::auth::{AuthError, Method};
use pgsluice::postgres::client::{ConnectOptions, Mode};
use pgsluice::postgres::error::{ClientError, ErrorClass};

use super::support::scripted::{Scripted, auth_ok, authentication, error};
use super::{log_in, options, run};

const VERSION: &str = "15.20";

async fn refused(script: impl AsyncFnOnce(&mut Scripted)) -> ClientError {
    refused_with(&options(), script).await
}

async fn refused_with(options: &ConnectOptions, script: impl AsyncFnOnce(&mut Scripted)) -> ClientError {
    let (connection, (), _server) = log_in(options, Mode::Replication, script).await;
    connection.expect_err("the login is refused")
}

#[test]
fn trust() {
    run(async {
        let (connection, ..) =
            log_in(&options(), Mode::Sql, async |server: &mut Scripted| server.trust_login(VERSION).await)
                .await;
        assert_eq!(connection.unwrap().method(), Method::Trust);
    });
}

#[test]
fn cleartext() {
    run(async {
        let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
            server.startup().await;
            server.send(&authentication(3, b"")).await;
            assert_eq!(server.expect_answer().await, b"correct horse\0");
            server.send(&auth_ok()).await;
            server.send_session(VERSION).await;
        })
        .await;
        assert_eq!(connection.unwrap().method(), Method::Cleartext);
    });
}

#[test]
fn md5() {
    run(async {
        let mut options = options();
        "md5user".clone_into(&mut options.user);
        options.password = Some("secret".to_owned().into());
        let (connection, ..) = log_in(&options, Mode::Sql, async |server: &mut Scripted| {
            server.startup().await;
            server.send(&authentication(5, &[0x94, 0xD1, 0xE0, b'x'])).await;
            assert_eq!(server.expect_answer().await, b"md526643cb8716d788ae4f99ce6a8177554\0");
            server.send(&auth_ok()).await;
            server.send_session(VERSION).await;
        })
        .await;
        assert_eq!(connection.unwrap().method(), Method::Md5);
    });
}

#[test]
fn scram() {
    run(async {
        let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
            server.startup().await;
            let server_final =
                server.scram_until_proof("correct horse", 4096).await.expect("the right proof");
            server.send(&authentication(12, server_final.as_bytes())).await;
            server.send(&auth_ok()).await;
            server.send_session(VERSION).await;
        })
        .await;
        assert_eq!(connection.unwrap().method(), Method::ScramSha256);
    });
}

#[test]
fn scram_with_another_password() {
    run(async {
        let error = refused(async |server: &mut Scripted| {
            server.startup().await;
            server.scram_until_proof("battery staple", 4096).await.expect_err("the proof is wrong");
            server.send(&error("FATAL", "28P01", "password authentication failed for user \"ada\"")).await;
        })
        .await;
        assert_eq!(error.classify(), ErrorClass::LoginRefused);
        assert_eq!(error.sqlstate().unwrap().to_string(), "28P01");
    });
}

/// A server that does not know the password cannot sign, whatever it claims.
#[test]
fn scram_with_a_wrong_signature() {
    run(async {
        let zeros = format!("v={}=", "A".repeat(43));
        for last in [zeros.as_str(), "v=", "v=!!", "", "e=other-error", "\u{e9}"] {
            let error = refused(async |server: &mut Scripted| {
                server.startup().await;
                server.scram_until_proof("correct horse", 4096).await.expect("the right proof");
                server.send(&authentication(12, last.as_bytes())).await;
                server.send_or_lose(&auth_ok()).await;
            })
            .await;
            let refused = matches!(
                error,
                ClientError::Auth(AuthError::ServerNotAuthentic | AuthError::BadScramMessage { .. })
            );
            assert!(refused, "{last:?}: {error}");
        }
    });
}

/// "You are in" before the server has proved anything.
#[test]
fn ok_inside_scram() {
    run(async {
        let at_the_start = refused(async |server: &mut Scripted| {
            server.startup().await;
            server.send(&authentication(10, b"SCRAM-SHA-256\0\0")).await;
            server.expect_answer().await;
            server.send(&auth_ok()).await;
        })
        .await;
        let before_the_signature = refused(async |server: &mut Scripted| {
            server.startup().await;
            server.scram_until_proof("correct horse", 4096).await.expect("the right proof");
            server.send(&auth_ok()).await;
        })
        .await;
        for error in [at_the_start, before_the_signature] {
            let refused =
                matches!(error, ClientError::Auth(AuthError::OutOfOrder { got: "AuthenticationOk", .. }));
            assert!(refused, "{error}");
        }
    });
}

/// A server cannot talk the client out of SCRAM once it has begun, nor ask twice.
#[test]
fn a_second_challenge() {
    run(async {
        for second in
            [authentication(3, b""), authentication(5, b"salt"), authentication(10, b"SCRAM-SHA-256\0\0")]
        {
            for first in [authentication(3, b""), authentication(10, b"SCRAM-SHA-256\0\0")] {
                let error = refused(async |server: &mut Scripted| {
                    server.startup().await;
                    server.send(&first).await;
                    server.expect_answer().await;
                    server.send(&second).await;
                    server.expect_eof().await;
                })
                .await;
                assert!(matches!(error, ClientError::Auth(AuthError::OutOfOrder { .. })), "{error}");
            }
        }
    });
}

#[test]
fn scram_iterations() {
    run(async {
        for (count, expected) in
            [("100001", 100_001), ("4294967296", 4_294_967_296), (&"9".repeat(30), u64::MAX)]
        {
            let error = refused(async |server: &mut Scripted| {
                server.startup().await;
                server.send(&authentication(10, b"SCRAM-SHA-256\0\0")).await;
                let initial = server.expect_answer().await;
                let nonce =
                    String::from_utf8(initial[b"SCRAM-SHA-256\0".len() + 4 + "n,,n=,r=".len()..].to_vec());
                let first = format!("r={}x,s=AAAA,i={count}", nonce.unwrap());
                server.send(&authentication(11, first.as_bytes())).await;
                server.expect_eof().await;
            })
            .await;
            let limit = 100_000;
            let iterations = expected;
            assert!(
                matches!(&error, ClientError::Auth(e) if *e == AuthError::TooManyIterations { iterations, limit })
            );
            assert!(error.to_string().contains("scram_iterations"));
        }
    });
}

#[test]
fn scram_first_messages_that_are_not() {
    run(async {
        for first in
            ["", "r=other,s=AAAA,i=4096", "r=x", "r=x,s=AAAA,i=0", "r=x,s=AAAA,i=", "r=x,s=AAAA,i=-1", "e=no"]
        {
            let error = refused(async |server: &mut Scripted| {
                server.startup().await;
                server.send(&authentication(10, b"SCRAM-SHA-256\0\0")).await;
                server.expect_answer().await;
                server.send(&authentication(11, first.as_bytes())).await;
                server.expect_eof().await;
            })
            .await;
            assert!(
                matches!(error, ClientError::Auth(AuthError::BadScramMessage { .. })),
                "{first}: {error}"
            );
        }
    });
}

#[test]
fn methods_that_are_not_spoken() {
    run(async {
        let hostile = [b"\x1b[2Jlong".to_vec(), vec![b'A'; 41], vec![0xFF]].join(&0);
        for (message, named) in [
            (authentication(7, b""), "gss"),
            (authentication(9, b""), "sspi"),
            (authentication(8, b"token"), "gss"),
            (authentication(2, b""), "Kerberos"),
            (authentication(99, b""), "method 99"),
            (authentication(10, b"SCRAM-SHA-256-PLUS\0\0"), "SCRAM-SHA-256-PLUS"),
            (authentication(10, &[&hostile[..], b"\0\0"].concat()), "a SASL mechanism it does not name"),
        ] {
            let error = refused(async |server: &mut Scripted| {
                server.startup().await;
                server.send(&message).await;
                server.expect_eof().await;
            })
            .await;
            assert!(matches!(error, ClientError::Auth(AuthError::Unsupported(_))));
            let text = error.to_string();
            assert!(text.contains(named) && text.contains("pg_hba.conf"), "{text}");
            assert_eq!(error.classify(), ErrorClass::LoginRefused);
        }
    });
}

/// SCRAM with channel binding offered beside plain SCRAM, as a server with TLS does.
#[test]
fn plain_scram_is_chosen_beside_plus() {
    run(async {
        let error = refused(async |server: &mut Scripted| {
            server.startup().await;
            server.send(&authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")).await;
            let initial = server.expect_answer().await;
            assert!(initial.starts_with(b"SCRAM-SHA-256\0"));
            server.send(&error("FATAL", "28000", "enough")).await;
        })
        .await;
        assert_eq!(error.sqlstate().unwrap().to_string(), "28000");
    });
}

#[test]
fn no_password_at_hand() {
    run(async {
        let mut options = options();
        options.password = None;
        for message in
            [authentication(3, b""), authentication(5, b"salt"), authentication(10, b"SCRAM-SHA-256\0\0")]
        {
            let error = refused_with(&options, async |server: &mut Scripted| {
                server.startup().await;
                server.send(&message).await;
                server.expect_eof().await;
            })
            .await;
            assert!(matches!(error, ClientError::Auth(AuthError::NoPassword)));
        }
    });
}

/// Neither the options nor any error of a login shows the password.
#[test]
fn the_password_is_never_printed() {
    run(async {
        let mut options = options();
        assert!(!format!("{options:?}").contains("horse"));
        options.password = Some("horse\0battery".to_owned().into());
        let error = refused_with(&options, async |server: &mut Scripted| {
            server.startup().await;
            server.send(&authentication(3, b"")).await;
            server.expect_eof().await;
        })
        .await;
        assert!(matches!(error, ClientError::Encode(_)));
        assert!(!format!("{error} {error:?}").contains("horse"));
    });
}
