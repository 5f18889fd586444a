//! What the server's catalog says, over an ordinary connection beside the stream.
//!
//! The stream names tables and columns as they were when a row was written; the catalog knows them as they are
//! now. Whoever uses both compares them.

pub mod queries;
pub mod server;
pub mod slot;
pub mod tables;

use std::time::Duration;

use tokio::time::timeout;

use crate::postgres::client::query::ResultSet;
use crate::postgres::client::{Connection, Dial, Login, LoginError, Mode};
use crate::postgres::error::ClientError;
use crate::table::{Table, TableName};

pub use server::Server;
pub use slot::Slot;
pub use tables::{Persistence, RelationKind, TableEntry};

/// How long the answer to one query may take. A stream stands still while a table of it is looked up.
const QUERY_TIMEOUT: Duration = Duration::from_secs(20);

/// The catalog cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No connection.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The query failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer is not what was asked for.
    #[error("unexpected answer to a catalog query: {0}")]
    Answer(&'static str),
}

/// A connection for catalog queries that is opened when it is needed, and again when it broke.
#[derive(Debug)]
pub struct Catalog<D: Dial = Login> {
    login: D,
    connection: Option<Connection<D::Stream>>,
}

impl<D: Dial> Catalog<D> {
    /// A catalog reached by `login`. Connects with the first query.
    pub fn new(login: D) -> Self {
        Self { login, connection: None }
    }

    /// The connection, opened if need be.
    pub async fn connection(&mut self) -> Result<&mut Connection<D::Stream>, CatalogError> {
        if self.connection.is_none() {
            self.connection = Some(self.login.dial(Mode::Sql).await?);
        }
        self.connection.as_mut().ok_or(CatalogError::Answer("no connection"))
    }

    /// Runs one statement that only reads. A connection that has been idle may be gone without a sign (a time-out of
    /// the server, a firewall, an administrator), so a statement that finds it so is run once more on a new one.
    pub async fn query(&mut self, sql: &str) -> Result<ResultSet, CatalogError> {
        let was_open = self.connection.is_some();
        match self.attempt(sql).await {
            Err(CatalogError::Client(error)) if was_open && is_gone(&error) => self.attempt(sql).await,
            outcome => outcome,
        }
    }

    /// Runs one statement. A connection that fails is given up; the next attempt opens another.
    async fn attempt(&mut self, sql: &str) -> Result<ResultSet, CatalogError> {
        let after = QUERY_TIMEOUT;
        let result = timeout(after, self.connection().await?.query(sql)).await;
        let result = result.unwrap_or(Err(ClientError::Timeout { doing: "asking the catalog", after }));
        if !matches!(&result, Ok(_) | Err(ClientError::Server(_))) || result.as_ref().is_err_and(is_gone) {
            self.connection = None;
        }
        result?.pop().ok_or(CatalogError::Answer("no result"))
    }

    /// The server, the database and the role.
    pub async fn server(&mut self) -> Result<Server, CatalogError> {
        let answer = self.query(queries::SERVER).await?;
        let row = answer.rows.first().ok_or(CatalogError::Answer("no row"))?;
        Server::from_row(row).ok_or(CatalogError::Answer("the server's settings are incomplete"))
    }

    /// A slot; `None` when there is none of that name.
    pub async fn slot(&mut self, name: &str, server_version: u32) -> Result<Option<Slot>, CatalogError> {
        let answer = self.query(&queries::slot(name, server_version)).await?;
        let Some(row) = answer.rows.first() else { return Ok(None) };
        Slot::from_row(name, row).map(Some).ok_or(CatalogError::Answer("the slot's state is incomplete"))
    }

    /// Whether a query made now sees what this transaction has done.
    pub async fn sees(&mut self, xid: u64) -> Result<bool, CatalogError> {
        let answer = self.query(&queries::visible(xid)).await?;
        let row = answer.rows.first().ok_or(CatalogError::Answer("no row"))?;
        flag(row, 0).ok_or(CatalogError::Answer("no visibility"))
    }

    /// Every table of the database.
    pub async fn tables(&mut self) -> Result<Vec<TableEntry>, CatalogError> {
        let answer = self.query(&queries::all_tables()).await?;
        let entries: Option<Vec<TableEntry>> =
            answer.rows.iter().map(|row| TableEntry::from_row(row)).collect();
        entries.ok_or(CatalogError::Answer("a table's description is incomplete"))
    }

    /// One table with its columns; `None` when there is none of that name now.
    pub async fn table(&mut self, name: &TableName) -> Result<Option<Table>, CatalogError> {
        let answer = self.query(&queries::one_table(name)).await?;
        let Some(row) = answer.rows.first() else { return Ok(None) };
        let entry =
            TableEntry::from_row(row).ok_or(CatalogError::Answer("a table's description is incomplete"))?;
        let columns = self.query(&queries::columns(entry.oid)).await?;
        let columns: Option<Vec<_>> = columns.rows.iter().map(|row| tables::column_from_row(row)).collect();
        let columns = columns.ok_or(CatalogError::Answer("a column's description is incomplete"))?;
        Ok(Some(entry.into_table(columns)))
    }
}

/// Whether the connection is gone, for whatever reason.
fn is_gone(error: &ClientError) -> bool {
    match error {
        ClientError::Closed { .. } | ClientError::Io(_) => true,
        ClientError::Server(error) => error.severity.ends_connection(),
        _ => false,
    }
}

/// A row of an answer.
type Row = [Option<String>];

/// The text of a column, unless it is null.
fn text(row: &Row, index: usize) -> Option<&str> {
    row.get(index)?.as_deref()
}

/// A column that holds a number, an LSN or whatever else has a text form.
fn parsed<T: std::str::FromStr>(row: &Row, index: usize) -> Option<T> {
    text(row, index)?.parse().ok()
}

/// A boolean column.
fn flag(row: &Row, index: usize) -> Option<bool> {
    text(row, index).map(|text| text == "t")
}
