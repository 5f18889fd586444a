//! What a login proves itself with, where it is fetched anew for every connection, such as a token that is good for
//! minutes.
//!
//! A server looks at a token only while it lets somebody in, so nothing is refreshed by the clock: each attempt to
//! connect asks its [`CredentialSource`] and keeps the answer no longer than the attempt lasts. A credential that is
//! refused and was not made for the attempt is dropped ([`CredentialSource::invalidate`]) and fetched once more.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::secret::Secret;

/// What the secret is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretKind {
    /// A password of the role.
    #[default]
    Password,
    /// A token of a directory: good for whoever holds it, also elsewhere.
    BearerToken,
}

/// A secret for one attempt to log in.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What the server is sent, or what is proved to it.
    pub secret: Secret,
    /// What it is: this decides over which connection it may leave.
    pub kind: SecretKind,
    /// Whether it was made for this attempt. A refused one that was not is worth one more try.
    pub is_fresh: bool,
    /// How long it is good for, where that is known.
    pub valid_for: Option<Duration>,
}

/// Whom a credential is for. Some are good for one host alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Name or address, as the user wrote it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The role that logs in.
    pub user: String,
}

/// What a source gives, some time.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Credential, CredentialError>> + Send + 'a>>;

/// Fetches credentials.
pub trait CredentialSource: Debug + Send + Sync {
    /// A credential that is good now. Dropping the future gives up.
    fn credential<'a>(&'a self, recipient: &'a Recipient) -> Pending<'a>;

    /// The server refused the last one: the next is made anew, whatever is kept.
    fn invalidate(&self);

    /// After this time the attempt is given up. It is not a part of the time to connect and log in.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// No credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    /// What happened and what to do, in one line and without a secret.
    pub message: String,
    /// Whether trying again can help.
    pub outlook: Outlook,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It may pass; not before this time, where somebody named one.
    Retry {
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// A person has to mend something. A start ends; a pipeline that has run before goes on trying, slowly, for
    /// directories have hiccups.
    Stop,
    /// Trying again does harm, such as locking an account, or is known to be useless.
    Never,
}
