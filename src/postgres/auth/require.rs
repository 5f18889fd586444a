//! `require_auth`: the methods a server may ask for (manual, "Parameter Key Words", from libpq 16 on).

/// The methods that can be named. Those not spoken here can be forbidden or asked for all the same.
const METHODS: [&str; 7] = ["password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"];

/// A list of methods that are allowed, or of methods that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequireAuth {
    methods: Vec<&'static str>,
    negated: bool,
}

/// A list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequireAuthError {
    /// A word that is no method.
    #[error(
        "require_auth knows password, md5, gss, sspi, scram-sha-256, oauth and none, each also with ! before it"
    )]
    UnknownMethod,
    /// Methods with and without `!`.
    #[error("require_auth names methods either all with ! before them or all without")]
    Mixed,
    /// The same method twice.
    #[error("require_auth names {0} twice")]
    Twice(&'static str),
}

impl RequireAuth {
    /// Reads a list like `scram-sha-256,md5` or `!password,!md5`. An empty one allows everything.
    pub fn parse(list: &str) -> Result<Self, RequireAuthError> {
        let mut parsed = Self::default();
        if list.trim().is_empty() {
            return Ok(parsed);
        }
        for (index, word) in list.split(',').enumerate() {
            let word = word.trim();
            let (negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word),
            };
            if index == 0 {
                parsed.negated = negated;
            }
            let known = METHODS.into_iter().find(|known| *known == name);
            let method = known.ok_or(RequireAuthError::UnknownMethod)?;
            if negated != parsed.negated {
                return Err(RequireAuthError::Mixed);
            }
            if parsed.methods.contains(&method) {
                return Err(RequireAuthError::Twice(method));
            }
            parsed.methods.push(method);
        }
        Ok(parsed)
    }

    /// The methods by which a token is sent.
    pub fn of_tokens() -> Self {
        Self { methods: vec!["password", "oauth"], negated: false }
    }

    /// Whether a server may ask for this method; `none` is a login without any.
    pub fn allows(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.contains(&method) != self.negated
    }

    /// Whether the method is asked for by its name.
    pub fn names(&self, method: &str) -> bool {
        !self.negated && self.methods.contains(&method)
    }
}

impl std::fmt::Display for RequireAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, method) in self.methods.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let not = if self.negated { "!" } else { "" };
            write!(f, "{comma}{not}{method}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{METHODS, RequireAuth, RequireAuthError};

    #[test]
    fn lists() {
        for (list, allowed) in [
            ("", METHODS.to_vec()),
            ("scram-sha-256", vec!["scram-sha-256"]),
            ("md5, scram-sha-256", vec!["md5", "scram-sha-256"]),
            ("none", vec!["none"]),
            ("!none", vec!["password", "md5", "gss", "sspi", "scram-sha-256", "oauth"]),
            ("!password,!md5", vec!["gss", "sspi", "scram-sha-256", "oauth", "none"]),
        ] {
            let parsed = RequireAuth::parse(list).unwrap();
            let found: Vec<_> = METHODS.into_iter().filter(|method| parsed.allows(method)).collect();
            assert_eq!(found, allowed, "{list}");
            assert_eq!(parsed.to_string(), list.replace(' ', ""));
        }
    }

    #[test]
    fn lists_that_are_none() {
        for (list, error) in [
            ("scram", RequireAuthError::UnknownMethod),
            ("md5,", RequireAuthError::UnknownMethod),
            ("!!md5", RequireAuthError::UnknownMethod),
            ("md5,!password", RequireAuthError::Mixed),
            ("md5,password,md5", RequireAuthError::Twice("md5")),
        ] {
            assert_eq!(RequireAuth::parse(list), Err(error), "{list}");
        }
    }
}
