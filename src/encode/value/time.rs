//! Times of all kinds, from the text of `DateStyle=ISO`, `IntervalStyle=postgres` and `TimeZone=UTC`.
//!
//! Infinities, years before Christ and years beyond 9999 stay the server's text, as does every form that other
//! settings would print.

use super::{RawText, Target, ValueError};
use crate::encode::json;

/// `03:04:05+02` gets the minutes of its offset; an offset that has them stays.
pub(super) fn push_timetz(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    let decoded = target.charset.decode(text.bytes, &mut target.scratch.text)?;
    target.out.push(b'"');
    json::push_escaped(target.out, decoded, text.quotes);
    if let [.., b'+' | b'-', b'0'..=b'9', b'0'..=b'9'] = text.bytes {
        target.out.extend_from_slice(b":00");
    }
    target.out.push(b'"');
    Ok(())
}

/// `2026-01-02 03:04:05.678` to `2026-01-02T03:04:05.678`.
pub(super) fn push_timestamp(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    match Instant::split(text.bytes) {
        Some(instant) if instant.zone.is_empty() => {
            instant.push(target.out);
            if !instant.fraction.is_empty() {
                target.out.push(b'.');
                target.out.extend_from_slice(instant.fraction);
            }
            target.out.push(b'"');
            Ok(())
        }
        _ => target.push_text(text),
    }
}

/// `2026-01-02 03:04:05.678+00` to `2026-01-02T03:04:05.678000Z`: all digits of the column's precision.
pub(super) fn push_timestamptz(
    text: RawText<'_>,
    precision: u8,
    target: &mut Target<'_>,
) -> Result<(), ValueError> {
    match Instant::split(text.bytes) {
        Some(instant) if instant.zone == b"+00" => {
            instant.push(target.out);
            // A row from before the column lost digits keeps its own.
            let digits = instant.fraction.len().max(usize::from(precision));
            if digits > 0 {
                target.out.push(b'.');
                target
                    .out
                    .extend(instant.fraction.iter().copied().chain(std::iter::repeat(b'0')).take(digits));
            }
            target.out.extend_from_slice(b"Z\"");
            Ok(())
        }
        _ => target.push_text(text),
    }
}

/// Date and time of a year of four digits.
struct Instant<'a> {
    date: &'a [u8],
    time: &'a [u8],
    /// Digits behind the point.
    fraction: &'a [u8],
    /// What follows.
    zone: &'a [u8],
}

impl<'a> Instant<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10).filter(|(date, _)| has_form(date, b"0000-00-00"))?;
        let (time, rest) = rest.strip_prefix(b" ")?.split_at_checked(8)?;
        if !has_form(time, b"00:00:00") {
            return None;
        }
        let (fraction, zone) = match rest.strip_prefix(b".") {
            Some(rest) => {
                rest.split_at_checked(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())?
            }
            None => (&b""[..], rest),
        };
        Some(Self { date, time, fraction, zone })
    }

    /// Opening quote, date and whole seconds.
    fn push(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.date);
        out.push(b'T');
        out.extend_from_slice(self.time);
    }
}

/// Whether `text` is `form` with any digits for its zeros.
fn has_form(text: &[u8], form: &[u8]) -> bool {
    text.len() == form.len()
        && text
            .iter()
            .zip(form)
            .all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

/// `1 year -2 mons +3 days 04:05:06.7` to `P1Y-2M3DT4H5M6.7S`.
pub(super) fn push_interval(text: RawText<'_>, target: &mut Target<'_>) -> Result<(), ValueError> {
    let Some(interval) = Interval::split(text.bytes) else {
        return target.push_text(text);
    };
    let out = &mut *target.out;
    out.extend_from_slice(b"\"P");
    for (amount, unit) in [(interval.years, b'Y'), (interval.months, b'M'), (interval.days, b'D')] {
        out.extend_from_slice(amount);
        out.push(unit);
    }
    out.push(b'T');
    let sign = |zero: bool| if interval.time_is_negative && !zero { &b"-"[..] } else { b"" };
    for (amount, unit) in [(interval.hours, b'H'), (interval.minutes, b'M')] {
        let amount = without_zeros(amount);
        out.extend_from_slice(sign(amount == b"0"));
        out.extend_from_slice(amount);
        out.push(unit);
    }
    let seconds = without_zeros(interval.seconds);
    out.extend_from_slice(sign(seconds == b"0" && interval.fraction.is_empty()));
    out.extend_from_slice(seconds);
    if !interval.fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(interval.fraction);
    }
    out.extend_from_slice(b"S\"");
    Ok(())
}

/// The parts of an interval, as printed but for a `+`.
struct Interval<'a> {
    years: &'a [u8],
    months: &'a [u8],
    days: &'a [u8],
    time_is_negative: bool,
    hours: &'a [u8],
    minutes: &'a [u8],
    seconds: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Interval<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let zero = &b"0"[..];
        let mut interval = Self {
            years: zero,
            months: zero,
            days: zero,
            time_is_negative: false,
            hours: zero,
            minutes: zero,
            seconds: zero,
            fraction: b"",
        };
        let mut words = text.split(|byte| *byte == b' ');
        while let Some(word) = words.next() {
            if word.contains(&b':') {
                interval.set_time(word)?;
                return words.next().is_none().then_some(interval);
            }
            let amount = word.strip_prefix(b"+").unwrap_or(word);
            let digits = amount.strip_prefix(b"-").unwrap_or(amount);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            match words.next()? {
                b"year" | b"years" => interval.years = amount,
                b"mon" | b"mons" => interval.months = amount,
                b"day" | b"days" => interval.days = amount,
                _ => return None,
            }
        }
        Some(interval)
    }

    /// `-04:05:06.7`; hours may have more digits.
    fn set_time(&mut self, word: &'a [u8]) -> Option<()> {
        let (sign, unsigned) = match word.split_first() {
            Some((sign @ (b'-' | b'+'), rest)) => (*sign, rest),
            _ => (b'+', word),
        };
        let mut parts = unsigned.split(|byte| *byte == b':');
        let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
        let (seconds, fraction) = match seconds.split_at_checked(2)? {
            (seconds, []) => (seconds, &b""[..]),
            (seconds, [b'.', fraction @ ..]) if !fraction.is_empty() => (seconds, fraction),
            _ => return None,
        };
        let numbers = [hours, minutes, seconds, fraction];
        if parts.next().is_some()
            || hours.is_empty()
            || minutes.len() != 2
            || !numbers.iter().all(|number| number.iter().all(u8::is_ascii_digit))
        {
            return None;
        }
        self.time_is_negative = sign == b'-';
        (self.hours, self.minutes, self.seconds, self.fraction) = (hours, minutes, seconds, fraction);
        Some(())
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|digit| **digit == b'0').count();
    number.get(zeros.min(number.len().saturating_sub(1))..).unwrap_or(number)
}
