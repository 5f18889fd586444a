//! The password itself, for `password` lines of `pg_hba.conf` (and `ldap`, `pam`, `radius` behind it).

use zeroize::Zeroizing;

use crate::secret::Secret;

/// The text of the `PasswordMessage`.
pub fn answer(password: &Secret) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(password.expose().as_bytes().to_vec())
}
