use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

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
        ("{Null}", "NULL in capitals at byte 1"),
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

/// Elements, NULL among them, of an array with these dimensions.
fn array() -> impl Strategy<Value = (Vec<usize>, Vec<Option<Vec<u8>>>)> {
    vec(1..4_usize, 1..=6).prop_flat_map(|dimensions| {
        let element = proptest::option::weighted(
            0.8,
            prop_oneof![
                vec(1..=u8::MAX, 0..5),
                "(NULL|null|[a-z]{1,3}|[\"\\\\{}, ;]{0,3})".prop_map(String::into_bytes),
            ],
        );
        let count = dimensions.iter().product::<usize>();
        (proptest::strategy::Just(dimensions), vec(element, count))
    })
}

/// As `array_out` prints an element.
fn print_element(element: Option<&[u8]>, delimiter: u8, out: &mut Vec<u8>) {
    let Some(text) = element else { return out.extend(b"NULL") };
    let special = |byte: &u8| *byte == delimiter || b"\"\\{} \t\n\r\x0b\x0c".contains(byte);
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"NULL") && !text.iter().any(special) {
        return out.extend(text);
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn print_level<'e>(
    dimensions: &[usize],
    elements: &mut impl Iterator<Item = &'e Option<Vec<u8>>>,
    delimiter: u8,
    out: &mut Vec<u8>,
) {
    let Some((length, inner)) = dimensions.split_first() else {
        return print_element(elements.next().unwrap().as_deref(), delimiter, out);
    };
    for item in 0..*length {
        out.push(if item == 0 { b'{' } else { delimiter });
        print_level(inner, elements, delimiter, out);
    }
    out.push(b'}');
}

proptest! {
    #[test]
    fn an_array_is_read_as_it_was_printed(
        (dimensions, elements) in array(), lower in proptest::option::of(-5..5_i64),
        delimiter in prop_oneof![proptest::strategy::Just(b','), proptest::strategy::Just(b';')],
    ) {
        let mut text = Vec::new();
        if let Some(lower) = lower {
            for length in &dimensions {
                let upper = lower + i64::try_from(*length).unwrap() - 1;
                text.extend(format!("[{lower}:{upper}]").bytes());
            }
            text.push(b'=');
        }
        print_level(&dimensions, &mut elements.iter(), delimiter, &mut text);
        let shown = text.escape_ascii().to_string();
        let tokens = ArrayTokens::new(&text, delimiter);
        prop_assert!(tokens.is_ok(), "{}: {:?}", shown, tokens);
        let tokens = tokens.unwrap();
        prop_assert_eq!(tokens.has_bounds(), lower.is_some());
        let (mut depth, mut deepest, mut found) = (0, 0, Vec::new());
        for token in tokens {
            prop_assert!(token.is_ok(), "{}: {:?}", shown, token);
            match token.unwrap() {
                ArrayToken::Open => depth += 1,
                ArrayToken::Close => depth -= 1,
                ArrayToken::Null => found.push(None),
                ArrayToken::Bare(text) => found.push(Some(text.to_vec())),
                ArrayToken::Quoted(text) => found.push(Some(text.plain().into_owned())),
            }
            deepest = deepest.max(depth);
        }
        prop_assert_eq!((depth, deepest), (0, dimensions.len()));
        prop_assert_eq!(found, elements);
    }

    #[test]
    fn braces_balance_in_whatever_is_accepted(text in "(\\[[0-9-]{1,2}:[0-9]{1,2}\\]=)?[{}\",a\\\\N]{0,12}") {
        let Ok(tokens) = ArrayTokens::new(text.as_bytes(), b',') else { return Ok(()) };
        let Ok(tokens) = tokens.collect::<Result<Vec<_>, _>>() else { return Ok(()) };
        let count = |wanted| tokens.iter().filter(|token| **token == wanted).count();
        prop_assert_eq!(tokens.first(), Some(&ArrayToken::Open));
        prop_assert_eq!(count(ArrayToken::Open), count(ArrayToken::Close));
    }
}
