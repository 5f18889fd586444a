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

/// `TIMELINE_HISTORY`.
pub fn timeline_history(timeline: u32) -> String {
    format!("TIMELINE_HISTORY {timeline}")
}

/// Where `timeline` ends, in the text of a history file: a line each of id, LSN and reason, `#` starts a comment.
pub fn timeline_end(history: &str, timeline: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let is_it = words.next()?.parse() == Ok(timeline);
        words.next().filter(|_| is_it)?.parse().ok()
    })
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

#[cfg(test)]
mod history_tests {
    use super::timeline_end;
    use crate::lsn::Lsn;

    #[test]
    fn a_history_tells_where_a_timeline_ends() {
        let history = "1\t0/3000158\tno recovery target\n\n# comment\n2\t0/50000A0\tbefore 2026-01-01\n";
        assert_eq!(timeline_end(history, 1), Some(Lsn(0x300_0158)));
        assert_eq!(timeline_end(history, 2), Some(Lsn(0x500_00A0)));
        assert_eq!(timeline_end(history, 3), None);
        assert_eq!(timeline_end("junk", 1), None);
    }
}
