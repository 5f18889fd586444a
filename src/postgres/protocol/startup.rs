//! From the `StartupMessage` to the first `ReadyForQuery` (manual, "Start-up").
//!
//! Authentication comes first and nothing but it; then parameters and the cancel key in any order; then
//! `ReadyForQuery`. A server that accepts the login before it proved what the method demands is refused.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::backend::{BackendKey, BackendMessage, TransactionStatus};
use super::error::ProtocolError;
use super::frame::{Frame, Limits, Phase};
use super::frontend::{self, EncodeError};
use super::notice::{ServerError, escape};
use crate::postgres::auth::{Answer, AuthError, Exchange, Method};

/// More parameters than any server reports.
const PARAMETER_LIMIT: usize = 200;

/// More messages than any server has for somebody who logs in. Each notice is a line of the log.
const MESSAGE_LIMIT: usize = 500;

/// More text in parameters than any server reports.
const PARAMETER_BYTES: usize = 128 << 10;

/// Why the login failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// The server broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The authentication cannot go on.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The server refused.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// An answer cannot be put into a frame.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What to do after a message.
#[derive(Debug)]
pub enum Step {
    /// Wait for the next one.
    Continue,
    /// Send this frame.
    Send(Zeroizing<Vec<u8>>),
    /// The server had something to say.
    Notice(Box<ServerError>),
    /// The session is open.
    Ready(Box<Session>),
}

/// What the server told during the login.
#[derive(Debug, Clone)]
pub struct Session {
    /// The reported parameters, kept up to date by the client.
    pub parameters: Parameters,
    /// What a cancel request must repeat; a pooler may send none.
    pub key: Option<BackendKey>,
    /// How the server let us in.
    pub method: Method,
    /// The letter of the last `ReadyForQuery`.
    pub status: TransactionStatus,
}

/// The parameters a server reports, by name. Bounded in number and size.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    values: BTreeMap<String, String>,
    bytes: usize,
}

impl Parameters {
    /// A parameter's last reported value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Takes a `ParameterStatus`, escaped where it is not plain text.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
        let (name, value) = (escape(name), escape(value));
        let replaced = self.values.get(&name).map_or(0, |old| name.len() + old.len());
        let bytes = self.bytes - replaced + name.len() + value.len();
        if bytes > PARAMETER_BYTES {
            return Err(ProtocolError::TooManyParameters { what: "bytes", limit: PARAMETER_BYTES });
        }
        if self.values.len() >= PARAMETER_LIMIT && !self.values.contains_key(&name) {
            return Err(ProtocolError::TooManyParameters { what: "names", limit: PARAMETER_LIMIT });
        }
        self.bytes = bytes;
        self.values.insert(name, value);
        Ok(())
    }

    /// The server's version as `server_version_num` counts it: 15.4 is 150004.
    pub fn server_version(&self) -> Option<u32> {
        let text = self.get("server_version")?;
        // "15.20 (Debian …)", "18beta1", "17devel", "9.6.24".
        let number = text.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
        let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
        let major = parts.next()??;
        let minor = parts.next().flatten().unwrap_or(0);
        if major >= 10 {
            return major.checked_mul(10_000)?.checked_add(minor.min(9_999));
        }
        let patch = parts.next().flatten().unwrap_or(0);
        Some(major * 10_000 + minor.min(99) * 100 + patch.min(99))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Authenticating,
    Settling(Method),
    Over,
}

/// The state machine. Behind an error or [`Step::Ready`] it takes nothing more.
#[derive(Debug)]
pub struct Startup {
    exchange: Exchange,
    state: State,
    negotiated: bool,
    messages: usize,
    parameters: Parameters,
    key: Option<BackendKey>,
}

impl Startup {
    /// A login that has just sent its `StartupMessage`.
    pub fn new(exchange: Exchange) -> Self {
        Self {
            exchange,
            state: State::Authenticating,
            negotiated: false,
            messages: 0,
            parameters: Parameters::default(),
            key: None,
        }
    }

    /// Whether the server has accepted the login: what it said before is nobody's word.
    pub fn is_authenticated(&self) -> bool {
        matches!(self.state, State::Settling(_))
    }

    /// The limits of the frames to pass in.
    pub fn limits(&self) -> Limits {
        Limits::startup()
    }

    /// Takes one message.
    pub fn handle(&mut self, frame: &Frame<'_>) -> Result<Step, StartupError> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let authenticated = matches!(state, State::Settling(_));
        self.messages += 1;
        if self.messages > MESSAGE_LIMIT {
            return Err(ProtocolError::TooManyMessages { limit: MESSAGE_LIMIT }.into());
        }
        let step = match (state, BackendMessage::parse(frame)?) {
            (State::Over, _) => return Err(unexpected(frame)),
            (_, BackendMessage::ErrorResponse(body)) => {
                let mut error = ServerError::parse(body, authenticated)?;
                // The reason came before, by itself.
                if let Some(refusal) = self.exchange.refusal() {
                    error.detail = Some(match error.detail.take() {
                        Some(detail) => format!("{refusal}; {detail}"),
                        None => refusal.to_string(),
                    });
                }
                return Err(StartupError::Server(Box::new(error)));
            }
            (_, BackendMessage::NoticeResponse(body)) => {
                Step::Notice(Box::new(ServerError::parse(body, authenticated)?))
            }
            (State::Authenticating, BackendMessage::NegotiateProtocolVersion(newest)) if !self.negotiated => {
                self.negotiate(newest)?
            }
            (State::Authenticating, BackendMessage::Authentication(challenge)) => {
                let answer = self.exchange.answer(&challenge)?;
                if let (Answer::Accepted, Some(method)) = (&answer, self.exchange.method()) {
                    self.state = State::Settling(method);
                    return Ok(Step::Continue);
                }
                encode(answer)?
            }
            (State::Settling(_), BackendMessage::ParameterStatus { name, value }) => {
                self.parameters.set(name, value)?;
                Step::Continue
            }
            (State::Settling(_), BackendMessage::BackendKeyData(key)) if self.key.is_none() => {
                self.key = Some(key);
                Step::Continue
            }
            (State::Settling(method), BackendMessage::ReadyForQuery(status)) => {
                return Ok(Step::Ready(Box::new(Session {
                    parameters: std::mem::take(&mut self.parameters),
                    key: self.key.take(),
                    method,
                    status,
                })));
            }
            _ => return Err(unexpected(frame)),
        };
        self.state = state;
        Ok(step)
    }

    /// A server that speaks less than was asked says so. This client asks for 3.0, so only another major version
    /// is a problem.
    fn negotiate(&mut self, newest: u32) -> Result<Step, ProtocolError> {
        self.negotiated = true;
        if newest >> 16 == 3 { Ok(Step::Continue) } else { Err(ProtocolError::UnsupportedVersion(newest)) }
    }
}

fn encode(answer: Answer) -> Result<Step, EncodeError> {
    Ok(match answer {
        Answer::Nothing | Answer::Accepted => Step::Continue,
        Answer::Password(text) => Step::Send(frontend::password(&text)?),
        Answer::SaslInitial { mechanism, response } => {
            Step::Send(frontend::sasl_initial(mechanism, &response)?)
        }
        Answer::SaslResponse(response) => Step::Send(frontend::sasl_response(&response)?),
    })
}

fn unexpected(frame: &Frame<'_>) -> StartupError {
    ProtocolError::UnexpectedMessage { tag: frame.header.tag, phase: Phase::Startup }.into()
}

#[cfg(test)]
mod tests;
