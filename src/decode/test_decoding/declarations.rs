//! The column declarations of the row before: ` name[type]:` by place.
//!
//! Rows of one table come one behind the other and declare the same columns in the same places, so comparing with
//! the row before is nearly always enough. It is exact: where a declaration ends follows from its own bytes, so
//! whatever starts with the bytes of one that was parsed starts with that very declaration.

/// One declaration, as it stood in the payload.
#[derive(Debug, Default)]
struct Declaration {
    /// ` name[type]:`.
    text: Vec<u8>,
    /// Where the `[` stands in it.
    name_end: u32,
}

/// The declarations of the row before. A place's memory is kept, so that rows cost no allocation.
#[derive(Debug, Default)]
pub(super) struct Declarations(Vec<Declaration>);

impl Declarations {
    /// What follows the declaration in `input`, and where its `[` stands in it, if it is the one that stood in
    /// this `place` before.
    #[inline]
    pub(super) fn skip<'a>(&self, place: usize, input: &'a [u8]) -> Option<(&'a [u8], u32)> {
        let known = self.0.get(place)?;
        Some((input.strip_prefix(known.text.as_slice())?, known.name_end))
    }

    /// Keeps a declaration that was parsed. `place` is at most one behind those that are known.
    pub(super) fn keep(&mut self, place: usize, text: &[u8], name_end: u32) {
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Declaration::default);
        }
        if let Some(kept) = self.0.get_mut(place) {
            kept.text.clear();
            kept.text.extend_from_slice(text);
            kept.name_end = name_end;
        }
    }
}
