use proptest::prelude::{Strategy, prop_assert_eq, proptest};

use super::{TimestampError, parse};
use crate::time::{UnixMicros, days_from_civil};

fn shown(text: &str) -> String {
    parse(text.as_bytes()).unwrap_or_else(|_| panic!("{text}")).to_string()
}

#[test]
fn reads_what_the_server_prints() {
    assert_eq!(shown("2026-11-22 23:02:07.862666+00"), "2026-11-22T23:02:07.862666Z");
    assert_eq!(shown("2026-11-23 04:53:45.396841+05:45"), "2026-11-22T23:08:45.396841Z");
    assert_eq!(shown("2026-11-22 20:00:00-03:30:15"), "2026-11-22T23:30:15.000000Z");
    assert_eq!(shown("2026-01-02 03:04:05+00"), "2026-01-02T03:04:05.000000Z");
    assert_eq!(shown("2026-01-02 03:04:05.5+00"), "2026-01-02T03:04:05.500000Z");
    assert_eq!(shown("2026-01-02 03:04:05.000001+14"), "2026-01-01T13:04:05.000001Z");
    assert_eq!(shown("2024-02-29 00:00:00-100"), "2024-03-04T04:00:00.000000Z");
    assert_eq!(shown("12345-01-02 03:04:05+00"), "12345-01-02T03:04:05.000000Z");
    assert_eq!(shown("0001-01-01 00:00:00+00"), "0001-01-01T00:00:00.000000Z");
    assert_eq!(shown("0001-12-31 00:00:00+00 BC"), "0000-12-31T00:00:00.000000Z");
    assert_eq!(parse(b"1970-01-01 00:00:00+00"), Ok(UnixMicros(0)));
    assert_eq!(parse(b"1970-01-01 00:00:00.000001+00:00:01"), Ok(UnixMicros(-999_999)));
    assert_eq!(
        parse(b"4713-01-01 00:00:00+00 BC"),
        Ok(UnixMicros(days_from_civil(-4712, 1, 1) * 86_400_000_000))
    );
}

#[test]
fn refuses_everything_else() {
    let cases = [
        "",
        "infinity",
        "2026-11-22",
        "2026-11-22 23:02:07",
        "2026-11-22 23:02:07 UTC",
        "2026-11-22T23:02:07+00",
        "2026-11-22 23:02:07+0",
        "2026-11-22 23:02:07+00:",
        "2026-11-22 23:02:07+00:60",
        "2026-11-22 23:02:07+00:00:00:00",
        "2026-11-22 23:02:07.+00",
        "2026-11-22 23:02:07.1234567+00",
        "2026-11-22 24:00:00+00",
        "2026-11-22 23:60:00+00",
        "2026-11-22 23:00:60+00",
        "2026-00-22 23:02:07+00",
        "2026-13-22 23:02:07+00",
        "2026-11-31 23:02:07+00",
        "2023-02-29 23:02:07+00",
        "1900-02-29 23:02:07+00",
        "0000-01-01 00:00:00+00",
        "0000-01-01 00:00:00+00 BC",
        "226-11-22 23:02:07+00",
        "999999-11-22 23:02:07+00",
        "9999999-11-22 23:02:07+00",
        "+2026-11-22 23:02:07+00",
        " 2026-11-22 23:02:07+00",
        "2026-11-22 23:02:07+00 ",
        "2026-11-22 23:02:07+00 AD",
        "2026-11-22 23:02:07+00BC",
    ];
    for text in cases {
        assert_eq!(parse(text.as_bytes()), Err(TimestampError), "{text}");
    }
}

/// A zone as printed: whole hours, then minutes and seconds where they are not zero.
fn printed_zone(east: i64) -> String {
    let (sign, size) = if east < 0 { ('-', -east) } else { ('+', east) };
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

fn zones() -> impl Strategy<Value = i64> {
    proptest::prop_oneof![
        (-15..=15_i64).prop_map(|hours| hours * 3600),
        (-60..=60_i64).prop_map(|quarters| quarters * 900),
        -57_599..=57_599_i64,
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_calendar(
        year in -4712..294_000_i64, month in 1..=12_i64, day in 1..=28_i64,
        second in 0..86_400_i64, micros in 0..1_000_000_i64, east in zones(),
    ) {
        let (shown_year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        let fraction = format!(".{micros:06}");
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        let zone = printed_zone(east);
        let text = format!(
            "{shown_year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}{fraction}{zone}{era}"
        );
        let expected = (days_from_civil(year, month, day) * 86_400 + second - east) * 1_000_000 + micros;
        prop_assert_eq!(parse(text.as_bytes()), Ok(UnixMicros(expected)), "{}", text);
    }

    #[test]
    fn refuses_random_bytes(text in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
        // Random bytes are no time; what counts is that they are refused and nothing else happens.
        prop_assert_eq!(parse(&text), Err(TimestampError));
    }

    #[test]
    fn never_panics_near_the_form(text in "[0-9]{0,7}-[0-9]{0,3}-[0-9]{1,3} [0-9:.]{0,16}[+-][0-9:]{0,9}( BC)?") {
        if let Ok(time) = parse(text.as_bytes()) {
            // What is accepted lies in PostgreSQL's range of years, a zone's width aside.
            proptest::prop_assert!(time.0 < days_from_civil(294_277, 1, 1).saturating_mul(86_400_000_000));
        }
    }
}
