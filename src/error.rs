//! What ends a command, and what the shell is told.

use std::error::Error as StdError;
use std::process::ExitCode;

/// The exit codes, which scripts and supervisors may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done; `run` was told to stop and has drained.
    Clean = 0,
    /// An error that needs a person and has no code of its own.
    Fatal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is wrong.
    Configuration = 3,
    /// The login was refused, TLS was not to be had as asked for, or the role may not replicate.
    Authentication = 4,
    /// The slot is lost, or changes are missing between the recorded position and the slot.
    SlotLost = 5,
    /// Records were still in flight at the end of `drain_timeout`.
    DrainDeadline = 6,
    /// `check` found that `run` would not work.
    CheckFailed = 8,
    /// The slot does not exist.
    SlotMissing = 9,
    /// The slot is in use by another connection.
    SlotInUse = 10,
    /// The slot has another output plugin.
    SlotPlugin = 11,
    /// The slot belongs to another database.
    SlotDatabase = 12,
    /// The server cannot do logical decoding as it is set up: `wal_level`, slots, senders.
    ServerSettings = 13,
    /// The server could not be reached during `start_timeout`.
    SourceUnreachable = 14,
    /// No broker could be reached during `start_timeout`.
    SinkUnreachable = 15,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It may pass: try again after a pause. The code is for a start that tried for too long.
    Retry(Exit),
    /// We are refused. A start ends; what has run before tries again, slowly: secrets are changed at two places, and
    /// directories have hiccups.
    Refused(Exit),
    /// Trying again cannot help.
    Stop(Exit),
}

impl Disposition {
    /// What the shell is told by a command that does not try again.
    pub fn exit(self) -> Exit {
        match self {
            Self::Retry(exit) | Self::Refused(exit) | Self::Stop(exit) => exit,
        }
    }
}

/// Something that ends a command.
#[derive(Debug)]
pub struct Failure {
    /// What the shell is told.
    pub exit: Exit,
    /// One line for a person.
    pub message: String,
}

impl Failure {
    /// From an error and the code it means. The line holds the whole chain of causes.
    pub fn new(exit: Exit, error: &dyn StdError) -> Self {
        Self { exit, message: chain(error) }
    }

    /// From a text.
    pub fn text(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// An error and its causes in one line. A cause that repeats what stands before it is left out.
pub fn chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_stand_in_one_line() {
        let error = Outer(std::io::Error::other("inner"));
        assert_eq!(chain(&error), "outer: inner");
    }
}
