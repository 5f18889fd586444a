//! From the first byte to `ReadyForQuery`, and the queries behind it.

use std::time::Duration;

use pgsluice::postgres::auth::Method;
use pgsluice::postgres::client::query::DEFAULT_RESULT_LIMIT;
use pgsluice::postgres::client::{ConnectOptions, Mode, connect_with};
use pgsluice::postgres::error::{ClientError, ErrorClass};
use pgsluice::postgres::protocol::walsender::{CreateSlot, SnapshotAction};
use pgsluice::postgres::transport::dial::Dialed;

use super::support::scripted::{
    Scripted, auth_ok, authentication, complete, data_row, error, key, message, one_row, pair, parameter,
    ready, report, row_description,
};
use super::{log_in, options, run, session};

#[test]
fn startup_parameters() {
    run(async {
        let mut options = options();
        options.settings.wal_sender_timeout = Some(Duration::from_secs(30));
        options.settings.user_options = Some("-c statement_timeout=5s".to_owned());
        options.settings.pinned.push(("x.path".to_owned(), "a b\\c".to_owned()));
        options.extra.push(("jit".to_owned(), "off".to_owned()));
        let script = async |server: &mut Scripted| server.trust_login("16.1").await;
        let (connection, sent, _server) = log_in(&options, Mode::Replication, script).await;
        assert_eq!(connection.unwrap().server_version(), Some(160_001));
        let get = |name: &str| sent.get(name).map(String::as_str);
        assert_eq!(get("user"), Some("ada"));
        assert_eq!(get("database"), Some("shop"));
        assert_eq!(get("replication"), Some("database"));
        assert_eq!(get("application_name"), Some("pgsluice"));
        assert_eq!(get("client_encoding"), Some("UTF8"));
        assert_eq!(get("jit"), Some("off"));
        let expected = "-c statement_timeout=5s -c search_path= -c datestyle=ISO -c intervalstyle=postgres \
                        -c timezone=UTC -c bytea_output=hex -c extra_float_digits=3 -c lc_monetary=C \
                        -c quote_all_identifiers=off -c x.path=a\\ b\\\\c -c wal_sender_timeout=30000ms";
        assert_eq!(get("options"), Some(expected));
        assert_eq!(sent.get("password"), None);

        let script = async |server: &mut Scripted| server.trust_login("16.1").await;
        let (_connection, sent, _server) = log_in(&options, Mode::Sql, script).await;
        assert_eq!(sent.get("replication"), None);
        assert!(!sent["options"].contains("wal_sender_timeout"));
    });
}

#[test]
fn reads_the_session() {
    run(async {
        let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
            server.startup().await;
            // A newest version and options that nobody asked for, and a key of protocol 3.2.
            server.send(&message(b'v', b"\0\x03\0\0\0\0\0\x01_pq_.test\0")).await;
            server.send(&report(b'N', "WARNING", "01000", "before")).await;
            server.send(&auth_ok()).await;
            server.send(&key(7, &[9; 32])).await;
            server.send(&parameter("server_version", "18beta1")).await;
            server.send(&report(b'N', "NOTICE", "00000", "after")).await;
            server.send(&parameter("search_path", "a")).await;
            server.send(&parameter("search_path", "b")).await;
            server.send(&ready()).await;
        })
        .await;
        let connection = connection.unwrap();
        assert_eq!(connection.method(), Method::Trust);
        assert_eq!(connection.server_version(), Some(180_000));
        assert_eq!(connection.parameter("search_path"), Some("b"));
        assert_eq!(connection.session().key.as_ref().unwrap().secret, [9; 32]);
        assert!(connection.read_capacity() <= 32 << 10);
    });
}

#[test]
fn keys_out_of_range_are_refused() {
    run(async {
        for length in [0, 3, 257, 1_000] {
            let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
                server.startup().await;
                server.send(&[auth_ok(), key(7, &vec![1; length])].concat()).await;
            })
            .await;
            let error = connection.expect_err("refused");
            let matched = match length {
                0 | 3 => matches!(error, ClientError::Protocol(_)),
                _ => matches!(error, ClientError::FrameTooLarge { tag: b'K', limit: 264, .. }),
            };
            assert!(matched, "{length}: {error}");
        }
    });
}

/// An older major version, and a version message that comes twice or too late.
#[test]
fn version_messages_in_the_wrong_place() {
    run(async {
        let v = message(b'v', b"\0\x03\0\0\0\0\0\0");
        for bytes in [
            message(b'v', b"\0\x02\0\0\0\0\0\0"),
            [v.clone(), v.clone()].concat(),
            [auth_ok(), v.clone()].concat(),
            message(b'v', b"\0\x03\0\0\0\0\0\x02x\0"),
            message(b'v', b"\0\x03\0\0\xff\xff\xff\xff"),
        ] {
            let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
                server.startup().await;
                server.send(&bytes).await;
            })
            .await;
            assert!(matches!(connection.err(), Some(ClientError::Protocol(_))), "{}", bytes.escape_ascii());
        }
    });
}

/// A refusal at every point of the login arrives as the server's words, marked by whether it had let us in.
#[test]
fn errors_at_each_point() {
    run(async {
        let before: [&[Vec<u8>]; 5] = [
            &[],
            &[report(b'N', "NOTICE", "00000", "n")],
            &[auth_ok()],
            &[auth_ok(), parameter("a", "b")],
            &[auth_ok(), parameter("a", "b"), key(1, &[1; 4])],
        ];
        for (point, messages) in before.into_iter().enumerate() {
            let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
                server.startup().await;
                server.send(&messages.concat()).await;
                server.send(&error("FATAL", "3D000", "no \u{1b}[31mshop\n")).await;
            })
            .await;
            let error = connection.expect_err("refused");
            assert_eq!(error.classify(), ErrorClass::LoginRefused);
            let text = error.to_string();
            assert_eq!(
                text.starts_with("unauthenticated server said: FATAL 3D000: no "),
                point < 2,
                "{text}"
            );
            assert!(text.contains("no \\u{1b}[31mshop\\n") && !text.contains('\u{1b}'), "{text}");
        }
    });
}

#[test]
fn eof_at_each_point() {
    run(async {
        let whole = [auth_ok(), parameter("a", "b"), key(1, &[1; 4]), ready()].concat();
        for cut in 0..whole.len() {
            let (client, mut server) = pair(4096);
            let pipe = std::cell::Cell::new(Some(client));
            let options = options();
            let dial = async || Ok(Dialed { stream: pipe.take().unwrap(), round_trip: None });
            let script = async {
                server.startup().await;
                server.send(&whole[..cut]).await;
                drop(server);
            };
            let (connection, ()) = tokio::join!(connect_with(dial, &options, Mode::Sql), script);
            let error = connection.expect_err("refused");
            assert!(matches!(error, ClientError::Closed { when: "during login" }), "{cut}: {error}");
            assert_eq!(error.classify(), ErrorClass::Retry);
        }
    });
}

#[test]
fn a_server_that_says_nothing_runs_into_the_time_out() {
    run(async {
        let mut options = options();
        options.connect_timeout = Duration::from_millis(50);
        let (connection, (), _server) = log_in(&options, Mode::Sql, async |server: &mut Scripted| {
            server.startup().await;
            server.send(&auth_ok()).await;
        })
        .await;
        assert!(matches!(connection.err(), Some(ClientError::Timeout { doing: "logging in", .. })));
    });
}

/// `E`, a line of text, a zero byte: the words of a server that cannot start a process.
#[test]
fn error_without_a_length() {
    run(async {
        let (connection, ..) = log_in(&options(), Mode::Sql, async |server: &mut Scripted| {
            server.startup().await;
            server.send(b"Ecould not fork new process for connection: Cannot allocate memory\n\0").await;
        })
        .await;
        let error = connection.expect_err("refused");
        let text = "unauthenticated server said: FATAL: could not fork new process for connection: Cannot \
                    allocate memory";
        assert_eq!(error.to_string(), text);
        assert_eq!(error.classify(), ErrorClass::Retry);
    });
}

/// Servers before 12 refuse the setting; the second login leaves it out.
#[test]
fn logs_in_again_without_wal_sender_timeout() {
    run(async {
        let mut options = ConnectOptions::new("unused", "ada", "shop");
        options.settings.wal_sender_timeout = Some(Duration::from_secs(30));
        let (first, mut server) = pair(4096);
        let (second, mut server_again) = pair(4096);
        let pipes = std::cell::RefCell::new(vec![second, first]);
        let dial = async || Ok(Dialed { stream: pipes.borrow_mut().pop().unwrap(), round_trip: None });
        let script = async {
            assert!(server.startup().await["options"].contains("wal_sender_timeout"));
            let text = "parameter \"wal_sender_timeout\" cannot be changed now";
            server.send(&[auth_ok(), error("FATAL", "55P02", text)].concat()).await;
            server.expect_eof().await;
            let sent = server_again.trust_login("11.22").await;
            assert!(!sent["options"].contains("wal_sender_timeout") && sent["options"].contains("timezone"));
        };
        let (connection, ()) = tokio::join!(connect_with(dial, &options, Mode::Replication), script);
        let connection = connection.unwrap();
        assert!(connection.without_sender_timeout());
        assert_eq!(connection.server_version(), Some(110_022));
    });
}

#[test]
fn queries() {
    run(async {
        let (mut connection, mut server) = session(Mode::Sql).await;
        let script = async {
            assert_eq!(server.expect_query().await, "SELECT 1; SELECT 2");
            let answer = [
                row_description(&["a", "b"]),
                data_row(&[Some("é"), None]),
                report(b'N', "NOTICE", "00000", "n"),
                data_row(&[Some(""), Some("x")]),
                complete("SELECT 2"),
                parameter("TimeZone", "Asia/Tokyo"),
                message(b'A', b"\0\0\0\x01channel\0payload\0"),
                message(b'I', b""),
                complete("SET"),
                ready(),
            ];
            server.send(&answer.concat()).await;
        };
        let (results, ()) = tokio::join!(connection.query("SELECT 1; SELECT 2"), script);
        let results = results.unwrap();
        assert_eq!(results.len(), 3);
        assert_eq!(results[0].columns, ["a", "b"]);
        assert_eq!(
            results[0].rows,
            [[Some("é".to_owned()), None], [Some(String::new()), Some("x".to_owned())]]
        );
        assert_eq!(
            (results[0].value(1, "b"), results[0].value(0, "b"), results[0].value(9, "b")),
            (Some("x"), None, None)
        );
        assert_eq!((results[1].tag.as_str(), results[2].tag.as_str()), ("", "SET"));
        assert_eq!(connection.parameter("TimeZone"), Some("Asia/Tokyo"));
    });
}

#[test]
fn an_error_leaves_the_connection_usable_and_fatal_does_not() {
    run(async {
        let (mut connection, mut server) = session(Mode::Sql).await;
        let script = async {
            server.expect_query().await;
            server.send(&[error("ERROR", "42P01", "no table"), ready()].concat()).await;
            server.expect_query().await;
            server.send(&one_row(&[("n", Some("1"))], "SELECT 1")).await;
            server.expect_query().await;
            server.send(&error("FATAL", "57P01", "going down")).await;
            drop(server);
        };
        let client = async {
            let error = connection.query("SELECT x").await.unwrap_err();
            assert_eq!(error.sqlstate().unwrap().to_string(), "42P01");
            assert_eq!(connection.query("SELECT 1").await.unwrap()[0].value(0, "n"), Some("1"));
            let error = connection.query("SELECT 1").await.unwrap_err();
            assert_eq!(error.classify(), ErrorClass::ServerShutdown);
            assert!(matches!(connection.query("SELECT 1").await, Err(ClientError::Unusable)));
        };
        tokio::join!(client, script);
    });
}

#[test]
fn answers_that_no_query_has() {
    run(async {
        let columns = row_description(&["a"]);
        for bytes in [
            message(b'W', &[0, 0, 0]),
            message(b'H', &[0, 0, 0]),
            message(b'G', &[0, 0, 0]),
            auth_ok(),
            message(b'1', b""),
            data_row(&[Some("no columns yet")]),
            [columns.clone(), data_row(&[Some("a"), Some("b")])].concat(),
            [columns.clone(), message(b'D', b"\0\x01\0\0\0\x05ab")].concat(),
            [columns.clone(), message(b'D', b"\0\x01\xff\xff\xff\xfe")].concat(),
            [columns.clone(), message(b'D', b"\0\x01\0\0\0\0x")].concat(),
            message(b'T', b"\xff\xffa\0"),
            message(b'Z', b"X"),
            message(b'C', b"no end"),
            message(b'E', b"Mno end"),
        ] {
            let (mut connection, mut server) = session(Mode::Sql).await;
            let script = async {
                server.expect_query().await;
                server.send(&bytes).await;
            };
            let (result, ()) = tokio::join!(connection.query("SELECT 1"), script);
            assert!(matches!(result, Err(ClientError::Protocol(_))), "{} {result:?}", bytes.escape_ascii());
            assert!(matches!(connection.query("SELECT 1").await, Err(ClientError::Unusable)));
        }
    });
}

#[test]
fn results_are_bounded() {
    run(async {
        let (mut connection, mut server) = session(Mode::Sql).await;
        let script = async {
            server.expect_query().await;
            let row = data_row(&[Some(&"x".repeat(100))]);
            server.send(&[row_description(&["a"]), row.repeat(20)].concat()).await;
        };
        let (result, ()) = tokio::join!(connection.query_limited("SELECT 1", 1000), script);
        assert!(matches!(result, Err(ClientError::ResultTooLarge { limit: 1000 })));
        const { assert!(DEFAULT_RESULT_LIMIT > 1000) };

        let (mut connection, mut server) = session(Mode::Sql).await;
        let script = async {
            server.expect_query().await;
            server.send(&[row_description(&["a"]), message(b'D', b"\0\x01\0\0\0\x01\xe9")].concat()).await;
        };
        let (result, ()) = tokio::join!(connection.query("SELECT 1"), script);
        assert!(matches!(result, Err(ClientError::UnexpectedResult { .. })));
    });
}

/// A query whose future is dropped half-way leaves nothing that could be taken for another query's answer.
#[test]
fn an_abandoned_query_spoils_the_connection() {
    run(async {
        let (mut connection, mut server) = session(Mode::Sql).await;
        let query = tokio::time::timeout(Duration::from_millis(20), connection.query("SELECT 1"));
        let (result, _) = tokio::join!(query, server.expect_query());
        assert!(result.is_err());
        server.send(&one_row(&[("n", Some("1"))], "SELECT 1")).await;
        assert!(matches!(connection.query("SELECT 2").await, Err(ClientError::Unusable)));
        connection.close(Duration::from_secs(1)).await;
        server.expect_terminate().await;
    });
}

#[test]
fn replication_commands() {
    run(async {
        let (mut connection, mut server) = session(Mode::Replication).await;
        let slot = CreateSlot {
            name: "s\"x",
            plugin: "test_decoding",
            temporary: true,
            snapshot: SnapshotAction::Nothing,
        };
        let script = async {
            assert_eq!(server.expect_query().await, "IDENTIFY_SYSTEM");
            let identity = [
                ("systemid", Some("7711129774947089316")),
                ("timeline", Some("1")),
                ("xlogpos", Some("0/6556EAE0")),
                ("dbname", Some("shop")),
            ];
            server.send(&one_row(&identity, "IDENTIFY_SYSTEM")).await;
            assert_eq!(server.expect_query().await, "SHOW \"wal_sender_timeout\"");
            server.send(&one_row(&[("wal_sender_timeout", Some("1min"))], "SHOW")).await;
            let expected =
                "CREATE_REPLICATION_SLOT \"s\"\"x\" TEMPORARY LOGICAL \"test_decoding\" (SNAPSHOT 'nothing')";
            assert_eq!(server.expect_query().await, expected);
            let created = [
                ("slot_name", Some("s\"x")),
                ("consistent_point", Some("0/10")),
                ("snapshot_name", None),
                ("output_plugin", Some("test_decoding")),
            ];
            server.send(&one_row(&created, "CREATE_REPLICATION_SLOT")).await;
            assert_eq!(server.expect_query().await, "DROP_REPLICATION_SLOT \"s\"\"x\" WAIT");
            server.send(&[complete("DROP_REPLICATION_SLOT"), ready()].concat()).await;
            assert_eq!(server.expect_query().await, "IDENTIFY_SYSTEM");
            server.send(&one_row(&[("systemid", Some("many"))], "IDENTIFY_SYSTEM")).await;
        };
        let client = async {
            let identity = connection.identify_system().await.unwrap();
            assert_eq!((identity.system_id, identity.timeline), (7_711_129_774_947_089_316, 1));
            assert_eq!(
                (identity.flush_lsn.to_string(), identity.database.as_deref()),
                ("0/6556EAE0".to_owned(), Some("shop"))
            );
            assert_eq!(connection.show("wal_sender_timeout").await.unwrap(), "1min");
            let created = connection.create_slot(&slot).await.unwrap();
            assert_eq!(
                (created.name.as_str(), created.consistent_point.0, created.snapshot),
                ("s\"x", 0x10, None)
            );
            connection.drop_slot("s\"x", true).await.unwrap();
            let error = connection.identify_system().await.unwrap_err();
            assert!(
                matches!(error, ClientError::UnexpectedResult { query: "IDENTIFY_SYSTEM", .. }),
                "{error}"
            );
        };
        tokio::join!(client, script);
    });
}

/// A server that never told its version cannot be asked for a slot in the right words.
#[test]
fn unknown_version() {
    run(async {
        let (connection, (), _server) =
            log_in(&options(), Mode::Replication, async |server: &mut Scripted| {
                server.startup().await;
                server.send(&[authentication(0, b""), ready()].concat()).await;
            })
            .await;
        let slot = CreateSlot { name: "s", plugin: "p", temporary: false, snapshot: SnapshotAction::Nothing };
        let error = connection.unwrap().create_slot(&slot).await.unwrap_err();
        assert!(matches!(error, ClientError::UnexpectedResult { .. }));
    });
}
