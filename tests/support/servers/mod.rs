//! Real servers for tests and the demo: PostgreSQL 12–18 and an Apache Kafka broker, without Docker.
//!
//! A server is a child of this process, copied from a folder that `tests/servers/fetch.sh` prepared once, on a free
//! port of 127.0.0.1. It stops when its value is dropped, when the process is told to stop (SIGINT, SIGTERM, SIGHUP)
//! and when the process dies in any other way. Logs outlive the run (see [`run`]).
//!
//! Everything here blocks. In async code whose runtime must go on meanwhile, wrap the call in [`off_thread`].
//!
//! It speaks to the servers with means of its own, never through the code under test.
#![allow(dead_code, reason = "several test binaries include this module and each uses its own part of it")]

#[cfg(feature = "kafka")]
pub(crate) mod broker_client;
pub(crate) mod given;
pub(crate) mod kafka;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod walsender;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What fails here is told to a person, so a sentence is enough.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The longest a server may take to start, on a machine with much else to do.
pub(crate) const START_LIMIT: Duration = Duration::from_mins(2);

/// The set-up script of the package this was compiled in.
const FETCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/fetch.sh");

/// The folder the servers are kept in, as `fetch.sh` decides it.
pub(crate) fn directory() -> Result<PathBuf> {
    static DIRECTORY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let ask = || {
        let output = Command::new("bash").args([FETCH, "--where"]).output();
        let output = output.map_err(|error| format!("cannot run {FETCH}: {error}"))?;
        let path = String::from_utf8(output.stdout).map_err(|error| format!("{FETCH} --where: {error}"))?;
        Ok(PathBuf::from(path.trim_end()))
    };
    Ok(DIRECTORY.get_or_init(ask).clone()?)
}

/// Has `fetch.sh` get one part (`pg15`, `kafka`) unless it is there. Its messages go straight to standard error.
pub(crate) fn fetch(part: &str) -> Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let status = Command::new("bash").args([FETCH, part]).stdin(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{part} is not there: run `make setup` to get it").into())
    }
}

/// Stops every server and removes what the run left behind, except its logs. Call it last in `main`.
pub(crate) fn finish() {
    process::leave_an_interrupted_end_to_its_signal();
    process::stop_everything();
    run::remove();
}

/// Runs a blocking call on a thread of its own, so that the caller's runtime goes on.
///
/// A server stops in good order only when its clients answer, and in a test they often live on that very runtime.
pub(crate) async fn off_thread<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("off-thread".to_owned()).spawn(move || {
        // The test may have ended meanwhile: then nobody waits for the answer.
        drop(sender.send(call()));
    })?;
    receiver.await.map_err(|_| "the call panicked on its thread".into())
}

/// One line to the person in front of the terminal.
pub(crate) fn tell(line: &str) {
    // A closed standard error must not fail a test.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Waits. The harness polls sockets and processes; there is no clock of a test to move here.
#[expect(clippy::disallowed_methods, reason = "waiting for another process takes real time")]
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}
