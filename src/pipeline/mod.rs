//! From a replication stream to a sink, and back to the server what the sink has.
//!
//! One task owns it all: socket, decoder, encoder, what is in flight. Nothing is queued between the socket and the
//! sink; back-pressure is not reading. [`stream`] is the loop, [`start`] what happens before it.

pub mod acknowledgement;
pub mod broker;
pub mod delivery;
pub mod emitter;
pub mod error;
pub mod heartbeat;
pub mod in_flight;
pub mod look_ahead;
pub mod options;
pub mod plans;
pub mod reader;
pub mod slot;
pub mod start;
pub mod status;
pub mod stream;
pub mod table_filter;
pub mod transaction;

pub use error::PipelineError;
pub use options::PipelineOptions;
pub use status::PipelineStatus;
