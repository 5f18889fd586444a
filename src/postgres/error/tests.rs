use super::{ClientError, ErrorClass, last_lsn, pid_in};
use crate::lsn::Lsn;
use crate::postgres::protocol::notice::ServerError;

fn class(fields: &[(char, &str)]) -> ErrorClass {
    let mut body: Vec<u8> = Vec::new();
    for (field, text) in fields {
        body.extend(format!("{field}{text}\0").as_bytes());
    }
    body.push(0);
    ClientError::Server(Box::new(ServerError::parse(&body, true).unwrap())).classify()
}

fn error(code: &str, message: &str) -> ErrorClass {
    class(&[('V', "ERROR"), ('C', code), ('M', message)])
}

fn fatal(code: &str) -> ErrorClass {
    class(&[('V', "FATAL"), ('C', code)])
}

#[test]
fn codes_alone() {
    for (code, expected) in [
        ("57P01", ErrorClass::ServerShutdown),
        ("57P02", ErrorClass::Retry),
        ("57P03", ErrorClass::Retry),
        ("53300", ErrorClass::Retry),
        ("40001", ErrorClass::Retry),
        ("57014", ErrorClass::Retry),
        ("08006", ErrorClass::Retry),
        ("99999", ErrorClass::Retry),
        ("58P01", ErrorClass::PluginNotLoaded),
        ("55006", ErrorClass::SlotInUse { pid: None }),
        ("55000", ErrorClass::NotInState),
        ("55P02", ErrorClass::SettingRefused),
        ("53400", ErrorClass::NoFreeSlot),
        ("42710", ErrorClass::SlotExists),
        ("42602", ErrorClass::BadSlotName),
        ("42501", ErrorClass::NoReplicationRight),
        ("22023", ErrorClass::BadPluginOption),
        ("28P01", ErrorClass::LoginRefused),
        ("28000", ErrorClass::LoginRefused),
        ("3D000", ErrorClass::LoginRefused),
        ("08P01", ErrorClass::Fatal),
        ("42601", ErrorClass::Fatal),
        ("22012", ErrorClass::Fatal),
        ("XX000", ErrorClass::Fatal),
    ] {
        assert_eq!(error(code, ""), expected, "{code}");
    }
    assert_eq!(fatal("22023"), ErrorClass::SettingRefused);
    assert_eq!(class(&[('V', "FATAL"), ('M', "words only")]), ErrorClass::Retry);
}

/// 55000 in the words of every major version. All are permanent, whatever the language.
#[test]
fn not_in_prerequisite_state() {
    for (message, detail, expected) in [
        (
            "cannot read from logical replication slot \"x\"",
            "This slot has been invalidated because it exceeded the maximum reserved size.",
            ErrorClass::SlotLost,
        ),
        (
            "can no longer get changes from replication slot \"x\"",
            "This slot has been invalidated because it was conflicting with recovery.",
            ErrorClass::SlotLost,
        ),
        (
            "can no longer access replication slot \"x\"",
            "This replication slot has been invalidated due to \"wal_removed\".",
            ErrorClass::SlotLost,
        ),
        ("replication slot \"x\" was not created in this database", "", ErrorClass::WrongDatabase),
        ("logical decoding requires wal_level >= logical", "", ErrorClass::WalLevel),
        (
            "logical decoding on standby requires \"wal_level\" >= \"logical\" on the primary",
            "",
            ErrorClass::WalLevel,
        ),
        (
            "cannot use replication slot \"x\" for logical decoding",
            "This replication slot is being synchronized from the primary server.",
            ErrorClass::NotInState,
        ),
        ("Replikations-Slot »x« kann nicht gelesen werden", "", ErrorClass::NotInState),
    ] {
        let got = class(&[('V', "ERROR"), ('C', "55000"), ('M', message), ('D', detail)]);
        assert_eq!(got, expected, "{message}");
        assert!(!got.is_transient());
    }
}

#[test]
fn slots_and_settings_that_do_not_exist() {
    let undefined =
        |severity, file, message| class(&[('V', severity), ('C', "42704"), ('F', file), ('M', message)]);
    assert_eq!(undefined("ERROR", "slot.c", "fehlt"), ErrorClass::SlotMissing);
    assert_eq!(error("42704", "replication slot \"x\" does not exist"), ErrorClass::SlotMissing);
    assert_eq!(
        undefined("FATAL", "guc.c", "unrecognized configuration parameter"),
        ErrorClass::SettingRefused
    );
    assert_eq!(undefined("ERROR", "guc.c", "unrecognized configuration parameter"), ErrorClass::Fatal);
}

#[test]
fn slot_in_use() {
    let message = "replication slot \"PID 7\" is active for PID 4242";
    assert_eq!(error("55006", message), ErrorClass::SlotInUse { pid: Some(4242) });
    assert_eq!((pid_in("PID x"), pid_in("PID 99999999999"), pid_in("")), (None, None, None));
    assert!(ErrorClass::SlotInUse { pid: None }.is_transient());
}

#[test]
fn plugins() {
    let context =
        "slot \"s\", output plugin \"test_decoding\", in the change callback, associated LSN 0/1F5C83E8";
    let got = class(&[('C', "XX000"), ('M', "invalid memory alloc request size 1200000003"), ('W', context)]);
    assert_eq!(got, ErrorClass::PluginFailed { lsn: Some(Lsn(0x1F5C_83E8)) });
    let translated = class(&[('C', "XX000"), ('W', "Slot »s«, Ausgabe-Plugin »p«, zugehörige LSN 1/AB")]);
    assert_eq!(translated, ErrorClass::PluginFailed { lsn: Some(Lsn(0x1_0000_00AB)) });
    let startup = class(&[('C', "XX000"), ('W', "slot \"s\", output plugin \"p\", in the startup callback")]);
    assert_eq!(startup, ErrorClass::PluginFailed { lsn: None });
    assert_eq!(last_lsn("no 1/2/3 here: and/or"), None);
    let hint = "Add it to output_plugin_libraries.";
    assert_eq!(class(&[('C', "42501"), ('M', "nein"), ('H', hint)]), ErrorClass::PluginNotAllowed);
}

#[test]
fn every_class_has_a_hint_of_one_line() {
    for class in [
        ErrorClass::Retry,
        ErrorClass::ServerShutdown,
        ErrorClass::SlotInUse { pid: None },
        ErrorClass::SlotLost,
        ErrorClass::SlotMissing,
        ErrorClass::SlotExists,
        ErrorClass::WrongDatabase,
        ErrorClass::WalLevel,
        ErrorClass::NotInState,
        ErrorClass::BadSlotName,
        ErrorClass::NoFreeSlot,
        ErrorClass::NoReplicationRight,
        ErrorClass::PluginNotAllowed,
        ErrorClass::PluginNotLoaded,
        ErrorClass::PluginFailed { lsn: None },
        ErrorClass::BadPluginOption,
        ErrorClass::LoginRefused,
        ErrorClass::SettingRefused,
        ErrorClass::MessageTooLarge,
        ErrorClass::Fatal,
    ] {
        assert!(!class.hint().is_empty() && !class.hint().contains('\n'));
    }
}
