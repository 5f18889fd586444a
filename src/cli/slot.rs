//! `pgsluice slot create / status / drop`.

use clap::Subcommand;

use crate::app::line;
use crate::cli::config::write_out;
use crate::cli::source::SlotArgs;
use crate::error::Failure;
use crate::pipeline::PipelineError;
use crate::pipeline::options::SlotOptions;
use crate::pipeline::slot::{verify, verify_free};
use crate::pipeline::start::create_slot;
use crate::postgres::catalog::{Catalog, Slot};
use crate::postgres::client::Mode;

/// What to do with the slot.
#[derive(Debug, Subcommand)]
pub enum SlotCommand {
    /// Make the slot. Waits for every transaction running on the server to end.
    Create(SlotArgs),
    /// Show where the slot stands, and what it keeps on the server.
    Status(SlotArgs),
    /// Drop the slot. What it has not delivered is lost to its consumers.
    Drop(SlotArgs),
}

const PLUGIN: &str = "test_decoding";

/// Does it.
pub async fn execute(command: SlotCommand) -> Result<(), Failure> {
    let text = match command {
        SlotCommand::Create(args) => create(&args).await,
        SlotCommand::Status(args) => status(&args).await,
        SlotCommand::Drop(args) => drop_slot(&args).await,
    }?;
    write_out(text.as_bytes())
}

async fn create(args: &SlotArgs) -> Result<String, Failure> {
    let (login, name) = args.resolve()?;
    let made = async {
        let server = Catalog::new(login.clone()).server().await?;
        let mut connection = login.connect(Mode::Replication).await?;
        create_slot(&server, &mut connection, &name, PLUGIN).await
    };
    let position = made.await.map_err(|error| failure(&error))?;
    Ok(format!("slot {name} made; it delivers what commits from {position} on\n"))
}

async fn status(args: &SlotArgs) -> Result<String, Failure> {
    let (login, name) = args.resolve()?;
    let looked = async {
        let mut catalog = Catalog::new(login);
        let server = catalog.server().await?;
        let Some(slot) = catalog.slot(&name, server.version).await? else {
            return Err(PipelineError::SlotMissing { slot: name.clone(), plugin: PLUGIN });
        };
        let wanted = SlotOptions { name: name.clone(), create: false, plugin: PLUGIN };
        Ok((verify(&slot, &wanted, &server.database), slot))
    };
    let (verdict, slot) = looked.await.map_err(|error| failure(&error))?;
    let text = describe(&slot);
    match verdict {
        Ok(()) => Ok(text),
        Err(error) => {
            write_out(text.as_bytes())?;
            Err(failure(&error))
        }
    }
}

async fn drop_slot(args: &SlotArgs) -> Result<String, Failure> {
    let (login, name) = args.resolve()?;
    let dropped = async {
        let mut catalog = Catalog::new(login.clone());
        let server = catalog.server().await?;
        let Some(slot) = catalog.slot(&name, server.version).await? else {
            return Err(PipelineError::SlotMissing { slot: name.clone(), plugin: PLUGIN });
        };
        verify_free(&slot)?;
        let mut connection = login.connect(Mode::Replication).await?;
        connection.drop_slot(&name, false).await?;
        Ok(())
    };
    dropped.await.map_err(|error| failure(&error))?;
    Ok(format!("slot {name} dropped\n"))
}

fn failure(error: &PipelineError) -> Failure {
    Failure::text(error.disposition().exit(), line(error))
}

/// The slot's state, one line a fact, in the words of `pg_replication_slots`.
fn describe(slot: &Slot) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let holder = match &slot.holder {
        None => "nobody".to_owned(),
        Some(holder) => format!(
            "pid {}, application {}, address {}",
            holder.pid,
            holder.application.as_deref().unwrap_or("-"),
            holder.address.as_deref().unwrap_or("local")
        ),
    };
    let rows = [
        ("slot", slot.name.clone()),
        ("plugin", or_none(slot.plugin.clone())),
        ("database", or_none(slot.database.clone())),
        ("streamed by", holder),
        ("restart_lsn", or_none(slot.restart_lsn.map(|lsn| lsn.to_string()))),
        ("confirmed_flush_lsn", or_none(slot.confirmed_flush_lsn.map(|lsn| lsn.to_string()))),
        ("server WAL end", slot.wal_end.to_string()),
        ("lag", or_none(slot.lag_bytes().map(bytes))),
        ("retained WAL", or_none(slot.retained_bytes().map(bytes))),
        ("wal_status", or_none(slot.wal_status.clone())),
        ("safe_wal_size", or_none(slot.safe_wal_size.map(|size| bytes(u64::try_from(size).unwrap_or(0))))),
    ];
    rows.iter().fold(String::new(), |text, (name, value)| text + &format!("{name:<20} {value}\n"))
}

/// An amount of bytes for people.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{count} {name}") } else { format!("{value:.1} {name}") }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn amounts() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }
}
