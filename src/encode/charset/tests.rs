use super::{Charset, InvalidText};

/// What PostgreSQL's `convert_from` says, see the README beside the files.
const SINGLE_BYTE: &str = include_str!("../../../tests/data/charset/single-byte.tsv");
const MULTI_BYTE: &str = include_str!("../../../tests/data/charset/multi-byte.tsv");

fn charset(name: &str) -> Charset {
    Charset::from_server_encoding(name).expect("supported")
}

fn decode(charset: &Charset, bytes: &[u8]) -> Result<String, InvalidText> {
    charset.decode(bytes, &mut String::new()).map(str::to_owned)
}

/// The character of a hexadecimal code point; `-` is none.
fn expected(code: &str) -> Option<String> {
    let code = u32::from_str_radix(code, 16).ok()?;
    Some(char::from_u32(code).expect("a character").to_string())
}

#[test]
fn every_byte_of_every_single_byte_encoding_is_postgresqls() {
    let mut encodings = 0;
    for line in SINGLE_BYTE.lines() {
        let (name, codes) = line.split_once('\t').expect("two fields");
        let charset = charset(name);
        assert_eq!(charset.name(), name);
        for byte in 0..=0x7F_u8 {
            assert_eq!(decode(&charset, &[byte]), Ok(char::from(byte).to_string()));
        }
        let mut bytes = 0x80_u8..=0xFF;
        for (code, byte) in codes.split(' ').zip(&mut bytes) {
            match expected(code) {
                Some(text) => assert_eq!(decode(&charset, &[byte]), Ok(text), "{name} {byte:02x}"),
                // Not PostgreSQL's, so either refused or what the Encoding Standard says.
                None => assert!(
                    decode(&charset, &[byte]).map_or(true, |text| text.chars().count() == 1),
                    "{name} {byte:02x}"
                ),
            }
        }
        assert_eq!(bytes.next(), None, "{name}");
        encodings += 1;
    }
    assert_eq!(encodings, 27);
}

#[test]
fn every_sequence_of_the_euc_encodings_is_postgresqls() {
    let mut sequences = 0;
    let mut kept: Option<Charset> = None;
    for line in MULTI_BYTE.lines() {
        let mut fields = line.split('\t');
        let (name, lead, codes) =
            (fields.next().expect("name"), fields.next().expect("lead"), fields.next().expect("codes"));
        let charset = kept.take().filter(|kept| kept.name() == name).unwrap_or_else(|| charset(name));
        let lead: Vec<u8> = lead
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(str::from_utf8(digits).expect("hex"), 16).expect("hex"))
            .collect();
        for (code, last) in codes.split(' ').zip(0xA1_u8..=0xFE) {
            if let Some(text) = expected(code) {
                let bytes = [&lead[..], &[last]].concat();
                assert_eq!(decode(&charset, &bytes), Ok(text), "{name} {bytes:02x?}");
                sequences += 1;
            }
        }
        kept = Some(charset);
    }
    assert_eq!(sequences, 28_869);
}

#[test]
fn mixed_text() {
    assert_eq!(decode(&charset("EUC_JP"), b"a\xC6\xFC'\x8E\xB1z").as_deref(), Ok("a日'ｱz"));
    assert_eq!(decode(&charset("LATIN1"), b"caf\xE9 \x80").as_deref(), Ok("café \u{80}"));
    assert_eq!(decode(&charset("UTF8"), "é中😀".as_bytes()).as_deref(), Ok("é中😀"));
    assert_eq!(decode(&charset("SQL_ASCII"), "é".as_bytes()).as_deref(), Ok("é"));
}

#[test]
fn what_is_not_text_is_refused_with_its_place() {
    let place = |name: &str, bytes: &[u8]| decode(&charset(name), bytes).expect_err("refused").offset;
    assert_eq!(place("UTF8", b"ab\xFF"), 2);
    assert_eq!(place("SQL_ASCII", b"\xE9"), 0);
    assert_eq!(place("EUC_JP", b"ab\xC6"), 2);
    assert_eq!(place("EUC_JP", b"a\x8F\xA1"), 1);
    assert_eq!(place("EUC_CN", b"a\xB0A"), 1);
    assert_eq!(place("EUC_KR", b"\x8F\xA1\xA1"), 0);
    assert_eq!(place("ISO_8859_8", b"ab\xA1"), 2);
    let error = decode(&charset("SQL_ASCII"), b"\xE9").expect_err("refused");
    assert_eq!(
        error.to_string(),
        "byte 0 of the value does not belong to text in the encoding SQL_ASCII: a SQL_ASCII database may hold any \
         bytes, but only UTF-8 can be sent"
    );
}

#[test]
fn encodings_without_a_table_are_named() {
    for name in ["EUC_TW", "EUC_JIS_2004", "MULE_INTERNAL", "JOHAB", "utf8", ""] {
        let error = Charset::from_server_encoding(name).expect_err("unsupported");
        assert_eq!(error.name, name);
        assert!(error.to_string().contains(name));
    }
}

#[test]
fn scratch_keeps_its_memory() {
    let charset = charset("WIN1251");
    let mut scratch = String::with_capacity(64);
    let before = scratch.as_ptr();
    for _ in 0..3 {
        assert_eq!(charset.decode(b"\xEF\xF0\xE8", &mut scratch), Ok("при"));
    }
    assert_eq!(scratch.as_ptr(), before);
}
