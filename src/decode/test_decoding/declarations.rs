//! The column declarations of the row before: ` name[type]:` by place.
//!
//! Rows of one table come one behind the other and declare the same columns in the same places, so comparing with
//! the row before is nearly always enough. It is exact: where a declaration ends follows from its own bytes, so
//! whatever starts with the bytes of one that was parsed starts with that very declaration.

use std::sync::atomic::{AtomicU64, Ordering};

/// One declaration, as it stood in the payload.
#[derive(Debug, Default)]
struct Declaration {
    /// ` name[type]:`.
    text: Vec<u8>,
    /// Where the `[` stands in it.
    name_end: u32,
}

/// Shapes given out so far, by all decoders.
static SHAPES: AtomicU64 = AtomicU64::new(0);

/// The declarations of the row before. A place's memory is kept, so that rows cost no allocation.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    places: Vec<Declaration>,
    /// A number that these very declarations have and no others, of any decoder.
    shape: u64,
}

impl Declarations {
    /// What follows the declaration in `input`, and where its `[` stands in it, if it is the one that stood in
    /// this `place` before.
    #[inline]
    pub(super) fn skip<'a>(&self, place: usize, input: &'a [u8]) -> Option<(&'a [u8], u32)> {
        let known = self.places.get(place)?;
        Some((input.strip_prefix(known.text.as_slice())?, known.name_end))
    }

    /// What tells these declarations from all others: two tuples that were read with the same shape and are of the
    /// same length declare the same columns.
    pub(super) fn shape(&self) -> u64 {
        self.shape
    }

    /// Keeps a declaration that was parsed. `place` is at most one behind those that are known.
    pub(super) fn keep(&mut self, place: usize, text: &[u8], name_end: u32) {
        self.shape = SHAPES.fetch_add(1, Ordering::Relaxed) + 1;
        if self.places.len() <= place {
            self.places.resize_with(place + 1, Declaration::default);
        }
        if let Some(kept) = self.places.get_mut(place) {
            kept.text.clear();
            kept.text.extend_from_slice(text);
            kept.name_end = name_end;
        }
    }
}
