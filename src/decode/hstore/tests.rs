use proptest::prelude::{prop_assert_eq, proptest};

use super::HstorePairs;

fn read(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let plain = |text: super::Backslashed<'_>| String::from_utf8(text.plain().into_owned()).unwrap();
    HstorePairs::new(text.as_bytes())
        .map(|pair| match pair {
            Ok((key, value)) => Ok((plain(key), value.map(plain))),
            Err(error) => Err(error.to_string()),
        })
        .collect()
}

fn pair(key: &str, value: Option<&str>) -> (String, Option<String>) {
    (key.to_owned(), value.map(str::to_owned))
}

#[test]
fn reads_what_the_server_prints() {
    assert_eq!(read(""), Ok(vec![]));
    assert_eq!(read(r#""a"=>"1", "b"=>NULL"#), Ok(vec![pair("a", Some("1")), pair("b", None)]));
    assert_eq!(read(r#"""=>"""#), Ok(vec![pair("", Some(""))]));
    assert_eq!(
        read(r#""a\"b\\"=>"NULL", "=>"=>", \"x\"=>\"y\"""#),
        Ok(vec![pair("a\"b\\", Some("NULL")), pair("=>", Some(", \"x\"=>\"y\""))])
    );
}

#[test]
fn refuses_what_the_server_never_prints() {
    let cases = [
        ("a", "a key in double quotes at byte 0"),
        ("\"a", "a key in double quotes at byte 0"),
        ("\"a\"", "`=>` at byte 3"),
        ("\"a\"=>", "a value in double quotes, or NULL at byte 5"),
        ("\"a\"=>b", "a value in double quotes, or NULL at byte 5"),
        ("\"a\"=>null", "a value in double quotes, or NULL at byte 5"),
        ("\"a\"=>NULLx", "a comma and a space at byte 9"),
        ("\"a\"=>\"b\\\"", "a value in double quotes, or NULL at byte 5"),
        ("\"a\"=>\"b\",\"c\"=>NULL", "a comma and a space at byte 8"),
        ("\"a\"=>\"b\", ", "a key in double quotes at byte 10"),
    ];
    for (text, expected) in cases {
        let error = read(text).unwrap_err();
        assert_eq!(error, format!("not hstore text: expected {expected} of the value"), "{text}");
    }
}

#[test]
fn ends_after_an_error() {
    let mut pairs = HstorePairs::new(b"\"a\"=>\"b\"; \"c\"=>NULL");
    assert!(pairs.next().unwrap().is_ok());
    assert!(pairs.next().unwrap().is_err());
    assert!(pairs.next().is_none());
}

proptest! {
    #[test]
    fn pairs_are_read_as_they_were_printed(
        pairs in proptest::collection::vec(("[a\"\\\\,=> ]{0,5}", proptest::option::of("[NULa\"\\\\,=>é]{0,5}")), 0..5),
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#));
        let printed: Vec<String> = pairs
            .iter()
            .map(|(key, value)| {
                let value = value.as_deref().map_or("NULL".to_owned(), quoted);
                format!("{}=>{value}", quoted(key))
            })
            .collect();
        prop_assert_eq!(read(&printed.join(", ")), Ok(pairs));
    }
}
