//! The `pgsluice` command.

#![forbid(unsafe_code)]

fn main() {}
