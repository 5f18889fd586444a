use crate::decode::print::print;
use crate::decode::test_decoding::TestDecoding;

#[test]
fn prints_what_was_decoded() {
    let at = " (at 2026-11-22 23:02:07.862666+05:45)";
    let lines = [
        "BEGIN".to_owned(),
        "BEGIN 7".to_owned(),
        "COMMIT".to_owned(),
        format!("COMMIT 4294967295{at}"),
        format!("COMMIT{at}"),
        "table a.\"B\"\"\": INSERT: c[text]:'it''s' d[\"x[]\"[]]:null e[bit]:B'01' f[text]:''".to_owned(),
        "table a.b: UPDATE: c[boolean]:true d[boolean]:false e[real]:-1e+10 f[t]:unchanged-toast-datum"
            .to_owned(),
        "table a.b: UPDATE: old-key: new-tuple:".to_owned(),
        "table a.b: UPDATE: old-key: c[t]:1 new-tuple: (no-tuple-data)".to_owned(),
        "table a.b: DELETE:".to_owned(),
        "table a.b: DELETE: (no-tuple-data)".to_owned(),
        "table a.b: TRUNCATE: (no-flags)".to_owned(),
        "table a.b, \"c, d\".e: TRUNCATE: restart_seqs cascade".to_owned(),
        "table a.b: TRUNCATE: restart_seqs".to_owned(),
        "table a.b: TRUNCATE: cascade".to_owned(),
        "message: transactional: 0 prefix: p, sz: 3 content:a\0\n".to_owned(),
        "message: transactional: 1 prefix: , sz: 0 content:".to_owned(),
        format!("PREPARE TRANSACTION 'a', txid 5{at}"),
        format!("COMMIT PREPARED E'a\\\\'''{at}"),
        "ROLLBACK PREPARED ''".to_owned(),
        "opening a streamed block for transaction TXN 5".to_owned(),
        "closing a streamed block for transaction".to_owned(),
        "aborting streamed (sub)transaction TXN 5".to_owned(),
        format!("committing streamed transaction TXN 5{at}"),
        format!("preparing streamed transaction TXN 'a', txid 5{at}"),
        format!("preparing streamed transaction 'a'{at}"),
        "streaming change for TXN 5".to_owned(),
        "streaming truncate for transaction".to_owned(),
        "streaming message: transactional: 1 prefix: p, sz: 5".to_owned(),
        "streaming message: transactional: 0 prefix: p, sz: 1 content:x".to_owned(),
    ];
    let mut decoder = TestDecoding::new();
    for line in lines {
        let mut printed = b"before ".to_vec();
        print(&decoder.decode(line.as_bytes()).unwrap(), &mut printed);
        assert_eq!(printed.escape_ascii().to_string(), format!("before {}", line.as_bytes().escape_ascii()));
    }
}
