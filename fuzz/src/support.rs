//! What the tests of pgsluice use, too.

#![allow(dead_code, reason = "each of them has parts that only other tests use")]
#![allow(clippy::pedantic, reason = "they are held against these lints where they stand")]

#[path = "../../tests/support/plain_parser.rs"]
pub(crate) mod plain_parser;
#[path = "../../tests/support/plain_printer.rs"]
pub(crate) mod plain_printer;
#[path = "../../tests/support/scram.rs"]
pub(crate) mod scram;
#[path = "../../tests/support/sha256.rs"]
pub(crate) mod sha256;
