//! The protocol read plainly: slow, with indexes, written from the manual's "Message Formats".

use std::ops::Range;

use pgsluice::postgres::protocol::frame::Limits;

/// Where frames lie in a stream, and why there are no more.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) frames: Vec<Range<usize>>,
    pub(crate) end: End,
}

#[derive(Debug)]
pub(crate) enum End {
    /// Too few bytes for a header, or none.
    Header,
    /// So many bytes of the next frame's body are not there.
    Missing(usize),
    /// A tag that has no place here.
    Unexpected(u8),
    /// A length below its own.
    TooShort(u8),
    /// A length above the limit.
    TooLong(u8),
}

/// Walks the frames of `stream`.
pub(crate) fn walk(stream: &[u8], limits: &Limits) -> Walk {
    let mut frames = Vec::new();
    let mut at = 0;
    let end = loop {
        let rest = &stream[at..];
        let Some(&tag) = rest.first() else { break End::Header };
        let Some(limit) = limits.of(tag) else { break End::Unexpected(tag) };
        if rest.len() < 5 {
            break End::Header;
        }
        let length = i64::from(i32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]));
        let Some(length) = usize::try_from(length).ok().filter(|length| *length >= 4) else {
            break End::TooShort(tag);
        };
        if length > limit {
            break End::TooLong(tag);
        }
        if rest.len() < length + 1 {
            break End::Missing(length + 1 - rest.len());
        }
        frames.push(at..at + length + 1);
        at += length + 1;
    };
    Walk { frames, end }
}

/// A frame.
pub(crate) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short body");
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

/// Whether `body` is that of a message of the server of type `tag` which this client reads.
pub(crate) fn is_message(tag: u8, body: &[u8]) -> bool {
    match tag {
        b'd' | b'E' | b'N' | b'A' => true,
        b'I' | b'c' => body.is_empty(),
        b'S' => is_strings(body, 2),
        b'C' => is_strings(body, 1),
        b'Z' => matches!(body, b"I" | b"T" | b"E"),
        b'K' => (8..=260).contains(&body.len()),
        b'T' | b'D' => body.len() >= 2,
        b'G' | b'H' | b'W' => {
            body.len() >= 3
                && body[0] <= 1
                && body.len() == 3 + 2 * usize::from(u16::from_be_bytes([body[1], body[2]]))
        }
        b'v' => body.len() >= 8 && is_strings(&body[8..], number(&body[4..])),
        b'R' => body.len() >= 4 && is_challenge(number(body), &body[4..]),
        _ => false,
    }
}

/// Exactly `count` strings, each ended by a zero byte.
fn is_strings(bytes: &[u8], count: usize) -> bool {
    bytes.last().is_none_or(|last| *last == 0) && bytes.iter().filter(|byte| **byte == 0).count() == count
}

fn is_challenge(code: usize, rest: &[u8]) -> bool {
    match code {
        0 | 3 => rest.is_empty(),
        5 => rest.len() == 4,
        // Names, each ended by a zero byte, and one more zero byte.
        10 => {
            rest == [0]
                || (rest.ends_with(&[0, 0]) && !rest.starts_with(&[0]) && !has_pair(&rest[..rest.len() - 1]))
        }
        _ => true,
    }
}

fn has_pair(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == [0, 0])
}

/// The first four bytes as a number.
pub(crate) fn number(bytes: &[u8]) -> usize {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

/// The fields of an error or notice; `None` where the body is not made of them.
pub(crate) fn report(body: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut fields = Vec::new();
    let mut rest = body;
    loop {
        let (&kind, behind) = rest.split_first()?;
        if kind == 0 {
            return behind.is_empty().then_some(fields);
        }
        let end = behind.iter().position(|byte| *byte == 0)?;
        fields.push((kind, &behind[..end]));
        rest = &behind[end + 1..];
    }
}

/// A server's text as people get to see it, without the limit on its length.
pub(crate) fn shown(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => out += "\\n",
                '\r' => out += "\\r",
                '\t' => out += "\\t",
                _ if is_harmful(character) => out += &format!("\\u{{{:x}}}", u32::from(character)),
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            out += &format!("\\x{byte:02X}");
        }
    }
    out
}

/// Whether a character can make a line of a log look like another one.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character), 0x200E | 0x200F | 0x2028..=0x202E | 0x2066..=0x2069)
}
