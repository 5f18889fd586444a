//! OAUTHBEARER (RFC 7628; manual, "OAuth Authorization/Authentication"), which servers from 18 on ask for: the token
//! itself, so the same rules as for one that is sent as a password.
//!
//! A server that does not take the token answers with a document that says why and names the issuer it trusts. That
//! is shown and never followed: a token is fetched where the configuration says, not where a server does.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::AuthError;
use crate::postgres::protocol::notice::escape;
use crate::secret::Secret;

/// The mechanism's name.
pub const MECHANISM: &str = "OAUTHBEARER";

/// Acknowledges the refusal, behind which the server reports its error.
pub const ACKNOWLEDGEMENT: &[u8] = b"\x01";

/// The whole of the client's side: no channel binding, no other role than that of the `StartupMessage`.
pub fn first_message(token: &Secret) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    let token = token.expose().as_bytes();
    if !is_bearer_token(token) {
        return Err(AuthError::NotABearerToken);
    }
    let parts: [&[u8]; 3] = [b"n,,\x01auth=Bearer ", token, b"\x01\x01"];
    let mut message = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        message.extend_from_slice(part);
    }
    Ok(message)
}

/// `b64token` of RFC 6750, section 2.1. Anything else could end the field and begin another.
fn is_bearer_token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|&&b| b == b'=').count();
    let (text, _) = token.split_at(token.len() - padding);
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(b))
}

/// Why the server does not take the token, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: String,
    scope: Option<String>,
    discovery: Option<String>,
}

/// The document of RFC 7628, section 3.2.2. Unknown members are ignored.
#[derive(Deserialize)]
struct Document {
    status: String,
    scope: Option<String>,
    #[serde(rename = "openid-configuration")]
    discovery: Option<String>,
}

impl Refusal {
    /// Reads the server's document.
    pub fn parse(document: &[u8]) -> Result<Self, AuthError> {
        let Document { status, scope, discovery } =
            serde_json::from_slice(document).or(Err(AuthError::BadOAuthMessage))?;
        let plain = |text: Option<String>| text.map(|text| escape(text.as_bytes()));
        Ok(Self { status: escape(status.as_bytes()), scope: plain(scope), discovery: plain(discovery) })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the token is not taken: {}", self.status)?;
        if let Some(discovery) = &self.discovery {
            write!(f, "; the server trusts the issuer of {discovery}")?;
        }
        if let Some(scope) = &self.scope {
            write!(f, "; it wants the scope {scope}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthError, Refusal, first_message};
    use crate::secret::Secret;

    fn first(token: &str) -> Result<Vec<u8>, AuthError> {
        first_message(&Secret::new(token.to_owned())).map(|message| message.to_vec())
    }

    #[test]
    fn the_token_stands_in_the_message() {
        assert_eq!(first("a.b-c_d~e+f/g==").unwrap(), b"n,,\x01auth=Bearer a.b-c_d~e+f/g==\x01\x01");
        let long = "x".repeat(65_000);
        assert_eq!(first(&long).unwrap().len(), 65_000 + 18);
    }

    /// What would end the field early, or is a file's line break.
    #[test]
    fn tokens_that_are_none() {
        for token in ["", "=", "a\n", "a b", "a\u{1}", "a\u{1}user=x", "a=b", "ü", "a,b"] {
            assert_eq!(first(token), Err(AuthError::NotABearerToken), "{token:?}");
        }
    }

    #[test]
    fn refusals() {
        let document = br#"{"status":"invalid_token","scope":"openid profile","more":[1],
            "openid-configuration":"https://issuer.example/.well-known/openid-configuration"}"#;
        let text = Refusal::parse(document).unwrap().to_string();
        assert_eq!(
            text,
            "the token is not taken: invalid_token; the server trusts the issuer of \
             https://issuer.example/.well-known/openid-configuration; it wants the scope openid profile"
        );
        let hostile = Refusal::parse(br#"{"status":"\u001b[2J\u202ex","scope":null}"#).unwrap().to_string();
        assert_eq!(hostile, "the token is not taken: \\u{1b}[2J\\u{202e}x");
    }

    #[test]
    fn documents_that_are_none() {
        let deep = "[".repeat(1_900);
        for document in
            ["", "{", "{}", "null", "[]", "{\"status\":1}", "{\"status\":\"a\"} x", "\u{1}", &deep]
        {
            assert_eq!(Refusal::parse(document.as_bytes()), Err(AuthError::BadOAuthMessage), "{document}");
        }
        assert_eq!(Refusal::parse(b"{\"status\":\"\xff\"}"), Err(AuthError::BadOAuthMessage));
    }
}
