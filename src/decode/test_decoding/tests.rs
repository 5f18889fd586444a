mod refusals;

use super::{TestDecoding, length_fits};
use crate::decode::Operation::{Delete, Insert, Update};
use crate::decode::{
    Begin, ColumnValue, Columns, Commit, Decoded, Ident, Literal, LogicalMessage, Operation, StreamedKind,
    TwoPhase, TwoPhaseStep,
};

/// Decodes and hands what was read to `check`.
fn with<T>(payload: &str, check: impl FnOnce(Decoded<'_>) -> T) -> T {
    let mut decoder = TestDecoding::new();
    check(decoder.decode(payload.as_bytes()).unwrap_or_else(|error| panic!("{payload}: {error}")))
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

/// Checks a row message by operation, old and new tuple.
fn row(payload: &str, op: Operation, old: Option<&str>, new: Option<&str>) {
    with(payload, |decoded| {
        let Decoded::Change(change) = decoded else { panic!("{payload}: {decoded:?}") };
        let (found_old, found_new) = (short(change.old), short(change.new));
        assert_eq!((change.op, found_old.as_deref(), found_new.as_deref()), (op, old, new), "{payload}");
    });
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
    let read = "a[integer]=n:-1 b[text]=t:x c[boolean]=true d[boolean]=false e[bit]=b:01 f[text]=NULL \
                g[text]=TOAST h[text]=e:it\\'\\'s i[numeric]=n:NaN j[text]=t:";
    row(all, Insert, None, Some(read));
    let both = "table public.t: UPDATE: old-key: a[integer]:1 new-tuple: a[integer]:2";
    row(both, Update, Some("a[integer]=n:1"), Some("a[integer]=n:2"));
    row("table public.t: UPDATE: a[integer]:2", Update, None, Some("a[integer]=n:2"));
    row("table public.t: DELETE: a[integer]:1", Delete, Some("a[integer]=n:1"), None);
}

#[test]
fn numbers() {
    for number in [
        "0",
        "-0",
        "7",
        "-9223372036854775808",
        "0.00",
        "12.50",
        "1e+308",
        "-1.5e-05",
        "NaN",
        "Infinity",
        "-Infinity",
    ] {
        let payload = format!("table a.b: DELETE: c[t]:{number} d[t]:{number}");
        row(&payload, Delete, Some(&format!("c[t]=n:{number} d[t]=n:{number}")), None);
    }
}

#[test]
fn an_empty_tuple_is_not_an_absent_one() {
    row("table a.b: INSERT:", Insert, None, Some(""));
    row("table a.b: DELETE:", Delete, Some(""), None);
    row("table a.b: DELETE: (no-tuple-data)", Delete, None, None);
    row("table a.b: INSERT: (no-tuple-data)", Insert, None, None);
    row("table a.b: UPDATE: (no-tuple-data)", Update, None, None);
    row("table a.b: UPDATE: old-key: new-tuple:", Update, Some(""), Some(""));
    row("table a.b: UPDATE: old-key: new-tuple: (no-tuple-data)", Update, Some(""), None);
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
    row(
        "table a.b: UPDATE: old-key: \" new-tuple:\"[t]:'new-tuple: x[y]:1' new-tuple: new[\"char\"]:'\n'",
        Update,
        Some(" new-tuple:[t]=t:new-tuple: x[y]:1"),
        Some("new[\\\"char\\\"]=t:\\n"),
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
fn spans_reach_just_below_four_gigabytes() {
    assert!(length_fits(u32::MAX as usize));
    assert!(!length_fits(u32::MAX as usize + 1));
}

#[test]
fn what_the_row_before_declared_changes_nothing() {
    let rows: [&[u8]; 8] = [
        b"table s.a: INSERT: id[integer]:1 v[text]:'x'",
        b"table s.b: INSERT: id[integer]:2 v[text[]]:'{x}'",
        b"table s.c: INSERT: id[integer]:3 v[text]:null w[integer]:4",
        b"table s.a: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:5 v[text]:'y'",
        b"table s.a: UPDATE: id[integer]:5 v[text]:unchanged-toast-datum",
        b"table s.a: DELETE: id[integer]:5",
        b"table s.d: INSERT: \"id[integer]:1\"[text]:'z' v[\"a]:\"]:'z'",
        b"table s.a: INSERT: id[integer]:1 v[text]:'x'",
    ];
    let mut reused = TestDecoding::new();
    for first in rows {
        for second in rows {
            for payload in [first, second] {
                let seen = format!("{:?}", reused.decode(payload).expect("a row"));
                let fresh = format!("{:?}", TestDecoding::new().decode(payload).expect("a row"));
                assert_eq!(seen, fresh, "{}", payload.escape_ascii());
            }
        }
    }
    let broken = b"table s.a: INSERT: id[integer]:1 v[text:'x'";
    assert_eq!(
        reused.decode(broken).expect_err("broken").to_string(),
        TestDecoding::new().decode(broken).expect_err("broken").to_string()
    );
}
