//! What an error means for the pipeline, and what a person can do about it.
//!
//! Decided by SQLSTATE, severity and the server's source file, which are never translated. Where one SQLSTATE
//! stands for several causes the English message refines the hint, never the choice between stopping and trying
//! again.

use crate::lsn::Lsn;
use crate::postgres::protocol::notice::{ServerError, Severity};
use crate::postgres::protocol::sqlstate::SqlState;

/// What an error means: whether to try again, and what a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Passes by itself: reconnect with back-off.
    Retry,
    /// The server ended the connection: shut down, told to, or the slot was invalidated.
    ServerShutdown,
    /// Another connection consumes the slot.
    SlotInUse {
        /// Its server process, where the message names it.
        pid: Option<u32>,
    },
    /// The slot's WAL is gone. Permanent.
    SlotLost,
    /// There is no such slot.
    SlotMissing,
    /// The slot exists already.
    SlotExists,
    /// The slot belongs to another database.
    WrongDatabase,
    /// `wal_level` is not `logical`.
    WalLevel,
    /// The server is not in the state the command needs, and the message says why.
    NotInState,
    /// The name cannot be a slot's.
    BadSlotName,
    /// All slots are taken.
    NoFreeSlot,
    /// The role may not replicate.
    NoReplicationRight,
    /// The server does not allow the output plugin.
    PluginNotAllowed,
    /// The plugin's library does not load: not installed, or upgraded under a running server.
    PluginNotLoaded,
    /// The plugin cannot print a change. The same on every attempt.
    PluginFailed {
        /// Where in the WAL the change lies, as far as the context tells.
        lsn: Option<Lsn>,
    },
    /// The plugin does not take an option, or its value.
    BadPluginOption,
    /// User, password, database or `pg_hba.conf`.
    LoginRefused,
    /// The server offers no TLS, or its certificate or what it can do is not taken.
    TlsRefused,
    /// A setting cannot be set at login on this server.
    SettingRefused,
    /// A message is longer than the configured limit.
    MessageTooLarge,
    /// Nothing that trying again could cure.
    Fatal,
}

impl ErrorClass {
    /// Whether a new connection after a pause can succeed without anybody's help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Retry | Self::ServerShutdown | Self::SlotInUse { .. } | Self::PluginNotLoaded)
    }

    /// One line on what to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Retry => "passes by itself; if it stays, look at the server's log and the network between",
            Self::ServerShutdown => {
                "the server was stopped, the connection terminated, or the slot invalidated: look at \
                 pg_replication_slots"
            }
            Self::SlotInUse { .. } => {
                "another connection streams this slot: stop it, wait for wal_sender_timeout, or \
                 pg_terminate_backend its active_pid"
            }
            Self::SlotLost => {
                "the WAL the slot needs is gone: drop the slot and take a new snapshot; raise \
                 max_slot_wal_keep_size to keep it from happening again"
            }
            Self::SlotMissing => {
                "the slot does not exist on this server: after a failover the changes since cannot be had back; \
                 create a slot and take a new snapshot"
            }
            Self::SlotExists => "a slot of this name exists: use it, drop it or choose another name",
            Self::WrongDatabase => {
                "the slot was created in another database: set the database or another slot"
            }
            Self::WalLevel => {
                "set wal_level = logical on the server (on a standby: on its primary) and restart it"
            }
            Self::NotInState => "the server's message says what it lacks",
            Self::BadSlotName => "a slot's name has only a-z, 0-9 and _, at most 63 of them",
            Self::NoFreeSlot => "raise max_replication_slots or drop a slot that nobody uses",
            Self::NoReplicationRight => {
                "ALTER ROLE … REPLICATION (on managed servers the role they name for it)"
            }
            Self::PluginNotAllowed => "add the plugin to output_plugin_libraries on the server",
            Self::PluginNotLoaded => {
                "the plugin's library is not installed, or does not fit the running server: restart the server \
                 after its upgrade"
            }
            Self::PluginFailed { .. } => {
                "the change at this LSN cannot be printed (above 1 GB of text, or a fault of the plugin): \
                 pg_replication_slot_advance past it loses it and all before it"
            }
            Self::BadPluginOption => "the plugin does not know an option or refuses its value: remove it",
            Self::LoginRefused => {
                "check user, password, database and pg_hba.conf (its line must name the database; the keyword \
                 replication is for physical connections)"
            }
            Self::TlsRefused => "check sslmode, sslrootcert and the server's certificate",
            Self::SettingRefused => "the server does not take this setting at login: remove it",
            Self::MessageTooLarge => "raise the limit if rows of this size are meant to be streamed",
            Self::Fatal => "a fault of the server, of a proxy between, or of this program",
        }
    }
}

pub(super) fn classify_server(error: &ServerError) -> ErrorClass {
    // A server that cannot start a process, or a pooler that says nothing usable.
    let Some(code) = error.code else { return ErrorClass::Retry };
    match code {
        SqlState::ADMIN_SHUTDOWN => ErrorClass::ServerShutdown,
        SqlState::OBJECT_IN_USE => ErrorClass::SlotInUse { pid: pid_in(&error.message) },
        SqlState::NOT_IN_PREREQUISITE_STATE => classify_state(error),
        SqlState::UNDEFINED_OBJECT => classify_undefined(error),
        SqlState::DUPLICATE_OBJECT => ErrorClass::SlotExists,
        SqlState::INVALID_NAME => ErrorClass::BadSlotName,
        SqlState::CONFIGURATION_LIMIT => ErrorClass::NoFreeSlot,
        SqlState::INSUFFICIENT_PRIVILEGE => classify_privilege(error),
        SqlState::UNDEFINED_FILE => ErrorClass::PluginNotLoaded,
        SqlState::INTERNAL_ERROR => classify_internal(error),
        SqlState::CANT_CHANGE_PARAMETER => ErrorClass::SettingRefused,
        SqlState::NO_SUCH_DATABASE => ErrorClass::LoginRefused,
        // FATAL at login, where it is about a setting.
        SqlState::INVALID_PARAMETER if error.severity.ends_connection() => ErrorClass::SettingRefused,
        SqlState::INVALID_PARAMETER => ErrorClass::BadPluginOption,
        code => match &code.class() {
            b"28" => ErrorClass::LoginRefused,
            b"08" if code == SqlState::PROTOCOL_VIOLATION => ErrorClass::Fatal,
            b"0A" | b"22" | b"3D" | b"3F" | b"42" | b"XX" => ErrorClass::Fatal,
            // 40 conflicts, 53 resources, 57 intervention, 58 system, and what is not known.
            _ => ErrorClass::Retry,
        },
    }
}

/// 55000. Every cause is permanent; which it is only the message tells, so a translated one gets the general hint.
fn classify_state(error: &ServerError) -> ErrorClass {
    let says = |text: &str| {
        error.message.contains(text) || error.detail.as_deref().is_some_and(|detail| detail.contains(text))
    };
    if says("was not created in this database") {
        ErrorClass::WrongDatabase
    } else if says("wal_level") && !says("invalidated") {
        ErrorClass::WalLevel
    } else if says("invalidated") || says("exceeded the maximum reserved size") {
        ErrorClass::SlotLost
    } else {
        ErrorClass::NotInState
    }
}

/// 42704: a slot, or a configuration parameter.
fn classify_undefined(error: &ServerError) -> ErrorClass {
    match error.file.as_deref() {
        Some("slot.c" | "slotfuncs.c") => ErrorClass::SlotMissing,
        None if error.message.contains("replication slot") => ErrorClass::SlotMissing,
        _ if error.severity == Severity::Fatal => ErrorClass::SettingRefused,
        _ => ErrorClass::Fatal,
    }
}

/// 42501: a setting's name is the same in every language.
fn classify_privilege(error: &ServerError) -> ErrorClass {
    let names_setting = [Some(&error.message), error.hint.as_ref(), error.detail.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| text.contains("output_plugin_libraries"));
    if names_setting { ErrorClass::PluginNotAllowed } else { ErrorClass::NoReplicationRight }
}

/// XX000: in a callback of the plugin the context names the slot and an LSN.
fn classify_internal(error: &ServerError) -> ErrorClass {
    let Some(context) = error.context.as_deref() else { return ErrorClass::Fatal };
    let lsn = last_lsn(context);
    if context.contains("output plugin") || lsn.is_some() {
        ErrorClass::PluginFailed { lsn }
    } else {
        ErrorClass::Fatal
    }
}

/// The last word of the form `hex/hex`.
pub(super) fn last_lsn(text: &str) -> Option<Lsn> {
    text.rsplit(|c: char| !(c.is_ascii_hexdigit() || c == '/')).find_map(|word| word.parse().ok())
}

/// The number behind `PID`.
pub(super) fn pid_in(message: &str) -> Option<u32> {
    let (_, behind) = message.rsplit_once("PID ")?;
    behind.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
