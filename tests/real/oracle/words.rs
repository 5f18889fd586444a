//! Names and texts that a simple parser stumbles over.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::random::Random;

/// What a name may be long, in bytes.
const NAME: usize = 63;

const PIECES: &[&str] = &[
    "\"",
    "'",
    "\\",
    "]:",
    "[",
    "]",
    "[]",
    "x[integer]:1",
    " ",
    "\n",
    "\r\n",
    "\t",
    ".",
    ",",
    ", public.b",
    ":",
    " new-tuple:",
    " old-key:",
    " (no-tuple-data)",
    ": INSERT:",
    ": TRUNCATE:",
    "COMMIT 99",
    "table public.t: DELETE:",
    ", sz: 1 content:c",
    "null",
    "unchanged-toast-datum",
    "true",
    "B'1'",
    "$1",
    "%s",
    "--",
    "/*",
    "{",
    "}",
    "(",
    ")",
    "NULL",
    "A",
    "a",
    "b",
    "_",
    "1",
    "é",
    "日本",
    "\u{1f600}",
    "\u{2028}",
    "\u{301}",
    "\u{1}",
    "\u{7f}",
    "İ",
];
/// Words that are quoted on some servers and not on others, or never, or always.
const PLAIN: &[&str] = &[
    "id",
    "name",
    "value",
    "type",
    "key",
    "select",
    "table",
    "user",
    "json",
    "normalize",
    "system_user",
    "interval",
    "left",
    "oid",
    "text",
    "integer",
    "UPPER",
    "camelCase",
    "with space",
    "1st",
    "dol$lar",
    "_x9",
];

/// Names that are given out once.
#[derive(Default)]
pub(crate) struct Names(BTreeSet<String>);

impl Names {
    pub(crate) fn next(&mut self, random: &mut Random) -> String {
        let mut name = if random.percent(35) { random.one_of(PLAIN).to_owned() } else { some(random, 4) };
        while name.is_empty() || name.len() > NAME || self.0.contains(&name) {
            name = format!("{} {}", cut(&some(random, 2), NAME - 8), self.0.len());
        }
        self.0.insert(name.clone());
        name
    }
}

/// A text of any content but NUL, seldom a long one.
pub(crate) fn text(random: &mut Random) -> String {
    match random.between(0, 99) {
        0..=7 => String::new(),
        8..=10 => some(random, 4) + &incompressible(random, 2100, 9000),
        11..=12 => some(random, 4).repeat(1000),
        13..=30 => random.one_of(PLAIN).to_owned(),
        _ => some(random, 12),
    }
}

/// Letters and digits that cannot be compressed, so that they are stored out of line.
pub(crate) fn incompressible(random: &mut Random, shortest: u64, longest: u64) -> String {
    let length = usize::try_from(random.between(shortest, longest)).unwrap_or_default();
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        // Writing to a String cannot fail.
        let _ok = write!(text, "{:016x}", random.next());
    }
    text.truncate(length);
    text
}

fn some(random: &mut Random, most: u64) -> String {
    (0..random.between(1, most)).map(|_| random.one_of(PIECES)).collect()
}

/// As many whole characters as fit.
fn cut(text: &str, length: usize) -> &str {
    let end = (0..=length.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.split_at(end).0
}
