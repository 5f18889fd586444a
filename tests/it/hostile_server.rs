//! Servers that are none, or not ours: each trick against each way to log in.
//!
//! Whatever a server does, no secret leaves that the rules do not let go, the login ends in time with one error of
//! one line, and the client has not taken more than a little of what it was sent.

mod clients;
mod tricks;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pgsluice::error::chain;
use pgsluice::postgres::client::{ConnectOptions, Mode, connect_over};
use pgsluice::postgres::transport::dial::Dialed;

use crate::run;
use clients::Client;
use tricks::{TlsAnswer, Told, Trick};

/// More than the client may take of what it is sent: its buffer, the longest message of a login, and the pipes.
const TAKEN_LIMIT: usize = 1 << 20;
/// The longest text of an error: a field of a report is cut at 4 KiB.
const ERROR_LIMIT: usize = 24 << 10;
/// On top of its own time-out, on a machine with much else to do.
const SLACK: Duration = Duration::from_secs(10);

/// Has clients log in to a server that plays the trick.
fn play(clients: &[Client], answer: &TlsAnswer, trick: &Trick) {
    for client in clients {
        let what = format!("{}, {answer:?}, {}", client.name, trick.name);
        let mut options = client.options();
        if trick.lasts || answer.lasts() {
            options.connect_timeout = Duration::from_millis(250);
        }
        let started = Instant::now();
        let (outcome, told) = run(log_in(&options, answer, trick, client.certificate));
        assert!(started.elapsed() < options.connect_timeout + SLACK, "{what}: {:?}", started.elapsed());
        match outcome {
            Ok(()) => assert!(trick.is_a_login && client.takes_trust(), "{what}: let in"),
            Err(text) => {
                assert!(text.len() < ERROR_LIMIT && !text.contains(['\n', '\r', '\u{1b}']), "{what}: {text}");
                assert!(!clients::is_given_away_by(text.as_bytes()), "{what}: {text}");
            }
        }
        for told in &told {
            judge(client, trick, told, &what);
        }
    }
}

/// What the server has seen of this client on one connection.
fn judge(client: &Client, trick: &Trick, told: &Told, what: &str) {
    assert!(!clients::is_given_away_by(&told.in_the_clear), "{what}: the secret left outside of TLS");
    assert!(told.taken < TAKEN_LIMIT, "{what}: {} bytes were taken", told.taken);
    let bytes = &told.of_the_login;
    if clients::is_given_away_by(bytes) {
        let method = trick.asks.unwrap_or("nothing");
        assert!(client.may_send(method, told.is_encrypted), "{what}: the secret left by {method}");
    }
}

/// The outcome as one text, with all that `Debug` shows of it, and what the server was told on each connection.
#[expect(clippy::disallowed_methods, reason = "the server's end is awaited here")]
async fn log_in(
    options: &ConnectOptions,
    answer: &TlsAnswer,
    trick: &Trick,
    certificate: &'static str,
) -> (Result<(), String>, Vec<Told>) {
    let servers = Mutex::new(Vec::new());
    let dial = async || {
        let (stream, server) = tokio::io::duplex(64 << 10);
        let told = Arc::new(Mutex::new(Told::default()));
        let script = tricks::play(server, answer.clone(), trick.clone(), certificate, Arc::clone(&told));
        servers.lock().unwrap().push((tokio::spawn(script), told));
        Ok(Dialed { stream, round_trip: None })
    };
    let outcome = connect_over(&dial, options, Mode::Replication).await;
    let outcome = outcome.map(drop).map_err(|error| format!("{} {error:?}", chain(&error)));
    let mut all = Vec::new();
    for (server, told) in servers.into_inner().unwrap() {
        // It ends by itself once the client has gone.
        server.await.unwrap();
        all.push(std::mem::take(&mut *told.lock().unwrap()));
    }
    (outcome, all)
}

#[test]
fn answers_to_the_request_for_tls() {
    for answer in TlsAnswer::all() {
        play(&clients::all(), &answer, &tricks::cleartext());
    }
}

#[test]
fn requests_to_authenticate() {
    for trick in tricks::requests() {
        play(&clients::all(), &TlsAnswer::Yes, &trick);
    }
}

#[test]
fn scram_that_is_none() {
    for trick in tricks::scram() {
        play(&clients::all(), &TlsAnswer::Yes, &trick);
    }
}

#[test]
fn frames_that_are_none() {
    // What is read does not depend on who reads it.
    for trick in tricks::frames() {
        play(&clients::few(), &TlsAnswer::Yes, &trick);
    }
}

#[test]
fn floods_and_silence() {
    for trick in tricks::lasting() {
        play(&clients::few(), &TlsAnswer::Yes, &trick);
    }
}
