//! A source of tokens that a test decides about.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::pgsluice::credential::{Credential, CredentialSource, Pending, Recipient, SecretKind};
use ::pgsluice::postgres::client::{ConnectOptions, Login};
use ::pgsluice::secret::Secret;

/// Gives what it was given last, as one that was kept, and counts.
#[derive(Debug)]
pub(super) struct Given {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    token: Secret,
    /// What a directory would give in place of a token that is not taken.
    next: Option<Secret>,
    asked: usize,
    is_fresh: bool,
}

impl Given {
    pub(super) fn new(token: &str) -> Arc<Self> {
        let token = Secret::new(token.to_owned());
        Arc::new(Self { state: Mutex::new(State { token, next: None, asked: 0, is_fresh: true }) })
    }

    /// A token from some time ago, and the one that is there for whoever asks again.
    pub(super) fn kept(token: &str, next: &str) -> Arc<Self> {
        let given = Self::new(token);
        given.with(|state| {
            state.is_fresh = false;
            state.next = Some(Secret::new(next.to_owned()));
        });
        given
    }

    pub(super) fn times_asked(&self) -> usize {
        self.with(|state| state.asked)
    }

    /// A login with this source.
    pub(super) fn login(self: &Arc<Self>, options: ConnectOptions) -> Login {
        let source: Arc<dyn CredentialSource> = Arc::<Self>::clone(self);
        Login { options, password: None, credentials: Some(source) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CredentialSource for Given {
    fn credential<'a>(&'a self, _: &'a Recipient) -> Pending<'a> {
        let credential = self.with(|state| {
            state.asked += 1;
            Credential {
                secret: state.token.clone(),
                kind: SecretKind::BearerToken,
                is_fresh: state.is_fresh,
                valid_for: Some(Duration::from_mins(15)),
            }
        });
        Box::pin(std::future::ready(Ok(credential)))
    }

    fn invalidate(&self) {
        self.with(|state| {
            state.is_fresh = true;
            if let Some(next) = state.next.take() {
                state.token = next;
            }
        });
    }
}
