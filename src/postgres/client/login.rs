//! Options and where the secret comes from, together: what it takes to log in again and again.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connect::{Connection, connect};
use super::conninfo::passfile::{self, Whom};
use super::hosts::connect_to_any;
use super::options::{ConnectOptions, Mode};
use crate::credential::{Credential, CredentialError, CredentialSource, Outlook, Recipient};
use crate::postgres::error::ClientError;
use crate::postgres::protocol::sqlstate::SqlState;
use crate::postgres::transport::stream::Stream;
use crate::secret_source::{SecretError, SecretSource};

/// How to log in. The secret is read or fetched anew for every connection.
#[derive(Clone, Debug)]
pub struct Login {
    /// Everything but the secret.
    pub options: ConnectOptions,
    /// Where the password is.
    pub password: Option<SecretSource>,
    /// Who fetches what stands in for the password; then there is none.
    pub credentials: Option<Arc<dyn CredentialSource>>,
}

/// Opens connections to one server, again and again.
pub trait Dial {
    /// What they run over.
    type Stream: AsyncRead + AsyncWrite + Unpin + Debug;

    /// Opens a connection.
    fn dial(&self, mode: Mode) -> impl Future<Output = Result<Connection<Self::Stream>, LoginError>>;

    /// Opens a connection whose socket has a receive buffer of this size.
    fn dial_with_buffer(
        &self,
        mode: Mode,
        receive_buffer: Option<u32>,
    ) -> impl Future<Output = Result<Connection<Self::Stream>, LoginError>>;
}

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The password is not where the configuration says.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is no credential to be had.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The server cannot be reached or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Login {
    /// Opens a connection.
    pub async fn connect(&self, mode: Mode) -> Result<Connection<Stream>, LoginError> {
        self.connect_with_buffer(mode, self.options.receive_buffer).await
    }

    /// Opens a connection whose socket has a receive buffer of this size.
    pub async fn connect_with_buffer(
        &self,
        mode: Mode,
        receive_buffer: Option<u32>,
    ) -> Result<Connection<Stream>, LoginError> {
        let mut options = self.options.clone();
        options.receive_buffer = receive_buffer;
        if let Some(source) = &self.password {
            options.password = Some(source.read()?);
        }
        let log_in = async |one: ConnectOptions| match &self.credentials {
            Some(source) => with_credential(source.as_ref(), one, mode).await,
            None => Ok(connect(&with_password(one), mode).await?),
        };
        Box::pin(connect_to_any(&options, log_in)).await
    }

    /// A credential for the first host, as an attempt to connect would have it.
    pub async fn credential(&self) -> Result<Option<Credential>, CredentialError> {
        match &self.credentials {
            Some(source) => fetch(source.as_ref(), &recipient(&self.options)).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Logs in with a credential that is fetched for this attempt. One that is refused and is not of this attempt may
/// have been withdrawn since: it is fetched anew, once.
async fn with_credential(
    source: &dyn CredentialSource,
    mut options: ConnectOptions,
    mode: Mode,
) -> Result<Connection<Stream>, LoginError> {
    let recipient = recipient(&options);
    let credential = fetch(source, &recipient).await?;
    let is_fresh = credential.is_fresh;
    options.take_credential(credential);
    match connect(&options, mode).await {
        Err(error) if !is_fresh && is_refused(&error) => {
            tracing::info!(%error, "the credential is not taken; fetching another");
            source.invalidate();
            options.take_credential(fetch(source, &recipient).await?);
            Ok(connect(&options, mode).await?)
        }
        outcome => Ok(outcome?),
    }
}

fn recipient(options: &ConnectOptions) -> Recipient {
    Recipient { host: options.host.clone(), port: options.port, user: options.user.clone() }
}

async fn fetch(source: &dyn CredentialSource, recipient: &Recipient) -> Result<Credential, CredentialError> {
    let limit = source.time_limit();
    let late = || CredentialError {
        message: format!("no credential in {} s", limit.as_secs_f32()),
        outlook: Outlook::Retry { after: None },
    };
    timeout(limit, source.credential(recipient)).await.unwrap_or_else(|_| Err(late()))
}

/// Whether the server does not take what it was shown.
fn is_refused(error: &ClientError) -> bool {
    let refusals = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION];
    error.sqlstate().is_some_and(|code| refusals.contains(&code))
}

/// Looks the password for one host up, where none is given.
fn with_password(mut options: ConnectOptions) -> ConnectOptions {
    if options.password.is_some() {
        return options;
    }
    let Some(path) = options.passfile.clone().or_else(passfile::usual) else { return options };
    let ConnectOptions { host, port, database, user, .. } = &options;
    match passfile::look_up(&path, &Whom { host, port: *port, database, user }) {
        Ok(found) => options.password = found,
        Err(error) => tracing::warn!(%error, "no password"),
    }
    options
}

impl Dial for Login {
    type Stream = Stream;

    async fn dial(&self, mode: Mode) -> Result<Connection<Stream>, LoginError> {
        self.connect(mode).await
    }

    async fn dial_with_buffer(
        &self,
        mode: Mode,
        receive_buffer: Option<u32>,
    ) -> Result<Connection<Stream>, LoginError> {
        self.connect_with_buffer(mode, receive_buffer).await
    }
}
