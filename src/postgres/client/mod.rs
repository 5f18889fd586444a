//! A client over the other layers: log in, query, stream.
//!
//! Everything is generic over the stream, so that a test can be the server at the other end of a pipe. What the
//! output plugin wrote is handed on as bytes.

pub mod connect;
pub mod conninfo;
pub mod hosts;
pub mod login;
pub mod options;
pub mod query;
pub mod replication;
pub mod stream;
mod ways;

pub use crate::postgres::auth::policy::{ChannelBinding, Policy, SecretKind};
pub use crate::postgres::auth::require::{RequireAuth, RequireAuthError};
pub use crate::postgres::transport::tls::{
    ClientCertificate, Negotiation, Roots, SendCertificate, SslMode, TlsOptions, TlsSession, Verification,
};
pub use connect::{Connection, connect, connect_over, connect_with};
pub use hosts::{Endpoint, SessionAttrs};
pub use login::{Dial, Login, LoginError};
pub use options::{ConnectOptions, Mode, SessionSettings};
pub use query::ResultSet;
pub use replication::{CreatedSlot, SystemIdentity};
pub use stream::{ReplicationStream, StatusSender, Stopped, StreamEvent};
