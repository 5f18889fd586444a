//! Why a login cannot go on.

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
    /// The method is not among those that are allowed.
    #[error(
        "the server asks for {method}, which require_auth = {required} does not allow: correct pg_hba.conf, or is it \
         another server?"
    )]
    NotAllowed {
        /// What the server asks for.
        method: &'static str,
        /// What is allowed.
        required: String,
    },
    /// The server asks for something by which no token is sent.
    #[error(
        "the server asks for {method}, and what is configured is a token, which is sent by the methods password and \
         oauth: correct pg_hba.conf, or is it another server?"
    )]
    NotForTokens {
        /// What the server asks for.
        method: &'static str,
    },
    /// The server asks for a bearer token and there is none.
    #[error(
        "the server asks for a bearer token (OAUTHBEARER), and none is configured: choose a scheme that fetches one, or \
         let pg_hba.conf ask for scram-sha-256"
    )]
    NoToken,
    /// The token would not survive its message.
    #[error(
        "the token is not a bearer token: it is empty, or has characters in it that none has, such as a line break"
    )]
    NotABearerToken,
    /// The server's reason for not taking a token cannot be read.
    #[error("the server's OAUTHBEARER message is not valid")]
    BadOAuthMessage,
    /// A password would leave in the clear.
    #[error(
        "the server asks for the password by the method {method}, which would show it to the network, for there is no \
         TLS: set sslmode = verify-full, have pg_hba.conf ask for scram-sha-256, or write require_auth = {method} to \
         send it all the same"
    )]
    PasswordInTheClear {
        /// The method.
        method: &'static str,
    },
    /// A token would leave to somebody unknown.
    #[error("the token is not sent: {problem}")]
    TokenNotReleased {
        /// What is missing, and which setting it is.
        problem: &'static str,
    },
    /// Channel binding is demanded and cannot be had.
    #[error("channel_binding = require: {problem}")]
    NoChannelBinding {
        /// Why not.
        problem: &'static str,
    },
    /// The server offers what only one with TLS can.
    #[error(
        "the server offers SCRAM-SHA-256-PLUS on a connection without TLS: somebody between has taken TLS away; set \
         sslmode = verify-full"
    )]
    PlusInTheClear,
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
