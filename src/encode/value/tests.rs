use super::{RawText, Scratch, Target, ValueEncoder, ValueError};
use crate::data_type::DataType;
use crate::encode::charset::Charset;
use crate::encode::json::Quotes;

fn write(data_type: &DataType, text: RawText<'_>) -> Result<String, ValueError> {
    let mut out = Vec::new();
    let charset = Charset::utf8();
    let mut target = Target { out: &mut out, scratch: &mut Scratch::default(), charset: &charset };
    ValueEncoder::lossless(data_type).write(text, &mut target)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

fn encode(data_type: &DataType, text: &str) -> String {
    write(data_type, RawText::plain(text.as_bytes())).expect("encodes")
}

/// Pairs of server's text and JSON; where the JSON is to be the same text as a string, `=`.
fn check(data_type: &DataType, cases: &[(&str, &str)]) {
    for (text, json) in cases {
        let expected = if *json == "=" { format!("\"{text}\"") } else { (*json).to_owned() };
        assert_eq!(encode(data_type, text), expected, "{data_type:?} {text}");
    }
}

fn refuses(data_type: &DataType, texts: &[&str]) {
    for text in texts {
        let result = write(data_type, RawText::plain(text.as_bytes()));
        assert!(matches!(result, Err(ValueError::Form(_))), "{data_type:?} {text:?}: {result:?}");
    }
}

#[test]
fn booleans() {
    check(&DataType::Boolean, &[("true", "true"), ("false", "false"), ("t", "true"), ("f", "false")]);
    refuses(&DataType::Boolean, &["", "T", "yes", "1", "truee"]);
}

#[test]
fn integers() {
    check(
        &DataType::Integer,
        &[
            ("0", "0"),
            ("-1", "-1"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("4294967295", "4294967295"),
        ],
    );
    refuses(&DataType::Integer, &["", "-", "+1", "01", "1.0", "1e3", " 1", "0x1", "--1", "1\"", "NaN"]);
}

#[test]
fn floating_point() {
    check(
        &DataType::Float,
        &[
            ("1.5", "1.5"),
            ("-0", "-0"),
            ("1e+308", "1e+308"),
            ("5e-324", "5e-324"),
            ("1.4e-45", "1.4e-45"),
            ("NaN", "="),
            ("Infinity", "="),
            ("-Infinity", "="),
        ],
    );
    refuses(&DataType::Float, &["", ".5", "1.", "1e", "1e+", "+1", "nan", "inf", "1.5.2", "00.1", "1e5 "]);
}

#[test]
fn numerics_keep_every_digit() {
    check(
        &DataType::Numeric,
        &[
            ("12.3400", "="),
            ("-0.00000000000000000001", "="),
            ("100000000000000000000", "="),
            ("NaN", "="),
            ("-Infinity", "="),
        ],
    );
}

#[test]
fn money_of_the_c_locale_loses_its_ornaments() {
    check(
        &DataType::Money,
        &[
            ("$0.00", "\"0.00\""),
            ("-$0.01", "\"-0.01\""),
            ("$999.00", "\"999.00\""),
            ("$1,234,567.89", "\"1234567.89\""),
            ("-$92,233,720,368,547,758.08", "\"-92233720368547758.08\""),
            // Other locales.
            ("1.234,50 €", "="),
            ("$1.234", "="),
            ("$1.234,00", "="),
            ("$12,34.00", "="),
            ("$1234.00", "="),
            ("$,123.00", "="),
            ("($1.00)", "="),
            ("$.00", "="),
            ("", "="),
        ],
    );
}

#[test]
fn bytes() {
    check(
        &DataType::Bytea,
        &[
            ("\\x", "\"\""),
            ("\\x00", "\"AA==\""),
            ("\\x0001", "\"AAE=\""),
            ("\\x0001ff", "\"AAH/\""),
            ("\\xfbefbefffefd", "\"++++//79\""),
            ("\\xdeadbeef", "\"3q2+7w==\""),
        ],
    );
    refuses(
        &DataType::Bytea,
        &["", "00", "\\x0", "\\x0g", "\\x000", "\\X00", "\\xDEAD", "a\\000", "\\x0001f!"],
    );
}

#[test]
fn bits() {
    check(&DataType::Bits, &[("10101010", "="), ("", "=")]);
    check(&DataType::SingleBit, &[("1", "true"), ("0", "false"), ("101", "="), ("", "=")]);
}

#[test]
fn single_bytes_beyond_ascii_are_octal_as_from_15_on() {
    let encode = |bytes: &[u8]| write(&DataType::SingleByte, RawText::plain(bytes)).expect("encodes");
    assert_eq!(encode(b"x"), r#""x""#);
    assert_eq!(encode(b""), r#""""#);
    assert_eq!(encode(b"\\"), r#""\\""#);
    assert_eq!(encode(b"\xE9"), r#""\\351""#);
    assert_eq!(encode(b"\x80"), r#""\\200""#);
    // What 15 prints by itself.
    assert_eq!(encode(b"\\351"), r#""\\351""#);
}

#[test]
fn dates_and_times_of_day() {
    check(
        &DataType::Date,
        &[("2026-01-02", "="), ("infinity", "="), ("0044-03-15 BC", "="), ("10000-01-01", "=")],
    );
    check(&DataType::Time, &[("03:04:05.678901", "="), ("24:00:00", "=")]);
    check(
        &DataType::TimeTz,
        &[
            ("03:04:05.678901+02", "\"03:04:05.678901+02:00\""),
            ("24:00:00-08", "\"24:00:00-08:00\""),
            ("12:00:00+05:30", "="),
            ("12:00:00+00:19:32", "="),
            ("12:00:00", "="),
        ],
    );
}

#[test]
fn timestamps() {
    check(
        &DataType::Timestamp,
        &[
            ("2026-01-02 03:04:05.678", "\"2026-01-02T03:04:05.678\""),
            ("0001-01-01 00:00:00", "\"0001-01-01T00:00:00\""),
            ("9999-12-31 23:59:59.999999", "\"9999-12-31T23:59:59.999999\""),
            ("infinity", "="),
            ("-infinity", "="),
            ("0044-03-15 12:00:00 BC", "="),
            ("10000-01-01 00:00:00", "="),
            // Another DateStyle.
            ("02.01.2026 03:04:05", "="),
            ("Fri Jan 02 03:04:05 2026", "="),
        ],
    );
}

#[test]
fn instants_have_the_digits_of_their_column() {
    let precision = |precision| DataType::TimestampTz { precision };
    check(
        &precision(6),
        &[
            ("2026-01-02 03:04:05+00", "\"2026-01-02T03:04:05.000000Z\""),
            ("2026-01-02 03:04:05.1+00", "\"2026-01-02T03:04:05.100000Z\""),
            ("2026-01-02 03:04:05.678901+00", "\"2026-01-02T03:04:05.678901Z\""),
            ("infinity", "="),
            ("0044-03-15 12:00:00+00 BC", "="),
            ("10000-01-01 00:00:00+00", "="),
            // Another zone than the pinned one: nothing is called UTC that is not.
            ("2026-01-02 03:04:05+05:30", "="),
            ("2026-01-02 03:04:05+02", "="),
        ],
    );
    check(
        &precision(3),
        &[
            ("2026-01-02 03:04:05+00", "\"2026-01-02T03:04:05.000Z\""),
            ("2026-01-02 03:04:05.67+00", "\"2026-01-02T03:04:05.670Z\""),
            ("2026-01-02 03:04:05.678901+00", "\"2026-01-02T03:04:05.678901Z\""),
        ],
    );
    check(&precision(0), &[("2026-01-02 03:04:05+00", "\"2026-01-02T03:04:05Z\"")]);
}

#[test]
fn intervals_have_all_six_fields() {
    check(
        &DataType::Interval,
        &[
            ("1 year 2 mons 3 days 04:05:06.7", "\"P1Y2M3DT4H5M6.7S\""),
            ("00:00:00", "\"P0Y0M0DT0H0M0S\""),
            ("-1 years -2 mons -3 days -04:05:06.7", "\"P-1Y-2M-3DT-4H-5M-6.7S\""),
            ("-10 mons -3 days +04:05:06.000001", "\"P0Y-10M-3DT4H5M6.000001S\""),
            ("1 mon", "\"P0Y1M0DT0H0M0S\""),
            ("-00:00:00.5", "\"P0Y0M0DT0H0M-0.5S\""),
            ("-00:10:00", "\"P0Y0M0DT0H-10M0S\""),
            ("100:00:00", "\"P0Y0M0DT100H0M0S\""),
            ("1 mon -1 days +00:00:00.1", "\"P0Y1M-1DT0H0M0.1S\""),
            ("178956970 years 7 mons 2147483647 days", "\"P178956970Y7M2147483647DT0H0M0S\""),
            ("infinity", "="),
            ("-infinity", "="),
            // Other styles.
            ("P1Y2M3DT4H5M6.7S", "="),
            ("1-2", "="),
            ("@ 1 year 2 mons", "="),
            ("1 year 2", "="),
            ("1:2:3", "="),
            ("04:05:06 1 day", "="),
            ("04:05", "="),
            ("04:05:06.", "="),
            ("04:05:06:07", "="),
        ],
    );
}

#[test]
fn arrays_nest() {
    let integers = DataType::array(DataType::Integer, b',');
    check(
        &integers,
        &[
            ("{}", "[]"),
            ("{1,NULL,3}", "[1,null,3]"),
            ("{{1,2},{3,4}}", "[[1,2],[3,4]]"),
            ("{{{1}},{{2}}}", "[[[1]],[[2]]]"),
            ("[0:1]={1,2}", "[1,2]"),
        ],
    );
    check(
        &DataType::array(DataType::Text, b','),
        &[
            (r#"{a,"b,c","quo\"te","back\\slash"}"#, r#"["a","b,c","quo\"te","back\\slash"]"#),
            (r#"{NULL,"NULL",""}"#, r#"[null,"NULL",""]"#),
            (r#"{"{}","["}"#, r#"["{}","["]"#),
            ("{é,中,😀}", "[\"é\",\"中\",\"\\uD83D\\uDE00\"]"),
        ],
    );
    check(
        &DataType::array(DataType::Text, b';'),
        &[("{(1,1),(0,0);(2,2),(1,1)}", r#"["(1,1),(0,0)","(2,2),(1,1)"]"#)],
    );
    check(&DataType::array(DataType::Boolean, b','), &[("{t,f}", "[true,false]")]);
    check(&DataType::array(DataType::Bytea, b','), &[(r#"{"\\x00ff","\\x"}"#, r#"["AP8=",""]"#)]);
    check(
        &DataType::array(DataType::TimestampTz { precision: 3 }, b','),
        &[(r#"{"2026-01-02 03:04:05+00"}"#, r#"["2026-01-02T03:04:05.000Z"]"#)],
    );
    check(&DataType::array(DataType::Interval, b','), &[(r#"{"1 mon 1 day"}"#, r#"["P0Y1M1DT0H0M0S"]"#)]);
    check(&DataType::array(DataType::Money, b','), &[(r#"{"$1,234.00"}"#, r#"["1234.00"]"#)]);
}

#[test]
fn arrays_that_are_none_are_refused() {
    let array = DataType::array(DataType::Text, b',');
    for text in ["", "{", "{a", "{a,}", "{a}}", "a", "{\"a}", "{{a},b}", "{{a},{b,c}}"] {
        let result = write(&array, RawText::plain(text.as_bytes()));
        assert!(matches!(result, Err(ValueError::Array(_))), "{text:?}: {result:?}");
    }
    let result = write(&DataType::array(DataType::Integer, b','), RawText::plain(b"{x}"));
    assert_eq!(result, Err(ValueError::Form("an integer")));
}

#[test]
fn hstore_is_the_text_of_an_object() {
    check(
        &DataType::Hstore,
        &[
            ("", r#""{}""#),
            (r#""a"=>"1", "b"=>NULL"#, r#""{\"a\":\"1\",\"b\":null}""#),
            (r#""quo\"te"=>"back\\slash""#, r#""{\"quo\\\"te\":\"back\\\\slash\"}""#),
            ("\"😀\"=>\"\u{1}\n\"", "\"{\\\"\\uD83D\\uDE00\\\":\\\"\\\\u0001\\\\n\\\"}\""),
        ],
    );
    check(
        &DataType::array(DataType::Hstore, b','),
        &[(r#"{"\"a\"=>\"1\"","\"b\"=>NULL"}"#, r#"["{\"a\":\"1\"}","{\"b\":null}"]"#)],
    );
    for text in ["a", "\"a\"", "\"a\"=>1", "\"a\"=>\"1\",\"b\"=>\"2\""] {
        let result = write(&DataType::Hstore, RawText::plain(text.as_bytes()));
        assert!(matches!(result, Err(ValueError::Hstore(_))), "{text:?}: {result:?}");
    }
}

#[test]
fn doubled_quotes_are_undone_everywhere() {
    let doubled = |data_type: &DataType, text: &str| {
        write(data_type, RawText { bytes: text.as_bytes(), quotes: Quotes::Doubled }).expect("encodes")
    };
    assert_eq!(doubled(&DataType::Text, "it''s"), r#""it's""#);
    assert_eq!(doubled(&DataType::array(DataType::Text, b','), "{it''s,''''}"), r#"["it's","''"]"#);
    assert_eq!(doubled(&DataType::Hstore, r#""k''"=>"''v""#), r#""{\"k'\":\"'v\"}""#);
    let array = DataType::array(DataType::Hstore, b',');
    assert_eq!(doubled(&array, r#"{"\"k''\"=>NULL"}"#), r#"["{\"k'\":null}"]"#);
}

#[test]
fn text_that_is_none_is_refused_inside_of_arrays_too() {
    for (data_type, text) in [
        (DataType::Text, &b"\xFF"[..]),
        (DataType::Numeric, b"\xFF"),
        (DataType::TimeTz, b"\xFF+00"),
        (DataType::array(DataType::Text, b','), b"{a,\xFF}"),
        (DataType::Hstore, b"\"a\"=>\"\xFF\""),
    ] {
        let result = write(&data_type, RawText::plain(text));
        assert!(matches!(result, Err(ValueError::Text(_))), "{data_type:?}: {result:?}");
    }
}

#[test]
fn scratch_gives_back_what_a_big_value_took() {
    let charset = Charset::from_server_encoding("LATIN1").expect("supported");
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    let big = "\"é\"".repeat(1 << 18).replace('"', "''").into_bytes();
    let mut target = Target { out: &mut out, scratch: &mut scratch, charset: &charset };
    let text = RawText { bytes: &[b"{\"\\\\", &big[..], b"\"}"].concat(), quotes: Quotes::Doubled };
    ValueEncoder::lossless(&DataType::array(DataType::Text, b',')).write(text, &mut target).expect("encodes");
    assert!(scratch.text.capacity() > 1 << 20 && scratch.undoubled.capacity() > 1 << 20);
    scratch.shrink_to(4096);
    for capacity in [scratch.text.capacity(), scratch.undoubled.capacity(), scratch.element.capacity()] {
        assert!(capacity <= 4096);
    }
}
