//! What the test binaries share: servers that follow a script.

pub(crate) mod catalog;
pub(crate) mod held_sink;
pub(crate) mod ledger;
pub(crate) mod scram;
pub(crate) mod scripted;
pub(crate) mod sha256;
pub(crate) mod tap;
pub(crate) mod walsender;
