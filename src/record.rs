//! What goes to the sink: one record with its headers, borrowed from the encoder's buffers.

/// The name and value of a record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name.
    pub name: &'a str,
    /// Value.
    pub value: &'a [u8],
}

/// One record for the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Topic to write to.
    pub topic: &'a str,
    /// Key; `None` is a record without a key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
}

impl Record<'_> {
    /// Bytes of key, value and headers: what the budgets count.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|h| h.name.len() + h.value.len()).sum();
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + headers
    }
}
