//! Is there a slot, is it the right one, is it healthy?

use crate::check::Report;
use crate::lsn::Lsn;
use crate::pipeline::PipelineOptions;
use crate::pipeline::slot::{verify, verify_free};
use crate::postgres::catalog::{Catalog, Server, Slot};

/// WAL kept for a slot above which somebody should look.
const MUCH_WAL: u64 = 1 << 30;

/// Looks at the slot; returns its confirmed position.
pub(super) async fn check(
    report: &mut Report,
    catalog: &mut Catalog,
    server: &Server,
    options: &PipelineOptions,
) -> Option<Lsn> {
    let wanted = &options.slot;
    let found = match catalog.slot(&wanted.name, server.version).await {
        Ok(found) => found,
        Err(error) => {
            report.fail("slot", crate::error::chain(&error), "");
            return None;
        }
    };
    let Some(slot) = found else {
        let name = &wanted.name;
        if wanted.create {
            report.pass("slot", format!("{name} does not exist; run makes it"));
        } else {
            report.fail(
                "slot",
                format!("{name} does not exist and create = false"),
                format!("SELECT pg_create_logical_replication_slot('{name}', '{}')", wanted.plugin),
            );
        }
        return None;
    };
    if let Err(error) = verify(&slot, wanted, &server.database) {
        report.fail("slot", error.to_string(), "");
        return None;
    }
    if let Err(error) = verify_free(&slot) {
        report.fail("slot", error.to_string(), "");
    } else {
        report.pass("slot", format!("{}, {}", slot.name, wanted.plugin));
    }
    check_health(report, &slot);
    slot.confirmed_flush_lsn
}

fn check_health(report: &mut Report, slot: &Slot) {
    match slot.wal_status.as_deref() {
        None | Some("reserved") => {}
        Some(status) => report.warn(
            "slot health",
            format!("wal_status {status}"),
            "the slot is about to lose its WAL: run the pipeline, and raise max_slot_wal_keep_size",
        ),
    }
    let Some(retained) = slot.retained_bytes() else { return };
    let seen = format!("{} MiB", retained >> 20);
    if retained > MUCH_WAL {
        report.warn(
            "retained WAL",
            seen,
            "run the pipeline, or drop a slot that nobody uses: SELECT pg_drop_replication_slot(…)",
        );
    } else {
        report.pass("retained WAL", seen);
    }
}
