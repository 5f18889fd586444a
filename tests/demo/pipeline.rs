//! pgsluice itself: its configuration file, and the process `pgsluice run FILE`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pgsluice::postgres::catalog::Catalog;
use pgsluice::postgres::client::Login;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::screen::Screen;
use crate::servers::Servers;
use crate::support::Result;
use crate::support::process::Process;
use crate::support::run;
use crate::support::session::Address;

/// How long it may take to make slot and topics and to begin.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long it may take to drain.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const PASSWORD_VARIABLE: &str = "PGSLUICE_DEMO_PASSWORD";

/// The running pipeline. Dropping it ends it at once.
pub(crate) struct Pipeline {
    process: Process,
    slot: String,
    log: PathBuf,
}

impl Pipeline {
    pub(crate) fn start(screen: &Screen, servers: &Servers) -> Result<Self> {
        let program = program()?;
        let (folder, log) = run::current()?.server("pgsluice", None)?;
        let file = folder.join("shop.toml");
        let (source, slot) = (servers.source(), servers.name());
        let text = configuration(&source, &slot, &servers.bootstrap());
        std::fs::write(&file, &text)?;
        screen.step(&format!("the configuration, {}:", file.display()))?;
        for line in text.lines() {
            Screen::text(&format!("    {line}\n"))?;
        }
        screen.step(&format!("running: {} run {}", program.display(), file.display()))?;
        screen.remark(&format!("    its log is {}", log.display()))?;
        let mut command = Command::new(program);
        command.arg("run").arg(&file).args(["--log-format", "text"]);
        if let Some(password) = source.password {
            command.env(PASSWORD_VARIABLE, password);
        }
        let process = Process::start("pgsluice", &command, File::create(&log)?, None, Signal::KILL)?;
        Ok(Self { process, slot, log })
    }

    /// The slot it reads.
    pub(crate) fn slot(&self) -> &str {
        &self.slot
    }

    /// Waits until it streams the slot: topics and slot are made by then.
    pub(crate) async fn wait_until_it_streams(&self, login: &Login) -> Result<()> {
        let mut catalog = Catalog::new(login.clone());
        let version = catalog.server().await?.version;
        let start = Instant::now();
        loop {
            self.still_runs()?;
            let slot = catalog.slot(&self.slot, version).await?;
            if slot.is_some_and(|slot| slot.holder.is_some()) {
                return Ok(());
            }
            if start.elapsed() > START_LIMIT {
                let (log, tail) = (self.log.display(), run::tail(&self.log));
                return Err(format!(
                    "pgsluice does not stream after {START_LIMIT:?}; its log, {log}, ends with:\n{tail}"
                )
                .into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fails with the end of its log once it has ended.
    pub(crate) fn still_runs(&self) -> Result<()> {
        let Some(status) = self.process.exited()? else { return Ok(()) };
        let (log, tail) = (self.log.display(), run::tail(&self.log));
        Err(format!("pgsluice has ended by itself ({status}); its log, {log}, ends with:\n{tail}").into())
    }

    /// SIGTERM: it waits for what is in flight, confirms it, and ends with 0.
    pub(crate) fn stop(self, screen: &Screen) -> Result<()> {
        screen.step("stopping pgsluice with SIGTERM: it delivers what is in flight, confirms it and ends")?;
        self.process.stop(Signal::TERM, STOP_LIMIT)?;
        match self.process.exited()? {
            Some(status) if status.success() => Ok(()),
            status => {
                let status = status.map_or_else(String::new, |status| format!(" ({status})"));
                let (log, tail) = (self.log.display(), run::tail(&self.log));
                Err(format!(
                    "pgsluice did not stop in good order{status}; its log, {log}, ends with:\n{tail}"
                )
                .into())
            }
        }
    }
}

/// The program built beside this one.
fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let program = this.parent().and_then(Path::parent).map(|folder| folder.join("pgsluice"));
    program.filter(|program| program.is_file()).ok_or_else(|| {
        format!("there is no pgsluice built beside {}: run `make demo`", this.display()).into()
    })
}

fn configuration(source: &Address, name: &str, bootstrap: &str) -> String {
    let Address { host, port, user, password, database } = source;
    let password = password
        .as_ref()
        .map_or_else(String::new, |_| format!("password = {{ env = \"{PASSWORD_VARIABLE}\" }}\n"));
    format!(
        "\
[source]
server = \"{host}\"
port = {port}
database = \"{database}\"

[source.auth]
user = \"{user}\"
{password}
[source.replication]
slot = \"{name}\"

[[tables]]
include = \"public.*\"

[sink.kafka]
prefix = \"{name}\"

[sink.kafka.librdkafka]
\"bootstrap.servers\" = \"{bootstrap}\"
"
    )
}
