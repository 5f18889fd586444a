//! What may be told to whom: which methods are allowed, and over which channel a secret may leave.
//!
//! A server picks the method. These rules are what keeps one that is not ours, or somebody between, from asking for
//! the password itself.

use super::AuthError;
use super::require::RequireAuth;
pub use crate::credential::SecretKind;

/// What is known of the connection underneath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Within this machine: a Unix-domain socket, or a stream of the caller's making.
    Local,
    /// A network, in the clear.
    Clear {
        /// Whether it ends on this machine all the same.
        loopback: bool,
    },
    /// TLS.
    Encrypted {
        /// What the certificate proves.
        peer: Peer,
        /// The hash of the certificate that channel binding is about; `None` where its signature's algorithm has
        /// none.
        end_point: Option<Vec<u8>>,
    },
}

/// What a certificate proves of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nothing.
    Unverified,
    /// That one of the system's authorities knows it by some name: anybody can have that.
    PublicAuthority,
    /// That an authority of the user's choice has issued it.
    PrivateAuthority,
    /// That it is the host it was taken for.
    Named,
}

/// `channel_binding`: whether the login is tied to the server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where server and certificate allow it.
    #[default]
    Prefer,
    /// Always: no other login is accepted.
    Require,
}

impl ChannelBinding {
    /// The value of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "disable" => Some(Self::Disable),
            "prefer" => Some(Self::Prefer),
            "require" => Some(Self::Require),
            _ => None,
        }
    }
}

/// The rules of one login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What the secret is.
    pub kind: SecretKind,
    /// Whether the login is tied to the certificate.
    pub channel_binding: ChannelBinding,
    /// The allowed methods.
    pub require_auth: RequireAuth,
    /// Whether a token may leave in the clear to this machine, where a proxy of the cloud's listens.
    pub token_over_loopback: bool,
}

/// How a secret would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// As it is.
    Itself,
    /// As an MD5 hash, which is as good as itself to whoever takes it, and easy to guess from.
    Md5,
}

impl Release {
    fn method(self) -> &'static str {
        match self {
            Self::Itself => "password",
            Self::Md5 => "md5",
        }
    }
}

impl Policy {
    /// Whether the secret may leave like this over this channel.
    pub(super) fn release(&self, how: Release, channel: &Channel) -> Result<(), AuthError> {
        match self.kind {
            SecretKind::Password => self.release_password(how, channel),
            SecretKind::BearerToken => self.release_token(channel),
        }
    }

    fn release_password(&self, how: Release, channel: &Channel) -> Result<(), AuthError> {
        let method = how.method();
        match channel {
            Channel::Local | Channel::Encrypted { .. } => Ok(()),
            Channel::Clear { .. } if self.require_auth.names(method) => Ok(()),
            Channel::Clear { .. } => Err(AuthError::PasswordInTheClear { method }),
        }
    }

    fn release_token(&self, channel: &Channel) -> Result<(), AuthError> {
        let problem = match channel {
            Channel::Encrypted { peer: Peer::Named | Peer::PrivateAuthority, .. } => return Ok(()),
            Channel::Encrypted { peer: Peer::PublicAuthority, .. } => {
                "the certificate is of a public authority and its name was not looked at: set sslmode = verify-full"
            }
            Channel::Encrypted { peer: Peer::Unverified, .. } => {
                "the certificate was not verified: set sslmode = verify-full"
            }
            Channel::Clear { loopback: true } | Channel::Local if self.token_over_loopback => return Ok(()),
            Channel::Clear { loopback: true } | Channel::Local => {
                "there is no TLS: set sslmode = verify-full, or token_over_loopback = true where a proxy on this \
                 machine passes the token on over TLS"
            }
            Channel::Clear { loopback: false } => "there is no TLS: set sslmode = verify-full",
        };
        Err(AuthError::TokenNotReleased { problem })
    }
}

#[cfg(test)]
mod tests;
