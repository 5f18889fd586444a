//! The time of a commit, `(at 2026-11-23 04:53:45.396841+05:45)`, without the words around it.
//!
//! The plugin prints it in ISO style whatever `DateStyle` says, in the zone of its session, with the fraction
//! only as long as needed. Years have at least four digits; those before the year 1 end in ` BC`.

use crate::time::{UnixMicros, civil_from_days, days_from_civil};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The text is not a time as the plugin prints it, or beyond what 64 bits of microseconds hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a commit time: expected one such as 2026-11-23 04:53:45.396841+00")]
pub struct TimestampError;

/// Reads a commit time.
pub fn parse(text: &[u8]) -> Result<UnixMicros, TimestampError> {
    micros(text).map(UnixMicros).ok_or(TimestampError)
}

fn micros(text: &[u8]) -> Option<i64> {
    let (text, before_christ) = match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    // Years end below 300,000, so six digits are enough.
    let (year, text) = number(text, 4, 6)?;
    let (month, text) = number(text.strip_prefix(b"-")?, 2, 2)?;
    let (day, text) = number(text.strip_prefix(b"-")?, 2, 2)?;
    let (seconds, text) = clock(text.strip_prefix(b" ")?)?;
    let (fraction, text) = fraction(text)?;
    let days = days(if before_christ { 1 - year } else { year }, month, day).filter(|_| year > 0)?;
    let seconds = days * SECONDS_PER_DAY + seconds - zone(text)?;
    seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)
}

/// `hh:mm:ss` as seconds of the day.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, text) = number(text, 2, 2)?;
    let (minute, text) = number(text.strip_prefix(b":")?, 2, 2)?;
    let (second, text) = number(text.strip_prefix(b":")?, 2, 2)?;
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 3600 + minute * 60 + second, text))
}

/// `.5` to `.123456` as microseconds; nothing is 0.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let (digits, rest) = number(text, 1, 6)?;
    let missing = 6 - (text.len() - rest.len());
    Some((digits * 10_i64.pow(u32::try_from(missing).ok()?), rest))
}

/// The rest of the text, `+hh`, `-hh:mm` or `+hh:mm:ss`, as seconds east of Greenwich.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text.split_first()? {
        (b'+', text) => (1, text),
        (b'-', text) => (-1, text),
        _ => return None,
    };
    // POSIX zones reach up to 167 hours.
    let (hours, text) = number(text, 2, 3)?;
    let (minutes, text) = sixtieth(text)?;
    let (seconds, text) = sixtieth(text)?;
    text.is_empty().then_some(sign * (hours * 3600 + minutes * 60 + seconds))
}

/// `:mm`; nothing is 0.
fn sixtieth(text: &[u8]) -> Option<(i64, &[u8])> {
    match text.strip_prefix(b":") {
        Some(text) => number(text, 2, 2).filter(|(value, _)| *value < 60),
        None => Some((0, text)),
    }
}

/// Days since 1970-01-01 of a date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let days = days_from_civil(year, month, day);
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// All the digits `text` starts with, if there are at least `least` and at most `most`.
fn number(text: &[u8], least: usize, most: usize) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count < least || count > most {
        return None;
    }
    let (digits, rest) = text.split_at_checked(count)?;
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((value, rest))
}

#[cfg(test)]
mod tests;
