use proptest::prelude::{any, prop, proptest};

use super::{BackendKey, BackendMessage, TransactionStatus};
use crate::postgres::auth::Challenge;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::{Frame, FrameHeader};
use crate::postgres::protocol::notice::ServerError;

fn parse(tag: u8, body: &[u8]) -> Result<BackendMessage<'_>, ProtocolError> {
    BackendMessage::parse(&Frame { start: 0, header: FrameHeader { tag, len: body.len() + 4 }, body })
}

fn split(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let [tag, a, b, c, d, ..] = *bytes {
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        frames.push((tag, &bytes[5..=len]));
        bytes = &bytes[len + 1..];
    }
    frames
}

/// Every message of the captures parses, but for those of the extended protocol, which has no place here.
#[test]
fn captured_messages() {
    let mut letters = std::collections::BTreeSet::new();
    for bytes in [
        &include_bytes!("../../../../tests/data/wire/auth-cleartext.backend.bin")[..],
        include_bytes!("../../../../tests/data/wire/auth-md5.backend.bin"),
        include_bytes!("../../../../tests/data/wire/auth-md5-wrong.backend.bin"),
        include_bytes!("../../../../tests/data/wire/auth-scram.backend.bin"),
        include_bytes!("../../../../tests/data/wire/negotiate-3.9999.backend.bin"),
        include_bytes!("../../../../tests/data/wire/replication-session.backend.bin"),
        include_bytes!("../../../../tests/data/wire/sql-session.backend.bin"),
    ] {
        for (tag, body) in split(bytes) {
            let result = parse(tag, body);
            if matches!(tag, b'1' | b'2' | b't') {
                assert_eq!(result, Err(ProtocolError::UnknownMessage { tag }));
                continue;
            }
            match result.unwrap() {
                BackendMessage::RowDescription(description) => {
                    assert_eq!(description.names().unwrap().len(), description.len());
                }
                BackendMessage::DataRow(row) => {
                    assert_eq!(row.values().map(Result::unwrap).count(), row.len());
                }
                BackendMessage::ErrorResponse(body) | BackendMessage::NoticeResponse(body) => {
                    assert!(ServerError::parse(body, true).unwrap().code.is_some());
                }
                _ => {}
            }
            letters.insert(tag);
        }
    }
    let letters: Vec<u8> = letters.into_iter().collect();
    assert_eq!(letters.escape_ascii().to_string(), "ACDEHKNRSTWZcdv");
}

#[test]
fn authentication_requests() {
    let request = |code: u32, rest: &'static [u8]| [&code.to_be_bytes()[..], rest].concat();
    for (body, expected) in [
        (request(0, b""), Challenge::Ok),
        (request(3, b""), Challenge::Cleartext),
        (request(5, b"salt"), Challenge::Md5 { salt: *b"salt" }),
        (request(10, b"A\0BC\0\0"), Challenge::Sasl { mechanisms: vec![b"A", b"BC"] }),
        (request(10, b"\0"), Challenge::Sasl { mechanisms: vec![] }),
        (request(11, b"x"), Challenge::SaslContinue(b"x")),
        (request(12, b""), Challenge::SaslFinal(b"")),
        (request(7, b""), Challenge::Other { code: 7 }),
        (request(8, b"any"), Challenge::Other { code: 8 }),
    ] {
        assert_eq!(parse(b'R', &body), Ok(BackendMessage::Authentication(expected)));
    }
    for body in [
        &b""[..],
        b"\0\0\0",
        b"\0\0\0\0x",
        b"\0\0\0\x03x",
        b"\0\0\0\x05sal",
        b"\0\0\0\x05salty",
        b"\0\0\0\x0a",
        b"\0\0\0\x0aA",
        b"\0\0\0\x0aA\0",
        b"\0\0\0\x0a\0x",
    ] {
        assert!(parse(b'R', body).is_err(), "{}", body.escape_ascii());
    }
}

#[test]
fn keys() {
    for length in [4, 32, 256] {
        let body = [&7u32.to_be_bytes()[..], &vec![1; length]].concat();
        let key = BackendKey { process_id: 7, secret: vec![1; length] };
        assert!(!format!("{key:?}").contains('1'), "{key:?}");
        assert_eq!(parse(b'K', &body), Ok(BackendMessage::BackendKeyData(key)));
    }
    for length in [0, 3, 257] {
        assert!(parse(b'K', &[&7u32.to_be_bytes()[..], &vec![1; length]].concat()).is_err());
    }
}

#[test]
fn row_values() {
    let values = |body: &'static [u8]| match parse(b'D', body) {
        Ok(BackendMessage::DataRow(row)) => row.values().collect::<Result<Vec<_>, _>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        values(b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0"),
        Ok(vec![Some(&b"ab"[..]), None, Some(b"")])
    );
    assert_eq!(values(b"\0\0"), Ok(vec![]));
    for body in [
        &b"\0\x01"[..],
        b"\0\x01\0\0\0",
        b"\0\x01\0\0\0\x02a",
        b"\0\x01\x7f\xff\xff\xff",
        b"\0\x01\xff\xff\xff\xfe",
        b"\0\x01\0\0\0\x01ab",
        b"\0\0x",
    ] {
        assert!(values(body).is_err(), "{}", body.escape_ascii());
    }
}

/// An iterator over a row ends behind its first error.
#[test]
fn a_broken_row_ends() {
    let Ok(BackendMessage::DataRow(row)) = parse(b'D', b"\xff\xff\0\0\0\x09a") else { panic!() };
    assert_eq!((row.len(), row.is_empty(), row.values().count()), (65_535, false, 1));
}

#[test]
fn small_messages() {
    assert_eq!(parse(b'Z', b"T"), Ok(BackendMessage::ReadyForQuery(TransactionStatus::InTransaction)));
    assert_eq!(parse(b'Z', b"E"), Ok(BackendMessage::ReadyForQuery(TransactionStatus::Failed)));
    assert_eq!(parse(b'W', b"\0\0\x01\0\0"), Ok(BackendMessage::CopyBothResponse));
    for (tag, body) in [
        (b'Z', &b""[..]),
        (b'Z', b"II"),
        (b'W', b"\x02\0\0"),
        (b'W', b"\0\0\x01"),
        (b'W', b"\0\0\0x"),
        (b'c', b"x"),
        (b'I', b"x"),
        (b'C', b"a\0b"),
        (b'S', b"a\0b\0c"),
        (b'S', b"a\0"),
        (b'v', b"\0\x03\0\0\0\0\0\x01"),
        (b'v', b"\0\x03\0\0\xff\xff\xff\xffa\0"),
    ] {
        assert!(matches!(parse(tag, body), Err(ProtocolError::Malformed { .. })), "{}", body.escape_ascii());
    }
}

proptest! {
    /// No body panics, in whatever message.
    #[test]
    fn arbitrary_bodies(tag in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        match parse(tag, &body) {
            Ok(BackendMessage::RowDescription(description)) => drop(description.names()),
            Ok(BackendMessage::DataRow(row)) => assert!(row.values().count() <= row.len() + 1),
            Ok(BackendMessage::ErrorResponse(body)) => drop(ServerError::parse(body, true)),
            _ => {}
        }
    }
}
