//! Several hosts, and which of them is wanted (manual, "Specifying Multiple Hosts").
//!
//! They are tried in their order. The next one is tried when a host cannot be reached, does not answer in time, is
//! starting up, or is not of the wanted kind; a host that refuses the login, or whose TLS is not as it should be,
//! ends the search.

use std::net::IpAddr;

use super::connect::Connection;
use super::login::LoginError;
use super::options::ConnectOptions;
use crate::postgres::error::ClientError;
use crate::postgres::protocol::sqlstate::SqlState;
use crate::postgres::transport::stream::Stream;

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, an address, or the folder of a Unix-domain socket.
    pub host: String,
    /// The address to connect to; the name then only stands in certificates.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// `target_session_attrs`: which host is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionAttrs {
    /// The first that answers.
    #[default]
    Any,
    /// One that can be written to.
    ReadWrite,
    /// One that cannot be written to.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// The same, and any if there is none.
    PreferStandby,
}

impl SessionAttrs {
    const ALL: [Self; 6] =
        [Self::Any, Self::ReadWrite, Self::ReadOnly, Self::Primary, Self::Standby, Self::PreferStandby];

    /// The value of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attrs| attrs.name() == name)
    }

    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// Opens a connection to the first host that is wanted. `log_in` opens one to the host it is given.
pub(super) async fn connect_to_any(
    options: &ConnectOptions,
    log_in: impl AsyncFn(ConnectOptions) -> Result<Connection<Stream>, LoginError>,
) -> Result<Connection<Stream>, LoginError> {
    let wanted = options.target_session_attrs;
    match first_wanted(options, wanted, &log_in).await {
        Err(error) if wanted == SessionAttrs::PreferStandby && is_reason_to_go_on(&error) => {
            first_wanted(options, SessionAttrs::Any, &log_in).await
        }
        outcome => outcome,
    }
}

async fn first_wanted(
    options: &ConnectOptions,
    wanted: SessionAttrs,
    log_in: &impl AsyncFn(ConnectOptions) -> Result<Connection<Stream>, LoginError>,
) -> Result<Connection<Stream>, LoginError> {
    let mut last = None;
    for endpoint in options.endpoints() {
        let mut one = options.clone();
        one.host.clone_from(&endpoint.host);
        (one.address, one.port) = (endpoint.address, endpoint.port);
        let outcome = match log_in(one).await {
            Ok(connection) => verify(connection, wanted, &endpoint).await.map_err(LoginError::from),
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if is_reason_to_go_on(&error) => {
                if !options.further.is_empty() {
                    tracing::info!(host = endpoint.host, port = endpoint.port, %error, "not this host");
                }
                last = Some(error);
            }
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or(ClientError::Closed { when: "before there was a host" }.into()))
}

/// Gives the connection back if the server is of the wanted kind.
async fn verify(
    mut connection: Connection<Stream>,
    wanted: SessionAttrs,
    endpoint: &Endpoint,
) -> Result<Connection<Stream>, ClientError> {
    let fits = match wanted {
        SessionAttrs::Any => true,
        SessionAttrs::ReadWrite => !is_read_only(&mut connection).await?,
        SessionAttrs::ReadOnly => is_read_only(&mut connection).await?,
        SessionAttrs::Primary => !is_standby(&mut connection).await?,
        SessionAttrs::Standby | SessionAttrs::PreferStandby => is_standby(&mut connection).await?,
    };
    if fits {
        return Ok(connection);
    }
    let Endpoint { host, port, .. } = endpoint;
    Err(ClientError::NotWanted { host: format!("{host}:{port}"), wanted: wanted.name() })
}

async fn is_standby(connection: &mut Connection<Stream>) -> Result<bool, ClientError> {
    // Reported from 14 on.
    if let Some(reported) = connection.parameter("in_hot_standby") {
        return Ok(reported == "on");
    }
    Ok(answer(connection, "SELECT pg_catalog.pg_is_in_recovery()").await? == "t")
}

async fn is_read_only(connection: &mut Connection<Stream>) -> Result<bool, ClientError> {
    if let Some(default) = connection.parameter("default_transaction_read_only") {
        return Ok(default == "on" || is_standby(connection).await?);
    }
    Ok(answer(connection, "SHOW transaction_read_only").await? == "on")
}

async fn answer(connection: &mut Connection<Stream>, query: &'static str) -> Result<String, ClientError> {
    let results = connection.query(query).await?;
    let value =
        results.into_iter().next().and_then(|result| result.rows.into_iter().flatten().flatten().next());
    value.ok_or(ClientError::UnexpectedResult { query, problem: "no value" })
}

fn is_reason_to_go_on(error: &LoginError) -> bool {
    let LoginError::Client(error) = error else { return false };
    match error {
        ClientError::Dial(_) | ClientError::Timeout { .. } | ClientError::NotWanted { .. } => true,
        ClientError::Server(_) => error.sqlstate() == Some(SqlState::CANNOT_CONNECT_NOW),
        _ => false,
    }
}
