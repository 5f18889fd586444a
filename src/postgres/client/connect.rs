//! Logging in.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use crate::postgres::auth::{Exchange, Method};
use crate::postgres::error::ClientError;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{DEFAULT_QUERY_LIMIT, DEFAULT_STREAM_LIMIT};
use crate::postgres::protocol::frontend;
use crate::postgres::protocol::notice::ServerError;
use crate::postgres::protocol::sqlstate::SqlState;
use crate::postgres::protocol::startup::{Session, Startup, Step};
use crate::postgres::transport::dial::{DialError, Dialed, Target, dial};
use crate::postgres::transport::framed::{Framed, ReceiveError};
use crate::postgres::transport::stream::Stream;
use crate::secret::Secret;

/// A server that refuses without a length writes no more than a line.
const PLAIN_ERROR_LIMIT: usize = 8 << 10;

/// Everything needed to open a connection. `Debug` shows no password.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// A name, an address, or the folder of a Unix-domain socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password, sent or proved only if the server asks.
    pub password: Option<Secret>,
    /// Shown in the server's views and log, and matched by `synchronous_standby_names`.
    pub application_name: String,
    /// For resolving, connecting and logging in together.
    pub connect_timeout: Duration,
    /// `SO_RCVBUF` in bytes; `None` leaves it to the kernel.
    pub receive_buffer: Option<u32>,
    /// The longest row of a query and the longest message of a stream, in bytes.
    pub max_query_row: usize,
    /// The longest `CopyData` of a stream, in bytes.
    pub max_stream_message: usize,
    /// The settings of the session.
    pub settings: SessionSettings,
    /// Further parameters of the `StartupMessage`, which may name any setting.
    pub extra: Vec<(String, String)>,
}

impl ConnectOptions {
    /// Options with the usual defaults: port 5432, no password, 10 s to log in, pinned settings.
    pub fn new(host: &str, user: &str, database: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 5432,
            user: user.to_owned(),
            database: database.to_owned(),
            password: None,
            application_name: "pgsluice".to_owned(),
            connect_timeout: Duration::from_secs(10),
            receive_buffer: None,
            max_query_row: DEFAULT_QUERY_LIMIT,
            max_stream_message: DEFAULT_STREAM_LIMIT,
            settings: SessionSettings::default(),
            extra: Vec::new(),
        }
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
            receive_buffer: self.receive_buffer,
            timeout: self.connect_timeout,
        }
    }
}

/// Settings in the `options` of the `StartupMessage`. What a server prints depends on them, and those set there
/// also hold when its configuration is reloaded under a running stream.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// `options` as a user wrote them, in libpq's syntax; the settings below come behind and win.
    pub user_options: Option<String>,
    /// Name and value of each setting.
    pub pinned: Vec<(String, String)>,
    /// `wal_sender_timeout` for replication connections. Servers before 12 refuse it at login and are then asked
    /// again without it.
    pub wal_sender_timeout: Option<Duration>,
}

impl Default for SessionSettings {
    /// The settings that make printed values and type names the same everywhere.
    fn default() -> Self {
        let pinned = [
            ("search_path", ""),
            ("datestyle", "ISO"),
            ("intervalstyle", "postgres"),
            ("timezone", "UTC"),
            ("bytea_output", "hex"),
            ("extra_float_digits", "3"),
            ("lc_monetary", "C"),
            ("quote_all_identifiers", "off"),
        ];
        Self {
            user_options: None,
            pinned: pinned.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            wal_sender_timeout: None,
        }
    }
}

impl SessionSettings {
    /// The text of the `options` parameter for a connection of this mode.
    fn options(&self, mode: Mode) -> String {
        let mut options = self.user_options.clone().unwrap_or_default();
        for (name, value) in &self.pinned {
            push_setting(&mut options, name, value);
        }
        if let (Mode::Replication, Some(timeout)) = (mode, self.wal_sender_timeout) {
            push_setting(&mut options, "wal_sender_timeout", &format!("{}ms", timeout.as_millis()));
        }
        options
    }
}

/// ` -c name=value`; white space would end the value and a backslash escapes, so both take a backslash.
fn push_setting(options: &mut String, name: &str, value: &str) {
    if !options.is_empty() {
        options.push(' ');
    }
    options.push_str("-c ");
    options.push_str(name);
    options.push('=');
    for c in value.chars() {
        if c.is_ascii_whitespace() || c == '\\' {
            options.push('\\');
        }
        options.push(c);
    }
}

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// SQL.
    Sql,
    /// A walsender of the database (`replication=database`): replication commands, and SQL as simple queries.
    Replication,
}

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
    without_sender_timeout: bool,
}

/// Opens a connection and logs in. Dropping the future closes what is half open.
pub async fn connect(options: &ConnectOptions, mode: Mode) -> Result<Connection<Stream>, ClientError> {
    let target = options.target();
    connect_with(async || dial(&target).await, options, mode).await
}

/// Like [`connect`], over a stream of the caller's making. `dial` is called once, and once more when the server
/// refuses `wal_sender_timeout` at login.
pub async fn connect_with<S>(
    dial: impl AsyncFn() -> Result<Dialed<S>, DialError>,
    options: &ConnectOptions,
    mode: Mode,
) -> Result<Connection<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let after = options.connect_timeout;
    let attempt = async {
        let first = login(dial().await?, options, &options.settings, mode).await;
        let refused =
            matches!(&first, Err(error) if error.sqlstate() == Some(SqlState::CANT_CHANGE_PARAMETER));
        if !refused || mode != Mode::Replication || options.settings.wal_sender_timeout.is_none() {
            return first;
        }
        let settings = SessionSettings { wal_sender_timeout: None, ..options.settings.clone() };
        let mut connection = login(dial().await?, options, &settings, mode).await?;
        connection.without_sender_timeout = true;
        Ok(connection)
    };
    timeout(after, attempt).await.unwrap_or(Err(ClientError::Timeout { doing: "logging in", after }))
}

async fn login<S>(
    dialed: Dialed<S>,
    options: &ConnectOptions,
    settings: &SessionSettings,
    mode: Mode,
) -> Result<Connection<S>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut framed = Framed::new(dialed.stream);
    send_startup(&mut framed, options, settings, mode).await?;
    let mut startup = Startup::new(Exchange::new(options.user.clone(), options.password.clone()));
    let session = loop {
        let header = match framed.read_frame(&startup.limits()).await {
            Ok(header) => header,
            Err(error) if is_plain_error(&error, &startup) => return Err(plain_error(&mut framed).await),
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
    framed.resize(QUERY_BUFFER, options.max_query_row);
    Ok(Connection {
        framed,
        session,
        max_query_row: options.max_query_row,
        max_stream_message: options.max_stream_message,
        busy: false,
        round_trip: dialed.round_trip,
        without_sender_timeout: false,
    })
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
