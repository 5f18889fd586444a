//! Replication commands (manual, "Streaming Replication Protocol").

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connect::Connection;
use super::query::ResultSet;
use super::stream::ReplicationStream;
use crate::lsn::Lsn;
use crate::postgres::error::ClientError;
use crate::postgres::protocol::backend::BackendMessage;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{Frame, Limits, Phase};
use crate::postgres::protocol::notice::ServerError;
use crate::postgres::protocol::startup::Session;
use crate::postgres::protocol::walsender::{self, CreateSlot};

/// How long the answer to a command may take, that of `CREATE_REPLICATION_SLOT` left out: a network that went silent
/// would otherwise show only with the kernel's keepalives, hours later.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster's identifier, the same on primary and standbys.
    pub system_id: u64,
    /// The timeline now.
    pub timeline: u32,
    /// The server's flushed end of WAL.
    pub flush_lsn: Lsn,
    /// The database of a logical walsender.
    pub database: Option<String>,
}

/// The answer to `CREATE_REPLICATION_SLOT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedSlot {
    /// The slot's name.
    pub name: String,
    /// The slot's first position: everything that commits behind it will be streamed.
    pub consistent_point: Lsn,
    /// The exported snapshot's name, if one was exported.
    pub snapshot: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Which server and database this is.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, ClientError> {
        let command = walsender::IDENTIFY_SYSTEM;
        let result = single_row(within(command, self.query(command)).await?, command)?;
        let problem = "a column is missing or not a number";
        let number = ClientError::UnexpectedResult { query: command, problem };
        let parsed = (
            result.value(0, "systemid").and_then(|text| text.parse().ok()),
            result.value(0, "timeline").and_then(|text| text.parse().ok()),
            result.value(0, "xlogpos").and_then(|text| text.parse().ok()),
        );
        let (Some(system_id), Some(timeline), Some(flush_lsn)) = parsed else { return Err(number) };
        let database = result.value(0, "dbname").map(str::to_owned);
        Ok(SystemIdentity { system_id, timeline, flush_lsn, database })
    }

    /// Where `timeline` ends in the history of timeline `of`; `None` if that history does not go through it.
    pub async fn timeline_end(&mut self, of: u32, timeline: u32) -> Result<Option<Lsn>, ClientError> {
        let query = "TIMELINE_HISTORY";
        let result = single_row(within(query, self.query(&walsender::timeline_history(of))).await?, query)?;
        let history = result.value(0, "content").unwrap_or_default();
        Ok(walsender::timeline_end(history, timeline))
    }

    /// A setting's value.
    pub async fn show(&mut self, setting: &str) -> Result<String, ClientError> {
        let result = single_row(within("SHOW", self.query(&walsender::show(setting))).await?, "SHOW")?;
        let value = result.rows.into_iter().flatten().flatten().next();
        value.ok_or(ClientError::UnexpectedResult { query: "SHOW", problem: "it has no value" })
    }

    /// Creates a logical slot. The server waits, without a limit, for every transaction now running to end.
    pub async fn create_slot(&mut self, slot: &CreateSlot<'_>) -> Result<CreatedSlot, ClientError> {
        let query = "CREATE_REPLICATION_SLOT";
        let version = self.server_version().ok_or(ClientError::UnexpectedResult {
            query,
            problem: "the server has not told its version, which decides the command's syntax",
        })?;
        let result = single_row(self.query(&walsender::create_slot(slot, version)).await?, query)?;
        let name = result.value(0, "slot_name").map(str::to_owned);
        let point = result.value(0, "consistent_point").and_then(|text| text.parse().ok());
        let (Some(name), Some(consistent_point)) = (name, point) else {
            let problem = "the name or the consistent point is missing";
            return Err(ClientError::UnexpectedResult { query, problem });
        };
        let snapshot = result.value(0, "snapshot_name").map(str::to_owned);
        Ok(CreatedSlot { name, consistent_point, snapshot })
    }

    /// Drops a slot; `wait` until nobody uses it instead of failing.
    pub async fn drop_slot(&mut self, name: &str, wait: bool) -> Result<(), ClientError> {
        self.query(&walsender::drop_slot(name, wait)).await.map(drop)
    }

    /// Starts streaming. The server goes on at the later of `start` and its own confirmed position.
    ///
    /// The connection is used up: on an error it is closed.
    pub async fn start_replication(
        self,
        slot: &str,
        start: Lsn,
        options: &[(&str, &str)],
    ) -> Result<ReplicationStream<S>, ClientError> {
        let command = walsender::start_replication(slot, start, options);
        within("START_REPLICATION", self.into_stream(&command)).await
    }

    async fn into_stream(mut self, command: &str) -> Result<ReplicationStream<S>, ClientError> {
        self.send_query(command).await?;
        loop {
            let limits = Limits::query(self.max_query_row);
            let header = self.framed.read_frame(&limits).await;
            let header = header.map_err(|error| ClientError::receiving(error, "before the stream began"))?;
            let Some(frame) = self.framed.frame(header) else { continue };
            let started = before_stream(&frame, &mut self.session)?;
            self.framed.consume(header.total());
            if started {
                return Ok(ReplicationStream::new(self.framed, self.session, self.max_stream_message));
            }
        }
    }
}

/// The answer to a command, unless it takes too long.
async fn within<T>(
    doing: &'static str,
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let after = ANSWER_TIMEOUT;
    timeout(after, answer).await.unwrap_or(Err(ClientError::Timeout { doing, after }))
}

fn before_stream(frame: &Frame<'_>, session: &mut Session) -> Result<bool, ClientError> {
    match BackendMessage::parse(frame)? {
        BackendMessage::CopyBothResponse => return Ok(true),
        BackendMessage::ErrorResponse(body) => {
            return Err(ClientError::Server(Box::new(ServerError::parse(body, true)?)));
        }
        BackendMessage::NoticeResponse(body) => {
            let notice = ServerError::parse(body, true)?;
            tracing::info!(%notice, "the server has a notice");
        }
        BackendMessage::ParameterStatus { name, value } => session.parameters.set(name, value)?,
        BackendMessage::NotificationResponse => {}
        _ => {
            let tag = frame.header.tag;
            return Err(ProtocolError::UnexpectedMessage { tag, phase: Phase::Query }.into());
        }
    }
    Ok(false)
}

/// The one result with its one row.
fn single_row(results: Vec<ResultSet>, query: &'static str) -> Result<ResultSet, ClientError> {
    match <[ResultSet; 1]>::try_from(results) {
        Ok([result]) if result.rows.len() == 1 => Ok(result),
        _ => Err(ClientError::UnexpectedResult { query, problem: "it has not one row" }),
    }
}
