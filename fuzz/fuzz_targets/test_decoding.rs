//! See [`pgsluice_fuzz::test_decoding`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgsluice_fuzz::test_decoding::check(input));
