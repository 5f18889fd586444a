//! What the plugin never prints.

use super::with;
use crate::decode::DecodeError;
use crate::decode::test_decoding::TestDecoding;

fn refused(payload: &str) -> DecodeError {
    match TestDecoding::new().decode(payload.as_bytes()) {
        Ok(decoded) => panic!("{payload}: accepted as {decoded:?}"),
        Err(error) => error,
    }
}

#[test]
fn refuses_what_the_plugin_never_prints() {
    let cases = [
        ("", "BEGIN, COMMIT, table, message: or a two-phase or streamed line", 0),
        ("begin", "BEGIN, COMMIT, table, message: or a two-phase or streamed line", 0),
        ("BEGIN ", "a transaction id of 32 bits", 6),
        ("COMMIT x", "a transaction id of 32 bits", 7),
        ("BEGIN 1\n", "the end of the payload", 7),
        ("BEGIN 01", "a transaction id of 32 bits", 6),
        ("BEGIN 4294967296", "a transaction id of 32 bits", 6),
        ("BEGIN +1", "a transaction id of 32 bits", 6),
        ("COMMIT 1 (at yesterday)", "a commit time", 13),
        ("COMMIT 1 (at 2026-11-22 23:02:07+00", "`)` behind a commit time", 35),
        ("COMMIT PREPARED a", "a global transaction id in quotes", 16),
        ("COMMIT PREPARED 'a\\b'", "a global transaction id in quotes", 16),
        ("COMMIT PREPARED E'ab'", "a global transaction id in quotes", 16),
        ("COMMIT PREPARED E'a\\b'", "a global transaction id in quotes", 16),
        ("COMMIT PREPARED E'\\''\\'", "a global transaction id in quotes", 16),
        ("table ", "an identifier", 6),
        ("table a", "`.` behind the schema", 7),
        ("table A.b: INSERT:", "an identifier", 6),
        ("table a.\"b: INSERT:", "a closing double quote", 19),
        ("table a.\"b\0\": INSERT:", "a name or id without NUL", 11),
        ("table a.b: MERGE:", ": INSERT:, UPDATE:, DELETE: or TRUNCATE:", 9),
        ("table a.b, c.d: INSERT:", ": INSERT:, UPDATE:, DELETE: or TRUNCATE:", 14),
        ("table a.b,c.d: TRUNCATE: cascade", ": INSERT:, UPDATE:, DELETE: or TRUNCATE:", 9),
        ("table a.b: TRUNCATE:", "the flags of TRUNCATE", 20),
        ("table a.b: TRUNCATE: cascade restart_seqs", "the end of the payload", 28),
        ("table a.b: INSERT: ", "an identifier", 19),
        ("table a.b: INSERT: c", "`[` behind a column's name", 20),
        ("table a.b: INSERT: c[text", "a closing `]`", 25),
        ("table a.b: INSERT: c[te[xt]:1", "`[]`", 23),
        ("table a.b: INSERT: c[text[]x]:1", "`]:` behind a column's type", 27),
        ("table a.b: INSERT: c[text[][]]:1", "`]:` behind a column's type", 27),
        ("table a.b: INSERT: c[text] :1", "`]:` behind a column's type", 25),
        ("table a.b: INSERT: c[\"te]:1", "a closing double quote", 27),
        ("table a.b: INSERT: c[t]:", "a literal", 24),
        ("table a.b: INSERT: c[t]:nul", "a literal", 24),
        ("table a.b: INSERT: c[t]:nullx", "a column or the end of the payload", 28),
        ("table a.b: INSERT: c[t]:trueish", "a column or the end of the payload", 28),
        ("table a.b: INSERT: c[t]:'x", "a closing quote", 26),
        ("table a.b: INSERT: c[t]:'x''", "a closing quote", 28),
        ("table a.b: INSERT: c[t]:'x'y", "a column or the end of the payload", 27),
        ("table a.b: INSERT: c[t]:'x\0'", "a value without NUL", 26),
        ("table a.b: INSERT: c[t]:B'012'", "`0`, `1` or a closing quote", 28),
        ("table a.b: INSERT: c[t]:01", "a column or the end of the payload", 25),
        ("table a.b: INSERT: c[t]:1.", "a digit", 26),
        ("table a.b: INSERT: c[t]:1e5", "the sign of an exponent", 26),
        ("table a.b: INSERT: c[t]:1e+", "a digit", 27),
        ("table a.b: INSERT: c[t]:-", "a number", 24),
        ("table a.b: INSERT: c[t]:-NaN", "a number", 24),
        ("table a.b: INSERT: c[t]:.5", "a literal", 24),
        ("table a.b: INSERT: c[t]:1 ", "an identifier", 26),
        ("table a.b: INSERT: c[t]:1\n", "a column or the end of the payload", 25),
        ("table a.b: INSERT: c[t]:1 new-tuple: c[t]:1", "a column or the end of the payload", 25),
        ("table a.b: INSERT: (no-tuple-data) c[t]:1", "a column or the end of the payload", 34),
        ("table a.b: DELETE: old-key: c[t]:1", "`[` behind a column's name", 22),
        ("table a.b: UPDATE: old-key: c[t]:1", "a column or ` new-tuple:`", 34),
        ("table a.b: UPDATE: old-key: (no-tuple-data) new-tuple: c[t]:1", "an identifier", 28),
        ("message: transactional: 2 prefix: p, sz: 0 content:", "`0` or `1`", 24),
        (
            "message: transactional: 1 prefix: p, sz: 2 content:x",
            "`, sz: N content:` with N bytes behind it",
            34,
        ),
        (
            "message: transactional: 1 prefix: p\0, sz: 1 content:x",
            "`, sz: N content:` with N bytes behind it",
            34,
        ),
        ("PREPARE TRANSACTION 'a, txid 5", "a closing quote", 30),
        ("streaming change for TXN x", "a transaction id of 32 bits", 25),
        ("streaming message: transactional: 1 prefix: p, sz: 5 content:hello", "`, sz: N` at the end", 44),
        ("opening a streamed block for transaction TXN", "the end of the payload", 40),
    ];
    for (payload, expected, offset) in cases {
        let error = refused(payload);
        assert_eq!((error.expected, error.offset), (expected, offset), "{payload}");
    }
}

#[test]
fn an_error_names_the_table() {
    assert_eq!(refused("table a.\"B\": INSERT: c[t]:x").table.as_deref(), Some(&b"a.\"B\""[..]));
    assert_eq!(refused("table a.b, c.d: TRUNCATE").table.as_deref(), Some(&b"a.b"[..]));
    assert_eq!(refused("table a").table, None);
    assert_eq!(refused("COMMIT x").table, None);
}

#[test]
fn a_tuple_has_a_most_of_columns() {
    let row = |count| format!("table a.b: DELETE:{}", " c[t]:1".repeat(count));
    with(&row(1664), |_| ());
    assert_eq!(refused(&row(1665)).expected, "at most 1664 columns");
    // Old and new tuple count apart.
    let columns = " c[t]:1".repeat(1664);
    with(&format!("table a.b: UPDATE: old-key:{columns} new-tuple:{columns}"), |_| ());
}

#[test]
fn a_truncate_has_a_most_of_tables() {
    let line = |count| format!("table {}a.b: TRUNCATE: cascade", "a.b, ".repeat(count));
    with(&line((1 << 20) - 1), |_| ());
    assert_eq!(refused(&line(1 << 20)).expected, "at most 1048576 tables");
}
