use super::{ArrayToken, ArrayTokens};

/// The tokens in a short form: braces, N for null, b:text, q:text.
fn read(text: &str, delimiter: u8) -> Result<String, String> {
    let tokens = ArrayTokens::new(text.as_bytes(), delimiter).map_err(|e| e.to_string())?;
    let mut short = Vec::new();
    for token in tokens {
        short.push(match token.map_err(|e| e.to_string())? {
            ArrayToken::Open => "{".to_owned(),
            ArrayToken::Close => "}".to_owned(),
            ArrayToken::Null => "N".to_owned(),
            ArrayToken::Bare(text) => format!("b:{}", text.escape_ascii()),
            ArrayToken::Quoted(text) => format!("q:{}", text.plain().escape_ascii()),
        });
    }
    Ok(short.join(" "))
}

#[test]
fn reads_what_the_server_prints() {
    let cases = [
        ("{}", "{ }"),
        ("{1}", "{ b:1 }"),
        ("{1,NULL,\"NULL\",\"null\",x}", "{ b:1 N q:NULL q:null b:x }"),
        ("{\"\",\"a b\",\"a,b\",\"{}\"}", "{ q: q:a b q:a,b q:{} }"),
        (r#"{"\"","\\","a\\\"b"}"#, r#"{ q:\" q:\\ q:a\\\"b }"#),
        ("{{1,2},{3,4}}", "{ { b:1 b:2 } { b:3 b:4 } }"),
        ("{{{{{{1}}}}}}", "{ { { { { { b:1 } } } } } }"),
        ("[2:3]={a,b}", "{ b:a b:b }"),
        ("[-1:0][5:5]={{a},{b}}", "{ { b:a } { b:b } }"),
        ("[-2147483648:-2147483648]={a}", "{ b:a }"),
        ("{nulls,nul,NULLX}", "{ b:nulls b:nul b:NULLX }"),
        ("{it-s,a;b,=}", "{ b:it-s b:a;b b:= }"),
    ];
    for (text, tokens) in cases {
        assert_eq!(read(text, b',').as_deref(), Ok(tokens), "{text}");
    }
    assert_eq!(read("{(1,1),(0,0);(2,2),(1,1)}", b';').as_deref(), Ok("{ b:(1,1),(0,0) b:(2,2),(1,1) }"));
}

#[test]
fn says_whether_bounds_were_printed() {
    assert!(ArrayTokens::new(b"[0:0]={1}", b',').unwrap().has_bounds());
    assert!(!ArrayTokens::new(b"{1}", b',').unwrap().has_bounds());
}

#[test]
fn refuses_what_the_server_never_prints() {
    let cases = [
        ("", "`{` at byte 0"),
        ("1", "`{` at byte 0"),
        ("{", "an element at byte 1"),
        ("{1", "a delimiter or `}` at byte 2"),
        ("{1,", "an element at byte 3"),
        ("{1,}", "an element at byte 3"),
        ("{,1}", "an element at byte 1"),
        ("{1}}", "the end of the array at byte 3"),
        ("{1} ", "the end of the array at byte 3"),
        ("{}{}", "the end of the array at byte 2"),
        ("{{}}", "an element at byte 2"),
        ("{{},{}}", "an element at byte 2"),
        ("{1,null}", "NULL in capitals at byte 3"),
        ("{1, 2}", "an element at byte 3"),
        ("{1 ,2}", "a delimiter or `}` at byte 2"),
        ("{\"a}", "a closing double quote at byte 1"),
        ("{\"a\"b}", "a delimiter or `}` at byte 4"),
        ("{a\"b\"}", "a delimiter or `}` at byte 2"),
        ("{a\\b}", "a delimiter or `}` at byte 2"),
        ("{{1},2}", "a sub-array and no element at byte 5"),
        ("{1,{2}}", "an element and no sub-array at byte 3"),
        ("{{1},{2,3}}", "sub-arrays of equal length at byte 9"),
        ("{{1},{{2}}}", "an element and no sub-array at byte 6"),
        ("{{{{{{{1}}}}}}}", "at most six dimensions at byte 6"),
        ("[2:3]={1}", "as many items as the bounds say at byte 8"),
        ("[2:3]={{1,2}}", "as many items as the bounds say at byte 12"),
        ("[2:3][1:1]={1,2}", "as many items as the bounds say at byte 15"),
        ("[2:3]={}", "an element at byte 7"),
        ("[3:2]={}", "an upper bound not below the lower at byte 3"),
        ("[2:3]", "`=` behind at most six bounds at byte 5"),
        ("[2]={1}", "`:` at byte 2"),
        ("[x:2]={1}", "a lower bound at byte 1"),
        ("[2:]={1}", "an upper bound at byte 3"),
        ("[2:3={1}", "`]` at byte 4"),
        ("[+2:3]={1,2}", "a lower bound at byte 1"),
        ("[0:99999999999]={1}", "an upper bound at byte 3"),
        ("[0:0][0:0][0:0][0:0][0:0][0:0][0:0]={1}", "`=` behind at most six bounds at byte 30"),
    ];
    for (text, expected) in cases {
        let error = read(text, b',').unwrap_err();
        assert_eq!(error, format!("not array text: expected {expected} of the value"), "{text}");
    }
}

#[test]
fn ends_after_an_error() {
    let mut tokens = ArrayTokens::new(b"{1,{2}}", b',').unwrap();
    assert_eq!(tokens.by_ref().filter(Result::is_err).count(), 1);
    assert!(tokens.next().is_none());
}
