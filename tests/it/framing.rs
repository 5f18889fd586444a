//! Junk and hostile lengths: refused at the header, before memory is taken for them.

use pgsluice::postgres::client::{Mode, StreamEvent};
use pgsluice::postgres::error::{ClientError, ErrorClass};
use pgsluice::postgres::protocol::frame::DEFAULT_STREAM_LIMIT;
use pgsluice::postgres::protocol::frame::Limits;
use pgsluice::postgres::transport::framed::{Framed, ReceiveError};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::test_runner::TestCaseResult;
use tokio::io::AsyncWriteExt as _;

use super::support::scripted::{Scripted, auth_ok, keepalive, message, xlog};
use super::{log_in, options, run, session, stream};

#[test]
fn junk_instead_of_a_server() {
    run(async {
        for junk in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"\0\0\0\0\0\0\0\0",
            b"R\0\0\0\x03",
            b"R\xff\xff\xff\xff",
            b"R\x80\0\0\0",
            b"R\0\0\0\x04",
            b"Z\0\0\0\x05I",
            b"d\0\0\0\x05x",
        ] {
            let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
                server.startup().await;
                server.send(junk).await;
            })
            .await;
            let error = connection.expect_err("refused");
            assert!(
                matches!(error, ClientError::Protocol(_) | ClientError::FrameTooLarge { .. }),
                "{}: {error}",
                junk.escape_ascii()
            );
            assert!(!error.classify().is_transient());
        }
    });
}

/// Before login every type has a small limit; the body is not waited for, and nothing is reserved.
#[test]
fn huge_lengths_before_login() {
    run(async {
        for tag in [b'R', b'v', b'N', b'S', b'K', b'Z'] {
            let mut bytes = vec![tag];
            bytes.extend(0x7FFF_FFFFi32.to_be_bytes());
            if matches!(tag, b'S' | b'K' | b'Z') {
                bytes = [auth_ok(), bytes].concat();
            }
            let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
                server.startup().await;
                server.send(&bytes).await;
            })
            .await;
            let error = connection.expect_err("refused");
            let refused =
                matches!(error, ClientError::FrameTooLarge { tag: t, len: 0x7FFF_FFFF, .. } if t == tag);
            assert!(refused, "{} {error}", char::from(tag));
            assert_eq!(error.classify(), ErrorClass::MessageTooLarge);
        }
    });
}

#[test]
fn a_declared_length_reserves_nothing() {
    run(async {
        let (client, mut server) = tokio::io::duplex(4096);
        let mut framed = Framed::new(client);
        let limits = Limits::streaming(DEFAULT_STREAM_LIMIT);
        framed.resize(64 << 10, DEFAULT_STREAM_LIMIT);
        let mut bytes = vec![b'd'];
        bytes.extend(0x4000_0000i32.to_be_bytes());
        bytes.extend([b'x'; 1000]);
        server.write_all(&bytes).await.unwrap();
        let wait = tokio::time::timeout(std::time::Duration::from_millis(20), framed.read_frame(&limits));
        assert!(wait.await.is_err(), "it waits for the rest");
        assert!(framed.read_capacity() <= 64 << 10);
        drop(server);
        assert!(matches!(framed.read_frame(&limits).await, Err(ReceiveError::Closed)));
    });
}

#[test]
fn huge_lengths_after_login() {
    run(async {
        for tag in [b'D', b'T', b'E', b'N', b'S', b'A', b'C', b'Z', b'I'] {
            let (mut connection, mut server) = session(Mode::Sql).await;
            let script = async {
                server.expect_query().await;
                let mut bytes = vec![tag];
                bytes.extend(0x7FFF_FFFFi32.to_be_bytes());
                server.send(&bytes).await;
            };
            let (result, ()) = tokio::join!(connection.query("SELECT 1"), script);
            let refused = matches!(&result, Err(ClientError::FrameTooLarge { tag: t, .. }) if *t == tag);
            assert!(refused, "{} {result:?}", char::from(tag));
            assert!(connection.read_capacity() <= 32 << 10);
        }
    });
}

#[test]
fn huge_lengths_in_a_stream() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let mut bytes = vec![b'd'];
        bytes.extend(i32::try_from(DEFAULT_STREAM_LIMIT + 1).unwrap().to_be_bytes());
        server.send(&bytes).await;
        stream.fill().await.unwrap();
        let next = StreamEvent::next(stream.buffered(), stream.limits());
        assert!(matches!(next, Err(ClientError::FrameTooLarge { tag: b'd', .. })));
        assert!(stream.read_capacity() <= 1280 << 10);
    });
}

/// A frame larger than the buffer arrives whole, and the memory is given back behind it.
#[test]
fn a_large_frame_grows_the_buffer_and_shrinks_it_again() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let before = stream.read_capacity();
        let payload = vec![b'x'; 9 << 20];
        let script = async {
            server.send(&xlog(5, &payload)).await;
            server.send(&keepalive(6, false)).await;
        };
        let client = async {
            let (event, length) = loop {
                match StreamEvent::next(stream.buffered(), stream.limits()).unwrap() {
                    Some((StreamEvent::XLogData(data), length)) => break (data.payload.len(), length),
                    Some(other) => panic!("{other:?}"),
                    None => drop(stream.fill().await.unwrap()),
                }
            };
            assert_eq!(event, payload.len());
            assert!(stream.read_capacity() > payload.len());
            assert!(stream.read_capacity() < 4 * payload.len(), "{}", stream.read_capacity());
            stream.consume(length);
            assert!(stream.read_capacity() <= before.max(1280 << 10), "{}", stream.read_capacity());
            while stream.frames().next().is_none() {
                stream.fill().await.unwrap();
            }
            let (event, _) = StreamEvent::next(stream.buffered(), stream.limits()).unwrap().unwrap();
            assert!(matches!(event, StreamEvent::Keepalive(k) if k.wal_end.0 == 6));
        };
        tokio::join!(client, script);
    });
}

#[test]
fn frames_can_be_walked_before_they_are_consumed() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let whole = [xlog(1, b"BEGIN 1"), keepalive(2, true), xlog(3, b"COMMIT 1")].concat();
        server.send(&[&whole[..], &xlog(4, b"BEGIN 2")[..20]].concat()).await;
        while stream.buffered().len() < whole.len() + 20 {
            stream.fill().await.unwrap();
        }
        let mut frames = stream.frames();
        let bodies: Vec<usize> = frames.by_ref().map(|frame| frame.unwrap().body.len()).collect();
        assert_eq!(bodies, [25 + 7, 18, 25 + 8]);
        assert_eq!(frames.position(), whole.len());
        assert_eq!(frames.missing(), Some(5 + 25 + 7 - 20));
        assert_eq!(stream.buffered().len(), whole.len() + 20, "nothing was consumed");
        assert_eq!(stream.fill_now().await.unwrap(), None);
        let ahead = stream.frames().nth(2).unwrap().unwrap();
        let StreamEvent::XLogData(commit) = StreamEvent::from_frame(&ahead).unwrap() else { panic!() };
        assert_eq!((commit.payload, commit.wal_start.0), (&b"COMMIT 1"[..], 3));
        let end = ahead.end();
        stream.consume(end);
        assert_eq!(stream.buffered().len(), 20);
        server.send(&xlog(4, b"BEGIN 2")[20..]).await;
        assert_eq!(stream.fill_now().await.unwrap(), Some(17));
        assert_eq!(stream.frames().count(), 1);
    });
}

/// A future that is dropped while it waits loses nothing.
#[test]
fn cancelled_reads_lose_nothing() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let whole = xlog(7, b"table public.t: INSERT: id[integer]:1");
        for byte in &whole {
            tokio::select! {
                biased;
                read = stream.fill() => panic!("nothing was sent: {read:?}"),
                () = tokio::task::yield_now() => {}
            }
            server.send(&[*byte]).await;
            assert_eq!(stream.fill().await.unwrap(), 1);
        }
        assert_eq!(stream.buffered(), whole);
    });
}

fn any_chunking(sizes: &[usize], capacity: usize) -> TestCaseResult {
    let bytes = include_bytes!("../data/wire/replication-session.backend.bin");
    let at = bytes.windows(8).position(|w| w == b"W\0\0\0\x07\0\0\0").unwrap() + 8;
    let copy = &bytes[at..];
    let limits = Limits::streaming(DEFAULT_STREAM_LIMIT);
    let walk = |buf: &[u8]| -> Vec<(u8, Vec<u8>)> {
        let frames = pgsluice::postgres::protocol::frame::Frames::new(buf, limits);
        frames.map_while(Result::ok).map(|frame| (frame.header.tag, frame.body.to_vec())).collect()
    };
    // The messages behind the stream, up to the end of the session, may come in a stream too.
    let expected = walk(copy);
    let length = expected.iter().map(|(_, body)| body.len() + 5).sum::<usize>();
    let tags: Vec<u8> = expected.iter().map(|(tag, _)| *tag).collect();
    proptest::prop_assert_eq!(tags.escape_ascii().to_string(), "ddddddddddcCCZCZ");
    let got = run(async {
        let (client, mut server) = tokio::io::duplex(capacity);
        let mut framed = Framed::new(client);
        let send = async {
            let mut rest = &copy[..length];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, behind) = rest.split_at(rest.len().min(*size));
                server.write_all(chunk).await.unwrap();
                rest = behind;
                tokio::task::yield_now().await;
            }
            drop(server);
        };
        let read = async {
            let mut got = Vec::new();
            while let Ok(header) = framed.read_frame(&limits).await {
                got.push((header.tag, framed.frame(header).unwrap().body.to_vec()));
                framed.consume(header.total());
            }
            got
        };
        tokio::join!(read, send).0
    });
    proptest::prop_assert_eq!(got, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a captured stream is cut, the same frames come out.
    #[test]
    fn chunking_changes_nothing(sizes in prop::collection::vec(1usize..200, 1..20), capacity in 1usize..300) {
        any_chunking(&sizes, capacity)?;
    }

    /// A login from arbitrary bytes ends in an error or a session.
    #[test]
    fn arbitrary_logins_end(bytes in prop::collection::vec(any::<u8>(), 0..600), polite in any::<bool>()) {
        run(async {
            let greeting = if polite { auth_ok() } else { Vec::new() };
            let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
                server.startup().await;
                server.send_or_lose(&[greeting, bytes.clone(), message(b'?', b"")].concat()).await;
            })
            .await;
            drop(connection);
        });
    }
}
