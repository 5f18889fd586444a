//! Which server and slot a command is about: by configuration file, or by URL and name.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Source, login, parse};
use crate::error::{Exit, Failure};
use crate::postgres::client::Login;

/// A server and a slot.
#[derive(Debug, Args)]
pub struct SlotArgs {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "pgsluice.toml", conflicts_with = "dsn")]
    pub file: PathBuf,
    /// libpq URL or keyword/value string, in place of a configuration file.
    #[arg(long, value_name = "URL", env = "PGSLUICE_DSN", hide_env_values = true)]
    pub dsn: Option<String>,
    /// The slot; needed with --dsn.
    #[arg(long, value_name = "NAME")]
    pub slot: Option<String>,
}

impl SlotArgs {
    /// How to log in, and the slot's name.
    pub fn resolve(&self) -> Result<(Login, String), Failure> {
        let configuration = |error: &dyn std::error::Error| Failure::new(Exit::Configuration, error);
        match (&self.dsn, &self.slot) {
            (Some(dsn), Some(slot)) => Ok((login_by_url(dsn)?, slot.clone())),
            (Some(_), None) => Err(Failure::text(Exit::Usage, "--dsn needs --slot NAME")),
            (None, slot) => {
                let config = parse::load(&self.file).map_err(|e| configuration(&e))?;
                let login = login::login(&config.source).map_err(|e| configuration(&e))?;
                Ok((login, slot.clone().unwrap_or(config.source.replication.slot)))
            }
        }
    }
}

/// How to log in by a URL alone.
pub fn login_by_url(url: &str) -> Result<Login, Failure> {
    let source = Source { dsn: Some(url.to_owned()), ..Source::default() };
    login::login(&source).map_err(|error| Failure::new(Exit::Configuration, &error))
}
