//! The headers of a record. `pgsluice.tx` and `pgsluice.ordinal` stand on every one and are the same on every
//! replay: together they are the id to de-duplicate by, and records born of one change share it.

use super::json;
use crate::event::{Source, TransactionId};
use crate::record::Header;

/// `<xid>:<LSN of the transaction's first change>`. A message outside of a transaction has xid 0, which no
/// transaction has, and its own LSN.
const TRANSACTION: &str = "pgsluice.tx";
/// Which change of its transaction it was.
const ORDINAL: &str = "pgsluice.ordinal";
/// `estimated` where the time in `source` is not the commit's; absent where it is.
const COMMIT_TIME: &str = "pgsluice.commit_time";
/// A JSON array of the columns that are left out because the server did not send them.
const UNCHANGED: &str = "pgsluice.unchanged";
/// On records of the old key, when a key changed: the new one.
const NEW_KEY: &str = "__debezium.newkey";
/// On the record of the new key, when a key changed: the old one.
const OLD_KEY: &str = "__debezium.oldkey";

/// The most headers a record has.
pub(super) const MAX_HEADERS: usize = 5;

/// The other key of a changed key.
#[derive(Clone, Copy)]
pub(super) enum OtherKey<'a> {
    /// Of the row as it became.
    New(&'a [u8]),
    /// Of the row as it was.
    Old(&'a [u8]),
}

/// The headers that all records of a change have.
#[derive(Default)]
pub(super) struct ChangeHeaders {
    /// What `text` is rendered for.
    rendered: Option<TransactionId>,
    /// Value of [`TRANSACTION`].
    text: Vec<u8>,
    /// Value of [`ORDINAL`].
    ordinal: Vec<u8>,
    commit_time_known: bool,
}

impl ChangeHeaders {
    /// Renders what `source` has new.
    pub(super) fn prepare(&mut self, source: &Source) {
        let transaction = source.transaction.unwrap_or(TransactionId { xid: 0, first_lsn: source.lsn });
        if self.rendered != Some(transaction) {
            self.text.clear();
            json::push_number(&mut self.text, transaction.xid);
            self.text.push(b':');
            json::push_number(&mut self.text, transaction.first_lsn.0);
            self.rendered = Some(transaction);
        }
        self.ordinal.clear();
        json::push_number(&mut self.ordinal, source.ordinal);
        self.commit_time_known = source.commit_time_known;
    }

    /// Puts a record's headers together; how many they are comes back beside them.
    pub(super) fn assemble<'a>(
        &'a self,
        other_key: Option<OtherKey<'a>>,
        unchanged: Option<&'a [u8]>,
    ) -> ([Header<'a>; MAX_HEADERS], usize) {
        let other_key = other_key.map(|key| match key {
            OtherKey::New(key) => (NEW_KEY, key),
            OtherKey::Old(key) => (OLD_KEY, key),
        });
        let all = [
            other_key,
            Some((TRANSACTION, self.text.as_slice())),
            Some((ORDINAL, self.ordinal.as_slice())),
            (!self.commit_time_known).then_some((COMMIT_TIME, &b"estimated"[..])),
            unchanged.map(|names| (UNCHANGED, names)),
        ];
        let mut headers = [Header { name: "", value: b"" }; MAX_HEADERS];
        let mut count = 0;
        for (slot, (name, value)) in headers.iter_mut().zip(all.into_iter().flatten()) {
            *slot = Header { name, value };
            count += 1;
        }
        (headers, count)
    }
}
