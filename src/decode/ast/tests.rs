use crate::decode::ast::Ast;
use crate::decode::test_decoding::TestDecoding;

fn ast(payload: &[u8]) -> String {
    let mut decoder = TestDecoding::new();
    serde_json::to_string(&Ast(&decoder.decode(payload).unwrap())).unwrap()
}

#[test]
fn leaves_out_what_was_not_printed() {
    assert_eq!(ast(b"BEGIN"), r#"{"k":"begin"}"#);
    assert_eq!(ast(b"BEGIN 5"), r#"{"k":"begin","xid":5}"#);
    assert_eq!(
        ast(b"COMMIT 5 (at 2026-11-22 23:02:07+00)"),
        r#"{"k":"commit","xid":5,"ts":"2026-11-22 23:02:07+00"}"#
    );
}

#[test]
fn undoes_quoting_and_doubling() {
    assert_eq!(
        ast(b"table a.\"B\"\"\": INSERT: c[\"char\"]:'it''s' d[t]:null e[t]:true"),
        concat!(
            r#"{"k":"insert","rel":["a","B\""],"new":["#,
            r#"{"name":"c","type":"\"char\"","kind":"str","value":"it's"},"#,
            r#"{"name":"d","type":"t","kind":"null","value":null},"#,
            r#"{"name":"e","type":"t","kind":"bool","value":"true"}]}"#
        )
    );
    assert_eq!(ast(b"PREPARE TRANSACTION 'it''s'"), r#"{"k":"prepare","gid":"it's"}"#);
    assert_eq!(ast(br"COMMIT PREPARED E'\\''\\\\'"), r#"{"k":"commit_prepared","gid":"\\'\\\\"}"#);
    assert_eq!(
        ast(b"preparing streamed transaction TXN 'a', txid 5"),
        r#"{"k":"stream_prepare","gid":"a","xid":5}"#
    );
}

#[test]
fn an_empty_tuple_is_not_an_absent_one() {
    assert_eq!(ast(b"table a.b: DELETE:"), r#"{"k":"delete","rel":["a","b"],"old":[]}"#);
    assert_eq!(ast(b"table a.b: DELETE: (no-tuple-data)"), r#"{"k":"delete","rel":["a","b"],"old":null}"#);
    assert_eq!(ast(b"table a.b: UPDATE:"), r#"{"k":"update","rel":["a","b"],"old":null,"new":[]}"#);
}

#[test]
fn shows_text_that_is_not_utf8_as_hex() {
    assert_eq!(
        ast(b"message: transactional: 1 prefix: \xe9, sz: 2 content:\0\xff"),
        r#"{"k":"message","transactional":true,"prefix":{"hex":"e9"},"sz":2,"content":{"hex":"00ff"},"candidates":1}"#
    );
}

#[test]
fn streamed_messages_show_content_only_where_there_is_some() {
    assert_eq!(
        ast(b"streaming message: transactional: 1 prefix: p, sz: 5"),
        r#"{"k":"stream_message","transactional":true,"prefix":"p","sz":5,"content":null}"#
    );
    assert_eq!(
        ast(b"streaming message: transactional: 0 prefix: p, sz: 1 content:x"),
        r#"{"k":"stream_message","transactional":false,"prefix":"p","sz":1,"content":"x","candidates":1}"#
    );
}
