//! Sockets, TLS and their buffers, without knowledge of messages: only where a frame ends.
//!
//! [`dial`] opens a connection, [`socket::Socket`] is what it opens, [`tls`] encrypts it where that is asked for,
//! [`stream::Stream`] is what is read and written then. [`framed::Framed`] buffers any stream, also the in-memory
//! one of a test.

pub mod dial;
pub mod framed;
pub mod read_buffer;
pub mod socket;
pub mod stream;
pub mod tls;

pub use framed::Framed;
pub use socket::Socket;
pub use stream::Stream;
