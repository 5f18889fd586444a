//! Talking to PostgreSQL: the frontend/backend protocol, version 3.0 (manual, "Frontend/Backend Protocol").
//!
//! Four layers, each importing only those before it:
//!
//! | module | what it is | what it never does |
//! | --- | --- | --- |
//! | [`auth`] | a challenge in, an answer out | IO |
//! | [`protocol`] | bytes to messages to states, and back | IO, clocks |
//! | [`transport`] | sockets and their buffers | read a message |
//! | [`client`] | log in, query, stream | decode what the output plugin wrote |
//!
//! [`error`] holds what can go wrong and what a person can do about it.

pub mod auth;
pub mod catalog;
pub mod client;
pub mod error;
pub mod protocol;
pub mod transport;

pub use error::{ClientError, ErrorClass};
