//! See [`pgsluice_fuzz::replication`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgsluice_fuzz::replication::check(input));
