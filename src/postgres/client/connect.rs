//! Logging in.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::options::{ConnectOptions, Mode, SessionSettings};
use super::ways;
use crate::postgres::auth::policy::{Channel, Peer};
use crate::postgres::auth::{Exchange, Method};
use crate::postgres::error::ClientError;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frontend;
use crate::postgres::protocol::notice::ServerError;
use crate::postgres::protocol::sqlstate::SqlState;
use crate::postgres::protocol::startup::{Session, Startup, Step};
use crate::postgres::transport::dial::{DialError, Dialed, dial};
use crate::postgres::transport::framed::{Framed, ReceiveError};
use crate::postgres::transport::stream::Stream;
use crate::postgres::transport::tls::TlsSession;
use crate::postgres::transport::tls::handshake::alert;

/// A server that refuses without a length writes no more than a line.
const PLAIN_ERROR_LIMIT: usize = 8 << 10;

/// An open session.
#[derive(Debug)]
pub struct Connection<S> {
    pub(super) framed: Framed<S>,
    pub(super) session: Session,
    pub(super) max_query_row: usize,
    pub(super) max_stream_message: usize,
    /// A query was sent and its `ReadyForQuery` has not come.
    pub(super) busy: bool,
    round_trip: Option<Duration>,
    tls: Option<TlsSession>,
    without_sender_timeout: bool,
}

/// Opens a connection and logs in, with TLS as the options say. Dropping the future closes what is half open.
pub async fn connect(options: &ConnectOptions, mode: Mode) -> Result<Connection<Stream>, ClientError> {
    let target = options.target();
    connect_over(async || dial(&target).await, options, mode).await
}

/// Like [`connect`], over connections of the caller's making. `dial` is called for each attempt: with and without
/// TLS where the mode has both, and once more when the server refuses `wal_sender_timeout` at login.
pub async fn connect_over<S>(
    dial: impl AsyncFn() -> Result<Dialed<S>, DialError>,
    options: &ConnectOptions,
    mode: Mode,
) -> Result<Connection<Stream<S>>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(options, ways::log_in(&dial, options, mode)).await
}

/// Logs in over a stream of the caller's making as it is, without asking for TLS. `dial` is called once, and once
/// more when the server refuses `wal_sender_timeout` at login.
pub async fn connect_with<S>(
    dial: impl AsyncFn() -> Result<Dialed<S>, DialError>,
    options: &ConnectOptions,
    mode: Mode,
) -> Result<Connection<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let open = async || {
        let Dialed { stream, round_trip } = dial().await?;
        Ok(Opened { stream, round_trip, tls: None, channel: Channel::Local })
    };
    within(options, log_in(&open, options, mode)).await
}

/// One time-out over everything: resolving, connecting, TLS, logging in.
async fn within<T>(
    options: &ConnectOptions,
    login: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let after = options.connect_timeout;
    timeout(after, Box::pin(login)).await.unwrap_or(Err(ClientError::Timeout { doing: "logging in", after }))
}

/// A connection on which nothing of the login has been said.
pub(super) struct Opened<S> {
    pub(super) stream: S,
    pub(super) round_trip: Option<Duration>,
    pub(super) tls: Option<TlsSession>,
    pub(super) channel: Channel,
}

/// Logs in, and once more without `wal_sender_timeout` where the server refuses that.
pub(super) async fn log_in<S>(
    open: &impl AsyncFn() -> Result<Opened<S>, ClientError>,
    options: &ConnectOptions,
    mode: Mode,
) -> Result<Connection<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let first = login(open().await?, options, &options.settings, mode).await;
    let refused = matches!(&first, Err(error) if error.sqlstate() == Some(SqlState::CANT_CHANGE_PARAMETER));
    if !refused || mode != Mode::Replication || options.settings.wal_sender_timeout.is_none() {
        return first;
    }
    let settings = SessionSettings { wal_sender_timeout: None, ..options.settings.clone() };
    let mut connection = login(open().await?, options, &settings, mode).await?;
    connection.without_sender_timeout = true;
    Ok(connection)
}

async fn login<S>(
    opened: Opened<S>,
    options: &ConnectOptions,
    settings: &SessionSettings,
    mode: Mode,
) -> Result<Connection<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut framed = Framed::new(opened.stream);
    send_startup(&mut framed, options, settings, mode).await?;
    let is_verified = !matches!(&opened.channel, Channel::Encrypted { peer: Peer::Unverified, .. });
    let exchange = Exchange::with_policy(
        options.user.clone(),
        options.password.clone(),
        options.policy.clone(),
        opened.channel,
    );
    let mut startup = Startup::new(exchange);
    let session = loop {
        let header = match framed.read_frame(&startup.limits()).await {
            Ok(header) => header,
            Err(error) if is_plain_error(&error, &startup) => return Err(plain_error(&mut framed).await),
            Err(ReceiveError::Io(error)) => {
                return Err(alert(&error).map_or(ClientError::Io(error), ClientError::Tls));
            }
            Err(error) => return Err(ClientError::receiving(error, "during login")),
        };
        let Some(frame) = framed.frame(header) else { continue };
        let step = startup.handle(&frame)?;
        framed.consume(header.total());
        match step {
            Step::Continue => {}
            Step::Send(answer) => framed.send_secret(&answer).await?,
            Step::Notice(notice) => tracing::info!(%notice, "the server has a notice"),
            Step::Ready(session) => break *session,
        }
    };
    warn_of_method(session.method, is_verified);
    framed.resize(QUERY_BUFFER, options.max_query_row);
    Ok(Connection {
        framed,
        session,
        max_query_row: options.max_query_row,
        max_stream_message: options.max_stream_message,
        busy: false,
        round_trip: opened.round_trip,
        tls: opened.tls,
        without_sender_timeout: false,
    })
}

/// What is worth a word about how the server let us in.
fn warn_of_method(method: Method, is_verified: bool) {
    if method == Method::Md5 {
        tracing::warn!(
            "the server asked for an MD5 password, which PostgreSQL gives up: set password_encryption = \
             scram-sha-256 and the role's password again"
        );
    }
    if matches!(method, Method::Cleartext | Method::Md5) && !is_verified {
        tracing::warn!(
            "the password went to a server whose certificate was not verified: set sslmode = verify-full"
        );
    }
}

/// The read buffer of a connection that runs queries.
const QUERY_BUFFER: usize = 16 << 10;

async fn send_startup<S>(
    framed: &mut Framed<S>,
    options: &ConnectOptions,
    settings: &SessionSettings,
    mode: Mode,
) -> Result<(), ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let session_options = settings.options(mode);
    let mut parameters = vec![
        ("user", options.user.as_str()),
        ("database", options.database.as_str()),
        ("application_name", options.application_name.as_str()),
        ("client_encoding", "UTF8"),
    ];
    if mode == Mode::Replication {
        parameters.push(("replication", "database"));
    }
    if !session_options.is_empty() {
        parameters.push(("options", session_options.as_str()));
    }
    parameters.extend(options.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    frontend::startup(&parameters, framed.write_buffer())?;
    framed.flush().await?;
    Ok(())
}

/// A server that cannot start a process writes `E`, a line and a zero byte: what stands where the length should
/// be is text, and so far above every limit.
fn is_plain_error(error: &ReceiveError, startup: &Startup) -> bool {
    !startup.is_authenticated()
        && matches!(error, ReceiveError::Protocol(ProtocolError::FrameTooLarge { tag: b'E', .. }))
}

async fn plain_error<S: AsyncRead + Unpin>(framed: &mut Framed<S>) -> ClientError {
    let ended = |buf: &[u8]| buf.contains(&0) || buf.len() > PLAIN_ERROR_LIMIT;
    while !ended(framed.buffered()) {
        match framed.fill().await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let text = framed.buffered().get(1..).unwrap_or_default();
    ClientError::Server(Box::new(ServerError::from_plain_text(text)))
}

impl<S> Connection<S> {
    /// What the server told about the session, kept up to date.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The server's version as `server_version_num` counts it: 15.4 is 150004.
    pub fn server_version(&self) -> Option<u32> {
        self.session.parameters.server_version()
    }

    /// A parameter the server reported.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.session.parameters.get(name)
    }

    /// How the server let us in.
    pub fn method(&self) -> Method {
        self.session.method
    }

    /// An estimate of the round trip; `None` for a Unix-domain socket.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// What was agreed on with TLS; `None` in the clear.
    pub fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_ref()
    }

    /// Whether the server refused `wal_sender_timeout` at login and has its own.
    pub fn without_sender_timeout(&self) -> bool {
        self.without_sender_timeout
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        self.framed.stream()
    }

    /// Bytes of memory the read buffer holds.
    pub fn read_capacity(&self) -> usize {
        self.framed.read_capacity()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Says good-bye and closes. A server that is gone already is no error.
    pub async fn close(mut self, deadline: Duration) {
        terminate(&mut self.framed, Instant::now() + deadline).await;
    }
}

/// Sends `Terminate` and closes, as far as the other side lets us until the deadline. The connection is given up
/// either way, so failures mean nothing.
pub(super) async fn terminate<S: AsyncWrite + Unpin>(framed: &mut Framed<S>, deadline: Instant) {
    frontend::terminate(framed.write_buffer());
    let farewell = async {
        framed.flush().await?;
        framed.shutdown().await
    };
    match tokio::time::timeout_at(deadline, farewell).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the connection was gone before Terminate"),
        Err(_) => tracing::debug!("the server did not take Terminate in time"),
    }
}
