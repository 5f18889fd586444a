//! A client over the other layers: log in, query, stream.
//!
//! Everything is generic over the stream, so that a test can be the server at the other end of a pipe. What the
//! output plugin wrote is handed on as bytes.

pub mod connect;
pub mod conninfo;
pub mod login;
pub mod query;
pub mod replication;

pub use connect::{ConnectOptions, Connection, Mode, SessionSettings, connect, connect_with};
pub use login::{Login, LoginError};
pub use query::ResultSet;
pub use replication::{ReplicationStream, StreamEvent};
