//! Logging in with tokens to real servers that validate them.

mod oauth;
mod tokens;

use crate::suite::Suite;

pub(crate) fn register(suite: &mut Suite) {
    oauth::register(suite);
}
