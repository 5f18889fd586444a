//! A login whose credential is fetched: how often, for whom, and what becomes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgsluice::credential::{
    Credential, CredentialError, CredentialSource, Outlook, Pending, Recipient, SecretKind,
};
use pgsluice::error::{Disposition, Exit};
use pgsluice::pipeline::PipelineError;
use pgsluice::postgres::auth::{AuthError, Method};
use pgsluice::postgres::client::conninfo::Conninfo;
use pgsluice::postgres::client::{Login, LoginError, Mode};
use pgsluice::postgres::error::ClientError;
use pgsluice::secret::Secret;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use crate::certificates::Certificates;
use crate::run;
use crate::support::scripted::{Scripted, auth_ok, authentication, error};
use crate::tls::server::{ANY, accept};

/// Numbers its tokens, and notes what it was asked.
#[derive(Debug, Default)]
struct Numbered {
    asked: Mutex<Vec<Recipient>>,
    told: Mutex<Vec<String>>,
    /// Keeps a token until it is told otherwise.
    keeps: bool,
    kept: Mutex<Option<Secret>>,
    hangs: bool,
}

impl CredentialSource for Numbered {
    fn credential<'a>(&'a self, recipient: &'a Recipient) -> Pending<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(recipient.clone());
            if self.hangs {
                std::future::pending::<()>().await;
            }
            let kept = self.kept.lock().unwrap().clone();
            let (token, is_fresh) = match kept.filter(|_| self.keeps) {
                Some(token) => (token, false),
                None => (Secret::new(format!("token.number.{}", self.times_asked())), true),
            };
            *self.kept.lock().unwrap() = Some(token.clone());
            Ok(Credential {
                secret: token,
                kind: SecretKind::BearerToken,
                is_fresh,
                valid_for: Some(Duration::from_mins(5)),
            })
        })
    }

    fn invalidate(&self) {
        self.told.lock().unwrap().push("invalidate".to_owned());
        *self.kept.lock().unwrap() = None;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl Numbered {
    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// What the server says to each token, by a request for the password itself.
async fn ask(listener: &TcpListener) -> (Scripted<TlsStream<TcpStream>>, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut server = accept(Scripted::over(stream), "server", ANY).await.unwrap();
    server.startup().await;
    server.send(&authentication(3, b"")).await;
    let token = String::from_utf8(server.expect_answer().await).unwrap();
    (server, token)
}

async fn take(listener: &TcpListener) -> (Scripted<TlsStream<TcpStream>>, String) {
    let (mut server, token) = ask(listener).await;
    server.send(&auth_ok()).await;
    server.send_session("15.20").await;
    (server, token)
}

async fn refuse(listener: &TcpListener, code: &str) -> String {
    let (mut server, token) = ask(listener).await;
    server.send(&error("FATAL", code, "PAM authentication failed for user \"ada\"")).await;
    token
}

async fn login(source: &Arc<Numbered>, further: &str) -> (Login, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let roots = Certificates::get().unwrap().certificate("ca");
    let url = format!(
        "postgres://ada@localhost:{port}/shop?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}{further}",
        roots.display()
    );
    let options = Conninfo::parse(&url).unwrap().into_options().unwrap();
    let source: Arc<dyn CredentialSource> = Arc::clone(source) as _;
    (Login { options, password: None, credentials: Some(source) }, listener)
}

/// Each connection has a token of its own, and the source learns for whom.
#[test]
fn one_for_each_connection() {
    run(async {
        let source = Arc::new(Numbered::default());
        let (login, listener) = login(&source, "").await;
        for number in 1..=3 {
            let (connection, (_server, token)) = tokio::join!(login.connect(Mode::Sql), take(&listener));
            assert_eq!(connection.unwrap().method(), Method::Cleartext);
            assert_eq!(token, format!("token.number.{number}\0"));
        }
        let port = listener.local_addr().unwrap().port();
        let expected = Recipient { host: "localhost".to_owned(), port, user: "ada".to_owned() };
        assert!(source.asked.lock().unwrap().iter().all(|recipient| *recipient == expected));
        assert!(source.told.lock().unwrap().is_empty());
        assert!(!format!("{login:?}").contains("token.number"));
    });
}

/// One that was kept and is refused is fetched once more; the refusal of a fresh one stands.
#[test]
fn a_refused_one_is_fetched_again_once() {
    run(async {
        for code in ["28P01", "28000"] {
            let source = Arc::new(Numbered { keeps: true, ..Numbered::default() });
            let (login, listener) = login(&source, "").await;
            let first = async {
                let (outcome, _server) = tokio::join!(login.connect(Mode::Sql), take(&listener));
                outcome
            };
            first.await.unwrap();
            let script = async { (refuse(&listener, code).await, take(&listener).await) };
            let (connection, (old, (_server, new))) = tokio::join!(login.connect(Mode::Replication), script);
            connection.unwrap();
            assert_eq!((old.as_str(), new.as_str()), ("token.number.1\0", "token.number.3\0"));
            assert_eq!(source.told.lock().unwrap().len(), 1);

            let script = async { (refuse(&listener, code).await, refuse(&listener, code).await) };
            let (outcome, (old, new)) = tokio::join!(login.connect(Mode::Sql), script);
            assert_eq!((old.as_str(), new.as_str()), ("token.number.3\0", "token.number.5\0"));
            let error = outcome.unwrap_err();
            assert!(matches!(&error, LoginError::Client(ClientError::Server(_))), "{error}");
            assert_eq!(
                PipelineError::Login(error).disposition(),
                Disposition::Refused(Exit::Authentication),
                "a running pipeline tries again, slowly"
            );
            // Whoever calls again begins anew, and a fresh one is not asked for twice.
            source.invalidate();
            let before = source.times_asked();
            let (outcome, _) = tokio::join!(login.connect(Mode::Sql), refuse(&listener, code));
            assert!(outcome.is_err());
            assert_eq!(source.times_asked() - before, 1);
        }
    });
}

/// Other failures have nothing to do with the token.
#[test]
fn it_is_kept_through_other_failures() {
    run(async {
        let source = Arc::new(Numbered { keeps: true, ..Numbered::default() });
        let (login, listener) = login(&source, "").await;
        for code in ["57P03", "53300", "3D000", "42501"] {
            let (outcome, _) = tokio::join!(login.connect(Mode::Sql), refuse(&listener, code));
            assert!(outcome.is_err());
        }
        assert!(source.told.lock().unwrap().is_empty());
    });
}

/// A server that asks for something else than the token is not the one that was meant.
#[test]
fn other_methods_are_refused() {
    run(async {
        for challenge in [
            auth_ok(),
            authentication(5, b"salt"),
            authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
        ] {
            let source = Arc::new(Numbered::default());
            let (login, listener) = login(&source, "").await;
            let script = async {
                let (stream, _) = listener.accept().await.unwrap();
                let mut server = accept(Scripted::over(stream), "server", ANY).await.unwrap();
                server.startup().await;
                server.send(&challenge).await;
                server.expect_end().await;
            };
            let (outcome, ()) = tokio::join!(login.connect(Mode::Sql), script);
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, LoginError::Client(ClientError::Auth(AuthError::NotForTokens { .. }))),
                "{error}"
            );
        }
        // Unless they are named.
        let source = Arc::new(Numbered::default());
        let (login, listener) = login(&source, "&require_auth=none").await;
        let script = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = accept(Scripted::over(stream), "server", ANY).await.unwrap();
            server.trust_login("15.20").await;
            server
        };
        let (outcome, _server) = tokio::join!(login.connect(Mode::Sql), script);
        assert_eq!(outcome.unwrap().method(), Method::Trust);
    });
}

/// The server's reason, from before its error, is a part of the one error.
#[test]
fn a_bearer_token_by_sasl() {
    run(async {
        let source = Arc::new(Numbered::default());
        let (login, listener) = login(&source, "").await;
        let begin = async || {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = accept(Scripted::over(stream), "server", ANY).await.unwrap();
            server.startup().await;
            server.send(&authentication(10, b"OAUTHBEARER\0\0")).await;
            let initial = server.expect_answer().await;
            (server, initial)
        };
        let script = async {
            let (mut server, initial) = begin().await;
            assert_eq!(initial, b"OAUTHBEARER\0\0\0\0\x20n,,\x01auth=Bearer token.number.1\x01\x01");
            server.send(&auth_ok()).await;
            server.send_session("18.4").await;
            server
        };
        let (outcome, _server) = tokio::join!(login.connect(Mode::Sql), script);
        assert_eq!(outcome.unwrap().method(), Method::OAuthBearer);
        let script = async {
            let (mut server, _) = begin().await;
            let document = br#"{"status":"invalid_token","openid-configuration":"https://i/x","scope":"s"}"#;
            server.send(&authentication(11, document)).await;
            assert_eq!(server.expect_answer().await, b"\x01");
            server
                .send(&error("FATAL", "28000", "OAuth bearer authentication failed for user \"ada\""))
                .await;
        };
        let (outcome, ()) = tokio::join!(login.connect(Mode::Sql), script);
        let text = outcome.unwrap_err().to_string();
        for part in ["28000", "invalid_token", "https://i/x", "scope s", "unauthenticated"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("token.number"), "{text}");
    });
}

/// A source that hangs is given up in its own time, and what it says decides what comes next.
#[test]
fn no_credential() {
    run(async {
        let source = Arc::new(Numbered { hangs: true, ..Numbered::default() });
        let (login, _listener) = login(&source, "").await;
        let error = login.connect(Mode::Sql).await.unwrap_err();
        assert!(matches!(&error, LoginError::Credential(_)), "{error}");
        assert_eq!(error.to_string(), "no credential in 1 s");
        let error = PipelineError::Login(error);
        assert_eq!(error.disposition(), Disposition::Retry(Exit::Authentication));
        for (outlook, disposition, pause) in [
            (
                Outlook::Retry { after: Some(Duration::from_secs(7)) },
                Disposition::Retry(Exit::Authentication),
                Some(Duration::from_secs(7)),
            ),
            (Outlook::Stop, Disposition::Refused(Exit::Authentication), None),
            (Outlook::Never, Disposition::Stop(Exit::Authentication), None),
        ] {
            let message = "the directory is closed".to_owned();
            let error = PipelineError::Login(CredentialError { message, outlook }.into());
            assert_eq!((error.disposition(), error.retry_after()), (disposition, pause));
        }
    });
}
