//! Numbers and times over the whole range of their types, as SQL takes them.

use crate::random::Random;

/// From midnight to midnight, in microseconds.
const DAY: i64 = 86_400_000_000;
/// Days between 1970 and 2000, the year from which the server counts.
const EPOCH: i64 = 10_957;
/// The first day there is, 4714-11-24 BC, and the last, counted from 2000.
const FIRST_DAY: i64 = -2_451_545;
const LAST_DAY: i64 = 2_145_031_948;
/// The last instant there is, counted from 2000, in microseconds.
const LAST_INSTANT: i64 = 9_223_371_331_199_999_999;

/// An integer of so many bits: one end of the range, a small one, or any.
pub(crate) fn integer(random: &mut Random, bits: u32) -> i64 {
    let highest = i64::MAX >> (64 - bits);
    match random.between(0, 9) {
        0 => highest,
        1 => -highest - 1,
        2 | 3 => signed(random, 10),
        // As many digits as there may be, each number of them as often.
        _ => shifted(random, highest),
    }
}

/// Without a sign.
pub(crate) fn unsigned(random: &mut Random, bits: u32) -> u64 {
    let highest = u64::MAX >> (64 - bits);
    match random.between(0, 5) {
        0 => highest,
        1 => 0,
        _ => (random.next() & highest) >> random.between(0, u64::from(bits) - 1),
    }
}

fn shifted(random: &mut Random, highest: i64) -> i64 {
    let number = i64::from_ne_bytes(random.next().to_ne_bytes()) % highest;
    number >> random.between(0, 60)
}

fn signed(random: &mut Random, most: u64) -> i64 {
    let number = i64::try_from(random.between(0, most)).unwrap_or_default();
    if random.percent(50) { -number } else { number }
}

pub(crate) fn real(random: &mut Random) -> String {
    let bits = u32::try_from(random.next() >> 32).unwrap_or_default();
    let number = f32::from_bits(bits);
    if random.percent(30) {
        short(random)
    } else {
        special(number.is_nan(), number.is_infinite(), f64::from(number), format!("{number:e}"))
    }
}

pub(crate) fn double(random: &mut Random) -> String {
    let number = f64::from_bits(random.next());
    if random.percent(30) {
        short(random)
    } else {
        special(number.is_nan(), number.is_infinite(), number, format!("{number:e}"))
    }
}

/// A finite number that any of them holds.
pub(crate) fn short(random: &mut Random) -> String {
    let digits = signed(random, 99_999);
    format!("{digits}e{}", signed(random, 20))
}

fn special(is_nan: bool, is_infinite: bool, number: f64, text: String) -> String {
    match (is_nan, is_infinite) {
        (true, _) => "NaN".to_owned(),
        (_, true) if number < 0.0 => "-Infinity".to_owned(),
        (_, true) => "Infinity".to_owned(),
        _ => text,
    }
}

/// With so many digits before and behind the point at most.
pub(crate) fn decimal(random: &mut Random, before: u64, behind: u64) -> String {
    let digits = |random: &mut Random, most: u64| -> String {
        (0..random.between(0, most))
            .map(|_| char::from(b'0' + u8::try_from(random.between(0, 9)).unwrap_or(0)))
            .collect()
    };
    let sign = if random.percent(40) { "-" } else { "" };
    let (whole, fraction) = (digits(random, before), digits(random, behind));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}0{whole}{point}{fraction}")
}

pub(crate) fn numeric(random: &mut Random, major: u16) -> String {
    match random.between(0, 19) {
        0 => "NaN".to_owned(),
        1 if major >= 14 => "Infinity".to_owned(),
        2 if major >= 14 => "-Infinity".to_owned(),
        3 => decimal(random, 2000, 2000),
        4 => format!("{}e{}", decimal(random, 3, 3), signed(random, 300)),
        _ => decimal(random, 30, 20),
    }
}

pub(crate) fn money(random: &mut Random) -> String {
    let cents = integer(random, 64);
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

pub(crate) fn date(random: &mut Random) -> String {
    match random.between(0, 9) {
        0 => "infinity".to_owned(),
        1 => "-infinity".to_owned(),
        2 => day(FIRST_DAY),
        3 => day(LAST_DAY),
        4..=6 => day(signed(random, 20_000)),
        _ => day(within(random, FIRST_DAY, LAST_DAY)),
    }
}

pub(crate) fn time(random: &mut Random) -> String {
    match random.between(0, 9) {
        0 => "24:00:00".to_owned(),
        1 => "00:00:00".to_owned(),
        2 => clock(within(random, 0, 86_399) * 1_000_000),
        _ => clock(within(random, 0, DAY - 1)),
    }
}

pub(crate) fn time_with_zone(random: &mut Random) -> String {
    let zone = signed(random, 57_599);
    let sign = if zone < 0 { '-' } else { '+' };
    let zone = zone.abs();
    let zone = match random.between(0, 2) {
        0 => format!("{:02}", zone / 3600),
        1 => format!("{:02}:{:02}", zone / 3600, zone / 60 % 60),
        _ => format!("{:02}:{:02}:{:02}", zone / 3600, zone / 60 % 60, zone % 60),
    };
    format!("{}{sign}{zone}", time(random))
}

/// In UTC. There is room behind it for being rounded to seconds.
pub(crate) fn instant(random: &mut Random) -> String {
    let (first, last) = (FIRST_DAY * DAY, LAST_INSTANT - 1_000_000);
    let instant = match random.between(0, 9) {
        0 => return "infinity".to_owned(),
        1 => return "-infinity".to_owned(),
        2 => first,
        3 => last,
        4..=6 => signed(random, 2_000_000_000_000_000),
        _ => within(random, first, last),
    };
    let (date, time) = (day(instant.div_euclid(DAY)), clock(instant.rem_euclid(DAY)));
    match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {time}+00 BC"),
        None => format!("{date} {time}+00"),
    }
}

pub(crate) fn interval(random: &mut Random, major: u16) -> String {
    if major >= 17 && random.percent(10) {
        return (if random.percent(50) { "infinity" } else { "-infinity" }).to_owned();
    }
    let hours = match random.between(0, 3) {
        0 => signed(random, 2_147_483_640),
        _ => signed(random, 100),
    };
    let time = clock(within(random, 0, 3_600_000_000 - 1));
    let (_, minutes) = time.split_once(':').unwrap_or(("", "00:00"));
    let sign = if hours < 0 { "-" } else { "" };
    format!(
        "{} years {} mons {} days {sign}{:02}:{minutes}",
        signed(random, 178_000_000),
        signed(random, 11),
        integer(random, 32),
        hours.abs()
    )
}

fn within(random: &mut Random, first: i64, last: i64) -> i64 {
    first.saturating_add_unsigned(random.between(0, last.abs_diff(first)))
}

/// `HH:MM:SS.ffffff`.
fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000)
}

/// The date of a day counted from 2000, in the Gregorian calendar drawn out both ways.
fn day(day: i64) -> String {
    // Counted from 0000-03-01, so that the leap day is the last of a year; 400 years always have as many days.
    let day = day + EPOCH + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // There is no year 0.
    if year > 0 {
        format!("{year:04}-{month:02}-{of_month:02}")
    } else {
        format!("{:04}-{month:02}-{of_month:02} BC", 1 - year)
    }
}
