//! See [`pgsluice_fuzz::startup`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgsluice_fuzz::startup::check(input));
