//! A checked cursor over one message's body.

use memchr::memchr;

use super::error::ProtocolError;

/// Reads the protocol's field types off the front of a body. Every read that the body cannot satisfy is a
/// [`ProtocolError::Malformed`] with the message's name.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    message: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader over `body`; `message` is the name that errors carry.
    pub fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self { rest: body, message }
    }

    /// The error of this message with that problem.
    pub fn malformed(&self, problem: &'static str) -> ProtocolError {
        ProtocolError::Malformed { message: self.message, problem }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let Some((&head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.malformed("it is cut off"));
        };
        self.rest = rest;
        Ok(head)
    }

    /// `Byte1`, or `Int8` as its bits.
    pub fn u8(&mut self) -> Result<u8, ProtocolError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// `Int16`, as the unsigned count it stands for.
    pub fn u16(&mut self) -> Result<u16, ProtocolError> {
        self.array().map(u16::from_be_bytes)
    }

    /// `Int32`.
    pub fn i32(&mut self) -> Result<i32, ProtocolError> {
        self.array().map(i32::from_be_bytes)
    }

    /// `Int32`, as its bits.
    pub fn u32(&mut self) -> Result<u32, ProtocolError> {
        self.array().map(u32::from_be_bytes)
    }

    /// `Int64`.
    pub fn i64(&mut self) -> Result<i64, ProtocolError> {
        self.array().map(i64::from_be_bytes)
    }

    /// `Int64`, as its bits.
    pub fn u64(&mut self) -> Result<u64, ProtocolError> {
        self.array().map(u64::from_be_bytes)
    }

    /// `Byte4`.
    pub fn bytes4(&mut self) -> Result<[u8; 4], ProtocolError> {
        self.array()
    }

    /// `String`: the bytes before the zero byte, which is read too.
    pub fn cstr(&mut self) -> Result<&'a [u8], ProtocolError> {
        let split = memchr(0, self.rest).and_then(|at| self.rest.split_at_checked(at));
        let Some((text, terminated)) = split else {
            return Err(self.malformed("a string has no end"));
        };
        self.rest = terminated.get(1..).unwrap_or_default();
        Ok(text)
    }

    /// `Byte`n.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], ProtocolError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.malformed("it is cut off"));
        };
        self.rest = rest;
        Ok(head)
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The body must end here.
    pub fn end(self) -> Result<(), ProtocolError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("it has bytes too many")) }
    }
}
