//! Asking for TLS: what the server may answer, which certificates are taken, and what is tried next.

mod certificates;
mod client;
mod login;
mod request;
pub(crate) mod server;

use std::cell::RefCell;

use pgsluice::postgres::client::{
    ConnectOptions, Connection, Mode, Roots, SslMode, TlsOptions, connect_over,
};
use pgsluice::postgres::error::ClientError;
use pgsluice::postgres::transport::Stream;
use pgsluice::postgres::transport::dial::Dialed;
use tokio::io::DuplexStream;

use super::support::scripted::{Scripted, pair};
use crate::certificates::Certificates;

type Outcome = Result<Connection<Stream<DuplexStream>>, ClientError>;

fn options(mode: SslMode) -> ConnectOptions {
    let mut options = super::options();
    "localhost".clone_into(&mut options.host);
    options.tls = TlsOptions { mode, ..TlsOptions::default() };
    options
}

/// With the authority of the tests' certificates.
fn trusting(mode: SslMode, authority: &str) -> ConnectOptions {
    let mut options = options(mode);
    options.tls.roots = Roots::File(Certificates::get().unwrap().certificate(authority));
    options
}

/// Connects while `script` plays the server; it is given one pipe for each connection the client may open. The
/// second value is how many it opened.
async fn play<T>(
    options: &ConnectOptions,
    script: impl AsyncFnOnce([Scripted; 2]) -> T,
) -> (Outcome, usize, T) {
    let (first, server) = pair(64 << 10);
    let (second, server_again) = pair(64 << 10);
    let pipes = RefCell::new(vec![second, first]);
    let dial = async || {
        let stream = pipes.borrow_mut().pop().expect("two connections are enough");
        Ok(Dialed { stream, round_trip: None })
    };
    let connect = async {
        let outcome = connect_over(&dial, options, Mode::Sql).await;
        let opened = 2 - pipes.borrow().len();
        // A script that waits for the other connection sees its end.
        pipes.borrow_mut().clear();
        (outcome, opened)
    };
    let ((outcome, opened), told) = tokio::join!(connect, script([server, server_again]));
    (outcome, opened, told)
}
