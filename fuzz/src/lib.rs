//! What the fuzz targets promise: one module a target, each with a `check` that panics where a promise is broken.
//!
//! A check holds the code against something that was written apart from it: a plain reader of the same text, a
//! model of the same states, or the value that was printed in the first place.

pub mod backend_message;
pub mod conninfo;
pub mod encode;
pub mod frame;
pub mod replication;
pub mod roundtrip;
pub mod startup;
pub mod test_decoding;

mod plain;
mod support;
