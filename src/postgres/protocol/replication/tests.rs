use super::{Keepalive, ReplicationMessage, XLogData};
use crate::lsn::Lsn;
use crate::time::UnixMicros;

#[test]
fn wal_data() {
    let body =
        [b"w", &7u64.to_be_bytes()[..], &8u64.to_be_bytes(), &(-1i64).to_be_bytes(), b"BEGIN 1\n\0"].concat();
    let expected = XLogData {
        wal_start: Lsn(7),
        wal_end: Lsn(8),
        sent_at: UnixMicros::from_postgres(-1),
        payload: b"BEGIN 1\n\0",
    };
    assert_eq!(ReplicationMessage::parse(&body), Ok(ReplicationMessage::XLogData(expected)));
    assert!(ReplicationMessage::parse(&body[..25]).is_ok(), "an empty payload");
    for cut in 0..25 {
        assert!(ReplicationMessage::parse(&body[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn keepalives() {
    for (flag, reply_requested) in [(0, Some(false)), (1, Some(true)), (2, None), (255, None)] {
        let body = [b"k", &7u64.to_be_bytes()[..], &5i64.to_be_bytes(), &[flag]].concat();
        let expected = reply_requested.map(|reply_requested| {
            let sent_at = UnixMicros::from_postgres(5);
            ReplicationMessage::Keepalive(Keepalive { wal_end: Lsn(7), sent_at, reply_requested })
        });
        assert_eq!(ReplicationMessage::parse(&body).ok(), expected);
        for cut in 0..body.len() {
            assert!(ReplicationMessage::parse(&body[..cut]).is_err(), "{cut}");
        }
        assert!(ReplicationMessage::parse(&[&body[..], b"x"].concat()).is_err());
    }
}

#[test]
fn other_messages() {
    for first in (0..=u8::MAX).filter(|first| !b"wk".contains(first)) {
        assert!(ReplicationMessage::parse(&[first; 34]).is_err());
    }
}
