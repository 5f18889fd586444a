//! A server that follows a test's script over an in-memory pipe: it expects messages of the client and sends
//! messages of its own, byte by byte as the test wants them.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

use super::scram::ScramServer;

/// One message with a type byte.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

pub(crate) fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], rest].concat())
}

pub(crate) fn auth_ok() -> Vec<u8> {
    authentication(0, b"")
}

pub(crate) fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(b'S', format!("{name}\0{value}\0").as_bytes())
}

pub(crate) fn key(process_id: u32, secret: &[u8]) -> Vec<u8> {
    message(b'K', &[&process_id.to_be_bytes()[..], secret].concat())
}

pub(crate) fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// Fields of an error or notice: `error(b'E', "FATAL", "57P01", "…")`.
pub(crate) fn report(tag: u8, severity: &str, code: &str, text: &str) -> Vec<u8> {
    message(tag, format!("S{severity}\0V{severity}\0C{code}\0M{text}\0\0").as_bytes())
}

pub(crate) fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    report(b'E', severity, code, text)
}

pub(crate) fn row_description(columns: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
    for name in columns {
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        // Table, attribute, type text, size, modifier, format.
        body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]);
    }
    message(b'T', &body)
}

pub(crate) fn data_row(values: &[Option<&str>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        match value {
            Some(text) => {
                body.extend_from_slice(&i32::try_from(text.len()).unwrap().to_be_bytes());
                body.extend_from_slice(text.as_bytes());
            }
            None => body.extend_from_slice(&(-1i32).to_be_bytes()),
        }
    }
    message(b'D', &body)
}

pub(crate) fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

/// The whole answer to a query with one row of these columns.
pub(crate) fn one_row(columns: &[(&str, Option<&str>)], tag: &str) -> Vec<u8> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<Option<&str>> = columns.iter().map(|(_, value)| *value).collect();
    [row_description(&names), data_row(&values), complete(tag), ready()].concat()
}

pub(crate) fn copy_both() -> Vec<u8> {
    message(b'W', &[0, 0, 0])
}

pub(crate) fn copy_data(body: &[u8]) -> Vec<u8> {
    message(b'd', body)
}

pub(crate) fn copy_done() -> Vec<u8> {
    message(b'c', b"")
}

pub(crate) fn xlog(wal_start: u64, payload: &[u8]) -> Vec<u8> {
    let start = wal_start.to_be_bytes();
    copy_data(&[b"w", &start[..], &start[..], &5_000_000i64.to_be_bytes(), payload].concat())
}

pub(crate) fn keepalive(wal_end: u64, reply_requested: bool) -> Vec<u8> {
    let end = wal_end.to_be_bytes();
    copy_data(&[b"k", &end[..], &5_000_000i64.to_be_bytes(), &[u8::from(reply_requested)]].concat())
}

/// A standby status update as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) write: u64,
    pub(crate) flush: u64,
    pub(crate) apply: u64,
    pub(crate) reply: bool,
}

impl Status {
    /// Reads the body of a `CopyData`.
    pub(crate) fn parse(body: &[u8]) -> Self {
        assert_eq!((body.len(), body[0]), (34, b'r'));
        let number = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().unwrap());
        Self { write: number(1), flush: number(9), apply: number(17), reply: body[33] == 1 }
    }
}

/// The server's end of the pipe. Every method panics when the client does not keep to the script.
pub(crate) struct Scripted<P = DuplexStream> {
    pipe: P,
}

/// The two ends of a pipe that holds `capacity` bytes each way: the client's and the server's.
pub(crate) fn pair(capacity: usize) -> (DuplexStream, Scripted) {
    let (client, server) = tokio::io::duplex(capacity);
    (client, Scripted::over(server))
}

impl<P: AsyncRead + AsyncWrite + Unpin> Scripted<P> {
    /// The server's end of a pipe.
    pub(crate) fn over(pipe: P) -> Self {
        Self { pipe }
    }

    /// The pipe, for whoever goes on without a script.
    pub(crate) fn into_pipe(self) -> P {
        self.pipe
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.pipe.write_all(bytes).await.expect("the client is there");
        self.pipe.flush().await.expect("the client is there");
    }

    /// Sends as much as the client takes before it hangs up.
    pub(crate) async fn send_or_lose(&mut self, bytes: &[u8]) {
        let outcome = self.pipe.write_all(bytes).await;
        drop(outcome);
    }

    /// Reads the request for TLS.
    pub(crate) async fn expect_tls_request(&mut self) {
        let mut request = [0; 8];
        self.pipe.read_exact(&mut request).await.expect("a request for TLS");
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    }

    /// The same from a client that may not even ask; then the answer is yes.
    pub(crate) async fn is_asked_for_tls(&mut self) -> bool {
        let mut request = [0; 8];
        let asked = self.pipe.read_exact(&mut request).await.is_ok();
        if asked {
            self.send(b"S").await;
        }
        asked
    }

    /// Reads the first record of a handshake.
    pub(crate) async fn expect_client_hello(&mut self) {
        let mut header = [0; 5];
        self.pipe.read_exact(&mut header).await.expect("a record");
        assert_eq!(header[0], 0x16, "a handshake");
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        self.pipe.read_exact(&mut body).await.expect("its body");
    }

    /// Reads the `StartupMessage` and returns its parameters.
    pub(crate) async fn startup(&mut self) -> BTreeMap<String, String> {
        let length = usize::try_from(self.pipe.read_i32().await.expect("a startup message")).unwrap();
        assert_eq!(self.pipe.read_i32().await.unwrap(), 196_608, "protocol 3.0");
        let mut body = vec![0; length - 8];
        self.pipe.read_exact(&mut body).await.unwrap();
        let mut strings = body.strip_suffix(b"\0\0").expect("its end").split(|&b| b == 0);
        let mut parameters = BTreeMap::new();
        while let Some(name) = strings.next() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            parameters.insert(text(name), text(strings.next().unwrap_or_default()));
        }
        parameters
    }

    /// Reads one message of that type and returns its body.
    pub(crate) async fn expect(&mut self, tag: u8) -> Vec<u8> {
        let got = self.pipe.read_u8().await.expect("a message");
        let length = usize::try_from(self.pipe.read_i32().await.unwrap()).unwrap();
        let mut body = vec![0; length - 4];
        self.pipe.read_exact(&mut body).await.unwrap();
        let shown = body.escape_ascii();
        assert_eq!(char::from(got), char::from(tag), "body {shown}");
        body
    }

    /// Reads a `Query` and returns its text.
    pub(crate) async fn expect_query(&mut self) -> String {
        let mut body = self.expect(b'Q').await;
        assert_eq!(body.pop(), Some(0));
        String::from_utf8(body).unwrap()
    }

    /// Reads a password or SASL message.
    pub(crate) async fn expect_answer(&mut self) -> Vec<u8> {
        self.expect(b'p').await
    }

    /// Reads a standby status update.
    pub(crate) async fn expect_status(&mut self) -> Status {
        Status::parse(&self.expect(b'd').await)
    }

    /// The client must close now without another byte.
    pub(crate) async fn expect_eof(&mut self) {
        let mut rest = Vec::new();
        self.pipe.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.escape_ascii().to_string(), "");
    }

    /// The same over TLS, whose end may be less orderly.
    pub(crate) async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let ended = self.pipe.read_to_end(&mut rest).await;
        assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof));
        assert_eq!(rest.escape_ascii().to_string(), "");
    }

    /// `Terminate`, then the end.
    pub(crate) async fn expect_terminate(&mut self) {
        assert_eq!(self.expect(b'X').await, b"");
        self.expect_eof().await;
    }

    /// What follows the authentication on a PostgreSQL of that version.
    pub(crate) async fn send_session(&mut self, version: &str) {
        let session = [
            parameter("server_version", version),
            parameter("server_encoding", "UTF8"),
            parameter("TimeZone", "UTC"),
            key(4711, &[1, 2, 3, 4]),
            ready(),
        ];
        self.send(&session.concat()).await;
    }

    /// Lets a client in without a password and returns its startup parameters.
    pub(crate) async fn trust_login(&mut self, version: &str) -> BTreeMap<String, String> {
        let parameters = self.startup().await;
        self.send(&auth_ok()).await;
        self.send_session(version).await;
        parameters
    }

    /// Runs SCRAM up to the client's proof. Returns the server's final message, not sent yet.
    pub(crate) async fn scram_until_proof(
        &mut self,
        password: &str,
        iterations: u32,
    ) -> Result<String, &'static str> {
        self.send(&authentication(10, b"SCRAM-SHA-256\0\0")).await;
        let initial = self.expect_answer().await;
        let rest = initial.strip_prefix(b"SCRAM-SHA-256\0").expect("the mechanism");
        let (length, client_first) = rest.split_first_chunk::<4>().unwrap();
        assert_eq!(usize::try_from(i32::from_be_bytes(*length)).unwrap(), client_first.len());
        let client_first = std::str::from_utf8(client_first).unwrap();
        let exchange = ScramServer::new(password, client_first, iterations);
        self.send(&authentication(11, exchange.first().as_bytes())).await;
        let client_final = self.expect_answer().await;
        exchange.finish(std::str::from_utf8(&client_final).unwrap())
    }

    /// Answers `START_REPLICATION` and returns its text.
    pub(crate) async fn start_stream(&mut self) -> String {
        let query = self.expect_query().await;
        self.send(&copy_both()).await;
        query
    }

    /// The orderly end of a stream the client has ended.
    pub(crate) async fn finish_stream(&mut self) {
        self.send(&[copy_done(), complete("COPY 0"), complete("START_REPLICATION"), ready()].concat()).await;
    }
}
