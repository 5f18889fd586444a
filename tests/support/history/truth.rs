//! What was committed.

use std::collections::BTreeMap;

use super::Kind;

/// A committed change, as its own transaction recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Of its transaction, taken while it held every lock it needed: of two transactions that changed the same row, the
    /// one that committed first has the smaller one.
    pub(crate) seq: u64,
    /// 0 for a message outside of transactions, which is known by its token alone.
    pub(crate) xid: u64,
    /// Its number among the changes of its transaction that were not rolled back.
    pub(crate) ordinal: u64,
    /// `message` for a logical message.
    pub(crate) table: String,
    pub(crate) op: Op,
    /// None for a table without a key, a truncation and a message.
    pub(crate) key: Option<i64>,
    /// Of the row as it became; 0 where there is none.
    pub(crate) token: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Insert,
    Update,
    /// An update that gave the row another key.
    Move {
        new_key: i64,
    },
    Delete,
    /// One for each table of the statement; they share an ordinal.
    Truncate,
    Message,
}

/// Everything that is known of the source at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    pub(crate) changes: Vec<Change>,
    /// Tokens above it were never given out. One at or below it that no change has was rolled back.
    pub(crate) last_token: u64,
    /// The tables with a key: the token of each row.
    pub(crate) tables: BTreeMap<String, BTreeMap<i64, u64>>,
    /// Where the slot stands.
    pub(crate) confirmed: u64,
}

/// A record that a change must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    pub(crate) key: Option<i64>,
    pub(crate) token: Option<u64>,
    pub(crate) other_key: Option<i64>,
}

impl Change {
    /// The records it must have, in order.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let part = |kind, key, token, other_key| Part { kind, key, token, other_key };
        let token = Some(self.token);
        match self.op {
            Op::Insert => vec![part(Kind::Create, self.key, token, None)],
            Op::Update => vec![part(Kind::Update, self.key, token, None)],
            Op::Delete => {
                vec![part(Kind::Delete, self.key, None, None), part(Kind::Tombstone, self.key, None, None)]
            }
            Op::Move { new_key } => vec![
                part(Kind::Delete, self.key, None, Some(new_key)),
                part(Kind::Tombstone, self.key, None, Some(new_key)),
                part(Kind::Create, Some(new_key), token, self.key),
            ],
            Op::Truncate => vec![part(Kind::Truncate, None, None, None)],
            Op::Message => vec![part(Kind::Message, None, token, None)],
        }
    }
}
