//! Authentication without IO: a challenge in, an answer out (manual, "Authentication").
//!
//! [`Exchange`] is the state machine. It accepts a login only in the order the method prescribes: behind a SCRAM
//! exchange the server's signature must have been verified before its word that all is well counts.
//! What is not spoken here (GSSAPI, SSPI, channel binding, bearer tokens) ends in one error that names
//! `pg_hba.conf`.

pub mod cleartext;
pub mod md5;
pub mod scram;

use zeroize::Zeroizing;

use crate::secret::Secret;
use scram::Scram;

/// What the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// The login is accepted.
    Ok,
    /// The password itself.
    Cleartext,
    /// The password's MD5 hash with this salt.
    Md5 {
        /// Random bytes of the server.
        salt: [u8; 4],
    },
    /// SASL by one of these mechanisms.
    Sasl {
        /// Their names.
        mechanisms: Vec<&'a [u8]>,
    },
    /// SASL goes on.
    SaslContinue(&'a [u8]),
    /// SASL ends with this proof of the server.
    SaslFinal(&'a [u8]),
    /// A method this client does not speak.
    Other {
        /// Its number in the protocol.
        code: u32,
    },
}

/// What to send back.
#[derive(Debug)]
pub enum Answer {
    /// Nothing: the server goes on by itself.
    Nothing,
    /// The login is accepted, and nothing is left to prove.
    Accepted,
    /// A `PasswordMessage` with this text.
    Password(Zeroizing<Vec<u8>>),
    /// The first message of a SASL exchange.
    SaslInitial {
        /// The chosen mechanism.
        mechanism: &'static str,
        /// The mechanism's first message.
        response: Vec<u8>,
    },
    /// A further message of a SASL exchange.
    SaslResponse(Vec<u8>),
}

/// How the server let us in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It asked for nothing.
    Trust,
    /// It asked for the password itself.
    Cleartext,
    /// It asked for an MD5 hash. Deprecated by PostgreSQL since version 18.
    Md5,
    /// It proved that it knows the password as well.
    ScramSha256,
}

/// The login cannot go on. No text holds a password or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The server asks for a password and none is configured.
    #[error("the server asks for a password and none is configured: set one")]
    NoPassword,
    /// The server asks for a method that is not spoken here.
    #[error(
        "the server asks for {0}, which this client does not speak: let pg_hba.conf offer scram-sha-256 for \
         this user and database"
    )]
    Unsupported(String),
    /// The server sent a step that does not belong here.
    #[error(
        "the server sent {got} where only {expected} is allowed: the login is refused, for it proves nothing"
    )]
    OutOfOrder {
        /// What the server sent.
        got: &'static str,
        /// What the exchange asks for at this point.
        expected: &'static str,
    },
    /// The server wants more hashing than is done for an unknown peer.
    #[error(
        "the server asks for {iterations} SCRAM iterations, above the limit of {limit}: lower scram_iterations \
         and set the password again"
    )]
    TooManyIterations {
        /// What it asked for.
        iterations: u64,
        /// What is taken.
        limit: u32,
    },
    /// The server's SCRAM message is malformed or its nonce is not an extension of ours.
    #[error("the server's SCRAM message is not valid: {problem}")]
    BadScramMessage {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server could not prove that it knows the password.
    #[error(
        "the server's SCRAM signature is wrong: it does not know this user's password; is it the right server?"
    )]
    ServerNotAuthentic,
}

enum State {
    /// Nothing has been asked yet.
    Start,
    /// A password left; only acceptance can follow.
    PasswordSent(Method),
    /// Our nonce left.
    ScramStarted(Scram),
    /// Our proof left.
    ScramProved(Scram),
    /// The server's proof was right.
    ScramVerified,
    /// Accepted or failed: nothing may follow.
    Over,
}

/// One login.
pub struct Exchange {
    user: String,
    password: Option<Secret>,
    state: State,
    method: Option<Method>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("user", &self.user)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// A login of `user`, with the password that is sent or proved if the server asks for it.
    pub fn new(user: String, password: Option<Secret>) -> Self {
        Self { user, password, state: State::Start, method: None }
    }

    /// How the server let us in, once it has.
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// Takes one step. Behind an error every further step fails.
    ///
    /// The step that answers a SCRAM challenge hashes up to [`scram::ITERATION_LIMIT`] times, some tens of
    /// milliseconds of CPU; all others take microseconds.
    pub fn answer(&mut self, challenge: &Challenge<'_>) -> Result<Answer, AuthError> {
        match (std::mem::replace(&mut self.state, State::Over), challenge) {
            (State::Start, Challenge::Ok) => Ok(self.accept(Method::Trust)),
            (State::Start, Challenge::Cleartext) => {
                let text = cleartext::answer(self.password()?);
                self.state = State::PasswordSent(Method::Cleartext);
                Ok(Answer::Password(text))
            }
            (State::Start, Challenge::Md5 { salt }) => {
                let text = md5::answer(&self.user, self.password()?, *salt);
                self.state = State::PasswordSent(Method::Md5);
                Ok(Answer::Password(text))
            }
            (State::Start, Challenge::Sasl { mechanisms }) => self.start_sasl(mechanisms),
            (State::Start, Challenge::Other { code }) => Err(AuthError::Unsupported(method_name(*code))),
            (State::PasswordSent(method), Challenge::Ok) => Ok(self.accept(method)),
            (State::ScramStarted(mut scram), Challenge::SaslContinue(message)) => {
                let proof = scram.prove(message)?;
                self.state = State::ScramProved(scram);
                Ok(Answer::SaslResponse(proof))
            }
            (State::ScramProved(scram), Challenge::SaslFinal(message)) => {
                scram.verify(message)?;
                self.state = State::ScramVerified;
                Ok(Answer::Nothing)
            }
            (State::ScramVerified, Challenge::Ok) => Ok(self.accept(Method::ScramSha256)),
            (state, challenge) => {
                Err(AuthError::OutOfOrder { got: step_name(challenge), expected: expected_step(&state) })
            }
        }
    }

    fn accept(&mut self, method: Method) -> Answer {
        self.method = Some(method);
        Answer::Accepted
    }

    fn password(&self) -> Result<&Secret, AuthError> {
        self.password.as_ref().ok_or(AuthError::NoPassword)
    }

    fn start_sasl(&mut self, mechanisms: &[&[u8]]) -> Result<Answer, AuthError> {
        if !mechanisms.contains(&scram::MECHANISM.as_bytes()) {
            return Err(AuthError::Unsupported(mechanism_names(mechanisms)));
        }
        let scram = Scram::start(self.password()?);
        let response = scram.first_message();
        self.state = State::ScramStarted(scram);
        Ok(Answer::SaslInitial { mechanism: scram::MECHANISM, response })
    }
}

/// The offered mechanisms for an error: only names that look like names, since nobody vouches for this text yet.
fn mechanism_names(mechanisms: &[&[u8]]) -> String {
    let plausible = |name: &&&[u8]| {
        name.len() <= 40 && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'-')
    };
    let names: Vec<String> =
        mechanisms.iter().filter(plausible).take(8).map(|name| name.escape_ascii().to_string()).collect();
    match names.as_slice() {
        [] => "a SASL mechanism it does not name".to_owned(),
        names => format!("the SASL mechanism {}", names.join(" or ")),
    }
}

fn method_name(code: u32) -> String {
    match code {
        2 => "Kerberos".to_owned(),
        6 => "SCM credentials".to_owned(),
        7 | 8 => "GSSAPI (gss)".to_owned(),
        9 => "SSPI (sspi)".to_owned(),
        code => format!("authentication method {code}"),
    }
}

fn step_name(challenge: &Challenge<'_>) -> &'static str {
    match challenge {
        Challenge::Ok => "AuthenticationOk",
        Challenge::Cleartext => "AuthenticationCleartextPassword",
        Challenge::Md5 { .. } => "AuthenticationMD5Password",
        Challenge::Sasl { .. } => "AuthenticationSASL",
        Challenge::SaslContinue(_) => "AuthenticationSASLContinue",
        Challenge::SaslFinal(_) => "AuthenticationSASLFinal",
        Challenge::Other { .. } => "a request for another method",
    }
}

fn expected_step(state: &State) -> &'static str {
    match state {
        State::Start => "a request to authenticate",
        State::PasswordSent(_) | State::ScramVerified => "AuthenticationOk",
        State::ScramStarted(_) => "AuthenticationSASLContinue",
        State::ScramProved(_) => "AuthenticationSASLFinal",
        State::Over => "nothing",
    }
}

#[cfg(test)]
mod tests;
