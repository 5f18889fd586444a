//! Quoted parts of array and `hstore` text, where a backslash makes the next byte an ordinary one.

use std::borrow::Cow;

/// Text in which `"` and `\` are written with a backslash before them. In the database's encoding; every
/// encoding a server can have keeps `\` and `"` out of its longer characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backslashed<'a>(pub &'a [u8]);

impl<'a> Backslashed<'a> {
    /// The text in pieces, without the backslashes: what a writer needs to copy it once.
    pub fn pieces(self) -> Pieces<'a> {
        Pieces { rest: self.0 }
    }

    /// The text without the backslashes.
    pub fn plain(self) -> Cow<'a, [u8]> {
        if memchr::memchr(b'\\', self.0).is_none() {
            return Cow::Borrowed(self.0);
        }
        let mut plain = Vec::with_capacity(self.0.len());
        self.pieces().for_each(|piece| plain.extend_from_slice(piece));
        Cow::Owned(plain)
    }
}

/// See [`Backslashed::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&first, behind_first) = self.rest.split_first()?;
        // An escaped byte opens its piece and may itself be a backslash, so the search starts behind it.
        let (piece, skipped) = if first == b'\\' { (behind_first, 1) } else { (self.rest, 0) };
        let end = memchr::memchr(b'\\', piece.get(skipped..).unwrap_or_default());
        let (piece, rest) = piece.split_at_checked(end.map_or(piece.len(), |end| end + skipped))?;
        self.rest = rest;
        Some(piece)
    }
}

/// Splits `input`, which starts behind an opening `"`, at the closing one: what stands between, and what
/// follows. `None` where nothing closes it.
pub(super) fn quoted(input: &[u8]) -> Option<(Backslashed<'_>, &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', input.get(from..)?)?;
        if input.get(at) == Some(&b'"') {
            let (inside, rest) = input.split_at_checked(at)?;
            return Some((Backslashed(inside), rest.get(1..)?));
        }
        // The byte behind a backslash is text whatever it is.
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backslashed, quoted};

    #[test]
    fn plain_text_is_borrowed_and_escapes_are_undone() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"abc", b"abc"),
            (b"\\\"", b"\""),
            (b"\\\\", b"\\"),
            (b"\\\\\\\\", b"\\\\"),
            (b"a\\\"b\\\\c", b"a\"b\\c"),
            (b"\\a\\b", b"ab"),
            (b"x\\", b"x"),
        ];
        for (text, plain) in cases {
            assert_eq!(Backslashed(text).plain(), *plain, "{text:?}");
            assert_eq!(Backslashed(text).pieces().collect::<Vec<_>>().concat(), *plain, "{text:?}");
        }
        assert!(matches!(Backslashed(b"abc").plain(), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn ends_at_the_quote_without_a_backslash() {
        assert_eq!(quoted(b"a\",x"), Some((Backslashed(b"a"), &b",x"[..])));
        assert_eq!(quoted(b"a\\\"\",x"), Some((Backslashed(b"a\\\""), &b",x"[..])));
        assert_eq!(quoted(b"a\\\\\""), Some((Backslashed(b"a\\\\"), &b""[..])));
        assert_eq!(quoted(b"a"), None);
        assert_eq!(quoted(b"a\\\""), None);
        assert_eq!(quoted(b"a\\"), None);
    }
}
