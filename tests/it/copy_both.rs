//! The life of a stream: data, status updates, and every way it ends.

use std::time::Duration;

use pgsluice::lsn::Lsn;
use pgsluice::postgres::client::{Mode, Stopped, StreamEvent};
use pgsluice::postgres::error::{ClientError, ErrorClass};
use pgsluice::time::UnixMicros;

use super::support::scripted::{
    Scripted, Status, complete, copy_both, copy_data, copy_done, error, keepalive, message, parameter, ready,
    report, xlog,
};
use super::{run, session, stream};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn events() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let sent = [
            xlog(0x20, b"BEGIN 7"),
            keepalive(0x30, true),
            report(b'N', "WARNING", "55000", "waiting"),
            parameter("TimeZone", "Asia/Tokyo"),
            message(b'A', b"\0\0\0\x01c\0p\0"),
            complete("COPY 0"),
        ];
        let length: usize = sent.iter().map(Vec::len).sum();
        server.send(&sent.concat()).await;
        while stream.buffered().len() < length {
            stream.fill().await.unwrap();
        }
        let mut seen = Vec::new();
        while let Some((event, length)) = StreamEvent::next(stream.buffered(), stream.limits()).unwrap() {
            seen.push(match event {
                StreamEvent::XLogData(data) => {
                    assert_eq!(data.sent_at.to_postgres(), 5_000_000);
                    format!("{} {} {}", data.wal_start, data.wal_end, data.payload.escape_ascii())
                }
                StreamEvent::Keepalive(keepalive) => {
                    format!("{} {}", keepalive.wal_end, keepalive.reply_requested)
                }
                StreamEvent::Notice(notice) => notice.to_string(),
                StreamEvent::ParameterStatus { name, value } => format!("{name} {value}"),
                StreamEvent::Notification => "notification".to_owned(),
                StreamEvent::Ended => "ended".to_owned(),
            });
            stream.consume(length);
        }
        let expected = [
            "0/20 0/20 BEGIN 7",
            "0/30 true",
            "WARNING 55000: waiting",
            "TimeZone Asia/Tokyo",
            "notification",
            "ended",
        ];
        assert_eq!(seen, expected);
        drop(server);
        assert!(matches!(stream.fill().await, Err(ClientError::Closed { when: "while streaming" })));
    });
}

#[test]
fn status_updates_never_go_back() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let now = UnixMicros(1);
        stream.send_status(Lsn(9), Lsn(7), Lsn(7), now, false).await.unwrap();
        stream.send_status(Lsn(9), Lsn(3), Lsn(3), now, true).await.unwrap();
        assert_eq!(server.expect_status().await, Status { write: 9, flush: 7, apply: 7, reply: false });
        assert_eq!(server.expect_status().await, Status { write: 9, flush: 7, apply: 3, reply: true });
        assert_eq!(stream.flushed(), Lsn(7));
    });
}

/// A status update whose future is dropped while the socket is full is sent whole by the next one.
#[test]
fn a_cancelled_status_update_is_late_and_whole() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let now = UnixMicros(1);
        let mut sent = 0u64;
        // The pipe holds 64 KiB; nobody reads at the other end.
        loop {
            let update = stream.send_status(Lsn(sent), Lsn(sent), Lsn(sent), now, false);
            match tokio::time::timeout(Duration::from_millis(20), update).await {
                Ok(update) => update.unwrap(),
                Err(_) => break,
            }
            sent += 1;
        }
        assert!(sent > 1000);
        let last =
            async { stream.send_status(Lsn(sent + 1), Lsn(sent + 1), Lsn(0), now, false).await.unwrap() };
        let read = async {
            for n in 0..=sent + 1 {
                assert_eq!(server.expect_status().await.write, n);
            }
        };
        tokio::join!(last, read);
    });
}

#[test]
fn clean_stop() {
    run(async {
        let (stream, mut server) = stream().await;
        let script = async {
            server.expect(b'c').await;
            // The rest of a transaction, and keepalives behind the server's own CopyDone.
            server
                .send(&[xlog(5, b"x"), keepalive(6, true), copy_done(), keepalive(7, false)].concat())
                .await;
            server.send(&[complete("COPY 0"), complete("START_REPLICATION"), ready()].concat()).await;
            server.expect_terminate().await;
        };
        let (stopped, ()) = tokio::join!(stream.stop(10 * SECOND), script);
        assert_eq!(stopped.unwrap(), Stopped::Clean);
    });
}

/// The orderly end without anything in between.
#[test]
fn clean_stop_of_an_idle_stream() {
    run(async {
        let (stream, mut server) = stream().await;
        let script = async {
            server.expect(b'c').await;
            server.finish_stream().await;
            server.expect_terminate().await;
        };
        let (stopped, ()) = tokio::join!(stream.stop(10 * SECOND), script);
        assert_eq!(stopped.unwrap(), Stopped::Clean);
    });
}

/// Servers from 10 to 12 name the second command otherwise.
#[test]
fn clean_stop_of_an_old_server_with_bytes_left_in_the_buffer() {
    run(async {
        let (mut stream, mut server) = stream().await;
        let data = xlog(5, b"not consumed");
        server.send(&data[..10]).await;
        stream.fill().await.unwrap();
        let script = async {
            server.send(&data[10..]).await;
            server.expect(b'c').await;
            server.send(&[copy_done(), complete("COPY 0"), complete("SELECT"), ready()].concat()).await;
            server.expect_terminate().await;
        };
        let (stopped, ()) = tokio::join!(stream.stop(10 * SECOND), script);
        assert_eq!(stopped.unwrap(), Stopped::Clean);
    });
}

/// In the middle of a transaction the server goes on sending; the deadline ends that.
#[test]
fn stop_is_bounded() {
    run(async {
        let (stream, mut server) = stream().await;
        let script = async {
            server.expect(b'c').await;
            for n in 0..5 {
                server.send_or_lose(&xlog(n, b"more")).await;
            }
            server.expect_terminate().await;
        };
        let (stopped, ()) = tokio::join!(stream.stop(Duration::from_millis(50)), script);
        assert_eq!(stopped.unwrap(), Stopped::Deadline);
    });
}

#[test]
fn stop_while_the_server_shuts_down() {
    run(async {
        let (stream, mut server) = stream().await;
        let script = async {
            server.expect(b'c').await;
            server.send(&complete("COPY 0")).await;
            drop(server);
        };
        let (stopped, ()) = tokio::join!(stream.stop(10 * SECOND), script);
        assert_eq!(stopped.unwrap(), Stopped::Closed);
    });
}

/// Every other end of a stop is an error that says so.
#[test]
fn stops_that_fail() {
    run(async {
        let messages: [(Vec<u8>, ErrorClass); 7] = [
            (Vec::new(), ErrorClass::Retry),
            (copy_done(), ErrorClass::Retry),
            (error("FATAL", "57P01", "terminated"), ErrorClass::ServerShutdown),
            ([error("ERROR", "57014", "cancelled"), ready()].concat(), ErrorClass::Retry),
            (ready(), ErrorClass::Fatal),
            ([copy_done(), copy_done()].concat(), ErrorClass::Fatal),
            ([copy_done(), complete("a"), complete("b"), complete("c")].concat(), ErrorClass::Fatal),
        ];
        for (bytes, class) in messages {
            let (stream, mut server) = stream().await;
            let script = async {
                server.expect(b'c').await;
                server.send(&bytes).await;
                drop(server);
            };
            let (stopped, ()) = tokio::join!(stream.stop(10 * SECOND), script);
            let error = stopped.expect_err("the stop failed");
            assert_eq!(error.classify(), class, "{}: {error}", bytes.escape_ascii());
        }
    });
}

/// An error that is not FATAL: the server says so and is ready for queries; the stream is over either way.
#[test]
fn errors_while_streaming() {
    run(async {
        for (severity, code, class) in [
            ("ERROR", "40001", ErrorClass::Retry),
            ("ERROR", "57014", ErrorClass::Retry),
            ("FATAL", "57P01", ErrorClass::ServerShutdown),
        ] {
            let (mut stream, mut server) = stream().await;
            server.send(&[xlog(1, b"BEGIN 1"), error(severity, code, "over"), ready()].concat()).await;
            while stream.frames().count() < 3 {
                stream.fill().await.unwrap();
            }
            let (event, length) = StreamEvent::next(stream.buffered(), stream.limits()).unwrap().unwrap();
            assert!(matches!(event, StreamEvent::XLogData(_)));
            stream.consume(length);
            let error = StreamEvent::next(stream.buffered(), stream.limits()).unwrap_err();
            assert_eq!(error.classify(), class);
            assert_eq!(error.sqlstate().unwrap().to_string(), code);
        }
    });
}

#[test]
fn frames_that_no_stream_has() {
    run(async {
        let keepalive_with = |flag: u8| {
            let mut bytes = keepalive(1, false);
            *bytes.last_mut().unwrap() = flag;
            bytes
        };
        for bytes in [
            ready(),
            copy_both(),
            message(b'D', b"\0\0"),
            message(b'R', b"\0\0\0\0"),
            copy_data(b""),
            copy_data(b"w"),
            copy_data(&[b'w'; 24]),
            copy_data(b"h12345678"),
            copy_data(&[b'k'; 17]),
            copy_data(&[b'k'; 19]),
            keepalive_with(2),
            message(b'E', b"C"),
            message(b'S', b"name\0value"),
        ] {
            let (mut stream, mut server) = stream().await;
            server.send(&bytes).await;
            stream.fill().await.unwrap();
            let next = StreamEvent::next(stream.buffered(), stream.limits());
            assert!(matches!(next, Err(ClientError::Protocol(_))), "{} {next:?}", bytes.escape_ascii());
        }
    });
}

#[test]
fn refused_starts() {
    run(async {
        let message_of_18 = "can no longer access replication slot \"s\"";
        for (answer, class) in [
            (
                error("ERROR", "55006", "replication slot \"s\" is active for PID 4242"),
                ErrorClass::SlotInUse { pid: Some(4242) },
            ),
            (error("ERROR", "42704", "replication slot \"s\" does not exist"), ErrorClass::SlotMissing),
            (error("ERROR", "55000", message_of_18), ErrorClass::NotInState),
            // PostgreSQL 10 says first that the stream begins.
            (
                [
                    parameter("a", "b"),
                    report(b'N', "NOTICE", "00000", "n"),
                    error("ERROR", "22023", "option"),
                ]
                .concat(),
                ErrorClass::BadPluginOption,
            ),
            (message(b'T', b"\0\0"), ErrorClass::Fatal),
            (complete("COPY 0"), ErrorClass::Fatal),
        ] {
            let (connection, mut server) = session(Mode::Replication).await;
            let script = async {
                let query = server.expect_query().await;
                assert_eq!(query, "START_REPLICATION SLOT \"s\" LOGICAL 0/0");
                server.send(&answer).await;
            };
            let (stream, ()) = tokio::join!(connection.start_replication("s", Lsn(0), &[]), script);
            assert_eq!(stream.expect_err("refused").classify(), class);
        }
        let (connection, server) = session(Mode::Replication).await;
        let eof = async |mut server: Scripted| {
            server.expect_query().await;
        };
        let (stream, ()) = tokio::join!(connection.start_replication("s", Lsn(0), &[]), eof(server));
        assert!(matches!(stream.err(), Some(ClientError::Closed { when: "before the stream began" })));
    });
}
