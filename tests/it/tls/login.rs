//! What leaves over which connection: servers that ask for more than they may have.

use pgsluice::postgres::auth::{AuthError, Method};
use pgsluice::postgres::client::{ChannelBinding, ConnectOptions, RequireAuth, SecretKind, SslMode};
use pgsluice::postgres::error::{ClientError, ErrorClass};
use tokio::io::{AsyncRead, AsyncWrite};

use super::server::{ANY, accept};
use super::{options, play, trusting};
use crate::run;
use crate::support::scram::ScramServer;
use crate::support::scripted::{Scripted, auth_ok, authentication, error};
use crate::support::sha256::{base64, sha256};

const CLEARTEXT: u32 = 3;
const MD5: u32 = 5;

fn requiring(mut options: ConnectOptions, list: &str) -> ConnectOptions {
    options.policy.require_auth = RequireAuth::parse(list).unwrap();
    options
}

fn challenge(code: u32) -> Vec<u8> {
    authentication(code, if code == MD5 { b"salt" } else { b"" })
}

/// A server that takes TLS away and asks for the password: libpq 15 gives it under all three weak modes.
#[test]
fn nothing_leaves_in_the_clear() {
    run(async {
        for (mode, code) in [
            (SslMode::Disable, CLEARTEXT),
            (SslMode::Disable, MD5),
            (SslMode::Prefer, CLEARTEXT),
            (SslMode::Prefer, MD5),
            (SslMode::Allow, CLEARTEXT),
            (SslMode::Allow, MD5),
        ] {
            let (outcome, opened, ()) =
                play(&options(mode), async |[mut server, mut again]: [Scripted; 2]| {
                    if mode == SslMode::Prefer {
                        server.expect_tls_request().await;
                        server.send(b"N").await;
                    }
                    server.startup().await;
                    server.send(&challenge(code)).await;
                    server.expect_eof().await;
                    if mode == SslMode::Disable {
                        return;
                    }
                    // The other way round it is as deaf.
                    if mode == SslMode::Allow {
                        again.expect_tls_request().await;
                        again.send(b"N").await;
                    }
                    again.startup().await;
                    again.send(&challenge(code)).await;
                    again.expect_eof().await;
                })
                .await;
            let error = outcome.expect_err("refused");
            assert!(matches!(error, ClientError::Auth(AuthError::PasswordInTheClear { .. })), "{error}");
            assert_eq!(error.classify(), ErrorClass::LoginRefused);
            assert_eq!(opened, if mode == SslMode::Disable { 1 } else { 2 });
        }
    });
}

/// What is named is sent, and under `allow` the refusal in the clear is the reason to encrypt.
#[test]
fn what_may_leave() {
    run(async {
        let named = requiring(options(SslMode::Disable), "password");
        let (outcome, ..) = play(&named, async |[mut server, _]: [Scripted; 2]| {
            server.startup().await;
            server.send(&challenge(CLEARTEXT)).await;
            assert_eq!(server.expect_answer().await, b"correct horse\0");
            server.send(&auth_ok()).await;
            server.send_session("15.20").await;
        })
        .await;
        assert_eq!(outcome.unwrap().method(), Method::Cleartext);
        let (outcome, opened, ()) =
            play(&options(SslMode::Allow), async |[mut server, again]: [Scripted; 2]| {
                server.startup().await;
                server.send(&challenge(CLEARTEXT)).await;
                server.expect_eof().await;
                let mut again = accept(again, "server", ANY).await.unwrap();
                again.startup().await;
                again.send(&challenge(CLEARTEXT)).await;
                assert_eq!(again.expect_answer().await, b"correct horse\0");
                again.send(&auth_ok()).await;
                again.send_session("15.20").await;
            })
            .await;
        assert!(outcome.unwrap().tls().is_some());
        assert_eq!(opened, 2);
    });
}

/// A token goes to a verified server alone, by whatever certificate the other one shows.
#[test]
fn a_token_wants_a_verified_server() {
    run(async {
        for (mode, authority, sent) in [
            (SslMode::Require, None, false),
            (SslMode::Prefer, None, false),
            (SslMode::VerifyCa, Some("ca"), true),
            (SslMode::VerifyFull, Some("ca"), true),
        ] {
            let mut options = authority.map_or_else(|| options(mode), |authority| trusting(mode, authority));
            options.policy.kind = SecretKind::BearerToken;
            let (outcome, ..) = play(&options, async |[server, mut again]: [Scripted; 2]| {
                let mut server = accept(server, "server", ANY).await.unwrap();
                server.startup().await;
                server.send(&challenge(CLEARTEXT)).await;
                if sent {
                    assert_eq!(server.expect_answer().await, b"correct horse\0");
                    server.send(&auth_ok()).await;
                    server.send_session("15.20").await;
                } else {
                    server.expect_end().await;
                }
                if mode == SslMode::Prefer {
                    again.startup().await;
                    again.send(&challenge(CLEARTEXT)).await;
                    again.expect_eof().await;
                }
            })
            .await;
            match outcome {
                Ok(_) => assert!(sent, "{mode:?}"),
                Err(ClientError::Auth(AuthError::TokenNotReleased { .. })) => assert!(!sent, "{mode:?}"),
                Err(error) => panic!("{mode:?}: {error}"),
            }
        }
    });
}

/// A surprising method ends the login before anything is sent.
#[test]
fn only_what_is_required() {
    run(async {
        let scram = authentication(10, b"SCRAM-SHA-256\0\0");
        for (list, asked) in [
            ("scram-sha-256", auth_ok()),
            ("scram-sha-256", challenge(CLEARTEXT)),
            ("scram-sha-256", challenge(MD5)),
            ("!none", auth_ok()),
            ("password", scram),
            ("none", challenge(CLEARTEXT)),
        ] {
            let options = requiring(trusting(SslMode::VerifyFull, "ca"), list);
            let (outcome, ..) = play(&options, async |[server, _]: [Scripted; 2]| {
                let mut server = accept(server, "server", ANY).await.unwrap();
                server.startup().await;
                server.send(&asked).await;
                server.expect_end().await;
            })
            .await;
            let error = outcome.expect_err("refused");
            assert!(matches!(error, ClientError::Auth(AuthError::NotAllowed { .. })), "{list}: {error}");
            assert!(error.to_string().contains(list));
        }
    });
}

/// SCRAM that is begun and not finished is no SCRAM (the class of CVE-2025-49146).
#[test]
fn scram_cannot_be_skipped() {
    run(async {
        let mut bound = trusting(SslMode::VerifyFull, "ca");
        bound.policy.channel_binding = ChannelBinding::Require;
        for options in [bound, requiring(trusting(SslMode::VerifyFull, "ca"), "scram-sha-256")] {
            let (outcome, ..) = play(&options, async |[server, _]: [Scripted; 2]| {
                let mut server = accept(server, "server", ANY).await.unwrap();
                server.startup().await;
                server.send(&authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")).await;
                server.expect_answer().await;
                server.send(&auth_ok()).await;
                server.expect_end().await;
            })
            .await;
            let error = outcome.expect_err("refused");
            assert!(matches!(error, ClientError::Auth(AuthError::OutOfOrder { .. })), "{error}");
        }
    });
}

/// Plays SCRAM with this mechanism offered; returns the `c=` of the client's last message, decoded by its header.
async fn scram<P: AsyncRead + AsyncWrite + Unpin>(
    server: &mut Scripted<P>,
    offered: &[u8],
    mechanism: &str,
    header: &str,
) -> String {
    server.startup().await;
    server.send(&authentication(10, offered)).await;
    let initial = server.expect_answer().await;
    let rest = initial.strip_prefix(format!("{mechanism}\0").as_bytes()).expect("the mechanism");
    let client_first = std::str::from_utf8(&rest[4..]).unwrap();
    let exchange = ScramServer::bound("correct horse", client_first, 4096, header);
    server.send(&authentication(11, exchange.first().as_bytes())).await;
    let client_final = String::from_utf8(server.expect_answer().await).unwrap();
    let server_final = exchange.finish(&client_final).expect("the right proof");
    server.send(&authentication(12, server_final.as_bytes())).await;
    server.send(&auth_ok()).await;
    server.send_session("15.20").await;
    client_final.split(',').next().unwrap().strip_prefix("c=").unwrap().to_owned()
}

/// The hash is that of the very certificate, by the server's own reckoning.
#[test]
fn bound_to_the_certificate() {
    run(async {
        let mut options = trusting(SslMode::VerifyFull, "ca");
        options.policy.channel_binding = ChannelBinding::Require;
        let (outcome, _, sent) = play(&options, async |[server, _]: [Scripted; 2]| {
            let mut server = accept(server, "server", ANY).await.unwrap();
            let offered = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
            scram(&mut server, offered, "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,").await
        })
        .await;
        assert_eq!(outcome.unwrap().method(), Method::ScramSha256Plus);
        let hash = sha256(&super::server::der("server"));
        assert_eq!(sent, base64(&[b"p=tls-server-end-point,,".as_slice(), &hash].concat()));
    });
}

/// Somebody between takes PLUS from the offer: the client says that it would have had it, and a real server ends
/// the login there.
#[test]
fn a_downgrade_is_told() {
    run(async {
        let options = trusting(SslMode::VerifyFull, "ca");
        let (outcome, _, sent) = play(&options, async |[server, _]: [Scripted; 2]| {
            let mut server = accept(server, "server", ANY).await.unwrap();
            scram(&mut server, b"SCRAM-SHA-256\0\0", "SCRAM-SHA-256", "y,,").await
        })
        .await;
        assert_eq!(outcome.unwrap().method(), Method::ScramSha256);
        assert_eq!(sent, base64(b"y,,"));

        let (outcome, ..) = play(&options_without_tls(), async |[mut server, _]: [Scripted; 2]| {
            server.startup().await;
            server.send(&authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")).await;
            server.expect_eof().await;
        })
        .await;
        let error = outcome.expect_err("refused");
        assert!(matches!(error, ClientError::Auth(AuthError::PlusInTheClear)), "{error}");
    });
}

fn options_without_tls() -> ConnectOptions {
    options(SslMode::Disable)
}

/// Over TLS a server's words before the login are nobody's still.
#[test]
fn words_before_the_login() {
    run(async {
        let (outcome, ..) = play(&trusting(SslMode::VerifyFull, "ca"), async |[server, _]: [Scripted; 2]| {
            let mut server = accept(server, "server", ANY).await.unwrap();
            server.startup().await;
            server.send(&error("FATAL", "28P01", "no")).await;
        })
        .await;
        let text = outcome.expect_err("refused").to_string();
        assert!(text.starts_with("unauthenticated server said"), "{text}");
    });
}
