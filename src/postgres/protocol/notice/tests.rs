use proptest::prelude::{any, prop, prop_assert, proptest};

use super::{FIELD_LIMIT, ServerError, Severity, escape};

#[test]
fn fields() {
    let body = b"SFEHLER\0VERROR\0C42704\0MEs gibt \xc3\xbc kein\0Dd\0Hh\0Ww\0Fslot.c\0L1\0Rf\0?future\0\0";
    let error = ServerError::parse(body, true).unwrap();
    assert_eq!(error.severity, Severity::Error);
    assert_eq!(error.code.unwrap().to_string(), "42704");
    assert_eq!(error.file.as_deref(), Some("slot.c"));
    assert_eq!(error.to_string(), "FEHLER 42704: Es gibt ü kein; detail: d; hint: h; context: w");
}

/// `V` decides; `S` where it is absent; an error where neither is readable.
#[test]
fn severities() {
    for (body, expected) in [
        (&b"SFATAL\0\0"[..], Severity::Fatal),
        (b"SPANIC\0\0", Severity::Panic),
        (b"SERROR\0VFATAL\0\0", Severity::Fatal),
        (b"VFATAL\0SERROR\0\0", Severity::Fatal),
        (b"SWARNUNG\0VWARNING\0\0", Severity::Notice),
        (b"SSCHWER\0\0", Severity::Error),
        (b"\0", Severity::Error),
    ] {
        assert_eq!(ServerError::parse(body, true).unwrap().severity, expected, "{}", body.escape_ascii());
    }
    assert!(Severity::Fatal.ends_connection() && Severity::Panic.ends_connection());
    assert!(!Severity::Error.ends_connection() && !Severity::Notice.ends_connection());
}

#[test]
fn malformed_bodies() {
    for body in [&b""[..], b"M", b"Mx", b"Mx\0", b"Mx\0\0x"] {
        assert!(ServerError::parse(body, true).is_err(), "{}", body.escape_ascii());
    }
}

#[test]
fn codes_that_are_none() {
    for body in [&b"C\0\0"[..], b"C1234\0\0", b"C123456\0\0", b"C0000a\0\0", b"C00-00\0\0"] {
        assert_eq!(ServerError::parse(body, true).unwrap().code, None);
    }
}

#[test]
fn hostile_text() {
    assert_eq!(escape(b"a\nb\r\t\x1b[31m\x7f\x00\xc2\x85"), "a\\nb\\r\\t\\u{1b}[31m\\u{7f}\\u{0}\\u{85}");
    assert_eq!(escape(b"\xff\xc3(ok)\xe2\x82"), "\\xFF\\xC3(ok)\\xE2\\x82");
    assert_eq!(escape("a\u{202E}b\u{2066}\u{2028}".as_bytes()), "a\\u{202e}b\\u{2066}\\u{2028}");
    assert_eq!(escape("zürich 東京".as_bytes()), "zürich 東京");
}

#[test]
fn long_text_is_cut() {
    for byte in [b'x', 0xFF, 0] {
        let text = escape(&vec![byte; 1 << 20]);
        assert!(text.len() < FIELD_LIMIT + 32 && text.ends_with(" … (cut)"), "{}", text.len());
    }
}

#[test]
fn text_that_just_fits_is_whole() {
    for (byte, shown) in [(b'x', "x"), (0xFF, "\\xFF")] {
        let text = vec![byte; FIELD_LIMIT / shown.len()];
        assert_eq!(escape(&text), shown.repeat(text.len()));
        assert!(escape(&[text, vec![byte]].concat()).ends_with(" … (cut)"));
    }
}

#[test]
fn before_login_the_words_are_marked() {
    let error = ServerError::parse(b"VFATAL\0SFATAL\0C28000\0Mno\0\0", false).unwrap();
    assert_eq!(error.to_string(), "unauthenticated server said: FATAL 28000: no");
    let error = ServerError::from_plain_text(b"could not fork\n\0junk");
    assert_eq!(error.to_string(), "unauthenticated server said: FATAL: could not fork");
}

proptest! {
    #[test]
    fn escaped_text_has_no_control_characters(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!escape(&bytes).contains(char::is_control));
    }
}
