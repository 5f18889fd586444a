//! What a hostile server does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

use crate::support::scripted::{
    Scripted, auth_ok, authentication, error, key, message, parameter, ready, report,
};
use crate::tls::server::{ANY, config, shake_hands};

/// What the server does about the request for TLS.
#[derive(Clone, Debug)]
pub(super) enum TlsAnswer {
    Yes,
    /// These bytes; then it goes on in the clear.
    Bytes(Vec<u8>),
    /// These, again and again.
    Endless(Vec<u8>),
    Silence,
    End,
    /// Yes, and then no word.
    YesAndSilence,
    /// Yes, and then the end.
    YesAndEnd,
}

impl TlsAnswer {
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![
            Self::Yes,
            Self::Endless(b"N".to_vec()),
            Self::Endless(b"S".to_vec()),
            Self::Endless(b"E".to_vec()),
            Self::Silence,
            Self::End,
            Self::YesAndSilence,
            Self::YesAndEnd,
        ];
        for bytes in [
            b"N".to_vec(),
            [b"N".to_vec(), auth_ok()].concat(),
            [b"N".to_vec(), authentication(3, b"")].concat(),
            [b"S".to_vec(), auth_ok()].concat(),
            [b"S".to_vec(), authentication(3, b"")].concat(),
            b"SS".to_vec(),
            error("FATAL", "28000", "send the password to me"),
            b"G".to_vec(),
            vec![0],
            vec![0x15, 3, 3, 0, 2, 2, 40],
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        ] {
            all.push(Self::Bytes(bytes));
        }
        all
    }

    /// Whether it ends by the client's patience alone.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Self::Silence | Self::YesAndSilence | Self::Endless(_))
    }
}

/// One step of the server.
#[derive(Clone)]
enum Act {
    Send(Vec<u8>),
    /// Waits for a message of the client.
    Hear,
    /// Sends a `SASLContinue` made of the client's nonce.
    ScramFirst(ScramFirst),
    Endless(Vec<u8>),
    /// Sends it byte by byte, slowly.
    Trickle(Vec<u8>),
    Silence,
}

/// What the server does behind the client's first message.
#[derive(Clone)]
pub(super) struct Trick {
    pub(super) name: String,
    acts: Vec<Act>,
    /// By which method it may be given a secret, if by any.
    pub(super) asks: Option<&'static str>,
    /// Whether it is a login as far as the client can tell.
    pub(super) is_a_login: bool,
    /// Whether it ends by the client's patience alone.
    pub(super) lasts: bool,
}

/// What the server was told.
#[derive(Default)]
pub(super) struct Told {
    /// Outside of TLS, when it was to be TLS.
    pub(super) in_the_clear: Vec<u8>,
    pub(super) of_the_login: Vec<u8>,
    pub(super) is_encrypted: bool,
    /// How many bytes the client took.
    pub(super) taken: usize,
}

fn trick(name: impl Into<String>, acts: impl Into<Vec<Act>>) -> Trick {
    let acts = acts.into();
    let lasts = acts.iter().any(|act| matches!(act, Act::Endless(_) | Act::Trickle(_) | Act::Silence));
    Trick { name: name.into(), acts, asks: None, is_a_login: false, lasts }
}

fn asking(method: &'static str, challenge: Vec<u8>, then: impl Into<Vec<Act>>) -> Trick {
    let acts = [vec![Act::Send(challenge), Act::Hear], then.into()].concat();
    Trick { asks: Some(method), ..trick(format!("asks for {method}"), acts) }
}

fn refusal() -> Act {
    Act::Send(error("FATAL", "28P01", "no"))
}

const SASL: &[u8] = b"SCRAM-SHA-256\0\0";

pub(super) fn cleartext() -> Trick {
    asking("password", authentication(3, b""), [refusal()])
}

/// Each method, twice, and what no server asks for.
pub(super) fn requests() -> Vec<Trick> {
    let oauth = || authentication(10, b"OAUTHBEARER\0\0");
    let reason = authentication(11, b"{\"status\":\"invalid_token\",\"scope\":\"\\u001b[2J\"}");
    let session = [key(1, &[1; 4]), parameter("server_version", "15.1"), ready()].concat();
    let mut all = vec![
        Trick { is_a_login: true, ..trick("trust", [Act::Send(auth_ok()), Act::Send(session)]) },
        trick("accepts and refuses", [Act::Send(auth_ok()), refusal()]),
        cleartext(),
        asking("password", authentication(3, b""), [Act::Send(authentication(3, b"")), Act::Hear]),
        asking("password", authentication(3, b""), [Act::Send(authentication(10, SASL)), Act::Hear]),
        asking("md5", authentication(5, b"salt"), [refusal()]),
        asking("md5", authentication(5, b"salt"), [Act::Send(authentication(3, b"")), Act::Hear]),
        asking("oauth", oauth(), [refusal()]),
        asking("oauth", oauth(), [Act::Send(reason.clone()), Act::Hear, refusal()]),
        asking("oauth", oauth(), [Act::Send(reason.clone()), Act::Hear, Act::Send(auth_ok())]),
        asking("oauth", oauth(), [Act::Send(reason), Act::Hear, Act::Send(oauth()), Act::Hear]),
        asking("oauth", oauth(), [Act::Send(authentication(11, b"{")), Act::Hear]),
        asking("oauth", oauth(), [Act::Send(authentication(3, b"")), Act::Hear]),
        trick(
            "both kinds of SASL",
            [
                Act::Send(authentication(10, b"OAUTHBEARER\0SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0")),
                Act::Hear,
                refusal(),
            ],
        ),
    ];
    all.last_mut().unwrap().asks = Some("oauth");
    for (code, rest) in [(2, b"".as_slice()), (6, b""), (7, b""), (8, b"x"), (9, b""), (11, b""), (12, b"v=")]
    {
        let challenge = authentication(code, rest);
        all.push(trick(format!("method {code}"), [Act::Send(challenge), Act::Hear]));
    }
    for mechanisms in
        [b"\0".as_slice(), b"PLAIN\0\0", b"SCRAM-SHA-1\0\0", b"scram-sha-256\0\0", b"\x1b[2J\0\0"]
    {
        let name = format!("mechanism {}", mechanisms.escape_ascii());
        all.push(trick(name, [Act::Send(authentication(10, mechanisms)), Act::Hear]));
    }
    all
}

/// The server's first message of an exchange, made of the client's nonce.
type ScramFirst = fn(&str) -> String;

/// A server that does not know the password.
pub(super) fn scram() -> Vec<Trick> {
    let first: [(&str, ScramFirst); 11] = [
        ("another nonce", |_| "r=other,s=c2FsdHNhbHQ=,i=1".to_owned()),
        ("no nonce", |_| "r=,s=c2FsdHNhbHQ=,i=1".to_owned()),
        ("a nonce before it", |nonce| format!("r=x{nonce},s=c2FsdHNhbHQ=,i=1")),
        ("half of the nonce", |nonce| format!("r={},s=c2FsdHNhbHQ=,i=1", &nonce[..nonce.len() / 2])),
        ("no salt", |nonce| format!("r={nonce}x,s=,i=1")),
        ("a salt that is none", |nonce| format!("r={nonce}x,s=!!!,i=1")),
        ("no iterations", |nonce| format!("r={nonce}x,s=c2FsdHNhbHQ=,i=0")),
        ("minus one iteration", |nonce| format!("r={nonce}x,s=c2FsdHNhbHQ=,i=-1")),
        ("all iterations", |nonce| format!("r={nonce}x,s=c2FsdHNhbHQ=,i=4294967295")),
        ("the order changed", |nonce| format!("i=1,s=c2FsdHNhbHQ=,r={nonce}x")),
        ("an extension that must be known", |nonce| format!("m=x,r={nonce}x,s=c2FsdHNhbHQ=,i=1")),
    ];
    let begin = || vec![Act::Send(authentication(10, SASL)), Act::Hear];
    let mut all: Vec<Trick> = first
        .into_iter()
        .map(|(name, first)| {
            trick(name, [begin(), vec![Act::ScramFirst(first), Act::Hear, refusal()]].concat())
        })
        .collect();
    // With one iteration the proof could be guessed at, but not the password read; what follows proves nothing.
    let proved = || {
        let first: ScramFirst = |nonce| format!("r={nonce}x,s=c2FsdHNhbHQ=,i=4096");
        [begin(), vec![Act::ScramFirst(first), Act::Hear]].concat()
    };
    let zeros = format!("v={}=", "A".repeat(43));
    for (name, last) in [
        ("accepted without a proof", auth_ok()),
        ("a wrong proof", [authentication(12, zeros.as_bytes()), auth_ok()].concat()),
        ("an empty proof", [authentication(12, b""), auth_ok()].concat()),
        ("an error for a proof", [authentication(12, b"e=\x1b[2J"), auth_ok()].concat()),
        ("the first message again", authentication(11, b"r=x,s=c2FsdHNhbHQ=,i=1")),
        ("asks for the password then", authentication(3, b"")),
    ] {
        all.push(trick(name, [proved(), vec![Act::Send(last), Act::Hear]].concat()));
    }
    for (name, second) in [
        ("accepted in the middle", auth_ok()),
        ("asks for the password in the middle", authentication(3, b"")),
        ("the end in the middle", authentication(12, zeros.as_bytes())),
    ] {
        all.push(trick(name, [begin(), vec![Act::Send(second), Act::Hear]].concat()));
    }
    all
}

/// Lengths that promise more than is there, or less, and messages that have no place.
pub(super) fn frames() -> Vec<Trick> {
    let header = |tag: u8, length: i32| [&[tag][..], &length.to_be_bytes()].concat();
    let mut all = Vec::new();
    for tag in *b"REvNSKZDTdWAX\0" {
        for length in [i32::MIN, -1, 0, 3, 30_001, 1 << 20, 0x3FFF_FFFF, i32::MAX] {
            let name = format!("{} of {length} bytes", tag.escape_ascii());
            all.push(trick(name, [Act::Send(header(tag, length))]));
        }
    }
    for (name, bytes) in [
        ("another service", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ("zeros", vec![0; 100]),
        ("ready before the login", ready()),
        ("parameters before the login", parameter("server_version", "15.1")),
        ("a key before the login", key(1, &[1; 4])),
        ("a row", message(b'D', &[0, 0])),
        (
            "two versions",
            [message(b'v', &[0, 3, 0, 0, 0, 0, 0, 0]), message(b'v', &[0, 3, 0, 0, 0, 0, 0, 0])].concat(),
        ),
        ("another version", message(b'v', &[0, 9, 0, 0, 0, 0, 0, 0])),
        ("an error that is none", message(b'E', b"SFATAL")),
        ("a line instead of a message", b"Esorry, too many clients already\n\0".to_vec()),
        ("an error with escapes", error("FATAL", "28P01", "\x1b[2J\r\nroot#\u{202e}")),
        ("the longest error", error("FATAL", "28P01", &"x".repeat(29_000))),
    ] {
        all.push(trick(name, [Act::Send(bytes)]));
    }
    all
}

/// What only the client's limits end.
pub(super) fn lasting() -> Vec<Trick> {
    let notice = report(b'N', "NOTICE", "00000", &"x".repeat(1_000));
    let of_parameters = parameter("x", "y");
    vec![
        trick("no word", [Act::Silence]),
        trick("no word behind half a message", [Act::Send(vec![b'R', 0, 0]), Act::Silence]),
        trick(
            "no word behind half an error",
            [Act::Send([&[b'E', 0, 0, 0x70, 0][..], b"SFATAL"].concat()), Act::Silence],
        ),
        trick("no word behind the login", [Act::Send(auth_ok()), Act::Silence]),
        Trick {
            asks: Some("password"),
            ..trick(
                "no word behind the password",
                [Act::Send(authentication(3, b"")), Act::Hear, Act::Silence],
            )
        },
        trick("byte by byte", [Act::Trickle(error("FATAL", "28P01", &"x".repeat(1_000)))]),
        trick("notices without end", [Act::Endless(notice.clone())]),
        trick("notices behind the login", [Act::Send(auth_ok()), Act::Endless(notice)]),
        trick("the same parameter without end", [Act::Send(auth_ok()), Act::Endless(of_parameters)]),
        trick("an error without a length", [Act::Endless(b"Eno such host ".to_vec())]),
        trick("zeros without end", [Act::Endless(vec![0; 1_000])]),
    ]
}

/// Plays the server until the client has gone.
pub(super) async fn play(
    mut pipe: DuplexStream,
    answer: TlsAnswer,
    trick: Trick,
    certificate: &'static str,
    told: Arc<Mutex<Told>>,
) {
    let mut first = [0; 8];
    if pipe.read_exact(&mut first).await.is_err() {
        return;
    }
    told.lock().unwrap().in_the_clear.extend(first);
    if first[4..] != [4, 210, 22, 47] {
        return log_in(pipe, &first, &trick, &told).await;
    }
    match answer {
        TlsAnswer::Yes => {
            if pipe.write_all(b"S").await.is_err() {
                return;
            }
            // Where the client does not trust us there is no login.
            if let Ok(server) = shake_hands(Scripted::over(pipe), config(certificate, ANY, None)).await {
                told.lock().unwrap().is_encrypted = true;
                log_in(server.into_pipe(), &[], &trick, &told).await;
            }
        }
        TlsAnswer::Bytes(bytes) => {
            if send(&mut pipe, &bytes, &told).await {
                log_in(pipe, &[], &trick, &told).await;
            }
        }
        TlsAnswer::Endless(bytes) => while send(&mut pipe, &bytes, &told).await {},
        TlsAnswer::Silence => hear(&mut pipe, &told).await,
        TlsAnswer::YesAndSilence => {
            if send(&mut pipe, b"S", &told).await {
                hear(&mut pipe, &told).await;
            }
        }
        TlsAnswer::YesAndEnd => drop(send(&mut pipe, b"S", &told).await),
        TlsAnswer::End => {}
    }
}

/// Sends and counts; `false` once the client has gone.
async fn send(pipe: &mut (impl AsyncWrite + Unpin), bytes: &[u8], told: &Mutex<Told>) -> bool {
    let sent = async {
        pipe.write_all(bytes).await?;
        pipe.flush().await
    };
    let is_there = sent.await.is_ok();
    if is_there {
        told.lock().unwrap().taken += bytes.len();
    }
    is_there
}

/// Listens until the client has gone.
async fn hear(pipe: &mut (impl AsyncRead + Unpin), told: &Mutex<Told>) {
    let mut rest = Vec::new();
    drop(pipe.read_to_end(&mut rest).await);
    told.lock().unwrap().of_the_login.extend(rest);
}

/// From the `StartupMessage` on, of which `first` has been read.
async fn log_in(
    mut pipe: impl AsyncRead + AsyncWrite + Unpin,
    first: &[u8],
    trick: &Trick,
    told: &Mutex<Told>,
) {
    let mut header = first.to_vec();
    if header.is_empty() {
        header = vec![0; 8];
        if pipe.read_exact(&mut header).await.is_err() {
            return;
        }
    }
    let length = usize::try_from(i32::from_be_bytes(header[..4].try_into().unwrap())).unwrap();
    let mut body = vec![0; length - 8];
    if pipe.read_exact(&mut body).await.is_err() {
        return;
    }
    told.lock().unwrap().of_the_login.extend(body);
    let mut heard = Vec::new();
    for act in &trick.acts {
        let goes_on = match act {
            Act::Send(bytes) => send(&mut pipe, bytes, told).await,
            Act::Hear => match message_of(&mut pipe).await {
                Some(body) => {
                    told.lock().unwrap().of_the_login.extend(&body);
                    heard = body;
                    true
                }
                None => false,
            },
            Act::ScramFirst(text) => {
                let heard = String::from_utf8(heard.split_off(heard.len().min(18))).unwrap();
                let nonce = heard.rsplit_once("r=").map_or("", |(_, nonce)| nonce);
                send(&mut pipe, &authentication(11, text(nonce).as_bytes()), told).await
            }
            Act::Endless(bytes) => {
                while send(&mut pipe, bytes, told).await {}
                false
            }
            Act::Trickle(bytes) => {
                let mut is_there = true;
                for byte in bytes {
                    is_there = is_there && send(&mut pipe, &[*byte], told).await;
                    tokio::time::sleep(Duration::from_millis(if is_there { 10 } else { 0 })).await;
                }
                is_there
            }
            Act::Silence => true,
        };
        if !goes_on {
            return;
        }
    }
    hear(&mut pipe, told).await;
}

/// The client's next message.
async fn message_of(pipe: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    pipe.read_u8().await.ok()?;
    let length = pipe.read_u32().await.ok()?;
    let mut body = vec![0; usize::try_from(length).ok()?.checked_sub(4)?];
    pipe.read_exact(&mut body).await.ok()?;
    Some(body)
}
