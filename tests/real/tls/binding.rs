//! Channel binding with every kind of signature a certificate can have: the server reckons the same hash, or the
//! login fails.

use ::pgsluice::postgres::auth::{AuthError, Method};
use ::pgsluice::postgres::client::{ChannelBinding, ConnectOptions, Mode, RequireAuth, SslMode, connect};
use ::pgsluice::postgres::error::ClientError;
use ::pgsluice::secret::Secret;

use crate::context::Context;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::{PASSWORD, Postgres};
use crate::tls::server;

/// Whether there is a digest to bind to.
const CERTIFICATES: [(&str, bool); 8] = [
    ("self_rsa_sha256", true),
    ("self_rsa_sha512", true),
    ("self_rsa_sha1", true),
    ("self_rsa_pss", true),
    ("self_signed", true),
    ("self_p384_sha384", true),
    ("self_p384_sha512", true),
    ("self_ed25519", false),
];

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "logins_are_bound_to_the_certificate", async |context| {
        let server = server::start(context, Some("server"))?;
        for (certificate, is_bound) in CERTIFICATES {
            server::show(&server, certificate)?;
            server.reload()?;
            for mode in [Mode::Sql, Mode::Replication] {
                bound(&server, certificate, is_bound, mode).await?;
            }
        }
        Ok(())
    });
    suite.postgres([12, 15, 18], "methods_and_channels", methods_and_channels);
}

async fn bound(server: &Postgres, certificate: &str, is_bound: bool, mode: Mode) -> Result<()> {
    let mut options = login(server, SslMode::Require, "scram_user")?;
    let outcome = connect(&options, mode).await.map(|connection| connection.method());
    let expected = if is_bound { Method::ScramSha256Plus } else { Method::ScramSha256 };
    assert_eq!(outcome.map_err(|error| format!("{certificate}: {error}"))?, expected, "{certificate}");
    options.policy.channel_binding = ChannelBinding::Disable;
    assert_eq!(connect(&options, mode).await?.method(), Method::ScramSha256);
    options.policy.channel_binding = ChannelBinding::Require;
    match connect(&options, mode).await {
        Ok(connection) => {
            assert!(is_bound && connection.method() == Method::ScramSha256Plus, "{certificate}");
        }
        Err(ClientError::Auth(AuthError::NoChannelBinding { .. })) => assert!(!is_bound, "{certificate}"),
        Err(error) => return Err(format!("{certificate}: {error}").into()),
    }
    Ok(())
}

/// What of each method leaves over which channel, and what `require_auth` makes of it.
async fn methods_and_channels(context: &Context) -> Result<()> {
    let server = server::start(context, Some("server"))?;
    let clear = |user: &str| login(&server, SslMode::Disable, user);
    let encrypted = |user: &str| login(&server, SslMode::Require, user);
    for (user, method) in [("pw_user", Method::Cleartext), ("md5_user", Method::Md5)] {
        let error = connect(&clear(user)?, Mode::Sql).await.err().ok_or("a password in the clear")?;
        assert!(matches!(error, ClientError::Auth(AuthError::PasswordInTheClear { .. })), "{error}");
        let mut named = clear(user)?;
        named.policy.require_auth = RequireAuth::parse("password,md5")?;
        assert_eq!(connect(&named, Mode::Sql).await?.method(), method);
        assert_eq!(connect(&encrypted(user)?, Mode::Replication).await?.method(), method);
        let mut strict = encrypted(user)?;
        strict.policy.require_auth = RequireAuth::parse("scram-sha-256")?;
        let error = connect(&strict, Mode::Sql).await.err().ok_or("another method")?;
        assert!(matches!(error, ClientError::Auth(AuthError::NotAllowed { .. })), "{error}");
    }
    assert_eq!(connect(&clear("scram_user")?, Mode::Sql).await?.method(), Method::ScramSha256);
    let mut surprised = encrypted("postgres")?;
    surprised.policy.require_auth = RequireAuth::parse("!none")?;
    let error = connect(&surprised, Mode::Sql).await.err().ok_or("no method at all")?;
    assert!(matches!(error, ClientError::Auth(AuthError::NotAllowed { .. })), "{error}");
    Ok(())
}

fn login(server: &Postgres, mode: SslMode, user: &str) -> Result<ConnectOptions> {
    let mut options = server::options(server, mode, None)?;
    user.clone_into(&mut options.user);
    options.password = Some(Secret::new(PASSWORD.to_owned()));
    Ok(options)
}
