//! See [`pgsluice_fuzz::backend_message`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pgsluice_fuzz::backend_message::check(input));
