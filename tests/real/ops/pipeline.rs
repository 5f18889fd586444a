//! A configuration file, and what is run with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::context::Context;
use crate::ops::events::{Event, events};
use crate::ops::slot;
use crate::ops::sluice::{Ended, KAFKA_SECRET, POSTGRES_SECRET, Sluice, folder};
use crate::support::Result;
use crate::support::session::{Address, Session};

/// A pipeline's configuration: a small one that works, and what a test changes of it.
#[derive(Clone)]
pub(crate) struct Pipeline<'a> {
    context: &'a Context,
    pub(crate) address: Address,
    pub(crate) bootstrap: String,
    pub(crate) slot: String,
    /// Key and value, as TOML writes them, by section.
    sections: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl<'a> Pipeline<'a> {
    /// From a database to a broker. Slot and topics are the test's own.
    pub(crate) fn new(context: &'a Context, address: &Address, bootstrap: &str) -> Self {
        let prefix = context.prefix();
        let pipeline = Self {
            context,
            address: address.clone(),
            bootstrap: bootstrap.to_owned(),
            slot: prefix.to_owned(),
            sections: BTreeMap::new(),
        };
        pipeline
            .with("", "start_timeout", "\"40s\"")
            .with("source", "server", &quote(&address.host))
            .with("source", "port", &address.port.to_string())
            .with("source", "database", &quote(&address.database))
            .with("source", "sslmode", "\"disable\"")
            .with("source.auth", "user", &quote(&address.user))
            .with("source.auth", "password", &quote(address.password.as_deref().unwrap_or(POSTGRES_SECRET)))
            .slot(prefix)
            .with("sink.kafka", "prefix", &quote(prefix))
            .librdkafka("bootstrap.servers", bootstrap)
            .librdkafka("sasl.password", KAFKA_SECRET)
    }

    /// Sets a key; `value` is TOML.
    pub(crate) fn with(mut self, section: &'static str, key: &str, value: &str) -> Self {
        self.sections.entry(section).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn slot(mut self, name: &str) -> Self {
        name.clone_into(&mut self.slot);
        self.with("source.replication", "slot", &quote(name))
    }

    pub(crate) fn librdkafka(self, name: &str, value: &str) -> Self {
        self.with("sink.kafka.librdkafka", &quote(name), &quote(value))
    }

    /// The same pipeline for a look at the server past whatever stands between it and the product.
    pub(crate) fn beside(&self, address: Address) -> Self {
        Self { address, ..self.clone() }
    }

    /// The topic of `schema.table`.
    pub(crate) fn topic(&self, table: &str) -> String {
        self.context.topic(table)
    }

    /// Starts `pgsluice run`.
    pub(crate) fn run(&self) -> Result<Sluice> {
        self.command(&["run"])
    }

    /// Starts `pgsluice run` and waits until it streams.
    pub(crate) fn stream(&self) -> Result<Sluice> {
        let sluice = self.run()?;
        sluice.streams()?;
        Ok(sluice)
    }

    /// Starts a command that takes the configuration file as its last argument.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Sluice> {
        let place = folder(self.context)?;
        let file = self.write(&place.0)?;
        let file = file.to_str().ok_or("a path that is not UTF-8")?;
        let arguments: Vec<&str> = arguments.iter().copied().chain([file]).collect();
        Sluice::start(place, &arguments, &[], None)
    }

    /// Starts `pgsluice run`, which must refuse to.
    pub(crate) fn refusal(&self) -> Result<Ended> {
        self.run()?.ended()
    }

    /// Waits until the slot has confirmed everything that is in the server's WAL now.
    pub(crate) fn catches_up(&self, sluice: &Sluice) -> Result<()> {
        let mut session = self.session()?;
        let end = slot::wal_end(&mut session)?;
        sluice.until("has everything confirmed", || {
            Ok(slot::find(&mut session, &self.slot)?.is_some_and(|slot| slot.confirmed >= end))
        })
    }

    pub(crate) fn session(&self) -> Result<Session> {
        Session::open(&self.address, &self.address.database)
    }

    /// Everything a consumer sees of a table.
    pub(crate) fn events(&self, table: &str) -> Result<Vec<Event>> {
        events(&self.bootstrap, &[&self.topic(table)])
    }

    pub(crate) fn write(&self, folder: &std::path::Path) -> Result<PathBuf> {
        let mut text = String::new();
        // The keys without a section sort first, as TOML wants them.
        for (section, keys) in &self.sections {
            if !section.is_empty() {
                writeln!(text, "[{section}]")?;
            }
            for (key, value) in keys {
                writeln!(text, "{key} = {value}")?;
            }
        }
        let path = folder.join("pgsluice.toml");
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
