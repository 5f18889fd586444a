use super::{CreateSlot, SnapshotAction, create_slot, drop_slot, show, start_replication};
use crate::lsn::Lsn;

#[test]
fn create_in_both_syntaxes() {
    let slot = |temporary, snapshot| CreateSlot { name: "s", plugin: "test_decoding", temporary, snapshot };
    for (slot, version, expected) in [
        (
            slot(false, SnapshotAction::Nothing),
            150_000,
            "\"s\" LOGICAL \"test_decoding\" (SNAPSHOT 'nothing')",
        ),
        (
            slot(true, SnapshotAction::Export),
            180_004,
            "\"s\" TEMPORARY LOGICAL \"test_decoding\" (SNAPSHOT 'export')",
        ),
        (slot(false, SnapshotAction::Use), 150_020, "\"s\" LOGICAL \"test_decoding\" (SNAPSHOT 'use')"),
        (slot(false, SnapshotAction::Nothing), 149_999, "\"s\" LOGICAL \"test_decoding\" NOEXPORT_SNAPSHOT"),
        (
            slot(true, SnapshotAction::Export),
            120_022,
            "\"s\" TEMPORARY LOGICAL \"test_decoding\" EXPORT_SNAPSHOT",
        ),
        (slot(false, SnapshotAction::Use), 100_023, "\"s\" LOGICAL \"test_decoding\" USE_SNAPSHOT"),
    ] {
        assert_eq!(create_slot(&slot, version), format!("CREATE_REPLICATION_SLOT {expected}"));
    }
}

/// Quotes are doubled, a backslash stays, and there is no `E'…'`.
#[test]
fn quoting() {
    let options = [("include-xids", "1"), ("o\"dd", "it's \\ E'x'")];
    let expected = "START_REPLICATION SLOT \"s\"\"; x\" LOGICAL 16/B374D848 \
                    (\"include-xids\" '1', \"o\"\"dd\" 'it''s \\ E''x''')";
    assert_eq!(start_replication("s\"; x", Lsn(0x16_B374_D848), &options), expected);
    assert_eq!(start_replication("s", Lsn(0), &[]), "START_REPLICATION SLOT \"s\" LOGICAL 0/0");
    assert_eq!(drop_slot("a\"b", false), "DROP_REPLICATION_SLOT \"a\"\"b\"");
    assert_eq!(show("rds.iam_auth_for_replication"), "SHOW \"rds\".\"iam_auth_for_replication\"");
}
