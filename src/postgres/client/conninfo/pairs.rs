//! `key = value` pairs: a value ends at white space unless it is quoted; a backslash takes the next character
//! as it is.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Conninfo, ConninfoError};

/// Reads all pairs; a key that comes again replaces its earlier value.
pub(super) fn parse(text: &str, conninfo: &mut Conninfo) -> Result<(), ConninfoError> {
    let mut chars = text.char_indices().peekable();
    loop {
        skip_space(&mut chars);
        let Some(&(at, _)) = chars.peek() else { return Ok(()) };
        let key = key(&mut chars);
        skip_space(&mut chars);
        if chars.next_if(|&(_, c)| c == '=').is_none() {
            return Err(ConninfoError::Syntax { at, problem: "there is no = behind the key" });
        }
        skip_space(&mut chars);
        let value = value(&mut chars)?;
        conninfo.set(&key, value, at)?;
    }
}

type Chars<'a> = Peekable<CharIndices<'a>>;

/// White space as C has it, which libpq goes by.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{B}'
}

fn skip_space(chars: &mut Chars<'_>) {
    while chars.next_if(|&(_, c)| is_space(c)).is_some() {}
}

fn key(chars: &mut Chars<'_>) -> String {
    let mut key = String::new();
    while let Some((_, c)) = chars.next_if(|&(_, c)| c != '=' && !is_space(c)) {
        key.push(c);
    }
    key
}

fn value(chars: &mut Chars<'_>) -> Result<String, ConninfoError> {
    let quoted = chars.next_if(|&(_, c)| c == '\'');
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        match (c, quoted) {
            ('\'', Some(_)) => return Ok(value),
            ('\\', _) => match chars.next() {
                Some((_, escaped)) => value.push(escaped),
                None => return Err(ConninfoError::Syntax { at, problem: "nothing follows the backslash" }),
            },
            (c, None) if is_space(c) => return Ok(value),
            (c, _) => value.push(c),
        }
    }
    match quoted {
        Some((at, _)) => Err(ConninfoError::Syntax { at, problem: "the quote is not closed" }),
        None => Ok(value),
    }
}
