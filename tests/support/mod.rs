//! What the test binaries share: servers that follow a script.

pub(crate) mod scram;
pub(crate) mod scripted;
pub(crate) mod sha256;
