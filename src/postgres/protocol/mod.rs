//! The protocol without IO: whole frames in, messages and states out.
//!
//! Nothing here reads a socket, a clock or a random number, so every state can be reached in a test by bytes
//! alone. All input is hostile: lengths are checked against a limit before anything is reserved, and a body
//! that does not parse to its last byte is an error.

pub mod backend;
pub mod copy_both;
pub mod error;
pub mod frame;
pub mod frontend;
pub mod notice;
pub mod reader;
pub mod replication;
pub mod sqlstate;
pub mod startup;
pub mod walsender;

pub use error::ProtocolError;
