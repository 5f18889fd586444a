//! Sockets and their buffers, without knowledge of messages: only where a frame ends.
//!
//! [`dial`] opens a connection, [`stream::Stream`] is what it opens, [`framed::Framed`] buffers any stream, also
//! the in-memory one of a test.

pub mod dial;
pub mod framed;
pub mod read_buffer;
pub mod stream;

pub use framed::Framed;
pub use stream::Stream;
