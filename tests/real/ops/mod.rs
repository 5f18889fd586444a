//! The product in operation: the real program, real servers, and everything that happens to them. Each test that
//! moves rows also checks that a consumer sees every one of them.

mod events;
mod load;
pub(crate) mod pipeline;
pub(crate) mod slot;
pub(crate) mod sluice;

mod broker_outage;
mod commands;
mod encodings;
mod idle;
mod kills;
mod large;
mod refusals;
mod schema_changes;
mod source_outage;
mod streaming;

use crate::suite::Suite;

pub(crate) fn register(suite: &mut Suite) {
    streaming::register(suite);
    idle::register(suite);
    source_outage::register(suite);
    broker_outage::register(suite);
    refusals::register(suite);
    kills::register(suite);
    encodings::register(suite);
    commands::register(suite);
    schema_changes::register(suite);
    large::register(suite);
}
