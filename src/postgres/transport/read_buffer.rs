//! The one buffer between the socket and the frames.
//!
//! It grows only when bytes have arrived that fill it, never because a length says so, and gives memory back
//! when a large frame is gone. A plain vector and an offset rather than shared slices: a frame is processed
//! where it lies, so nothing outside can pin the memory.

use std::io;

/// Above this capacity an (almost) empty buffer is cut back.
const SHRINK_ABOVE: usize = 4 << 20;

/// Received bytes that have not been consumed.
///
/// Invariant: `start <= bytes.len()`.
#[derive(Debug)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    /// The capacity kept in steady state.
    steady: usize,
    /// The most unconsumed bytes ever held.
    limit: usize,
}

impl ReadBuffer {
    /// An empty buffer. Nothing is allocated before [`ReadBuffer::make_room`].
    pub fn new(steady: usize, limit: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, steady, limit }
    }

    /// Changes the capacity kept in steady state and the most bytes held.
    pub fn resize(&mut self, steady: usize, limit: usize) {
        self.steady = steady;
        self.limit = limit;
    }

    /// What was received and not consumed.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The vector to append to, whose spare capacity [`ReadBuffer::make_room`] has made.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Forgets the first `n` bytes, or all there are.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
        if self.bytes.capacity() > SHRINK_ABOVE.max(self.steady) && self.filled().len() <= self.steady / 2 {
            self.compact();
            self.bytes.shrink_to(self.steady);
        }
    }

    /// Makes spare capacity for one read and returns it; at least an eighth of the steady capacity, unless the limit
    /// is near.
    ///
    /// Moving what is left to the front is tried before growing, and growing doubles, so the cost per byte stays
    /// constant however large a frame becomes.
    pub fn make_room(&mut self) -> io::Result<usize> {
        let wanted = (self.steady / 8).max(1);
        if self.spare() < wanted && self.start > 0 {
            self.compact();
        }
        if self.spare() < wanted {
            self.grow(wanted)?;
        }
        Ok(self.spare())
    }

    fn spare(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
    }

    fn grow(&mut self, wanted: usize) -> io::Result<()> {
        let held = self.bytes.len();
        let doubled = self.bytes.capacity().saturating_mul(2);
        let capacity = doubled.max(held.saturating_add(wanted)).max(self.steady).min(self.limit);
        if capacity <= held {
            return Err(io::Error::other("the read buffer is full: what is in it must be consumed first"));
        }
        self.bytes
            .try_reserve_exact(capacity - held)
            .map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error))
    }
}

#[cfg(test)]
mod tests;
