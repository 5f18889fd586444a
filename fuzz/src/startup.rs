//! The login.
//!
//! Input: a byte whose lowest bit gives the client a secret, which is a token if the next bit is set, and frames of
//! the server. Two tags that no server has
//! are replaced, since the client's nonce cannot be known beforehand: 1 by the SCRAM message that continues, 2 by
//! the one that ends the exchange, as a server would write them that knows the password. Behind 1 stands the number
//! of iterations; then, for both, where a byte is changed and by what.
//!
//! Promised: the login goes exactly as a model of the manual's order says. It is accepted only in the order of its
//! method; behind SCRAM only where the server has proved that it knows the password, too. The secret itself
//! leaves only where the server asks for it, and by OAUTHBEARER only a token. Behind an error, and behind the end,
//! nothing is taken.

use std::collections::BTreeSet;

use pgsluice::credential::SecretKind;
use pgsluice::postgres::auth::policy::{Channel, Policy};
use pgsluice::postgres::auth::{Exchange, Method};
use pgsluice::postgres::protocol::frame::{Frame, Frames, Limits};
use pgsluice::postgres::protocol::startup::{Session, Startup, Step};
use pgsluice::secret::Secret;

use crate::plain;
use crate::support::scram::ScramServer;

const PASSWORD: &str = "pencil";

/// Tag of the frame that stands for a `SASLContinue`.
const HONEST_FIRST: u8 = 1;
/// Tag of the frame that stands for a `SASLFinal`.
const HONEST_FINAL: u8 = 2;

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Some((&choice, mut stream)) = input.split_first() else { return };
    let password = (choice & 1 == 1).then(|| Secret::new(PASSWORD.to_owned()));
    let kind = if choice & 2 == 2 { SecretKind::BearerToken } else { SecretKind::Password };
    // What may leave over which channel is another question.
    let policy = Policy { kind, token_over_loopback: true, ..Policy::default() };
    let mut login = Login {
        model: Model { secret: password.as_ref().map(|_| kind), ..Model::default() },
        startup: Startup::new(Exchange::with_policy("ada".to_owned(), password, policy, Channel::Local)),
        server: Server::default(),
    };
    while let Some((frame, rest)) = next_frame(stream, &mut login.server) {
        stream = rest;
        let Some(frame) = Frames::new(&frame, Limits::startup()).next().and_then(Result::ok) else { return };
        if !login.take(&frame) {
            break;
        }
    }
}

/// The server's next frame, with what it stands for.
fn next_frame<'a>(stream: &'a [u8], server: &mut Server) -> Option<(Vec<u8>, &'a [u8])> {
    let (header, behind) = stream.split_first_chunk::<5>()?;
    let length = plain::number(&header[1..]).checked_sub(4)?;
    let (body, rest) = behind.split_at_checked(length)?;
    let frame = match header[0] {
        HONEST_FIRST => plain::frame(b'R', &server.first(body)),
        HONEST_FINAL => plain::frame(b'R', &server.last(body)),
        tag => plain::frame(tag, body),
    };
    Some((frame, rest))
}

/// A server that knows the password.
#[derive(Default)]
struct Server {
    client_first: Option<String>,
    client_final: Option<String>,
    scram: Option<ScramServer>,
    /// What an honest server sends now.
    honest: Vec<u8>,
    /// Whether the client has got another first message than the server has written.
    was_changed: bool,
}

impl Server {
    /// The body of `SASLContinue`.
    fn first(&mut self, choice: &[u8]) -> Vec<u8> {
        let iterations = 1 + u32::from(choice.first().copied().unwrap_or_default() % 8);
        let first = self.client_first.as_ref().map(|first| ScramServer::new(PASSWORD, first, iterations));
        self.honest =
            [&11_u32.to_be_bytes()[..], first.as_ref().map_or("", ScramServer::first).as_bytes()].concat();
        self.scram = first;
        let sent = changed(self.honest.clone(), choice.get(1..).unwrap_or_default());
        self.was_changed = sent != self.honest;
        sent
    }

    /// The body of `SASLFinal`.
    fn last(&mut self, choice: &[u8]) -> Vec<u8> {
        let proof = match (&self.scram, &self.client_final) {
            (Some(scram), Some(message)) => {
                let proof = scram.finish(message);
                assert_eq!(proof.is_err(), self.was_changed, "the client knows the password");
                proof.unwrap_or_default()
            }
            _ => String::new(),
        };
        self.honest = [&12_u32.to_be_bytes()[..], proof.as_bytes()].concat();
        changed(self.honest.clone(), choice)
    }
}

/// `body` with one byte of its text changed.
fn changed(mut body: Vec<u8>, choice: &[u8]) -> Vec<u8> {
    if let [place, by, ..] = choice
        && body.len() > 4
    {
        let place = 4 + usize::from(*place) % (body.len() - 4);
        body[place] ^= by;
    }
    body
}

/// Where the model stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stand {
    #[default]
    Start,
    PasswordSent(Method),
    ScramStarted,
    /// The same where the server's message was not what the server has written: it may be noticed only when the
    /// server fails to prove itself.
    ScramMisled,
    ScramProved,
    ScramVerified,
    TokenSent,
    TokenRefused,
    Settling(Method),
}

#[derive(Debug, Default)]
struct Model {
    secret: Option<SecretKind>,
    stand: Stand,
    negotiated: bool,
    messages: usize,
    has_key: bool,
    parameters: BTreeSet<String>,
}

/// What the model expects of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Continue,
    Notice,
    Send(Sent),
    /// That, or an error where the server's message is none.
    SendOrError(Sent),
    Ready(Method),
    Error,
}

/// What the client answers with.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Password,
    Md5,
    ScramFirst,
    ScramFinal,
    Token,
    /// That the reason of a refusal was read.
    Read,
}

struct Login {
    startup: Startup,
    model: Model,
    server: Server,
}

impl Login {
    /// Whether the login goes on behind this frame.
    fn take(&mut self, frame: &Frame<'_>) -> bool {
        let honest = frame.body == self.server.honest;
        let expected = self.model.expect(frame.header.tag, frame.body, honest);
        match self.startup.handle(frame) {
            Ok(Step::Continue) => assert_eq!(expected, Expected::Continue, "{frame:?}"),
            Ok(Step::Notice(notice)) => {
                assert_eq!(expected, Expected::Notice, "{frame:?}");
                assert_eq!(notice.authenticated, matches!(self.model.stand, Stand::Settling(_)));
            }
            Ok(Step::Send(sent)) => match expected {
                Expected::Send(what) | Expected::SendOrError(what) => self.sent(&what, &sent),
                expected => panic!("{} is sent where {expected:?}", sent.escape_ascii()),
            },
            Ok(Step::Ready(session)) => {
                let Expected::Ready(method) = expected else {
                    panic!("the session opens where {expected:?}")
                };
                self.opened(method, &session);
                self.dead();
                return false;
            }
            Err(error) => {
                assert!(
                    matches!(expected, Expected::Error | Expected::SendOrError(_)),
                    "{error} {expected:?} {frame:?}"
                );
                let is_his = frame.body.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
                assert!(is_his || !format!("{error} {error:?}").contains(PASSWORD), "{error:?}");
                self.dead();
                return false;
            }
        }
        assert_eq!(self.startup.is_authenticated(), matches!(self.model.stand, Stand::Settling(_)));
        true
    }

    fn opened(&self, method: Method, session: &Session) {
        assert_eq!((session.method, session.key.is_some()), (method, self.model.has_key));
        assert!(self.model.parameters.iter().all(|name| session.parameters.get(name).is_some()));
    }

    /// Nothing is taken any more, not even what could always be said.
    fn dead(&mut self) {
        for bytes in [plain::frame(b'R', &[0; 4]), plain::frame(b'N', &[0]), plain::frame(b'Z', b"I")] {
            let frame = Frames::new(&bytes, Limits::startup()).next().expect("a frame").expect("a frame");
            assert!(self.startup.handle(&frame).is_err());
            assert!(!self.startup.is_authenticated());
        }
    }

    /// The client's answer has the form of its method, and the server keeps what it needs of it.
    fn sent(&mut self, what: &Sent, frame: &[u8]) {
        assert_eq!((frame[0], plain::number(&frame[1..])), (b'p', frame.len() - 1));
        let body = &frame[5..];
        assert_eq!(
            body.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()),
            matches!(what, Sent::Password | Sent::Token)
        );
        match what {
            Sent::Password => assert_eq!(body, [PASSWORD.as_bytes(), b"\0"].concat()),
            Sent::Md5 => {
                let digits =
                    body.strip_prefix(b"md5").and_then(|body| body.strip_suffix(b"\0")).expect("a hash");
                assert!(digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit));
            }
            Sent::ScramFirst => {
                let rest = body.strip_prefix(b"SCRAM-SHA-256\0").expect("the mechanism");
                assert_eq!(plain::number(rest), rest.len() - 4);
                self.server.client_first = Some(String::from_utf8(rest[4..].to_vec()).expect("text"));
            }
            Sent::Token => {
                let message = [b"n,,\x01auth=Bearer ", PASSWORD.as_bytes(), b"\x01\x01"].concat();
                let rest = body.strip_prefix(b"OAUTHBEARER\0").expect("the mechanism");
                assert_eq!((plain::number(rest), &rest[4..]), (message.len(), &message[..]));
            }
            Sent::Read => assert_eq!(body, b"\x01"),
            Sent::ScramFinal => {
                self.server.client_final = Some(String::from_utf8(body.to_vec()).expect("text"));
            }
        }
    }
}

impl Model {
    /// What has to come of a message; `honest` if it is what a server sends that knows the password.
    fn expect(&mut self, tag: u8, body: &[u8], honest: bool) -> Expected {
        self.messages += 1;
        if self.messages > 500 || !plain::is_message(tag, body) {
            return Expected::Error;
        }
        match (tag, self.stand) {
            (b'N', _) if plain::report(body).is_some() => Expected::Notice,
            (b'R' | b'v', Stand::Settling(_)) => Expected::Error,
            (b'R', _) => self.challenge(plain::number(body), &body[4..], honest),
            (b'v', _) if !self.negotiated && body[..2] == [0, 3] => {
                self.negotiated = true;
                Expected::Continue
            }
            (b'S', Stand::Settling(_)) => {
                let name = body.split(|byte| *byte == 0).next().unwrap_or_default();
                self.parameters.insert(plain::shown(name));
                if self.parameters.len() > 200 { Expected::Error } else { Expected::Continue }
            }
            (b'K', Stand::Settling(_)) if !self.has_key => {
                self.has_key = true;
                Expected::Continue
            }
            (b'Z', Stand::Settling(method)) => Expected::Ready(method),
            _ => Expected::Error,
        }
    }

    fn challenge(&mut self, code: usize, rest: &[u8], honest: bool) -> Expected {
        let offers = |mechanism: &[u8]| rest.split(|byte| *byte == 0).any(|name| name == mechanism);
        let (stand, expected) = match (self.stand, code) {
            (Stand::Start, 0) => (Stand::Settling(Method::Trust), Expected::Continue),
            (Stand::PasswordSent(method), 0) => (Stand::Settling(method), Expected::Continue),
            (Stand::ScramVerified, 0) => (Stand::Settling(Method::ScramSha256), Expected::Continue),
            (Stand::Start, 3) if self.secret.is_some() => {
                (Stand::PasswordSent(Method::Cleartext), Expected::Send(Sent::Password))
            }
            (Stand::Start, 5) if self.secret.is_some() => {
                (Stand::PasswordSent(Method::Md5), Expected::Send(Sent::Md5))
            }
            (Stand::Start, 10) if self.secret == Some(SecretKind::BearerToken) && offers(b"OAUTHBEARER") => {
                (Stand::TokenSent, Expected::Send(Sent::Token))
            }
            (Stand::Start, 10) if self.secret.is_some() && offers(b"SCRAM-SHA-256") => {
                (Stand::ScramStarted, Expected::Send(Sent::ScramFirst))
            }
            (Stand::TokenSent, 0) => (Stand::Settling(Method::OAuthBearer), Expected::Continue),
            (Stand::TokenSent, 11) => (Stand::TokenRefused, Expected::SendOrError(Sent::Read)),
            (Stand::ScramStarted, 11) if honest => (Stand::ScramProved, Expected::Send(Sent::ScramFinal)),
            (Stand::ScramStarted, 11) => (Stand::ScramMisled, Expected::SendOrError(Sent::ScramFinal)),
            (Stand::ScramProved, 12) if honest => (Stand::ScramVerified, Expected::Continue),
            _ => return Expected::Error,
        };
        self.stand = stand;
        expected
    }
}
