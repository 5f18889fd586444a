//! See [`pgsluice_fuzz::roundtrip`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgsluice_fuzz::roundtrip::check(input));
