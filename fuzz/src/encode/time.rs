//! Dates and times as text of the server under `DateStyle=ISO`, `IntervalStyle=postgres` and `TimeZone=UTC`, and as
//! JSON.

use arbitrary::{Result, Unstructured};

/// A date, and whether it is one of a year with four digits.
pub(super) fn date(u: &mut Unstructured<'_>) -> Result<(String, bool)> {
    let (month, day) = (u.int_in_range(1..=12_u8)?, u.int_in_range(1..=31_u8)?);
    Ok(match u.int_in_range(0..=7_u8)? {
        0 => ((*u.choose(&["infinity", "-infinity"])?).to_owned(), false),
        1 => (format!("{:04}-{month:02}-{day:02} BC", u.int_in_range(1..=4714_u32)?), false),
        2 => (format!("{}-{month:02}-{day:02}", u.int_in_range(10_000..=294_276_u32)?), false),
        _ => (format!("{:04}-{month:02}-{day:02}", u.int_in_range(1..=9999_u32)?), true),
    })
}

/// Digits behind the point, as many as needed, of at most `precision`.
fn fraction(u: &mut Unstructured<'_>, precision: u8) -> Result<String> {
    let digits = format!("{:06}", u.int_in_range(0..=999_999_u32)?);
    let digits = digits[..usize::from(precision)].trim_end_matches('0');
    Ok(if digits.is_empty() { String::new() } else { format!(".{digits}") })
}

fn seconds(u: &mut Unstructured<'_>) -> Result<String> {
    let (hour, minute, second) =
        (u.int_in_range(0..=23_u8)?, u.int_in_range(0..=59_u8)?, u.int_in_range(0..=59_u8)?);
    Ok(format!("{hour:02}:{minute:02}:{second:02}"))
}

/// A time of day.
pub(super) fn clock(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(seconds(u)? + &fraction(u, 6)?)
}

/// With an offset, which JSON always gives with minutes.
pub(super) fn timetz(u: &mut Unstructured<'_>) -> Result<(String, String)> {
    let text = format!("{}{}{:02}", clock(u)?, u.choose(&['+', '-'])?, u.int_in_range(0..=15_u8)?);
    Ok(match u.int_in_range(0..=2_u8)? {
        0 => (format!("{text}:30"), format!("{text}:30")),
        1 => (format!("{text}:30:15"), format!("{text}:30:15")),
        _ => (text.clone(), text + ":00"),
    })
}

/// Without a zone. What ISO 8601 has no form for stays the server's text.
pub(super) fn timestamp(u: &mut Unstructured<'_>) -> Result<(String, String)> {
    let (date, plain) = date(u)?;
    if date.ends_with('y') {
        return Ok((date.clone(), date));
    }
    let clock = clock(u)?;
    if plain {
        return Ok((format!("{date} {clock}"), format!("{date}T{clock}")));
    }
    let text = match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {clock} BC"),
        None => format!("{date} {clock}"),
    };
    Ok((text.clone(), text))
}

/// In UTC, with all the digits of the column in JSON.
pub(super) fn timestamptz(u: &mut Unstructured<'_>, precision: u8) -> Result<(String, String)> {
    let (date, plain) = date(u)?;
    if date.ends_with('y') {
        return Ok((date.clone(), date));
    }
    let (seconds, fraction) = (seconds(u)?, fraction(u, precision)?);
    if plain {
        let point = if precision > 0 { "." } else { "" };
        let digits = format!("{:0<1$}", fraction.trim_start_matches('.'), usize::from(precision));
        return Ok((format!("{date} {seconds}{fraction}+00"), format!("{date}T{seconds}{point}{digits}Z")));
    }
    let text = match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {seconds}{fraction}+00 BC"),
        None => format!("{date} {seconds}{fraction}+00"),
    };
    Ok((text.clone(), text))
}

/// Each unit has its own sign; the server prints only those that are not zero, JSON has all six.
pub(super) fn interval(months: i32, days: i32, micros: i64) -> (String, String) {
    let mut text = String::new();
    let mut before_is_negative = false;
    for (amount, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if amount != 0 {
            let space = if text.is_empty() { "" } else { " " };
            let plus = if before_is_negative && amount > 0 { "+" } else { "" };
            let plural = if amount == 1 { "" } else { "s" };
            text += &format!("{space}{plus}{amount} {unit}{plural}");
            before_is_negative = amount < 0;
        }
    }
    let sizes = micros.unsigned_abs();
    let (hours, minutes) = (sizes / 3_600_000_000, sizes / 60_000_000 % 60);
    let seconds = sizes / 1_000_000 % 60;
    let fraction = format!(".{:06}", sizes % 1_000_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || micros != 0 {
        let space = if text.is_empty() { "" } else { " " };
        let sign = if micros < 0 {
            "-"
        } else if before_is_negative {
            "+"
        } else {
            ""
        };
        text += &format!("{space}{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}");
    }
    let sign = |is_zero: bool| if micros < 0 && !is_zero { "-" } else { "" };
    let json = format!(
        "P{}Y{}M{days}DT{}{hours}H{}{minutes}M{}{seconds}{fraction}S",
        months / 12,
        months % 12,
        sign(hours == 0),
        sign(minutes == 0),
        sign(seconds == 0 && fraction.is_empty()),
    );
    (text, json)
}
