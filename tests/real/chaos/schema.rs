//! The tables that are written to, and the one that keeps the truth.

use crate::support::Result;
use crate::support::session::Session;

/// With a key. `hot` is shared by all writers, `whole` has replica identity FULL, `wide` gets columns and loses them,
/// `cut` and `cut_too` are truncated.
pub(crate) const KEYED: [&str; 6] = ["account", "hot", "whole", "wide", "cut", "cut_too"];
/// Without one, and only inserted into.
pub(crate) const JOURNAL: &str = "journal";
/// Where logical messages go.
pub(crate) const MESSAGES: &str = "message";
/// What their prefix is.
pub(crate) const PREFIX: &str = "chaos";

/// The topics that are made beforehand, with more than one partition. A truncation has no key, so its table's topic
/// has one.
pub(crate) const PARTITIONS: [(&str, i32); 2] = [("account", 3), ("whole", 2)];

pub(crate) fn create(session: &mut Session) -> Result<()> {
    session.query("CREATE SEQUENCE ids START 1000; CREATE SEQUENCE tokens; CREATE SEQUENCE turns; CREATE SEQUENCE spacer")?;
    session.query(
        "CREATE TABLE truth (seq bigint, xid bigint, ordinal bigint, tbl text, op text, key bigint, new_key bigint, \
         token bigint)",
    )?;
    for table in KEYED {
        session.query(&format!(
            "CREATE TABLE {table} (id bigint PRIMARY KEY DEFAULT nextval('ids'), owner int NOT NULL, \
             token bigint NOT NULL DEFAULT nextval('tokens'), was bigint, v text); CREATE INDEX ON {table} (owner, id)"
        ))?;
    }
    session.query("ALTER TABLE whole REPLICA IDENTITY FULL")?;
    session.query(&format!("CREATE TABLE {JOURNAL} (token bigint NOT NULL, v text)")).map(drop)
}
