//! Bearer tokens by SASL, which a PostgreSQL 18 has a module of the tests' own validate.

use std::fs;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use ::pgsluice::postgres::auth::{AuthError, Method};
use ::pgsluice::postgres::client::{ConnectOptions, LoginError, Mode, RequireAuth, SslMode};
use ::pgsluice::postgres::error::{ClientError, ErrorClass};
use ::pgsluice::secret::Secret;

use crate::context::Context;
use crate::login::tokens::Given;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::Postgres;
use crate::tls::server as tls;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/login/validator.c");
const ISSUER: &str = "https://issuer.example/tenant";

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([18], "takes_bearer_tokens", good);
    suite.postgres([18], "refuses_bearer_tokens_with_a_reason", refused);
    suite.postgres([18], "bearer_tokens_stay_where_they_may_not_leave", stays);
}

async fn good(context: &Context) -> Result<()> {
    let (server, token) = start(context)?;
    for mode in [Mode::Sql, Mode::Replication] {
        let mut connection = Given::new(&token).login(options(&server)?).connect(mode).await?;
        assert_eq!(connection.method(), Method::OAuthBearer);
        let told = connection.query("SELECT system_user").await?;
        assert_eq!(told.first().and_then(|rows| rows.value(0, "system_user")), Some("oauth:cdc@example.com"));
    }
    // The first was withdrawn, and the directory has another.
    let source = Given::kept("withdrawn", &token);
    let connection = source.login(options(&server)?).connect(Mode::Replication).await?;
    assert_eq!((connection.method(), source.times_asked()), (Method::OAuthBearer, 2));
    // Long ones: a directory puts whole lists of groups into them.
    let longest = "x".repeat(60_000);
    server.put_file("tokens", format!("{longest} cdc@example.com\n").as_bytes())?;
    Given::new(&longest).login(options(&server)?).connect(Mode::Sql).await?;
    Ok(())
}

async fn refused(context: &Context) -> Result<()> {
    let (server, token) = start(context)?;
    for token in ["unknown", "of.another.user"] {
        let error = refusal(&server, token).await?;
        assert_eq!(error.classify(), ErrorClass::LoginRefused, "{error}");
        assert_eq!(error.sqlstate().map(|code| code.to_string()).as_deref(), Some("28000"), "{error}");
    }
    let text = refusal(&server, "unknown").await?.to_string();
    for part in ["invalid_token", ISSUER, "openid-configuration", "cdc:stream"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let source = Given::kept("withdrawn", "unknown");
    let outcome = source.login(options(&server)?).connect(Mode::Sql).await;
    assert!(outcome.is_err() && source.times_asked() == 2, "asked {} times", source.times_asked());
    let error = refusal(&server, &format!("{token}\n")).await?;
    assert!(matches!(error, ClientError::Auth(AuthError::NotABearerToken)), "{error}");
    Ok(())
}

/// The server would take it; the rules of what leaves over which connection do not let it go.
async fn stays(context: &Context) -> Result<()> {
    let (server, token) = start(context)?;
    let unverified = |mode| {
        let mut options = tls::options(&server, mode, None)?;
        "cdc@example.com".clone_into(&mut options.user);
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(options)
    };
    for mode in [SslMode::Disable, SslMode::Prefer, SslMode::Require] {
        let outcome = Given::new(&token).login(unverified(mode)?).connect(Mode::Sql).await;
        let error = client_error(outcome.err())?;
        assert!(matches!(error, ClientError::Auth(AuthError::TokenNotReleased { .. })), "{mode:?}: {error}");
    }
    // A password does not go to whoever asks for tokens, and a token not where others are asked for.
    let mut password = options(&server)?;
    password.password = Some(Secret::new("open sesame".to_owned()));
    let outcome = ::pgsluice::postgres::client::connect(&password, Mode::Sql).await;
    assert!(matches!(outcome, Err(ClientError::Auth(AuthError::NoToken))), "{outcome:?}");
    let mut other = options(&server)?;
    other.policy.require_auth = RequireAuth::parse("scram-sha-256")?;
    let error = client_error(Given::new(&token).login(other).connect(Mode::Sql).await.err())?;
    assert!(matches!(error, ClientError::Auth(AuthError::NotAllowed { .. })), "{error}");
    let mut named = options(&server)?;
    named.policy.require_auth = RequireAuth::parse("oauth")?;
    Given::new(&token).login(named).connect(Mode::Sql).await?;
    Ok(())
}

async fn refusal(server: &Postgres, token: &str) -> Result<ClientError> {
    client_error(Given::new(token).login(options(server)?).connect(Mode::Sql).await.err())
}

fn client_error(error: Option<LoginError>) -> Result<ClientError> {
    match error {
        Some(LoginError::Client(error)) => Ok(error),
        Some(error) => Err(error.into()),
        None => Err("it was let in".into()),
    }
}

fn options(server: &Postgres) -> Result<ConnectOptions> {
    let mut options = tls::options(server, SslMode::VerifyFull, Some("ca"))?;
    "cdc@example.com".clone_into(&mut options.user);
    Ok(options)
}

/// A server with the validator, and a token it takes.
fn start(context: &Context) -> Result<(Arc<Postgres>, String)> {
    let server = tls::start(context, Some("server"))?;
    let module = server.data_directory().join("validator.so");
    server.put_file("validator.so", compiled()?)?;
    let module = module.display();
    let hba = format!(
        "host all postgres 127.0.0.1/32 trust\n\
         host all all 127.0.0.1/32 oauth issuer=\"{ISSUER}\" scope=\"openid cdc:stream\"\n"
    );
    server.put_file("pg_hba.conf", hba.as_bytes())?;
    let token = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJwZyJ9.c2ln_bmF0-dXJl";
    let tokens = format!("{token} cdc@example.com\nof.another.user other@example.com\n");
    server.put_file("tokens", tokens.as_bytes())?;
    server.set_conf("oauth_validator_libraries", &module.to_string())?;
    server.restart()?;
    server.session("postgres")?.query(
        "CREATE ROLE \"cdc@example.com\" LOGIN REPLICATION; CREATE ROLE \"other@example.com\" LOGIN",
    )?;
    Ok((server, token.to_owned()))
}

/// The module, compiled once a process.
fn compiled() -> Result<&'static [u8]> {
    static MODULE: OnceLock<std::result::Result<Vec<u8>, String>> = OnceLock::new();
    let module = MODULE.get_or_init(|| compile().map_err(|error| error.to_string()));
    module.as_deref().map_err(|error| error.as_str().into())
}

fn compile() -> Result<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = folder.join(format!("validator-{}.so", std::process::id()));
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
    let status = command.arg(&output).arg(SOURCE).status()?;
    if !status.success() {
        return Err(format!("cc {SOURCE}: {status}").into());
    }
    let module = fs::read(&output)?;
    fs::remove_file(&output)?;
    Ok(module)
}
