//! Authentication without IO: a challenge in, an answer out (manual, "Authentication").
//!
//! [`Exchange`] is the state machine. It accepts a login only in the order the method prescribes: behind a SCRAM
//! exchange the server's signature must have been verified before its word that all is well counts.
//! Before a secret leaves, [`policy`] is asked. What is not spoken here (GSSAPI, SSPI) ends in one error that names
//! `pg_hba.conf`.

pub mod cleartext;
mod error;
pub mod md5;
pub mod oauth;
pub mod policy;
pub mod require;
pub mod scram;

use zeroize::Zeroizing;

use crate::secret::Secret;
pub use error::AuthError;
use oauth::Refusal;
use policy::{Channel, ChannelBinding, Policy, Release, SecretKind};
use require::RequireAuth;
use scram::{Binding, Scram};

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
        response: Zeroizing<Vec<u8>>,
    },
    /// A further message of a SASL exchange.
    SaslResponse(Zeroizing<Vec<u8>>),
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
    /// The same, and it holds the key of the certificate that we saw: nobody is between.
    ScramSha256Plus,
    /// It took a bearer token.
    OAuthBearer,
}

impl Method {
    /// Its name, as people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trust => "no password (trust, or a certificate)",
            Self::Cleartext => "clear-text password",
            Self::Md5 => "MD5",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
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
    ScramVerified(Method),
    /// A bearer token left.
    TokenSent,
    /// It was not taken, and the server is to say so.
    TokenRefused,
    /// Accepted or failed: nothing may follow.
    Over,
}

/// One login.
pub struct Exchange {
    user: String,
    password: Option<Secret>,
    policy: Policy,
    channel: Channel,
    state: State,
    method: Option<Method>,
    refusal: Option<Refusal>,
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
    /// A login of `user` within this machine, with the password that is sent or proved if the server asks for it.
    pub fn new(user: String, password: Option<Secret>) -> Self {
        Self::with_policy(user, password, Policy::default(), Channel::Local)
    }

    /// A login of `user` by these rules, over this channel.
    pub fn with_policy(user: String, password: Option<Secret>, policy: Policy, channel: Channel) -> Self {
        Self { user, password, policy, channel, state: State::Start, method: None, refusal: None }
    }

    /// How the server let us in, once it has.
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// Why the server does not take the token, where it has said so before its error.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Takes one step. Behind an error every further step fails.
    ///
    /// The step that answers a SCRAM challenge hashes up to [`scram::ITERATION_LIMIT`] times, some tens of
    /// milliseconds of CPU; all others take microseconds.
    pub fn answer(&mut self, challenge: &Challenge<'_>) -> Result<Answer, AuthError> {
        match (std::mem::replace(&mut self.state, State::Over), challenge) {
            (State::Start, Challenge::Ok) => {
                self.allow("none")?;
                self.unbound("the server asked for no password")?;
                Ok(self.accept(Method::Trust))
            }
            (State::Start, Challenge::Cleartext) => {
                self.allow("password")?;
                self.unbound("the server asked for the password itself, not for SCRAM")?;
                self.policy.release(Release::Itself, &self.channel)?;
                let text = cleartext::answer(self.password()?);
                self.state = State::PasswordSent(Method::Cleartext);
                Ok(Answer::Password(text))
            }
            (State::Start, Challenge::Md5 { salt }) => {
                self.allow("md5")?;
                self.unbound("the server asked for MD5, not for SCRAM")?;
                self.policy.release(Release::Md5, &self.channel)?;
                let text = md5::answer(&self.user, self.password()?, *salt);
                self.state = State::PasswordSent(Method::Md5);
                Ok(Answer::Password(text))
            }
            (State::Start, Challenge::Sasl { mechanisms }) => self.start_sasl(mechanisms),
            (State::Start, Challenge::Other { code }) => Err(AuthError::Unsupported(method_name(*code))),
            (State::ScramStarted(mut scram), Challenge::SaslContinue(message)) => {
                let proof = scram.prove(message)?;
                self.state = State::ScramProved(scram);
                Ok(Answer::SaslResponse(proof))
            }
            (State::ScramProved(scram), Challenge::SaslFinal(message)) => {
                let method = scram.method();
                scram.verify(message)?;
                self.state = State::ScramVerified(method);
                Ok(Answer::Nothing)
            }
            (State::TokenSent, Challenge::SaslContinue(document)) => {
                self.refusal = Some(Refusal::parse(document)?);
                self.state = State::TokenRefused;
                Ok(Answer::SaslResponse(Zeroizing::new(oauth::ACKNOWLEDGEMENT.to_vec())))
            }
            (State::TokenSent, Challenge::Ok) => Ok(self.accept(Method::OAuthBearer)),
            (State::PasswordSent(method) | State::ScramVerified(method), Challenge::Ok) => {
                Ok(self.accept(method))
            }
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

    /// Refuses a method that the list does not have.
    fn allow(&self, method: &'static str) -> Result<(), AuthError> {
        let required = &self.policy.require_auth;
        if required.allows(method) {
            return Ok(());
        }
        let method = if method == "none" { "no authentication" } else { method };
        if self.policy.kind == SecretKind::BearerToken && *required == RequireAuth::of_tokens() {
            return Err(AuthError::NotForTokens { method });
        }
        Err(AuthError::NotAllowed { method, required: required.to_string() })
    }

    /// Refuses a login without channel binding where that is demanded.
    fn unbound(&self, problem: &'static str) -> Result<(), AuthError> {
        match self.policy.channel_binding {
            ChannelBinding::Require => Err(AuthError::NoChannelBinding { problem }),
            _ => Ok(()),
        }
    }

    fn start_sasl(&mut self, mechanisms: &[&[u8]]) -> Result<Answer, AuthError> {
        let offers = |name: &str| mechanisms.contains(&name.as_bytes());
        let offers_scram = offers(scram::MECHANISM) || offers(scram::MECHANISM_PLUS);
        if offers(oauth::MECHANISM) && (self.policy.kind == SecretKind::BearerToken || !offers_scram) {
            return self.start_oauth();
        }
        if !offers_scram {
            return Err(AuthError::Unsupported(mechanism_names(mechanisms)));
        }
        self.allow("scram-sha-256")?;
        let binding = self.choose_binding(offers(scram::MECHANISM_PLUS))?;
        if !offers(binding.mechanism()) {
            return Err(AuthError::Unsupported(mechanism_names(mechanisms)));
        }
        let mechanism = binding.mechanism();
        let scram = Scram::start(self.password()?, binding);
        let response = scram.first_message();
        self.state = State::ScramStarted(scram);
        Ok(Answer::SaslInitial { mechanism, response })
    }

    fn start_oauth(&mut self) -> Result<Answer, AuthError> {
        self.allow("oauth")?;
        self.unbound("the server asked for a bearer token, not for SCRAM")?;
        // A password is not for whoever looks at tokens.
        let token = self.password.as_ref().filter(|_| self.policy.kind == SecretKind::BearerToken);
        let token = token.ok_or(AuthError::NoToken)?;
        self.policy.release(Release::Itself, &self.channel)?;
        let response = oauth::first_message(token)?;
        self.state = State::TokenSent;
        Ok(Answer::SaslInitial { mechanism: oauth::MECHANISM, response })
    }

    /// What the login is bound to, and what the server is told about it.
    fn choose_binding(&self, plus_offered: bool) -> Result<Binding, AuthError> {
        let wanted = self.policy.channel_binding;
        if wanted == ChannelBinding::Disable {
            return Ok(Binding::None);
        }
        let hash = match &self.channel {
            Channel::Clear { .. } if plus_offered => return Err(AuthError::PlusInTheClear),
            Channel::Encrypted { end_point, .. } => end_point.clone(),
            Channel::Local | Channel::Clear { .. } => {
                self.unbound("there is no TLS to bind to: set sslmode")?;
                None
            }
        };
        match hash {
            Some(hash) if plus_offered => Ok(Binding::EndPoint(hash)),
            Some(_) => {
                self.unbound("the server does not offer SCRAM-SHA-256-PLUS")?;
                Ok(Binding::NotOffered)
            }
            None => {
                self.unbound(
                    "the signature of the server's certificate (Ed25519, say) has no digest to bind to: re-issue it \
                     with SHA-256",
                )?;
                Ok(Binding::None)
            }
        }
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
        State::PasswordSent(_) | State::ScramVerified(_) => "AuthenticationOk",
        State::ScramStarted(_) => "AuthenticationSASLContinue",
        State::ScramProved(_) => "AuthenticationSASLFinal",
        State::TokenSent => "AuthenticationOk or AuthenticationSASLContinue",
        State::TokenRefused => "an error",
        State::Over => "nothing",
    }
}

#[cfg(test)]
mod tests;
