//! The client and the pipeline against a scripted peer: no server, no socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod acknowledgement;
mod auth;
mod back_pressure;
#[path = "../support/certificates.rs"]
mod certificates;
mod copy_both;
mod credentials;
mod framing;
mod handshake;
#[path = "../support/history/mod.rs"]
mod history;
mod history_checker;
mod hostile_server;
mod hostile_stream;
mod keepalives;
mod layering;
mod look_ahead;
mod random_streams;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod waiting;

use std::time::Duration;

use pgsluice::postgres::client::{ConnectOptions, Connection, Mode, ReplicationStream, connect_with};
use pgsluice::postgres::error::ClientError;
use pgsluice::postgres::transport::dial::Dialed;
use pgsluice::secret::Secret;
use support::scripted::{Scripted, pair};
use tokio::io::DuplexStream;

/// Runs a test's future on a runtime of its own, and fails it when it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test hangs")
    })
}

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::new("unused", "ada", "shop");
    options.password = Some(Secret::new("correct horse".to_owned()));
    options.connect_timeout = Duration::from_secs(10);
    options
}

/// Logs in over a pipe while `script` plays the server. Returns both outcomes and the server's end.
async fn log_in<T>(
    options: &ConnectOptions,
    mode: Mode,
    script: impl AsyncFnOnce(&mut Scripted) -> T,
) -> (Result<Connection<DuplexStream>, ClientError>, T, Scripted) {
    let (client, mut server) = pair(64 << 10);
    let pipe = std::cell::Cell::new(Some(client));
    let dial = async || {
        let stream = pipe.take().expect("one connection is enough");
        Ok(Dialed { stream, round_trip: None })
    };
    let (connection, told) = tokio::join!(connect_with(dial, options, mode), script(&mut server));
    (connection, told, server)
}

/// A session of a PostgreSQL 15 that asked for no password.
async fn session(mode: Mode) -> (Connection<DuplexStream>, Scripted) {
    let (connection, _, server) = log_in(&options(), mode, async |server: &mut Scripted| {
        server.trust_login("15.20 (Debian 15.20-0+deb12u1)").await
    })
    .await;
    (connection.expect("a login"), server)
}

/// A running stream.
async fn stream() -> (ReplicationStream<DuplexStream>, Scripted) {
    let (connection, mut server) = session(Mode::Replication).await;
    let options = [("include-xids", "1"), ("include-timestamp", "1")];
    let (stream, query) = tokio::join!(
        connection.start_replication("s", pgsluice::lsn::Lsn(0x10), &options),
        server.start_stream()
    );
    let expected =
        "START_REPLICATION SLOT \"s\" LOGICAL 0/10 (\"include-xids\" '1', \"include-timestamp\" '1')";
    assert_eq!(query, expected);
    (stream.expect("a stream"), server)
}
