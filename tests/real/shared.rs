//! The servers that tests share: one for each major and one broker, started when first asked for
//! and stopped at the end with everything else the run has started.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::session::Address;
use crate::support::{Result, given};

/// A PostgreSQL server of ours or of the user's.
#[derive(Debug)]
pub(crate) enum SharedPostgres {
    Started(Postgres),
    Given(Address),
}

/// A broker of ours or of the user's.
#[derive(Debug)]
pub(crate) enum SharedKafka {
    Started(Kafka),
    Given(String),
}

impl SharedPostgres {
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Started(server) => server.address(),
            Self::Given(address) => address.clone(),
        }
    }

    pub(crate) fn log(&self) -> Option<&Path> {
        match self {
            Self::Started(server) => Some(server.log()),
            Self::Given(_) => None,
        }
    }
}

impl SharedKafka {
    pub(crate) fn bootstrap(&self) -> String {
        match self {
            Self::Started(broker) => broker.bootstrap(),
            Self::Given(bootstrap) => bootstrap.clone(),
        }
    }

    pub(crate) fn log(&self) -> Option<&Path> {
        match self {
            Self::Started(broker) => Some(broker.log()),
            Self::Given(_) => None,
        }
    }
}

/// A place for a server, or for why there is none: a second test is told at once, not after a second time-out.
type Place<T> = Arc<Mutex<Option<std::result::Result<Arc<T>, String>>>>;

static POSTGRES: Mutex<BTreeMap<u16, Place<SharedPostgres>>> = Mutex::new(BTreeMap::new());
static KAFKA: Mutex<Option<Place<SharedKafka>>> = Mutex::new(None);

/// The shared server of `major`.
pub(crate) fn postgres(major: u16) -> Result<Arc<SharedPostgres>> {
    let place = Arc::clone(POSTGRES.lock().unwrap_or_else(PoisonError::into_inner).entry(major).or_default());
    filled(&place, || match given::postgres(major)? {
        Some(address) => Ok(SharedPostgres::Given(address)),
        None => Ok(SharedPostgres::Started(Postgres::start(major, &[])?)),
    })
}

/// The shared broker.
pub(crate) fn kafka() -> Result<Arc<SharedKafka>> {
    let place = Arc::clone(KAFKA.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default());
    filled(&place, || match given::kafka() {
        Some(bootstrap) => Ok(SharedKafka::Given(bootstrap)),
        None => Ok(SharedKafka::Started(Kafka::start(&[])?)),
    })
}

/// Only those who want this very server wait while it starts.
fn filled<T>(place: &Place<T>, start: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let server = place.get_or_insert_with(|| start().map(Arc::new).map_err(|error| error.to_string()));
    Ok(server.clone()?)
}
