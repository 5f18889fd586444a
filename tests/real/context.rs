//! What a test is given: servers, a database and topic names of its own, and what it left behind cleared up.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::shared;
use crate::support::kafka::Kafka;
use crate::support::postgres::{Postgres, create_database};
use crate::support::session::{Address, Session, quoted};
use crate::support::{Result, nap, run};
use crate::tally::{self, Kind};

#[cfg(feature = "kafka")]
use crate::support::{broker_client, off_thread};

/// How long what a test left open may take to go.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(30);
/// How much of a test's name a database or topic shows; PostgreSQL cuts names at 63 bytes.
const SHOWN_NAME: usize = 36;

pub(crate) struct Context {
    name: String,
    major: Option<u16>,
    /// Begins the name of everything this test makes on a shared server.
    prefix: String,
    used: RefCell<Used>,
}

#[derive(Default)]
struct Used {
    kinds: BTreeSet<Kind>,
    logs: BTreeSet<PathBuf>,
    databases: Vec<Address>,
    /// The user's own broker, where topics do not go away with the run.
    given_broker: Option<String>,
}

impl Context {
    pub(crate) fn new(name: &str, major: Option<u16>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let shown: String = name.replace("::", "_").chars().map(plain).take(SHOWN_NAME).collect();
        let prefix = format!("t{}_{number}_{shown}", std::process::id());
        Self { name: name.to_owned(), major, prefix, used: RefCell::default() }
    }

    /// The major this test was declared for.
    pub(crate) fn major(&self) -> Result<u16> {
        self.major.ok_or_else(|| "this test was declared for the broker alone".into())
    }

    /// The shared server of the test's major, with a fresh UTF-8 database on it. The test must not stop it.
    pub(crate) fn postgres(&self) -> Result<Address> {
        self.database("UTF8")
    }

    /// The same with a database of another encoding; each call makes a new one.
    pub(crate) fn database(&self, encoding: &str) -> Result<Address> {
        let major = self.major()?;
        let shared = shared::postgres(major)?;
        self.note(Kind::Postgres(major), shared.log());
        let server = shared.address();
        let name = format!("{}_{}", self.prefix, self.used.borrow().databases.len());
        create_database(&server, &name, encoding)?;
        let own = Address { database: name, ..server };
        self.used.borrow_mut().databases.push(own.clone());
        Ok(own)
    }

    /// A server that this test may stop, crash and reconfigure; `extra` are further lines of `postgresql.conf`.
    pub(crate) fn own_postgres(&self, extra: &[(&str, &str)]) -> Result<Arc<Postgres>> {
        let major = self.major()?;
        let server = Postgres::start(major, extra)?;
        self.note(Kind::Postgres(major), Some(server.log()));
        Ok(Arc::new(server))
    }

    /// The shared broker, as `host:port`. The test must not stop it and uses topics named by [`Self::topic`].
    pub(crate) fn kafka(&self) -> Result<String> {
        let shared = shared::kafka()?;
        self.note(Kind::Kafka, shared.log());
        if shared.log().is_none() {
            self.used.borrow_mut().given_broker = Some(shared.bootstrap());
        }
        Ok(shared.bootstrap())
    }

    /// A broker that this test may stop, pause and crash; `overrides` are further lines of `server.properties`.
    pub(crate) fn own_kafka(&self, overrides: &[(&str, &str)]) -> Result<Arc<Kafka>> {
        let broker = Kafka::start(overrides)?;
        self.note(Kind::Kafka, Some(broker.log()));
        Ok(Arc::new(broker))
    }

    /// What the names of this test's topics, slots and transactional ids begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A topic name nobody else uses.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Every committed record of the topics, read without stopping the test's runtime.
    #[cfg(feature = "kafka")]
    pub(crate) async fn read_all(
        &self,
        bootstrap: &str,
        topics: &[&str],
    ) -> Result<Vec<broker_client::ConsumedRecord>> {
        let bootstrap = bootstrap.to_owned();
        let topics: Vec<String> = topics.iter().map(|topic| String::from(*topic)).collect();
        off_thread(move || {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            broker_client::read_all(&bootstrap, &topics)
        })
        .await?
    }

    /// A test that never touched a server of the kind it was declared for has tested something else.
    pub(crate) fn check_used(&self) -> std::result::Result<(), String> {
        let kind = self.major.map_or(Kind::Kafka, Kind::Postgres);
        if self.used.borrow().kinds.contains(&kind) {
            Ok(())
        } else {
            Err(format!("the test never used {kind:?}"))
        }
    }

    /// Where the servers of this test write their logs, with the last lines of each.
    pub(crate) fn logs(&self) -> String {
        let used = self.used.borrow();
        let one = |log: &PathBuf| format!("server log: {}\n{}", log.display(), run::tail(log));
        used.logs.iter().map(one).collect::<String>()
    }

    /// Removes what the test made on servers that others use too.
    pub(crate) fn clean_up(self) -> Result<()> {
        let used = self.used.into_inner();
        for address in &used.databases {
            drop_database(address)?;
        }
        #[cfg(feature = "kafka")]
        if let Some(bootstrap) = &used.given_broker {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            for prefix in [&self.prefix, &format!("pgsluice.progress.{}", self.prefix)] {
                runtime.block_on(broker_client::delete_topics(bootstrap, prefix))?;
            }
        }
        Ok(())
    }

    /// Adds a log to those that a failure shows.
    pub(crate) fn note_log(&self, log: PathBuf) {
        self.used.borrow_mut().logs.insert(log);
    }

    /// Notes that the test has used a server of `kind`, for those that start one by other means.
    pub(crate) fn note(&self, kind: Kind, log: Option<&Path>) {
        tally::used(kind, &self.name);
        let mut used = self.used.borrow_mut();
        used.kinds.insert(kind);
        used.logs.extend(log.map(Path::to_owned));
    }
}

/// Drops a database with the sessions, slots and prepared transactions that a test forgot in it: a slot would keep
/// the server's WAL, and the server has only so many.
fn drop_database(address: &Address) -> Result<()> {
    let name = &address.database;
    let is_it = format!("= '{name}'");
    let mut admin = Session::open(address, "postgres")?;
    let prepared = admin.query(&format!("SELECT gid FROM pg_prepared_xacts WHERE database {is_it}"))?;
    if !prepared.is_empty() {
        let mut inside = Session::open(address, name)?;
        for gid in prepared.into_iter().flatten().flatten() {
            inside.query(&format!("ROLLBACK PREPARED '{}'", gid.replace('\'', "''")))?;
        }
    }
    let start = Instant::now();
    loop {
        admin.query(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname {is_it}"
        ))?;
        admin.query(&format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database {is_it} AND NOT active"
        ))?;
        match admin.query(&format!("DROP DATABASE IF EXISTS {}", quoted(name))) {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > CLEAN_UP_LIMIT => return Err(error),
            Err(_) => nap(Duration::from_millis(20)),
        }
    }
}
