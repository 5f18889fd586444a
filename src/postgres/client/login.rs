//! Options and where the password comes from, together: what it takes to log in again and again.

use std::fmt::Debug;
use std::future::Future;

use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::Connection;
use super::conninfo::passfile::{self, Whom};
use super::hosts::connect_to_any;
use super::options::{ConnectOptions, Mode};
use crate::postgres::error::ClientError;
use crate::postgres::transport::stream::Stream;
use crate::secret_source::{SecretError, SecretSource};

/// How to log in. The password is read anew for every connection.
#[derive(Clone, Debug)]
pub struct Login {
    /// Everything but the password.
    pub options: ConnectOptions,
    /// Where the password is.
    pub password: Option<SecretSource>,
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
        Ok(Box::pin(connect_to_any(&options, mode, look_up_password)).await?)
    }
}

/// Looks the password for one host up, where none is given.
fn look_up_password(options: &mut ConnectOptions) {
    if options.password.is_some() {
        return;
    }
    let Some(path) = options.passfile.clone().or_else(passfile::usual) else { return };
    let ConnectOptions { host, port, database, user, .. } = &*options;
    match passfile::look_up(&path, &Whom { host, port: *port, database, user }) {
        Ok(found) => options.password = found,
        Err(error) => tracing::warn!(%error, "no password"),
    }
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
