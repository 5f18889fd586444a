//! TLS against real servers.

mod binding;
mod encrypted;
#[cfg(feature = "kafka")]
mod program;
mod server;

use crate::suite::Suite;

pub(crate) fn register(suite: &mut Suite) {
    binding::register(suite);
    encrypted::register(suite);
    #[cfg(feature = "kafka")]
    program::register(suite);
}
