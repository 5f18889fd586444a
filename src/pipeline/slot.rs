//! Whether a slot is the one that is wanted and can be read. Pure.

use crate::pipeline::error::PipelineError;
use crate::pipeline::options::SlotOptions;
use crate::postgres::catalog::Slot;

/// Compares the slot that is there with the one that is wanted. Its holder is judged apart ([`verify_free`]),
/// because one's own old connection may still hold it for a while.
pub fn verify(slot: &Slot, wanted: &SlotOptions, database: &str) -> Result<(), PipelineError> {
    match (&slot.plugin, &slot.database) {
        (Some(plugin), _) if plugin != wanted.plugin => Err(PipelineError::SlotPlugin {
            slot: slot.name.clone(),
            found: plugin.clone(),
            wanted: wanted.plugin,
        }),
        (None, _) => Err(PipelineError::SlotPlugin {
            slot: slot.name.clone(),
            found: format!("none (it is a {} slot)", slot.slot_type),
            wanted: wanted.plugin,
        }),
        (_, Some(found)) if found != database => Err(PipelineError::SlotDatabase {
            slot: slot.name.clone(),
            found: found.clone(),
            wanted: database.to_owned(),
        }),
        _ if slot.two_phase => Err(PipelineError::SlotTwoPhase { slot: slot.name.clone() }),
        _ if slot.is_lost() => Err(PipelineError::SlotLost {
            slot: slot.name.clone(),
            reason: slot.invalidation_reason.clone().unwrap_or_else(|| "wal_status lost".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// Fails when another connection streams the slot.
pub fn verify_free(slot: &Slot) -> Result<(), PipelineError> {
    let Some(holder) = &slot.holder else { return Ok(()) };
    let application = holder.application.as_ref().map(|name| format!(", application {name:?}"));
    let address = holder.address.as_ref().map(|address| format!(", from {address}"));
    let text = format!(
        "process {} of the server{}{}",
        holder.pid,
        application.unwrap_or_default(),
        address.unwrap_or_default()
    );
    Err(PipelineError::SlotInUse { slot: slot.name.clone(), holder: text })
}

#[cfg(test)]
mod tests {
    use super::{verify, verify_free};
    use crate::lsn::Lsn;
    use crate::pipeline::error::PipelineError;
    use crate::pipeline::options::SlotOptions;
    use crate::postgres::catalog::Slot;
    use crate::postgres::catalog::slot::Holder;

    fn slot() -> Slot {
        Slot {
            name: "s".to_owned(),
            slot_type: "logical".to_owned(),
            plugin: Some("test_decoding".to_owned()),
            database: Some("shop".to_owned()),
            temporary: false,
            holder: None,
            restart_lsn: Some(Lsn(1)),
            confirmed_flush_lsn: Some(Lsn(2)),
            wal_status: Some("reserved".to_owned()),
            safe_wal_size: None,
            invalidation_reason: None,
            two_phase: false,
            wal_end: Lsn(9),
        }
    }

    fn wanted() -> SlotOptions {
        SlotOptions { name: "s".to_owned(), create: false, plugin: "test_decoding" }
    }

    #[test]
    fn each_fault_has_its_own_error() {
        assert!(verify(&slot(), &wanted(), "shop").is_ok());
        let other = Slot { plugin: Some("pgoutput".to_owned()), ..slot() };
        assert!(matches!(verify(&other, &wanted(), "shop"), Err(PipelineError::SlotPlugin { .. })));
        let physical = Slot { plugin: None, database: None, slot_type: "physical".to_owned(), ..slot() };
        assert!(matches!(verify(&physical, &wanted(), "shop"), Err(PipelineError::SlotPlugin { .. })));
        assert!(matches!(verify(&slot(), &wanted(), "other"), Err(PipelineError::SlotDatabase { .. })));
        let two_phase = Slot { two_phase: true, ..slot() };
        assert!(matches!(verify(&two_phase, &wanted(), "shop"), Err(PipelineError::SlotTwoPhase { .. })));
        let lost = Slot { wal_status: Some("lost".to_owned()), ..slot() };
        assert!(matches!(verify(&lost, &wanted(), "shop"), Err(PipelineError::SlotLost { .. })));
    }

    #[test]
    fn the_holder_is_named() {
        let holder = Holder { pid: 42, application: Some("other".to_owned()), address: None };
        let held = Slot { holder: Some(holder), ..slot() };
        let text = verify_free(&held).unwrap_err().to_string();
        assert!(text.contains("42") && text.contains("other"), "{text}");
        assert!(verify_free(&slot()).is_ok());
    }
}
