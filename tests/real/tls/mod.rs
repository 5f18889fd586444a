//! TLS against real servers.

mod binding;
mod client;
mod encrypted;
mod hosts;
mod matrix;
#[cfg(feature = "kafka")]
mod program;
pub(crate) mod server;

use crate::suite::Suite;

pub(crate) fn register(suite: &mut Suite) {
    binding::register(suite);
    client::register(suite);
    encrypted::register(suite);
    hosts::register(suite);
    matrix::register(suite);
    #[cfg(feature = "kafka")]
    program::register(suite);
}
