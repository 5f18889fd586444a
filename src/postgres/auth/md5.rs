//! MD5 authentication, deprecated since PostgreSQL 18 (manual, "Password Authentication").

use postgres_protocol::authentication::md5_hash;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The text of the `PasswordMessage`: `md5` and the hash of the password's hash and the salt.
pub fn answer(user: &str, password: &Secret, salt: [u8; 4]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(md5_hash(user.as_bytes(), password.expose().as_bytes(), salt).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::answer;
    use crate::secret::Secret;

    /// From a captured login of `md5user` with the password `secret`.
    #[test]
    fn same_as_captured() {
        let secret = Secret::new("secret".to_owned());
        let text = answer("md5user", &secret, [0x94, 0xD1, 0xE0, b'x']);
        assert_eq!(text.as_slice(), b"md526643cb8716d788ae4f99ce6a8177554");
    }
}
