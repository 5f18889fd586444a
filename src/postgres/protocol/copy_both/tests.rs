use super::{CopyBoth, CopyEvent};
use crate::postgres::protocol::frame::{Frames, Limits};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = i32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

fn bytes_of(letters: &str) -> Vec<u8> {
    let mut keepalive = vec![b'k'];
    keepalive.extend([0; 17]);
    let letter = |letter| match letter {
        'w' => message(b'd', &[b'w'; 25]),
        'k' => message(b'd', &keepalive),
        'c' => message(b'c', b""),
        'C' => message(b'C', b"COPY 0\0"),
        'Z' => message(b'Z', b"I"),
        'E' => message(b'E', b"VERROR\0\0"),
        'F' => message(b'E', b"VFATAL\0\0"),
        'N' => message(b'N', b"VNOTICE\0\0"),
        'S' => message(b'S', b"a\0b\0"),
        'A' => message(b'A', b""),
        other => panic!("{other}"),
    };
    letters.chars().flat_map(letter).collect()
}

/// How many of the messages were taken, and the machine behind them.
fn follow(letters: &str) -> (usize, CopyBoth) {
    let bytes = bytes_of(letters);
    let mut copy = CopyBoth::default();
    let mut taken = 0;
    for frame in Frames::new(&bytes, Limits::streaming(1000)) {
        if copy.handle(&frame.unwrap()).is_err() {
            break;
        }
        taken += 1;
    }
    (taken, copy)
}

/// Each script, and whether the stream is over behind it and the connection may close there.
#[test]
fn whole_streams() {
    for (letters, over, may_close) in [
        ("", false, false),
        ("kwwNSA", false, false),
        // An end asked for, with late keepalives and with the rest of a transaction.
        ("wwckkCCZ", true, true),
        ("cCCZ", true, true),
        ("cNCSCAZ", true, true),
        ("cCZ", true, true),
        ("c", false, false),
        ("cCC", false, false),
        // A shutdown.
        ("kC", false, true),
        ("kCC", false, true),
        ("kCZ", true, true),
        // Errors.
        ("wE", false, false),
        ("wEZ", true, true),
        ("wENZ", true, true),
        ("wF", false, true),
        ("cE", false, false),
        ("cCEZ", true, true),
    ] {
        let (taken, copy) = follow(letters);
        assert_eq!((taken, copy.is_over(), copy.may_close()), (letters.len(), over, may_close), "{letters}");
    }
}

/// The last message of each script has no place behind the others.
#[test]
fn misplaced_messages() {
    for letters in [
        "Z", "cc", "cZ", "cCk", "cCw", "cCCC", "cCCZk", "cCCZZ", "cCCZN", "Ek", "Ew", "Ec", "EC", "Fk", "FZ",
        "FN", "Ck", "Cc",
    ] {
        let (taken, _) = follow(letters);
        assert_eq!(taken, letters.len() - 1, "{letters}");
    }
}

#[test]
fn captured_stream() {
    let bytes = include_bytes!("../../../../tests/data/wire/replication-session.backend.bin");
    let at = bytes.windows(8).position(|w| w == b"W\0\0\0\x07\0\0\0").unwrap() + 8;
    let mut copy = CopyBoth::new();
    let mut replication = 0;
    for frame in Frames::starting_at(bytes, at, Limits::streaming(1000)) {
        if let CopyEvent::Replication(_) = copy.handle(&frame.unwrap()).unwrap() {
            replication += 1;
        }
        if copy.is_over() {
            break;
        }
    }
    assert!((replication, copy.is_over()) == (10, true));
}
