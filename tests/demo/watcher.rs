//! The slot, seen from the server: how much WAL its consumer has not confirmed.

use std::time::{Duration, Instant};

use pgsluice::cli::slot::bytes;
use pgsluice::lsn::Lsn;
use pgsluice::postgres::catalog::Catalog;
use pgsluice::postgres::client::Login;

use crate::screen::{Colour, Screen};
use crate::support::Result;

/// The least time between two lines about a lag that is not zero.
const LINE_EVERY: Duration = Duration::from_millis(500);

/// Where the slot stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Bytes of WAL up to the server's end that are not confirmed.
    pub(crate) lag: u64,
    pub(crate) confirmed: Lsn,
    pub(crate) wal_end: Lsn,
}

pub(crate) struct Watcher {
    catalog: Catalog,
    slot: String,
    version: u32,
    /// What was shown last, and when.
    shown: Option<(u64, Instant)>,
}

impl Watcher {
    pub(crate) async fn new(login: &Login, slot: &str) -> Result<Self> {
        let mut catalog = Catalog::new(login.clone());
        let version = catalog.server().await?.version;
        Ok(Self { catalog, slot: slot.to_owned(), version, shown: None })
    }

    /// Looks at the slot, and shows its lag where that says something new.
    pub(crate) async fn look(&mut self, screen: &Screen) -> Result<Look> {
        let slot = self.catalog.slot(&self.slot, self.version).await?;
        let slot = slot.ok_or_else(|| format!("the slot {} is gone", self.slot))?;
        let lag = slot.lag_bytes().ok_or_else(|| format!("the slot {} has no position", self.slot))?;
        let is_news = match self.shown {
            None => true,
            Some((shown, at)) => shown != lag && (lag == 0 || at.elapsed() > LINE_EVERY),
        };
        let confirmed = slot.confirmed_flush_lsn.unwrap_or_default();
        if is_news {
            let colour = if lag == 0 { Colour::Green } else { Colour::Yellow };
            screen.line("lag", colour, &format!("{} (confirmed up to {confirmed})", bytes(lag)))?;
            self.shown = Some((lag, Instant::now()));
        }
        Ok(Look { lag, confirmed, wal_end: slot.wal_end })
    }
}
