//! A PostgreSQL server of a test's own, or one that tests share.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::{self, Process};
use super::run::{self, Account};
use super::session::{Address, Session, quoted};
use super::{Result, START_LIMIT, directory, fetch, nap, ports};

/// The majors there is a build of.
pub(crate) const MAJORS: [u16; 7] = [12, 13, 14, 15, 16, 17, 18];
/// The superuser; logs in without a password.
pub(crate) const SUPERUSER: &str = "postgres";
/// Roles with `LOGIN REPLICATION` and [`PASSWORD`], named after how `pg_hba.conf` lets them in: clear password, MD5,
/// SCRAM-SHA-256, never. Further ones of a kind are made `IN ROLE pw_group`, `md5_group`, `scram_group`.
pub(crate) const ROLES: [&str; 4] = ["pw_user", "md5_user", "scram_user", "reject_user"];
pub(crate) const PASSWORD: &str = "open sesame";

/// How long a shutdown in good order may take: it waits for every client.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// What the kernel allows for the path of a Unix socket.
const SOCKET_PATH_LIMIT: usize = 107;
/// How many ports are tried when others take them first.
const PORT_TRIES: usize = 5;

const SETTINGS: [(&str, &str); 16] = [
    ("listen_addresses", "127.0.0.1"),
    ("wal_level", "logical"),
    ("max_wal_senders", "20"),
    ("max_replication_slots", "20"),
    ("max_prepared_transactions", "10"),
    ("max_logical_replication_workers", "0"),
    // Throwaway servers: nothing needs to survive the machine.
    ("fsync", "off"),
    ("shared_buffers", "32MB"),
    // Its transactions would turn up, empty, in every stream.
    ("autovacuum", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("datestyle", "iso, mdy"),
    ("lc_messages", "C"),
    ("log_line_prefix", "%m [%p] %q%u@%d "),
    ("password_encryption", "scram-sha-256"),
    ("jit", "off"),
];

/// A running (or stopped) server. Dropping it stops it at once and removes its folder.
#[derive(Debug)]
pub(crate) struct Postgres {
    major: u16,
    program: PathBuf,
    folder: PathBuf,
    socket_folder: PathBuf,
    log: PathBuf,
    account: Option<Account>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    port: u16,
    settings: BTreeMap<String, String>,
    process: Option<Process>,
}

impl Postgres {
    /// Starts a fresh cluster of `major`; `extra` are further lines of `postgresql.conf`.
    pub(crate) fn start(major: u16, extra: &[(&str, &str)]) -> Result<Self> {
        let name = format!("pg{major}");
        fetch(&name)?;
        let installed = directory()?.join(&name);
        let template = installed.join("cluster");
        let account = Account::owning(&template)?;
        let (folder, log) = run::current()?.server(&name, account)?;
        process::copy(&template.join("data"), &folder.join("data"), &log)?;
        let socket_folder = socket_folder(&folder, account)?;
        let settings =
            SETTINGS.iter().chain(extra).map(|(name, value)| (String::from(*name), String::from(*value)));
        let state = Mutex::new(State { port: 0, settings: settings.collect(), process: None });
        let program = installed.join("bin/postgres");
        let server = Self { major, program, folder, socket_folder, log, account, state };
        for attempt in 1.. {
            server.state().port = ports::free()?;
            match server.start_again() {
                Err(error) if attempt < PORT_TRIES && error.to_string().contains("could not bind") => {}
                result => return result.map(|()| server),
            }
        }
        Err("no port".into())
    }

    pub(crate) fn major(&self) -> u16 {
        self.major
    }

    pub(crate) fn port(&self) -> u16 {
        self.state().port
    }

    /// The postmaster.
    pub(crate) fn pid(&self) -> Result<Pid> {
        Ok(self.state().process.as_ref().ok_or("it is stopped")?.pid())
    }

    /// Where the superuser logs in over TCP.
    pub(crate) fn address(&self) -> Address {
        Address {
            host: "127.0.0.1".to_owned(),
            port: self.port(),
            user: SUPERUSER.to_owned(),
            password: None,
            database: "postgres".to_owned(),
        }
    }

    /// The folder of the Unix socket, short enough to be one.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }

    pub(crate) fn data_directory(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Starts it after a stop or a crash, on the same port, and waits until it answers.
    pub(crate) fn start_again(&self) -> Result<()> {
        let mut state = self.state();
        if state.process.is_some() {
            return Err("it is running already".into());
        }
        self.write_settings(&state)?;
        let log = File::options().create(true).append(true).open(&self.log)?;
        let log_start = log.metadata()?.len();
        let mut command = Command::new(&self.program);
        command.arg("-D").arg(self.data_directory()).current_dir(&self.folder);
        command.env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        let name = format!("PostgreSQL {}", self.major);
        let process = Process::start(&name, &command, log, self.account, Signal::QUIT)?;
        let port = state.port;
        state.process = Some(process);
        drop(state);
        self.wait_until_it_answers(port, log_start)
    }

    /// `pg_ctl stop -m fast`: ends sessions, sends what is left to each walsender and waits for its answer.
    pub(crate) fn stop_fast(&self) -> Result<Duration> {
        self.stop(Signal::INT)
    }

    /// `pg_ctl stop -m immediate`: like a crash, but tidier.
    pub(crate) fn stop_immediate(&self) -> Result<Duration> {
        self.stop(Signal::QUIT)
    }

    /// A fast stop and a new start.
    pub(crate) fn restart(&self) -> Result<()> {
        self.stop_fast()?;
        self.start_again()
    }

    /// Kills the postmaster and every process of its with SIGKILL, as a lost machine would.
    pub(crate) fn kill9(&self) -> Result<()> {
        let process = self.take_process()?;
        // The postmaster must not see its children die, or it would start them again.
        process.signal(Signal::STOP)?;
        let children = children(process.pid())?;
        for child in &children {
            // It may have gone by itself.
            kill_process(*child, Signal::KILL).ok();
        }
        process.stop(Signal::KILL, STOP_LIMIT)?;
        let start = Instant::now();
        while children.iter().any(|child| lives(*child)) {
            if start.elapsed() > STOP_LIMIT {
                return Err("processes of the killed server are still there".into());
            }
            nap(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Changes a setting for the next [`Self::reload`] or start.
    pub(crate) fn set_conf(&self, name: &str, value: &str) -> Result<()> {
        let mut state = self.state();
        state.settings.insert(name.to_owned(), value.to_owned());
        self.write_settings(&state)
    }

    /// Has it read its configuration again and waits until it has; a session sees it at its next message.
    pub(crate) fn reload(&self) -> Result<()> {
        let seen = fs::metadata(&self.log)?.len();
        self.state().process.as_ref().ok_or("it is stopped")?.signal(Signal::HUP)?;
        let start = Instant::now();
        while !self.log_since(seen)?.contains("received SIGHUP") {
            if start.elapsed() > STOP_LIMIT {
                return Err(format!("it did not reload; its log is {}", self.log.display()).into());
            }
            nap(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Puts a file (a certificate, a key, `pg_hba.conf`) into the data directory, for the server's eyes only.
    pub(crate) fn put_file(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.data_directory().join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Account::hand_over(self.account, &path)
    }

    /// A session of the superuser.
    pub(crate) fn session(&self, database: &str) -> Result<Session> {
        Session::open(&self.address(), database)
    }

    /// `encoding` as PostgreSQL names it: `UTF8`, `LATIN1`, `SQL_ASCII` …
    pub(crate) fn create_database(&self, name: &str, encoding: &str) -> Result<()> {
        create_database(&self.address(), name, encoding)
    }

    fn stop(&self, signal: Signal) -> Result<Duration> {
        let process = self.take_process()?;
        process
            .stop(signal, STOP_LIMIT)
            .map_err(|error| format!("{error}; its log is {}", self.log.display()).into())
    }

    fn take_process(&self) -> Result<Process> {
        self.state().process.take().ok_or_else(|| "it is stopped already".into())
    }

    fn wait_until_it_answers(&self, port: u16, log_start: u64) -> Result<()> {
        let start = Instant::now();
        loop {
            let status = match self.state().process.as_ref() {
                None => return Err("it was stopped while it started".into()),
                Some(process) => process.exited()?,
            };
            if let Some(status) = status {
                self.state().process = None;
                let log = self.log_since(log_start)?;
                return Err(format!(
                    "PostgreSQL {} did not start on port {port} ({status}):\n{log}",
                    self.major
                )
                .into());
            }
            match self.session("postgres") {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > START_LIMIT => {
                    let log = self.log.display();
                    return Err(format!(
                        "PostgreSQL {} does not answer: {error}; its log is {log}",
                        self.major
                    )
                    .into());
                }
                Err(_) => nap(Duration::from_millis(20)),
            }
        }
    }

    fn log_since(&self, position: u64) -> Result<String> {
        let text = fs::read(&self.log)?;
        let text = text.get(usize::try_from(position)?..).unwrap_or_default();
        Ok(text.utf8_chunks().map(|chunk| chunk.valid()).collect())
    }

    fn write_settings(&self, state: &State) -> Result<()> {
        let of_this_server = [
            ("port", state.port.to_string()),
            ("unix_socket_directories", self.socket_folder.display().to_string()),
        ];
        let settings =
            state.settings.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(of_this_server);
        let lines: Vec<String> =
            settings.map(|(name, value)| format!("{name} = '{}'", value.replace('\'', "''"))).collect();
        self.put_file("postgresql.conf", (lines.join("\n") + "\n").as_bytes())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.state().process = None;
        run::release_shared_memory(&self.data_directory());
        // What cannot be removed now goes with the run's folder.
        drop(fs::remove_dir_all(&self.folder));
        drop(fs::remove_dir_all(&self.socket_folder));
    }
}

/// With the C locale, the only one that goes with every encoding.
pub(crate) fn create_database(address: &Address, name: &str, encoding: &str) -> Result<()> {
    let name = quoted(name);
    let sql = format!(
        "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    );
    Session::open(address, &address.database)?.query(&sql).map(drop)
}

/// Beside the data where the path is short enough, else in the folder for temporary files.
fn socket_folder(folder: &Path, account: Option<Account>) -> Result<PathBuf> {
    let beside = folder.join("socket");
    let path = if beside.join(".s.PGSQL.65535").as_os_str().len() <= SOCKET_PATH_LIMIT {
        beside
    } else {
        let server = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        std::env::temp_dir().join(format!("pgsluice-{}-{server}", std::process::id()))
    };
    // A name somebody else took first is an error, not a place to put a socket.
    fs::create_dir(&path)?;
    if !path.starts_with(folder) {
        // It goes with the run's folder.
        symlink(&path, folder.with_extension("socket"))?;
    }
    fs::set_permissions(&path, Permissions::from_mode(0o700))?;
    Account::hand_over(account, &path)?;
    Ok(path)
}

/// Whether it still runs: a zombie that its new parent has not reaped yet does not.
fn lives(pid: Pid) -> bool {
    status_field(pid, "State:").is_some_and(|state| !state.starts_with('Z'))
}

/// A line of `/proc/PID/status`; none when the process is gone.
fn status_field(pid: Pid, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(field))?.trim().to_owned())
}

/// The processes whose parent is `parent`.
fn children(parent: Pid) -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else { continue };
        if status_field(pid, "PPid:") == Some(parent.as_raw_nonzero().to_string()) {
            children.push(pid);
        }
    }
    Ok(children)
}
