//! The text of the walsender's commands (manual, "Streaming Replication Protocol").
//!
//! They have a grammar of their own: identifiers in double quotes, strings in single quotes with the quote
//! doubled, a backslash is an ordinary character and `E'…'` a syntax error. Text with a zero byte is refused
//! later, by [`query`](super::frontend::query).

use crate::lsn::Lsn;

/// `IDENTIFY_SYSTEM`.
pub const IDENTIFY_SYSTEM: &str = "IDENTIFY_SYSTEM";

/// The first version, as `server_version_num`, that takes options in parentheses.
const PARENTHESES_SINCE: u32 = 150_000;

/// What to do with the snapshot that a new slot starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotAction {
    /// Forget it.
    #[default]
    Nothing,
    /// Export it under a name that lives until the connection's next command.
    Export,
    /// Use it for the transaction that is open on this connection.
    Use,
}

/// A slot to create.
#[derive(Debug, Clone, Copy)]
pub struct CreateSlot<'a> {
    /// Its name.
    pub name: &'a str,
    /// The output plugin.
    pub plugin: &'a str,
    /// Gone with the connection.
    pub temporary: bool,
    /// What becomes of its snapshot.
    pub snapshot: SnapshotAction,
}

/// `CREATE_REPLICATION_SLOT` in the syntax of the server's version.
pub fn create_slot(slot: &CreateSlot<'_>, server_version: u32) -> String {
    let mut command = String::from("CREATE_REPLICATION_SLOT ");
    push_quoted(&mut command, '"', slot.name);
    if slot.temporary {
        command.push_str(" TEMPORARY");
    }
    command.push_str(" LOGICAL ");
    push_quoted(&mut command, '"', slot.plugin);
    command.push_str(match (slot.snapshot, server_version >= PARENTHESES_SINCE) {
        (SnapshotAction::Nothing, true) => " (SNAPSHOT 'nothing')",
        (SnapshotAction::Nothing, false) => " NOEXPORT_SNAPSHOT",
        (SnapshotAction::Export, true) => " (SNAPSHOT 'export')",
        (SnapshotAction::Export, false) => " EXPORT_SNAPSHOT",
        (SnapshotAction::Use, true) => " (SNAPSHOT 'use')",
        (SnapshotAction::Use, false) => " USE_SNAPSHOT",
    });
    command
}

/// `DROP_REPLICATION_SLOT`; `wait` until nobody uses it instead of failing.
pub fn drop_slot(name: &str, wait: bool) -> String {
    let mut command = String::from("DROP_REPLICATION_SLOT ");
    push_quoted(&mut command, '"', name);
    if wait {
        command.push_str(" WAIT");
    }
    command
}

/// `SHOW`. A name with a dot keeps it outside the quotes, where the grammar wants it.
pub fn show(name: &str) -> String {
    let mut command = String::from("SHOW ");
    for (n, part) in name.split('.').enumerate() {
        if n > 0 {
            command.push('.');
        }
        push_quoted(&mut command, '"', part);
    }
    command
}

/// `START_REPLICATION` of a logical slot with the plugin's options.
pub fn start_replication(slot: &str, start: Lsn, options: &[(&str, &str)]) -> String {
    let mut command = String::from("START_REPLICATION SLOT ");
    push_quoted(&mut command, '"', slot);
    command.push_str(" LOGICAL ");
    command.push_str(&start.to_string());
    for (n, (name, value)) in options.iter().enumerate() {
        command.push_str(if n == 0 { " (" } else { ", " });
        push_quoted(&mut command, '"', name);
        command.push(' ');
        push_quoted(&mut command, '\'', value);
    }
    if !options.is_empty() {
        command.push(')');
    }
    command
}

/// The text between two quotes, each quote in it doubled.
fn push_quoted(out: &mut String, quote: char, text: &str) {
    out.push(quote);
    for c in text.chars() {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests;
