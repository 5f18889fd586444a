//! Is the server fit for it?

use std::time::Duration;

use crate::check::Report;
use crate::encode::charset::Charset;
use crate::postgres::catalog::{Catalog, Server};

/// The oldest version the tests run against.
const OLDEST: u32 = 120_000;
/// A shorter time-out leaves little room for a busy moment.
const SHORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Version, encoding, and the settings that logical decoding needs.
pub(super) async fn check(report: &mut Report, catalog: &mut Catalog, server: &Server) {
    if server.version < OLDEST {
        report.fail("server version", &server.version_text, "upgrade to PostgreSQL 12 or later");
    } else if server.in_recovery && server.version < 160_000 {
        report.fail(
            "server version",
            format!("{} is a standby", server.version_text),
            "name the primary: before 16 a standby cannot decode",
        );
    } else {
        report.pass("server version", &server.version_text);
    }
    check_encoding(report, server);
    if server.wal_level == "logical" {
        report.pass("wal_level", "logical");
    } else {
        report.fail(
            "wal_level",
            &server.wal_level,
            "ALTER SYSTEM SET wal_level = logical, then restart (RDS: rds.logical_replication = 1; Azure: server \
             parameter wal_level; Cloud SQL: cloudsql.logical_decoding = on)",
        );
    }
    match server.wal_sender_timeout {
        None => report.warn(
            "wal_sender_timeout",
            "off",
            "ALTER SYSTEM SET wal_sender_timeout = '60s': a connection that died would hold the slot for ever",
        ),
        Some(timeout) if timeout < SHORT_TIMEOUT => report.warn(
            "wal_sender_timeout",
            format!("{timeout:?}"),
            "ALTER SYSTEM SET wal_sender_timeout = '60s'",
        ),
        Some(timeout) => report.pass("wal_sender_timeout", format!("{timeout:?}")),
    }
    check_limits(report, catalog, server).await;
}

fn check_encoding(report: &mut Report, server: &Server) {
    if server.encoding == "SQL_ASCII" {
        report.warn(
            "encoding",
            "SQL_ASCII",
            "text that is not UTF-8 will stop the pipeline; give the database a real encoding",
        );
        return;
    }
    match Charset::from_server_encoding(&server.encoding) {
        Ok(_) => report.pass("encoding", &server.encoding),
        Err(error) => report.fail("encoding", &server.encoding, error.to_string()),
    }
}

const LIMITS: &str = "
SELECT current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
       current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication)";

async fn check_limits(report: &mut Report, catalog: &mut Catalog, server: &Server) {
    let answer = match catalog.query(LIMITS).await {
        Ok(answer) => answer,
        Err(error) => return report.fail("free walsenders", crate::error::chain(&error), ""),
    };
    let number = |index: usize| -> Option<i64> { answer.rows.first()?.get(index)?.as_deref()?.parse().ok() };
    match number(1) {
        Some(free) if free > 0 => report.pass("free walsenders", free.to_string()),
        Some(_) => report.fail("free walsenders", "none", "raise max_wal_senders and restart"),
        None => report.fail("free walsenders", "no answer", ""),
    }
    // Whether a free slot is needed depends on whether ours exists; the number is worth knowing either way.
    match number(0) {
        Some(free) => report.pass("free slots", free.to_string()),
        None => report.fail("free slots", "no answer", ""),
    }
    if server.version >= 130_000 {
        check_keep_size(report, catalog).await;
    }
}

async fn check_keep_size(report: &mut Report, catalog: &mut Catalog) {
    const NAME: &str = "max_slot_wal_keep_size";
    let answer = catalog.query("SELECT current_setting('max_slot_wal_keep_size')").await;
    let setting = answer.ok().and_then(|answer| answer.rows.into_iter().flatten().flatten().next());
    match setting.as_deref() {
        Some("-1") => report.warn(
            NAME,
            "no limit",
            "while the pipeline is down WAL piles up until the disk is full: set a limit below the free space",
        ),
        Some(limit) => report.pass(NAME, limit),
        None => report.fail(NAME, "no answer", ""),
    }
}
