use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::{Quotes, push_inner_string, push_string};

fn string(text: &str, quotes: Quotes) -> String {
    let mut out = Vec::new();
    push_string(&mut out, text, quotes);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn escapes_as_the_reference_does() {
    // The control characters of the reference's own run over U+0001 to U+001F.
    let controls: String = ('\u{1}'..='\u{1f}').collect();
    assert_eq!(
        string(&controls, Quotes::Single),
        "\"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000B\\f\\r\\u000E\\u000F\
         \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001A\\u001B\\u001C\\u001D\\u001E\\u001F\""
    );
    for (text, json) in [
        ("", r#""""#),
        ("quote \" backslash \\ slash / apostrophe ' ", r#""quote \" backslash \\ slash / apostrophe ' ""#),
        ("é中文 😀 e\u{301}", "\"é中文 \\uD83D\\uDE00 e\u{301}\""),
        ("\u{7f}\u{80}\u{2028}\u{feff}\u{ffff}", "\"\u{7f}\u{80}\u{2028}\u{feff}\u{ffff}\""),
        ("\u{10000}\u{10ffff}", "\"\\uD800\\uDC00\\uDBFF\\uDFFF\""),
        ("\0", "\"\\u0000\""),
    ] {
        assert_eq!(string(text, Quotes::Single), json);
    }
}

#[test]
fn quotes_are_undone_only_where_they_are_doubled() {
    assert_eq!(string("it''s ''''", Quotes::Doubled), "\"it's ''\"");
    assert_eq!(string("it''s", Quotes::Single), "\"it''s\"");
}

#[test]
fn inner_strings_leave_the_surrogates_to_the_outer_one() {
    let mut out = Vec::new();
    push_inner_string(&mut out, "😀\"");
    assert_eq!(out, "\"😀\\\"\"".as_bytes());
}

#[test]
fn finds_every_special_byte_at_every_position() {
    for special in ['"', '\\', '\'', '\u{1f}', '\u{0}', '😀'] {
        for before in 0..20 {
            for after in 0..10 {
                let text = format!("{}{special}{}", "é".repeat(before), "~".repeat(after));
                let json = string(&text, Quotes::Single);
                let read: String = serde_json::from_str(&json).expect("JSON");
                assert_eq!(read, text);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reads_back_equal(text in any::<String>()) {
        let read: String = serde_json::from_str(&string(&text, Quotes::Single)).expect("JSON");
        prop_assert_eq!(&read, &text);
        let doubled = text.replace('\'', "''");
        let read: String = serde_json::from_str(&string(&doubled, Quotes::Doubled)).expect("JSON");
        prop_assert_eq!(&read, &text);
    }

    #[test]
    fn control_heavy_text_reads_back_equal(text in "[\\x00-\\x30\"'\\\\a-f😀é\u{7f}-\u{a0}]{0,60}") {
        let json = string(&text, Quotes::Single);
        let read: String = serde_json::from_str(&json).expect("JSON");
        prop_assert_eq!(read, text);
        prop_assert_eq!(json.chars().find(|c| u32::from(*c) > 0xffff || *c < ' '), None);
    }
}
