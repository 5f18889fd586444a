use super::{TestDecoding, length_fits};
use crate::decode::{
    Begin, ColumnValue, Columns, Commit, DecodeError, Decoded, Ident, Literal, LogicalMessage, Operation,
    StreamedKind, TwoPhase, TwoPhaseStep,
};

/// Decodes and hands what was read to `check`.
fn with<T>(payload: &str, check: impl FnOnce(Decoded<'_>) -> T) -> T {
    let mut decoder = TestDecoding::new();
    let decoded = decoder.decode(payload.as_bytes());
    check(decoded.unwrap_or_else(|error| panic!("{payload}: {error}")))
}

fn refused(payload: &str) -> DecodeError {
    match TestDecoding::new().decode(payload.as_bytes()) {
        Ok(decoded) => panic!("{payload}: accepted as {decoded:?}"),
        Err(error) => error,
    }
}

/// The columns as `name[type]=literal`, joined by a space.
fn short(columns: Option<Columns<'_>>) -> Option<String> {
    let one = |column: ColumnValue<'_>| {
        let (name, type_text) = (column.name.unquoted(), column.type_text.escape_ascii());
        let value = match column.value {
            Literal::Null => "NULL".to_owned(),
            Literal::UnchangedToast => "TOAST".to_owned(),
            Literal::Boolean(value) => value.to_string(),
            Literal::Number(text) => format!("n:{}", text.escape_ascii()),
            Literal::Bits(text) => format!("b:{}", text.escape_ascii()),
            Literal::Text(text) => format!("t:{}", text.escape_ascii()),
            Literal::EscapedText(text) => format!("e:{}", text.escape_ascii()),
        };
        format!("{}[{type_text}]={value}", name.escape_ascii())
    };
    columns.map(|columns| columns.iter().map(one).collect::<Vec<_>>().join(" "))
}

/// Operation, old and new tuple of a row message.
fn row(payload: &str) -> (Operation, Option<String>, Option<String>) {
    with(payload, |decoded| match decoded {
        Decoded::Change(change) => (change.op, short(change.old), short(change.new)),
        other => panic!("{payload}: {other:?}"),
    })
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn begin_and_commit() {
    with("BEGIN", |d| assert!(matches!(d, Decoded::Begin(Begin { xid: None }))));
    with("BEGIN 4294967295", |d| assert!(matches!(d, Decoded::Begin(Begin { xid: Some(u32::MAX) }))));
    with("COMMIT", |d| assert!(matches!(d, Decoded::Commit(Commit { xid: None, at: None }))));
    with("COMMIT 7 (at 2026-11-22 23:02:07.862666+00)", |d| {
        let at = Some(&b"2026-11-22 23:02:07.862666+00"[..]);
        assert!(matches!(d, Decoded::Commit(commit) if commit == Commit { xid: Some(7), at }));
    });
    with("COMMIT (at 0044-03-15 12:00:00+00 BC)", |d| {
        assert!(matches!(d, Decoded::Commit(Commit { xid: None, at: Some(_) })));
    });
}

#[test]
fn rows() {
    let all = "table public.t: INSERT: a[integer]:-1 b[text]:'x' c[boolean]:true d[boolean]:false e[bit]:B'01' \
               f[text]:null g[text]:unchanged-toast-datum h[text]:'it''s' i[numeric]:NaN j[text]:''";
    assert_eq!(
        row(all),
        (
            Operation::Insert,
            None,
            some(
                "a[integer]=n:-1 b[text]=t:x c[boolean]=true d[boolean]=false e[bit]=b:01 f[text]=NULL \
                 g[text]=TOAST h[text]=e:it\\'\\'s i[numeric]=n:NaN j[text]=t:"
            )
        )
    );
    assert_eq!(
        row("table public.t: UPDATE: old-key: a[integer]:1 new-tuple: a[integer]:2"),
        (Operation::Update, some("a[integer]=n:1"), some("a[integer]=n:2"))
    );
    assert_eq!(
        row("table public.t: UPDATE: a[integer]:2"),
        (Operation::Update, None, some("a[integer]=n:2"))
    );
    assert_eq!(
        row("table public.t: DELETE: a[integer]:1"),
        (Operation::Delete, some("a[integer]=n:1"), None)
    );
}

#[test]
fn an_empty_tuple_is_not_an_absent_one() {
    assert_eq!(row("table a.b: INSERT:"), (Operation::Insert, None, some("")));
    assert_eq!(row("table a.b: DELETE:"), (Operation::Delete, some(""), None));
    assert_eq!(row("table a.b: DELETE: (no-tuple-data)"), (Operation::Delete, None, None));
    assert_eq!(row("table a.b: INSERT: (no-tuple-data)"), (Operation::Insert, None, None));
    assert_eq!(row("table a.b: UPDATE: (no-tuple-data)"), (Operation::Update, None, None));
    assert_eq!(row("table a.b: UPDATE: old-key: new-tuple:"), (Operation::Update, some(""), some("")));
    assert_eq!(
        row("table a.b: UPDATE: old-key: new-tuple: (no-tuple-data)"),
        (Operation::Update, some(""), None)
    );
}

#[test]
fn names_and_types_hold_what_looks_like_grammar() {
    with("table \"a.b\".\"c: INSERT: x\"\"\": INSERT: \"]:\"[\"x[]\"[]]:null", |decoded| {
        let Decoded::Change(change) = decoded else { panic!("{decoded:?}") };
        assert_eq!(change.relation.text, b"\"a.b\".\"c: INSERT: x\"\"\"");
        assert_eq!(change.relation.schema.unquoted(), &b"a.b"[..]);
        assert_eq!(change.relation.table.unquoted(), &b"c: INSERT: x\""[..]);
        let column = change.new.and_then(|new| new.get(0)).unwrap();
        assert_eq!(column.name, Ident(b"\"]:\""));
        assert_eq!(column.type_text, b"\"x[]\"[]");
        assert_eq!(column.declaration, b"\"]:\"[\"x[]\"[]");
    });
    assert_eq!(
        row(
            "table a.b: UPDATE: old-key: \" new-tuple:\"[t]:'new-tuple: x[y]:1' new-tuple: new[\"char\"]:'\n'"
        ),
        (Operation::Update, some(" new-tuple:[t]=t:new-tuple: x[y]:1"), some("new[\\\"char\\\"]=t:\\n"))
    );
}

#[test]
fn truncates() {
    with("table public.a, \"x, y\".\"a, public.b\": TRUNCATE: restart_seqs cascade", |decoded| {
        let Decoded::Truncate(truncate) = decoded else { panic!("{decoded:?}") };
        let tables: Vec<_> = truncate.tables().collect();
        assert_eq!(tables.len(), 2);
        assert_eq!((tables[0].schema, tables[0].table), (Ident(b"public"), Ident(b"a")));
        assert_eq!(tables[1].schema.unquoted(), &b"x, y"[..]);
        assert_eq!(tables[1].table.unquoted(), &b"a, public.b"[..]);
        assert_eq!(tables[1].text, b"\"x, y\".\"a, public.b\"");
        assert!(truncate.restart_seqs && truncate.cascade);
    });
    for (flags, expected) in
        [("(no-flags)", (false, false)), ("restart_seqs", (true, false)), ("cascade", (false, true))]
    {
        with(&format!("table a.b: TRUNCATE: {flags}"), |decoded| {
            let Decoded::Truncate(truncate) = decoded else { panic!("{decoded:?}") };
            assert_eq!((truncate.restart_seqs, truncate.cascade), expected);
        });
    }
}

fn message(payload: &str) -> (bool, Vec<u8>, Vec<u8>, u32) {
    with(payload, |decoded| {
        let Decoded::Message(LogicalMessage { transactional, prefix, content, candidates }) = decoded else {
            panic!("{decoded:?}")
        };
        (transactional, prefix.to_vec(), content.to_vec(), candidates)
    })
}

#[test]
fn messages_take_the_shortest_prefix_that_fits() {
    let start = "message: transactional: 1 prefix: ";
    let case = |rest: &str, prefix: &str, content: &str, candidates| {
        let expected = (true, prefix.as_bytes().to_vec(), content.as_bytes().to_vec(), candidates);
        assert_eq!(message(&format!("{start}{rest}")), expected, "{rest}");
    };
    case("p, sz: 5 content:hello", "p", "hello", 1);
    case(", sz: 0 content:", "", "", 1);
    case("p\nq, sz: 3 content:\0\n\0", "p\nq", "\0\n\0", 1);
    // Two readings.
    case("a, sz: 18 content:b, sz: 1 content:c", "a", "b, sz: 1 content:c", 2);
    // The first size does not fit.
    case("a, sz: 17 content:b, sz: 1 content:c", "a, sz: 17 content:b", "c", 1);
    case(
        "p, sz: 99999999999999999999999 content:x, sz: 1 content:y",
        "p, sz: 99999999999999999999999 content:x",
        "y",
        1,
    );
    case(
        "p, sz: 18446744073709551617 content:x, sz: 1 content:y",
        "p, sz: 18446744073709551617 content:x",
        "y",
        1,
    );
    case("p, sz: 01 content:x, sz: 1 content:y", "p, sz: 01 content:x", "y", 1);
    // What stands behind a NUL is content.
    case("a, sz: 18 content:\0, sz: 1 content:c", "a", "\0, sz: 1 content:c", 1);
    let zero = message("message: transactional: 0 prefix: p, sz: 1 content:x");
    assert_eq!(zero, (false, b"p".to_vec(), b"x".to_vec(), 1));
}

#[test]
fn two_phase() {
    let case = |payload: &str, step, gid: &str, xid, at: bool| {
        with(payload, |decoded| {
            let Decoded::TwoPhase(TwoPhase { step: s, gid: g, xid: x, at: a }) = decoded else {
                panic!("{payload}: {decoded:?}")
            };
            assert_eq!((s, g, x, a.is_some()), (step, gid.as_bytes(), xid, at), "{payload}");
        });
    };
    let at = "(at 2026-11-22 23:02:07+00)";
    case("PREPARE TRANSACTION 'a', txid 5", TwoPhaseStep::Prepare, "'a'", Some(5), false);
    case(
        &format!("COMMIT PREPARED 'x'', txid 5 {at}', txid 6 {at}"),
        TwoPhaseStep::CommitPrepared,
        &format!("'x'', txid 5 {at}'"),
        Some(6),
        true,
    );
    case(
        &format!("ROLLBACK PREPARED E'a\\\\b''' {at}"),
        TwoPhaseStep::RollbackPrepared,
        "E'a\\\\b'''",
        None,
        true,
    );
}

#[test]
fn streamed() {
    let case = |payload: &str, kind: StreamedKind<'_>, xid, at: bool| {
        with(payload, |decoded| {
            let Decoded::Streamed(line) = decoded else { panic!("{payload}: {decoded:?}") };
            assert_eq!((line.kind, line.xid, line.at.is_some()), (kind, xid, at), "{payload}");
        });
    };
    let at = "(at 2026-11-22 23:02:07+00)";
    case("opening a streamed block for transaction TXN 5", StreamedKind::Start, Some(5), false);
    case("opening a streamed block for transaction", StreamedKind::Start, None, false);
    case("closing a streamed block for transaction TXN 5", StreamedKind::Stop, Some(5), false);
    case("aborting streamed (sub)transaction TXN 5", StreamedKind::Abort, Some(5), false);
    case(&format!("committing streamed transaction TXN 5 {at}"), StreamedKind::Commit, Some(5), true);
    case(&format!("committing streamed transaction {at}"), StreamedKind::Commit, None, true);
    case("committing streamed transaction", StreamedKind::Commit, None, false);
    case(
        &format!("preparing streamed transaction TXN 'a', txid 5 {at}"),
        StreamedKind::Prepare(b"'a'"),
        Some(5),
        true,
    );
    case("preparing streamed transaction E'\\\\'", StreamedKind::Prepare(b"E'\\\\'"), None, false);
    case("streaming change for TXN 5", StreamedKind::Change, Some(5), false);
    case("streaming change for transaction", StreamedKind::Change, None, false);
    case("streaming truncate for TXN 5", StreamedKind::Truncate, Some(5), false);
    let message = |transactional, prefix, size, content, candidates| StreamedKind::Message {
        transactional,
        prefix,
        size,
        content,
        candidates,
    };
    case(
        "streaming message: transactional: 1 prefix: a, sz: 1, sz: 50",
        message(true, b"a, sz: 1", 50, None, 1),
        None,
        false,
    );
    case(
        "streaming message: transactional: 0 prefix: a, sz: 2 content:xy",
        message(false, b"a", 2, Some(b"xy"), 1),
        None,
        false,
    );
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
        ("COMMIT 1 (at 2026-11-22 23:02:07+00", ")", 35),
        ("COMMIT PREPARED a", "a global transaction id in quotes", 16),
        ("table ", "an identifier", 6),
        ("table a", ".", 7),
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
fn the_vectors_hold_one_row_only() {
    let mut decoder = TestDecoding::new();
    let mut lengths = Vec::new();
    for payload in [
        "table a.b: INSERT: c[t]:1 d[t]:2",
        "table a.b: INSERT: c[t]:1",
        "table a.b: DELETE: (no-tuple-data)",
    ] {
        let Ok(Decoded::Change(change)) = decoder.decode(payload.as_bytes()) else { panic!("{payload}") };
        lengths.push((change.old.map(|c| c.len()), change.new.map(|c| c.len())));
    }
    assert_eq!(lengths, [(None, Some(2)), (None, Some(1)), (None, None)]);
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
fn spans_reach_just_below_four_gigabytes() {
    assert!(length_fits(u32::MAX as usize));
    assert!(!length_fits(u32::MAX as usize + 1));
}
