//! With TLS or without, and what is tried when one of them fails: libpq's `sslmode`.

use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::{Connection, Opened, log_in as log_in_over};
use super::options::{ConnectOptions, Mode};
use crate::postgres::auth::AuthError;
use crate::postgres::auth::policy::{Channel, Peer};
use crate::postgres::error::ClientError;
use crate::postgres::protocol::sqlstate::SqlState;
use crate::postgres::transport::dial::{DialError, Dialed};
use crate::postgres::transport::stream::Stream;
use crate::postgres::transport::tls::{SslMode, TlsSession, Verification, secure};

/// How a connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Without asking for TLS.
    Clear,
    /// Asking for it.
    Encrypted,
}

/// What is tried first, and what after a failure that the other way may cure.
fn ways(options: &ConnectOptions) -> (Way, Option<Way>) {
    // Nobody is between on a Unix-domain socket, and servers speak no TLS there.
    if options.is_local() {
        return (Way::Clear, None);
    }
    match options.tls.mode {
        SslMode::Disable => (Way::Clear, None),
        SslMode::Allow => (Way::Clear, Some(Way::Encrypted)),
        SslMode::Prefer => (Way::Encrypted, Some(Way::Clear)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Way::Encrypted, None),
    }
}

/// Logs in by the first way, then perhaps by the second.
pub(super) async fn log_in<S>(
    dial: &impl AsyncFn() -> Result<Dialed<S>, DialError>,
    options: &ConnectOptions,
    mode: Mode,
) -> Result<Connection<Stream<S>>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (first, second) = ways(options);
    let error = match by(first, dial, options, mode).await {
        Err(error) if is_worth_another_way(&error) => error,
        outcome => return outcome,
    };
    let Some(second) = second else { return Err(error) };
    let sslmode = options.tls.mode.name();
    match second {
        Way::Clear => tracing::warn!(%error, sslmode, "no login with TLS; trying without"),
        Way::Encrypted => tracing::info!(%error, sslmode, "no login without TLS; trying with it"),
    }
    by(second, dial, options, mode).await.map_err(|last| more_telling(error, last))
}

/// Which of two failures to tell; both are in the log. The words of the server about user and password say more
/// than that it has no line in `pg_hba.conf` for the other kind of connection.
fn more_telling(first: ClientError, second: ClientError) -> ClientError {
    let no_line = |error: &ClientError| error.sqlstate() == Some(SqlState::INVALID_AUTHORIZATION);
    match (&first, &second) {
        (ClientError::Server(_), ClientError::Server(_)) if no_line(&second) => first,
        (ClientError::Server(_), ClientError::Server(_)) => second,
        (ClientError::Server(_), _) => first,
        _ => second,
    }
}

async fn by<S>(
    way: Way,
    dial: &impl AsyncFn() -> Result<Dialed<S>, DialError>,
    options: &ConnectOptions,
    mode: Mode,
) -> Result<Connection<Stream<S>>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let open = async || {
        let Dialed { stream, round_trip } = dial().await?;
        let (stream, tls) = match way {
            Way::Clear => (Stream::Plain(stream), None),
            Way::Encrypted => secure(stream, &options.host, &options.tls).await?,
        };
        let channel = channel(options, tls.as_ref());
        Ok(Opened { stream, round_trip, tls, channel })
    };
    log_in_over(&open, options, mode).await
}

/// What the login may rely on.
fn channel(options: &ConnectOptions, tls: Option<&TlsSession>) -> Channel {
    let Some(session) = tls else {
        let loopback = options.is_loopback();
        return if options.is_local() { Channel::Local } else { Channel::Clear { loopback } };
    };
    let peer = match session.verification {
        Verification::Nothing => Peer::Unverified,
        Verification::Authority if session.roots_are_private => Peer::PrivateAuthority,
        Verification::Authority => Peer::PublicAuthority,
        Verification::Name => Peer::Named,
    };
    Channel::Encrypted { peer, end_point: session.end_point.clone() }
}

/// Whether the server, or the handshake, refused in a way that depends on TLS: before it has let us in, any refusal
/// may be that of a line of `pg_hba.conf` for the other kind of connection.
fn is_worth_another_way(error: &ClientError) -> bool {
    match error {
        ClientError::Server(error) => !error.authenticated,
        ClientError::Tls(error) => error.is_of_the_handshake(),
        // What must not be sent in the clear may be sent encrypted.
        ClientError::Auth(AuthError::PasswordInTheClear { .. } | AuthError::TokenNotReleased { .. }) => true,
        _ => false,
    }
}
