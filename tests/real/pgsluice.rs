//! The program under test as its users run it: a process of its own with a configuration file.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::context::Context;
use crate::support::process::Process;
use crate::support::session::{Address, Session};
use crate::support::{Result, nap, run};

/// How long it may take to begin to stream, to deliver what there is, to drain.
const LIMIT: Duration = Duration::from_mins(1);

/// `pgsluice run`, streaming.
#[derive(Debug)]
pub(crate) struct Pgsluice {
    process: Process,
    slot: String,
    log: PathBuf,
}

impl Pgsluice {
    /// Starts it for the test's database and broker, with slot, pipeline and topics named by [`Context::prefix`], and
    /// waits until it streams. What is committed before is not streamed, what is committed from now on is.
    ///
    /// `further` are more sections of the configuration.
    pub(crate) fn start(
        context: &Context,
        database: &Address,
        partitions: i32,
        further: &str,
    ) -> Result<Self> {
        let (folder, log) = run::current()?.server("pgsluice", None)?;
        let slot = context.prefix().to_owned();
        let file = folder.join("pgsluice.toml");
        fs::write(&file, configuration(&slot, database, &context.kafka()?, partitions, further))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgsluice"));
        command
            .args(["--log-format", "text", "run"])
            .arg(&file)
            .current_dir(&folder)
            .env("LC_ALL", "C.UTF-8");
        let output = File::options().create(true).append(true).open(&log)?;
        let process = Process::start("pgsluice", &command, output, None, Signal::KILL)?;
        let started = Self { process, slot, log };
        let mut session = Session::open(database, &database.database)?;
        // A slot is in use while it is being made, too.
        let streams =
            "EXISTS (SELECT FROM pg_stat_replication WHERE pid = active_pid AND state = 'streaming')";
        started.wait(&mut session, streams, "it does not stream")?;
        Ok(started)
    }

    /// Waits until all that is committed is delivered and confirmed to the server.
    pub(crate) fn deliver(&self, session: &mut Session) -> Result<()> {
        let rows = session.query("SELECT pg_current_wal_lsn()")?;
        let end = rows.into_iter().flatten().flatten().next().ok_or("no position")?;
        self.wait(session, &format!("confirmed_flush_lsn >= '{end}'"), "it does not confirm what it has read")
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> Result<()> {
        self.process.stop(Signal::TERM, LIMIT)?;
        let status = self.process.exited()?.ok_or("it runs on")?;
        if status.success() { Ok(()) } else { Err(self.failure(&format!("it ended with {status}"))) }
    }

    /// Waits until `condition` holds of its slot.
    fn wait(&self, session: &mut Session, condition: &str, otherwise: &str) -> Result<()> {
        let sql = format!("SELECT {condition} FROM pg_replication_slots WHERE slot_name = '{}'", self.slot);
        let start = Instant::now();
        while session.query(&sql)?.into_iter().flatten().flatten().next().as_deref() != Some("t") {
            if let Some(status) = self.process.exited()? {
                return Err(self.failure(&format!("it ended with {status}")));
            }
            if start.elapsed() > LIMIT {
                return Err(self.failure(otherwise));
            }
            nap(Duration::from_millis(10));
        }
        Ok(())
    }

    fn failure(&self, what: &str) -> Box<dyn std::error::Error + Send + Sync> {
        format!("pgsluice: {what}; its log is {}:\n{}", self.log.display(), run::tail(&self.log)).into()
    }
}

fn configuration(slot: &str, database: &Address, bootstrap: &str, partitions: i32, further: &str) -> String {
    let Address { host, port, user, password, database } = database;
    let password =
        password.as_ref().map_or_else(String::new, |password| format!("password = {password:?}\n"));
    format!(
        "[source]
server = {host:?}
port = {port}
database = {database:?}
sslmode = \"disable\"

[source.auth]
user = {user:?}
{password}
[source.replication]
slot = {slot:?}

[sink.kafka]
prefix = {slot:?}

[sink.kafka.topics]
partitions = {partitions}

[sink.kafka.librdkafka]
\"bootstrap.servers\" = {bootstrap:?}

{further}"
    )
}
