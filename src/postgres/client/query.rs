//! Simple queries (manual, "Simple Query"): the only kind a walsender takes.
//!
//! Values come as text. The answers are those of catalog questions and replication commands, so they are
//! collected, up to a limit.

use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::Connection;
use crate::postgres::error::ClientError;
use crate::postgres::protocol::backend::{BackendMessage, DataRow, TransactionStatus};
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{Frame, Limits, Phase};
use crate::postgres::protocol::frontend;
use crate::postgres::protocol::notice::ServerError;

/// The most text collected from one query unless told otherwise.
pub const DEFAULT_RESULT_LIMIT: usize = 64 << 20;

/// What a value or a row costs besides its text, so that a million empty ones count too.
const OVERHEAD: usize = 24;

/// The answer to one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// The columns' names, in order. Names are not unique.
    pub columns: Vec<String>,
    /// The rows, each with as many values as there are columns; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag: `SELECT 3`. Empty for an empty statement.
    pub tag: String,
}

impl ResultSet {
    /// The position of the first column of that name. Catalog views gain columns between versions, so columns
    /// are asked for by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A value of a row by its column's name; `None` for null and where there is no such row or column.
    pub fn value(&self, row: usize, name: &str) -> Option<&str> {
        self.rows.get(row)?.get(self.column(name)?)?.as_deref()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Runs one or several statements and collects their answers, up to [`DEFAULT_RESULT_LIMIT`] bytes.
    ///
    /// An error of the server leaves the connection usable, unless it was FATAL. **Not** cancel-safe: a query
    /// whose future was dropped leaves the connection [`Unusable`](ClientError::Unusable).
    pub async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, ClientError> {
        self.query_limited(sql, DEFAULT_RESULT_LIMIT).await
    }

    /// Like [`Connection::query`], with a limit of the caller's.
    pub async fn query_limited(&mut self, sql: &str, limit: usize) -> Result<Vec<ResultSet>, ClientError> {
        self.send_query(sql).await?;
        let mut answer = Answer { limit, ..Answer::default() };
        loop {
            let limits = Limits::query(self.max_query_row);
            let header = self.framed.read_frame(&limits).await;
            let header = match (header, answer.error.take()) {
                (Ok(header), error) => {
                    answer.error = error;
                    header
                }
                // The connection ends behind a FATAL error, which says more than the end does.
                (Err(_), Some(error)) => return Err(ClientError::Server(error)),
                (Err(error), None) => return Err(ClientError::receiving(error, "during a query")),
            };
            let Some(frame) = self.framed.frame(header) else { continue };
            let next = answer.take(&frame, &mut self.session.parameters)?;
            self.framed.consume(header.total());
            if let Some(status) = next {
                self.session.status = status;
                self.busy = false;
                return answer.finish();
            }
        }
    }

    /// Sends a query; until its `ReadyForQuery` the connection counts as busy.
    pub(super) async fn send_query(&mut self, sql: &str) -> Result<(), ClientError> {
        if self.busy {
            return Err(ClientError::Unusable);
        }
        frontend::query(sql, self.framed.write_buffer())?;
        self.busy = true;
        self.framed.flush().await?;
        Ok(())
    }
}

/// The answer so far.
#[derive(Default)]
struct Answer {
    done: Vec<ResultSet>,
    current: ResultSet,
    error: Option<Box<ServerError>>,
    bytes: usize,
    limit: usize,
}

impl Answer {
    /// Takes one message; `ReadyForQuery` ends the answer.
    fn take(
        &mut self,
        frame: &Frame<'_>,
        parameters: &mut crate::postgres::protocol::startup::Parameters,
    ) -> Result<Option<TransactionStatus>, ClientError> {
        match BackendMessage::parse(frame)? {
            BackendMessage::RowDescription(description) => {
                let mut columns = Vec::new();
                for name in description.names()? {
                    self.count(name.len())?;
                    columns.push(text(name)?);
                }
                self.current = ResultSet { columns, ..ResultSet::default() };
            }
            BackendMessage::DataRow(row) => {
                let row = self.row(&row)?;
                self.current.rows.push(row);
            }
            BackendMessage::CommandComplete(tag) => {
                self.count(tag.len())?;
                self.current.tag = text(tag)?;
                self.done.push(std::mem::take(&mut self.current));
            }
            BackendMessage::EmptyQueryResponse => self.done.push(std::mem::take(&mut self.current)),
            BackendMessage::ErrorResponse(body) => {
                let error = Box::new(ServerError::parse(body, true)?);
                self.error.get_or_insert(error);
            }
            BackendMessage::NoticeResponse(body) => {
                let notice = ServerError::parse(body, true)?;
                tracing::info!(%notice, "the server has a notice");
            }
            BackendMessage::ParameterStatus { name, value } => parameters.set(name, value)?,
            BackendMessage::NotificationResponse => {}
            BackendMessage::ReadyForQuery(status) => return Ok(Some(status)),
            _ => {
                let tag = frame.header.tag;
                return Err(ProtocolError::UnexpectedMessage { tag, phase: Phase::Query }.into());
            }
        }
        Ok(None)
    }

    fn row(&mut self, row: &DataRow<'_>) -> Result<Vec<Option<String>>, ClientError> {
        if row.len() != self.current.columns.len() {
            let problem = "it has another number of values than the result has columns";
            return Err(ProtocolError::Malformed { message: "DataRow", problem }.into());
        }
        self.count(0)?;
        let mut values = Vec::with_capacity(row.len());
        for value in row.values() {
            let value = value?;
            self.count(value.map_or(0, <[u8]>::len))?;
            values.push(value.map(text).transpose()?);
        }
        Ok(values)
    }

    /// Counts before anything is copied.
    fn count(&mut self, bytes: usize) -> Result<(), ClientError> {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(OVERHEAD);
        if self.bytes > self.limit { Err(ClientError::ResultTooLarge { limit: self.limit }) } else { Ok(()) }
    }

    fn finish(self) -> Result<Vec<ResultSet>, ClientError> {
        match self.error {
            Some(error) => Err(ClientError::Server(error)),
            None => Ok(self.done),
        }
    }
}

/// The session's `client_encoding` is UTF-8, so anything else comes from a database without an encoding.
fn text(bytes: &[u8]) -> Result<String, ClientError> {
    std::str::from_utf8(bytes).map(str::to_owned).or(Err(ClientError::UnexpectedResult {
        query: "a query",
        problem: "a value is not UTF-8 (a database in SQL_ASCII holds text of any encoding)",
    }))
}
