//! An Apache Kafka broker (`KRaft`, one node) of a test's own, or one that tests share.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::process::{self, Process};
use super::run::{self, Account};
use super::{Result, START_LIMIT, directory, fetch, nap, ports};

/// How long a stop in good order may take.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// How many pairs of ports are tried when others take them first.
const PORT_TRIES: usize = 5;

const SETTINGS: &str = include_str!("../../servers/kafka/server.properties");
const LOGGING: &str = include_str!("../../servers/kafka/log4j2.properties");

/// Small and quick to start: with the full compiler and the usual heap the first commit takes twice as long.
const JAVA_OPTIONS: [&str; 4] =
    ["-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];
/// The most memory that Java gives to objects.
const USUAL_HEAP: &str = "256m";

/// A running (or stopped) broker. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub(crate) struct Kafka {
    installed: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    account: Option<Account>,
    overrides: String,
    heap: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    port: u16,
    process: Option<Process>,
}

impl Kafka {
    /// Starts an empty broker; `overrides` are further lines of `server.properties`, where `@PORT@` stands for its
    /// port as it does there.
    ///
    /// With the feature `kafka` it has then carried a transaction's beginning: the first one makes the broker create
    /// an internal topic, which takes seconds. Without the feature only its port is known to be open.
    pub(crate) fn start(overrides: &[(&str, &str)]) -> Result<Self> {
        Self::start_with_heap(USUAL_HEAP, overrides)
    }

    /// The same with room for large records; `heap` as Java writes it.
    pub(crate) fn start_with_heap(heap: &str, overrides: &[(&str, &str)]) -> Result<Self> {
        fetch("kafka")?;
        let installed = directory()?.join("kafka");
        let template = installed.join("folder");
        let account = Account::owning(&template)?;
        let (folder, log) = run::current()?.server("kafka", account)?;
        process::copy(&template.join("data"), &folder.join("data"), &log)?;
        let overrides: Vec<String> =
            overrides.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let overrides = overrides.join("\n");
        let state = Mutex::new(State { port: 0, process: None });
        let heap = format!("-Xmx{heap}");
        let broker = Self { installed, folder, log, account, overrides, heap, state };
        for attempt in 1.. {
            broker.write_settings()?;
            match broker.start_again() {
                Err(error)
                    if attempt < PORT_TRIES && error.to_string().contains("Address already in use") => {}
                result => return result.map(|()| broker),
            }
        }
        Err("no port".into())
    }

    pub(crate) fn port(&self) -> u16 {
        self.state().port
    }

    pub(crate) fn pid(&self) -> Result<Pid> {
        Ok(self.state().process.as_ref().ok_or("it is stopped")?.pid())
    }

    /// `host:port`, for `bootstrap.servers`.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Starts it after a stop or a crash, on the same port, and waits until it serves.
    pub(crate) fn start_again(&self) -> Result<()> {
        let mut state = self.state();
        if state.process.is_some() {
            return Err("it is running already".into());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new("java");
        command.args(JAVA_OPTIONS).arg(&self.heap);
        // Java goes on without when the archive is that of another Java.
        let classes = self.installed.join("kafka.jsa");
        if classes.exists() {
            command.arg(format!("-XX:SharedArchiveFile={}", classes.display()));
        }
        command.arg(format!("-Djava.io.tmpdir={}", self.folder.display()));
        command
            .arg(format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()));
        command
            .arg("-cp")
            .arg(self.installed.join("libs/*"))
            .arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"));
        command.current_dir(&self.folder).env("LC_ALL", "C.UTF-8");
        for name in ["PATH", "JAVA_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        state.process = Some(Process::start("Kafka", &command, log, self.account, Signal::KILL)?);
        drop(state);
        self.wait_until_it_serves()
    }

    /// SIGTERM: a stop in good order.
    pub(crate) fn stop(&self) -> Result<Duration> {
        self.end(Signal::TERM)
    }

    /// SIGKILL. It may not serve again until its old session has run out, two seconds later.
    pub(crate) fn kill9(&self) -> Result<Duration> {
        self.end(Signal::KILL)
    }

    pub(crate) fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.state().process.as_ref().ok_or("it is stopped")?.signal(signal)
    }

    fn end(&self, signal: Signal) -> Result<Duration> {
        let process = self.state().process.take().ok_or("it is stopped already")?;
        process
            .stop(signal, STOP_LIMIT)
            .map_err(|error| format!("{error}; its log is {}", self.log.display()).into())
    }

    fn wait_until_it_serves(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.still_starting()?;
            if serves(self.port()) {
                return Ok(());
            }
            if start.elapsed() > START_LIMIT {
                return Err(format!("Kafka does not serve; its log is {}", self.log.display()).into());
            }
            nap(Duration::from_millis(50));
        }
    }

    /// An error with the log's end once the process is gone.
    fn still_starting(&self) -> Result<()> {
        let mut state = self.state();
        let process = state.process.as_ref().ok_or("it was stopped while it started")?;
        if let Some(status) = process.exited()? {
            state.process = None;
            let (log, tail) = (self.log.display(), run::tail(&self.log));
            return Err(format!("Kafka did not start ({status}); its log is {log}:\n{tail}").into());
        }
        Ok(())
    }

    /// Chooses new ports and writes them down.
    fn write_settings(&self) -> Result<()> {
        let mut state = self.state();
        state.port = ports::free()?;
        let settings = (SETTINGS.to_owned() + &self.overrides)
            .replace("@PORT@", &state.port.to_string())
            .replace("@CONTROLLER_PORT@", &ports::free()?.to_string())
            .replace("@DIRECTORY@", &self.folder.display().to_string());
        fs::write(self.folder.join("server.properties"), settings)?;
        fs::write(self.folder.join("log4j2.properties"), LOGGING)?;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.state().process = None;
        // What cannot be removed now goes with the run's folder.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn serves(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        return false;
    }
    #[cfg(feature = "kafka")]
    return super::broker_client::begins_transactions(&address.to_string());
    #[cfg(not(feature = "kafka"))]
    true
}
