//! The SQL of the catalog, for servers from 12 on, and what its rows mean.
//!
//! The session's `search_path` is empty, so `format_type` qualifies every user type, as the plugin does in a
//! stream with the same setting. Names come in UTF-8 whatever the database's encoding (`client_encoding`).

use postgres_protocol::escape::escape_literal;

use crate::table::TableName;

/// The columns that both table queries select, and where from.
const TABLES: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.relpersistence,
       coalesce(p.indimmediate, false),
       (SELECT json_agg(a.attname ORDER BY k.ord)
          FROM unnest(p.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE k.ord <= p.indnkeyatts),
       (SELECT json_agg(a.attname ORDER BY k.ord)
          FROM unnest(r.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE k.ord <= r.indnkeyatts)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary
  LEFT JOIN pg_index r ON r.indrelid = c.oid AND r.indisreplident";

/// Every table a user could mean: ordinary and partitioned ones, materialized views, outside the system's
/// schemas, temporary ones left out.
pub fn all_tables() -> String {
    format!(
        "{TABLES}
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
 ORDER BY 2, 3"
    )
}

/// Whether a transaction, by its 64-bit id, is visible to this very query.
pub fn visible(xid: u64) -> String {
    format!("SELECT txid_visible_in_snapshot({xid}, txid_current_snapshot())")
}

/// One table by name.
pub fn one_table(name: &TableName) -> String {
    format!(
        "{TABLES}
 WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p', 'm')",
        escape_literal(&name.schema),
        escape_literal(&name.table)
    )
}

/// The columns of one table. Domains are followed down to their base type, those of array elements too, and the
/// modifier is that of the first type on the way that has one.
pub fn columns(table_oid: u32) -> String {
    format!(
        "WITH RECURSIVE base AS (
  SELECT a.attnum, a.attname, format_type(a.atttypid, NULL) AS printed, a.attgenerated,
         a.atttypid AS typid, a.atttypmod AS typmod
    FROM pg_attribute a
   WHERE a.attrelid = {table_oid} AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attnum, b.attname, b.printed, b.attgenerated, t.typbasetype,
         CASE WHEN b.typmod = -1 THEN t.typtypmod ELSE b.typmod END
    FROM base b JOIN pg_type t ON t.oid = b.typid WHERE t.typtype = 'd'
)
SELECT b.attname, b.printed, b.attgenerated = 'v',
       CASE WHEN b.typmod = -1 THEN coalesce(e.typmod, -1) ELSE b.typmod END, t.oid, t.typname,
       e.oid, e.typname, e.typdelim
  FROM base b
  JOIN pg_type t ON t.oid = b.typid AND t.typtype <> 'd'
  LEFT JOIN LATERAL (
    WITH RECURSIVE element AS (
      SELECT p.oid, p.typname, p.typdelim, p.typtype, p.typbasetype, p.typtypmod, -1 AS typmod
        FROM pg_type p WHERE p.oid = t.typelem
      UNION ALL
      SELECT p.oid, p.typname, d.typdelim, p.typtype, p.typbasetype, p.typtypmod,
             CASE WHEN d.typmod = -1 THEN d.typtypmod ELSE d.typmod END
        FROM element d JOIN pg_type p ON p.oid = d.typbasetype WHERE d.typtype = 'd'
    )
    SELECT oid, typname, typdelim, typmod FROM element WHERE typtype <> 'd'
  ) e ON t.typcategory = 'A' AND t.typlen = -1 AND t.oid NOT IN (22, 30)
 ORDER BY b.attnum"
    )
}

/// What a pipeline asks before anything else.
pub const SERVER: &str = "
SELECT current_setting('server_version_num'), current_setting('server_version'),
       current_setting('server_encoding'), current_setting('wal_level'), pg_is_in_recovery(),
       txid_snapshot_xmax(txid_current_snapshot()), current_database(), current_user,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),
       current_setting('wal_sender_timeout')";

/// The state of a slot. The columns grew with the versions, so only those that exist are named.
pub fn slot(name: &str, server_version: u32) -> String {
    let wal_status = if server_version >= 130_000 { "s.wal_status, s.safe_wal_size" } else { "NULL, NULL" };
    let invalidation = match server_version {
        170_000.. => "s.invalidation_reason",
        160_000.. => "CASE WHEN s.conflicting THEN 'conflict' END",
        _ => "NULL",
    };
    let two_phase = if server_version >= 140_000 { "s.two_phase" } else { "false" };
    format!(
        "SELECT s.slot_type, s.plugin, s.database, s.temporary, s.active, s.active_pid,
       s.restart_lsn, s.confirmed_flush_lsn, {wal_status}, {invalidation},
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
       a.application_name, a.client_addr, {two_phase}
  FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
 WHERE s.slot_name = {}",
        escape_literal(name)
    )
}

#[cfg(test)]
mod tests {
    use super::{one_table, slot};
    use crate::table::TableName;

    #[test]
    fn names_are_quoted() {
        let name = TableName { schema: "a'b".to_owned(), table: "c\\d".to_owned() };
        let sql = one_table(&name);
        assert!(sql.contains("'a''b'") && sql.contains("E'c\\\\d'"), "{sql}");
    }

    #[test]
    fn old_servers_are_not_asked_for_new_columns() {
        assert!(!slot("s", 120_022).contains("wal_status"));
        assert!(!slot("s", 130_023).contains("two_phase"));
        assert!(slot("s", 140_023).contains("two_phase"));
        assert!(!slot("s", 150_018).contains("invalidation_reason"));
        assert!(slot("s", 170_010).contains("invalidation_reason"));
    }
}
