//! The text of the `test_decoding` output plugin.
