//! Why a pipeline cannot go on, and what that means: the one place that decides between trying again and stopping.

use std::time::Duration;

use crate::credential::Outlook;
use crate::decode::error::DecodeError;
use crate::encode::charset::UnsupportedEncoding;
use crate::encode::topic::{TemplateError, TopicNameError};
use crate::encode::{EncodeError, PlanError};
use crate::error::{Disposition, Exit};
use crate::lsn::Lsn;
use crate::postgres::catalog::CatalogError;
use crate::postgres::client::LoginError;
use crate::postgres::error::{ClientError, ErrorClass};
use crate::progress::identity::Gap;
use crate::progress::recorded::ReadError;
use crate::sink::SinkError;

/// A pipeline cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// No connection to the server.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The connection failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A catalog query failed.
    #[error("the catalog: {0}")]
    Catalog(#[from] CatalogError),
    /// The sink failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Progress cannot be read.
    #[error(transparent)]
    Progress(#[from] ReadError),
    /// Changes are missing.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The slot does not exist.
    #[error(
        "the replication slot {slot} does not exist; make it with `pgsluice slot create`, with \
         SELECT pg_create_logical_replication_slot('{slot}', '{plugin}'), or set create = true in \
         [source.replication]"
    )]
    SlotMissing {
        /// The slot.
        slot: String,
        /// The plugin it should have.
        plugin: &'static str,
    },
    /// The slot is gone although this pipeline has read it before.
    #[error(
        "the replication slot {slot} is gone, and this pipeline has recorded {recorded}: what was changed since \
         cannot be had back. Re-read the tables by other means, then start with `pgsluice run --accept-gap`"
    )]
    SlotGone {
        /// The slot.
        slot: String,
        /// The recorded position.
        recorded: Lsn,
    },
    /// The slot has another output plugin, or is a physical one.
    #[error(
        "the replication slot {slot} has the output plugin {found}, not {wanted}; name another slot, or drop this \
         one with SELECT pg_drop_replication_slot('{slot}')"
    )]
    SlotPlugin {
        /// The slot.
        slot: String,
        /// What it has.
        found: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// The slot belongs to another database.
    #[error(
        "the replication slot {slot} belongs to database {found}, not to {wanted}; set database, or name another \
         slot"
    )]
    SlotDatabase {
        /// The slot.
        slot: String,
        /// Its database.
        found: String,
        /// The database connected to.
        wanted: String,
    },
    /// The slot decodes in two phases. Its rows would be sent before it is known whether they are committed.
    #[error(
        "the replication slot {slot} has two-phase decoding, which shows transactions before they commit, and those \
         that never do; name another slot, or drop this one with SELECT pg_drop_replication_slot('{slot}')"
    )]
    SlotTwoPhase {
        /// The slot.
        slot: String,
    },
    /// The slot's WAL is gone.
    #[error(
        "the replication slot {slot} is lost ({reason}): the WAL it needs was removed. Drop it, raise \
         max_slot_wal_keep_size, and start with `pgsluice run --accept-gap` after re-reading the tables"
    )]
    SlotLost {
        /// The slot.
        slot: String,
        /// Why, as far as the server tells.
        reason: String,
    },
    /// Another connection streams the slot.
    #[error("the replication slot {slot} is in use by {holder}; stop it, or name another slot")]
    SlotInUse {
        /// The slot.
        slot: String,
        /// Process, application, address.
        holder: String,
    },
    /// The server cannot decode.
    #[error(
        "wal_level is {found}, logical is needed: ALTER SYSTEM SET wal_level = logical, then restart the server \
         (RDS: rds.logical_replication = 1; Azure: server parameter wal_level; Cloud SQL: \
         cloudsql.logical_decoding = on)"
    )]
    WalLevel {
        /// The setting.
        found: String,
    },
    /// Text of the database cannot be turned into UTF-8.
    #[error(transparent)]
    Encoding(#[from] UnsupportedEncoding),
    /// The topic template cannot be used.
    #[error("sink.kafka.topic: {0}")]
    Template(#[from] TemplateError),
    /// A table's topic name cannot be used.
    #[error(transparent)]
    TopicName(#[from] TopicNameError),
    /// Two tables would be mixed.
    #[error(
        "the tables {first} and {second} both map to topic {topic}; change topic in [sink.kafka], or exclude one"
    )]
    TopicClash {
        /// One table.
        first: String,
        /// The other.
        second: String,
        /// The topic.
        topic: String,
    },
    /// A payload is not what the plugin prints.
    #[error("at LSN {lsn}: {source}; nothing from this change on is acknowledged")]
    Decode {
        /// Where.
        lsn: Lsn,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A payload that must not come on this slot.
    #[error("at LSN {lsn}: {reason}; nothing from this change on is acknowledged")]
    Unexpected {
        /// Where.
        lsn: Lsn,
        /// What it is and what to do.
        reason: &'static str,
    },
    /// A change cannot be encoded.
    #[error("at LSN {lsn}: {source}; nothing from this change on is acknowledged")]
    Encode {
        /// Where.
        lsn: Lsn,
        /// Why.
        source: EncodeError,
    },
    /// A table cannot be prepared.
    #[error("at LSN {lsn}: table {table}: {source}; nothing from this change on is acknowledged")]
    Plan {
        /// Where.
        lsn: Lsn,
        /// The table as printed.
        table: String,
        /// Why.
        source: PlanError,
    },
    /// The sink takes nothing, and the server must not be kept waiting for ever.
    #[error(
        "the sink has taken nothing for minutes; the connection to the server is given up until it does, because a \
         client that does not read can hold up the server's checkpoints"
    )]
    Stalled,
    /// Records stayed in flight until the end of the drain.
    #[error(
        "{in_flight} records were still in flight after drain_timeout; they are not confirmed and will be sent \
         again by the next start"
    )]
    DrainDeadline {
        /// How many.
        in_flight: usize,
    },
}

/// A failure to encode inside `emit` callbacks, where the LSN is not at hand.
#[derive(Debug)]
pub(super) enum EmitError {
    Encode(EncodeError),
    Sink(SinkError),
}

impl From<EncodeError> for EmitError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<SinkError> for EmitError {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl EmitError {
    pub(super) fn at(self, lsn: Lsn) -> PipelineError {
        match self {
            Self::Encode(source) => PipelineError::Encode { lsn, source },
            Self::Sink(error) => PipelineError::Sink(error),
        }
    }
}

impl PipelineError {
    /// Whether to try again.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Login(error) | Self::Catalog(CatalogError::Login(error)) => of_login(error),
            Self::Client(error) | Self::Catalog(CatalogError::Client(error)) => of_client(error),
            Self::Sink(error) | Self::Progress(ReadError::Sink(error)) => of_sink(error),
            Self::Gap(_) | Self::SlotGone { .. } | Self::SlotLost { .. } => Disposition::Stop(Exit::SlotLost),
            Self::SlotMissing { .. } => Disposition::Stop(Exit::SlotMissing),
            Self::SlotPlugin { .. } => Disposition::Stop(Exit::SlotPlugin),
            Self::SlotDatabase { .. } => Disposition::Stop(Exit::SlotDatabase),
            Self::SlotInUse { .. } => Disposition::Retry(Exit::SlotInUse),
            Self::WalLevel { .. } => Disposition::Stop(Exit::ServerSettings),
            Self::Template(_) | Self::TopicName(_) | Self::TopicClash { .. } => {
                Disposition::Stop(Exit::Configuration)
            }
            Self::Stalled => Disposition::Retry(Exit::SinkUnreachable),
            Self::DrainDeadline { .. } => Disposition::Stop(Exit::DrainDeadline),
            _ => Disposition::Stop(Exit::Fatal),
        }
    }

    /// How long somebody wants to be left alone before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Login(LoginError::Credential(error))
            | Self::Catalog(CatalogError::Login(LoginError::Credential(error))) => match error.outlook {
                Outlook::Retry { after } => after,
                Outlook::Stop | Outlook::Never => None,
            },
            _ => None,
        }
    }

    /// One line on what to do, where the message does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Login(LoginError::Client(error))
            | Self::Catalog(CatalogError::Login(LoginError::Client(error)) | CatalogError::Client(error))
            | Self::Client(error) => Some(error.classify().hint()),
            _ => None,
        }
    }
}

fn of_login(error: &LoginError) -> Disposition {
    match error {
        LoginError::Secret(_) => Disposition::Refused(Exit::Configuration),
        LoginError::Credential(error) => match error.outlook {
            Outlook::Retry { .. } => Disposition::Retry(Exit::Authentication),
            Outlook::Stop => Disposition::Refused(Exit::Authentication),
            Outlook::Never => Disposition::Stop(Exit::Authentication),
        },
        LoginError::Client(error) => of_client(error),
    }
}

fn of_client(error: &ClientError) -> Disposition {
    let class = error.classify();
    let exit = match class {
        ErrorClass::LoginRefused | ErrorClass::TlsRefused | ErrorClass::NoReplicationRight => {
            Exit::Authentication
        }
        ErrorClass::SlotInUse { .. } => Exit::SlotInUse,
        ErrorClass::SlotLost => Exit::SlotLost,
        ErrorClass::SlotMissing => Exit::SlotMissing,
        ErrorClass::WrongDatabase => Exit::SlotDatabase,
        ErrorClass::BadSlotName => Exit::Configuration,
        ErrorClass::WalLevel | ErrorClass::NoFreeSlot | ErrorClass::PluginNotAllowed => Exit::ServerSettings,
        class if class.is_transient() => Exit::SourceUnreachable,
        _ => Exit::Fatal,
    };
    match class {
        // Nobody but the server knows whether the secret is right, or the role still there.
        ErrorClass::LoginRefused if error.sqlstate().is_some() => Disposition::Refused(exit),
        class if class.is_transient() => Disposition::Retry(exit),
        _ => Disposition::Stop(exit),
    }
}

fn of_sink(error: &SinkError) -> Disposition {
    match error {
        SinkError::Retry { .. } | SinkError::SmallerBatches { .. } => {
            Disposition::Retry(Exit::SinkUnreachable)
        }
        SinkError::Closed => Disposition::Stop(Exit::Clean),
        _ => Disposition::Stop(Exit::Fatal),
    }
}
