//! See [`pgsluice_fuzz::encode`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgsluice_fuzz::encode::check(input));
