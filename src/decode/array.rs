//! The text of an array: `{1,2}`, `{{a,NULL},{"b c","\""}}`, `[2:3]={1,2}`.
//!
//! Follows what `array_out` prints (manual, "Array Input and Output Syntax"), not the looser forms that array
//! input takes: no spaces around elements, no NULL but in capitals, every sub-array of one depth equally long.
//! The text of an element is left as it is; what it means depends on the element's type.

mod bounds;

use super::backslash::{Backslashed, quoted};

/// PostgreSQL's limit of dimensions, `MAXDIM`.
pub const MAX_DIMENSIONS: usize = 6;

/// The text is not an array's. It holds no byte of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not array text: expected {expected} at byte {offset} of the value")]
pub struct ArrayError {
    /// What should have stood there.
    pub expected: &'static str,
    /// Where, in bytes from the start of the value.
    pub offset: usize,
}

/// One step through an array's text. The text of elements is in the database's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayToken<'a> {
    /// `{`: an array or a sub-array begins.
    Open,
    /// `}`: it ends.
    Close,
    /// An element that is NULL.
    Null,
    /// An element printed without quotes; never empty.
    Bare(&'a [u8]),
    /// An element printed in double quotes.
    Quoted(Backslashed<'a>),
}

/// What may stand next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The outermost `{`.
    Start,
    /// Behind a `{`: an element, a sub-array, or of the outermost array its end.
    First,
    /// Behind a delimiter: an element or a sub-array.
    Item,
    /// Behind an element or a sub-array: a delimiter or the end.
    Separator,
    /// Nothing.
    End,
}

/// The tokens of an array, read as they are asked for. After an error it ends.
///
/// Only a run to the end without an error proves that the text was an array.
#[derive(Clone, Debug)]
pub struct ArrayTokens<'a> {
    length: usize,
    rest: &'a [u8],
    delimiter: u8,
    next: Next,
    /// How many braces are open.
    depth: usize,
    /// The depth of the elements, once one was seen.
    element_depth: Option<usize>,
    /// Per depth: items read in the brace that is open.
    counts: [u32; MAX_DIMENSIONS],
    /// Per depth: items a closed brace had, which every other one must have too.
    lengths: [Option<u32>; MAX_DIMENSIONS],
    bounds: bounds::Bounds,
}

impl<'a> ArrayTokens<'a> {
    /// Reads `text`, in which doubled `'` are undone. `delimiter` stands between elements: `;` for `box`, `,`
    /// for all other types of the server. Fails on malformed bounds.
    pub fn new(text: &'a [u8], delimiter: u8) -> Result<Self, ArrayError> {
        let (bounds, rest) = bounds::prefix(text)?;
        Ok(Self {
            length: text.len(),
            rest,
            delimiter,
            next: Next::Start,
            depth: 0,
            element_depth: None,
            counts: [0; MAX_DIMENSIONS],
            lengths: [None; MAX_DIMENSIONS],
            bounds,
        })
    }

    /// Whether a lower bound is other than 1: only then does the server print bounds.
    pub fn has_bounds(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// The next token; `None` behind the end of a whole array.
    fn token(&mut self) -> Result<Option<ArrayToken<'a>>, ArrayError> {
        match self.next {
            Next::Start => match self.rest.split_first() {
                Some((b'{', rest)) => self.open(rest).map(Some),
                _ => Err(self.error("`{`")),
            },
            Next::First | Next::Item => self.item().map(Some),
            Next::Separator => self.separator().map(Some),
            Next::End if self.rest.is_empty() => Ok(None),
            Next::End => Err(self.error("the end of the array")),
        }
    }

    fn item(&mut self) -> Result<ArrayToken<'a>, ArrayError> {
        match self.rest.split_first() {
            Some((b'{', rest)) => self.open(rest),
            // Only a whole array can be empty.
            Some((b'}', rest)) if self.next == Next::First && self.depth == 1 && !self.has_bounds() => {
                self.rest = rest;
                self.depth = 0;
                self.next = Next::End;
                Ok(ArrayToken::Close)
            }
            Some((b'"', rest)) => {
                let (text, rest) = quoted(rest).ok_or_else(|| self.error("a closing double quote"))?;
                self.element(rest, ArrayToken::Quoted(text))
            }
            _ => self.bare(),
        }
    }

    fn open(&mut self, rest: &'a [u8]) -> Result<ArrayToken<'a>, ArrayError> {
        if self.element_depth.is_some_and(|depth| self.depth >= depth) {
            return Err(self.error("an element and no sub-array"));
        }
        let Some(count) = self.counts.get_mut(self.depth) else {
            return Err(self.error("at most six dimensions"));
        };
        *count = 0;
        self.depth += 1;
        self.rest = rest;
        self.next = Next::First;
        Ok(ArrayToken::Open)
    }

    fn bare(&mut self) -> Result<ArrayToken<'a>, ArrayError> {
        let delimiter = self.delimiter;
        let end = self.rest.iter().position(|&byte| byte == delimiter || must_be_quoted(byte));
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        // Text that only looks like NULL is printed in quotes.
        match text {
            b"" => Err(self.error("an element")),
            b"NULL" => self.element(rest, ArrayToken::Null),
            _ if text.eq_ignore_ascii_case(b"null") => Err(self.error("NULL in capitals")),
            _ => self.element(rest, ArrayToken::Bare(text)),
        }
    }

    fn element(&mut self, rest: &'a [u8], token: ArrayToken<'a>) -> Result<ArrayToken<'a>, ArrayError> {
        if *self.element_depth.get_or_insert(self.depth) != self.depth {
            return Err(self.error("a sub-array and no element"));
        }
        self.rest = rest;
        self.next = Next::Separator;
        Ok(token)
    }

    /// Behind an item. A delimiter is no token: it is followed by one.
    fn separator(&mut self) -> Result<ArrayToken<'a>, ArrayError> {
        self.count_item()?;
        match self.rest.split_first() {
            Some((&byte, rest)) if byte == self.delimiter => {
                self.rest = rest;
                self.next = Next::Item;
                self.item()
            }
            Some((b'}', rest)) => self.close(rest),
            _ => Err(self.error("a delimiter or `}`")),
        }
    }

    fn count_item(&mut self) -> Result<(), ArrayError> {
        // A value is far below 4 GiB and an item takes at least two bytes of it, so the count cannot wrap.
        let count = self.depth.checked_sub(1).and_then(|level| self.counts.get_mut(level));
        match count {
            Some(count) => {
                *count = count.saturating_add(1);
                Ok(())
            }
            None => Err(self.error("an open brace")),
        }
    }

    fn close(&mut self, rest: &'a [u8]) -> Result<ArrayToken<'a>, ArrayError> {
        let level = self.depth.saturating_sub(1);
        let count = self.counts.get(level).copied().unwrap_or_default();
        let equal = self.lengths.get_mut(level).is_none_or(|length| *length.get_or_insert(count) == count);
        if !equal {
            return Err(self.error("sub-arrays of equal length"));
        }
        if level == 0 && !self.bounds.fit(&self.lengths) {
            return Err(self.error("as many items as the bounds say"));
        }
        self.rest = rest;
        self.depth = level;
        self.next = if level == 0 { Next::End } else { Next::Separator };
        Ok(ArrayToken::Close)
    }

    fn error(&self, expected: &'static str) -> ArrayError {
        ArrayError { expected, offset: self.length - self.rest.len() }
    }
}

impl<'a> Iterator for ArrayTokens<'a> {
    type Item = Result<ArrayToken<'a>, ArrayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let token = self.token();
        if token.is_err() {
            self.rest = b"";
            self.next = Next::End;
        }
        token.transpose()
    }
}

/// Bytes that cannot stand in an element without quotes, the delimiter aside.
fn must_be_quoted(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests;
