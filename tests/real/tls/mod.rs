//! TLS against real servers.

mod encrypted;
#[cfg(feature = "kafka")]
mod program;
mod server;

use crate::suite::Suite;

pub(crate) fn register(suite: &mut Suite) {
    encrypted::register(suite);
    #[cfg(feature = "kafka")]
    program::register(suite);
}
