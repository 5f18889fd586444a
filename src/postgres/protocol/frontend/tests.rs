use bytes::BytesMut;

use super::{
    EncodeError, cancel_request, copy_done, password, query, sasl_initial, sasl_response, startup,
    status_update, terminate,
};
use crate::lsn::Lsn;
use crate::postgres::protocol::replication::StandbyStatusUpdate;
use crate::postgres::protocol::walsender;
use crate::time::UnixMicros;

const REPLICATION: &[u8] = include_bytes!("../../../../tests/data/wire/replication-session.frontend.bin");

/// What a client sent in a captured session, said again.
#[test]
fn same_bytes_as_captured() {
    let mut buf = BytesMut::new();
    let parameters = [
        ("user", "postgres"),
        ("database", "postgres"),
        ("application_name", "wirecap"),
        ("client_encoding", "UTF8"),
        ("replication", "database"),
        ("options", "-c search_path= -c datestyle=ISO -c timezone=UTC"),
    ];
    startup(&parameters, &mut buf).unwrap();
    query(walsender::IDENTIFY_SYSTEM, &mut buf).unwrap();
    assert_eq!(&buf[..], &REPLICATION[..buf.len()]);

    let at = REPLICATION.windows(7).position(|w| w == b"d\0\0\0\x26r\0").expect("a status update");
    let position = u64::from_be_bytes(REPLICATION[at + 6..at + 14].try_into().unwrap());
    assert_eq!(Lsn(position).to_string(), "0/6556ECE0");
    let sent_at = i64::from_be_bytes(REPLICATION[at + 30..at + 38].try_into().unwrap());
    let update = StandbyStatusUpdate {
        write: Lsn(position),
        flush: Lsn(position),
        apply: Lsn(position),
        sent_at: UnixMicros::from_postgres(sent_at),
        reply_requested: true,
    };
    let mut buf = BytesMut::new();
    status_update(&update, &mut buf);
    copy_done(&mut buf);
    assert_eq!(&buf[..], &REPLICATION[at..at + 44]);

    let mut buf = BytesMut::new();
    terminate(&mut buf);
    assert_eq!(&buf[..], &REPLICATION[REPLICATION.len() - 5..]);
}

#[test]
fn passwords() {
    let captured = include_bytes!("../../../../tests/data/wire/auth-md5.frontend.bin");
    let frame = password(b"md526643cb8716d788ae4f99ce6a8177554").unwrap();
    assert_eq!(frame.as_slice(), &captured[captured.len() - frame.len()..]);
    assert_eq!(frame.capacity(), frame.len(), "built at its full size");
    let zero = EncodeError::ZeroByte { what: "password" };
    assert_eq!(password(b"a\0b"), Err(zero));
}

#[test]
fn sasl() {
    let captured = include_bytes!("../../../../tests/data/wire/auth-scram.frontend.bin");
    let first = sasl_initial("SCRAM-SHA-256", b"n,,n=,r=rOprNGfwEbeRWgbNEkqO").unwrap();
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO+BXWuJioTxWaStbUGPLQrUdx,p=lOLXJhGLJn5p8A/AiJT9ic6csA7LTA9XQHgupLg8kF0=";
    let both = [first.as_slice(), sasl_response(last).unwrap().as_slice(), b"X\0\0\0\x04"].concat();
    assert!(captured.ends_with(&both));
}

#[test]
fn text_with_a_zero_byte_writes_nothing() {
    let mut buf = BytesMut::from(&b"before"[..]);
    assert_eq!(query("SELECT 1\0; DROP", &mut buf), Err(EncodeError::ZeroByte { what: "query" }));
    for parameters in [[("user", "a\0b")], [("us\0er", "a")], [("", "a")]] {
        assert_eq!(startup(&parameters, &mut buf), Err(EncodeError::ZeroByte { what: "startup message" }));
    }
    assert_eq!(&buf[..], b"before");
}

#[test]
fn a_startup_message_that_no_server_takes() {
    let mut buf = BytesMut::new();
    let value = "x".repeat(9_984);
    startup(&[("user", &value)], &mut buf).unwrap();
    assert!(buf.len() <= 10_000);
    let value = "x".repeat(10_000);
    assert_eq!(startup(&[("user", &value)], &mut buf), Err(EncodeError::TooLong { what: "startup message" }));
}

#[test]
fn cancel_requests() {
    let mut buf = BytesMut::new();
    cancel_request(0x4907, &[1, 2, 3, 4], &mut buf).unwrap();
    assert_eq!(&buf[..], b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x49\x07\x01\x02\x03\x04");
    let mut buf = BytesMut::new();
    cancel_request(1, &[7; 256], &mut buf).unwrap();
    assert_eq!((buf.len(), &buf[..4]), (268, &b"\0\0\x01\x0c"[..]));
    assert!(cancel_request(1, &[7; 257], &mut buf).is_err());
    assert_eq!(buf.len(), 268);
}
