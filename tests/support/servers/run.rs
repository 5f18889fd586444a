//! The folders of one run: `run/PID` for what the servers write, removed at the end, and `logs/PID`, kept.
//!
//! A run holds a lock on `run/PID/lock` as long as its process lives. The next run removes the folders whose lock is
//! free: those of processes that were killed. The logs of the last runs are kept, so that a failing test can name one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::{Result, directory, nap, process, tell};

/// How long the folder of a run that has ended may be written to.
const REMOVAL_LIMIT: Duration = Duration::from_secs(5);
/// How many runs' logs are kept.
const KEPT_LOGS: usize = 10;

/// The account the servers run under when we are root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The one that owns `path`, which `fetch.sh` made; none when we are an ordinary user.
    pub(crate) fn owning(path: &Path) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let owner = fs::metadata(path)?;
        Ok(Some(Self { uid: owner.uid(), gid: owner.gid() }))
    }

    pub(crate) fn setpriv_options(self) -> [String; 3] {
        [format!("--reuid={}", self.uid), format!("--regid={}", self.gid), "--clear-groups".to_owned()]
    }

    /// Makes `path` belong to the account that the servers run under.
    pub(crate) fn hand_over(account: Option<Self>, path: &Path) -> Result<()> {
        if let Some(account) = account {
            chown(path, Some(account.uid), Some(account.gid))?;
        }
        Ok(())
    }
}

/// The folders of this process.
#[derive(Debug)]
pub(crate) struct Run {
    folder: PathBuf,
    logs: PathBuf,
    /// Held until the process ends, however it ends.
    _lock: File,
}

static CURRENT: OnceLock<std::result::Result<Run, String>> = OnceLock::new();

/// This process's run, begun by the first call.
pub(crate) fn current() -> Result<&'static Run> {
    Ok(CURRENT
        .get_or_init(|| begin().map_err(|error| format!("cannot make a folder for the run: {error}")))
        .as_ref()
        .map_err(String::as_str)?)
}

/// Removes this run's folder, not its logs.
pub(crate) fn remove() {
    if let Some(Ok(run)) = CURRENT.get()
        && let Err(error) = discard(&run.folder)
    {
        tell(&format!("{} could not be removed: {error}", run.folder.display()));
    }
}

impl Run {
    /// Where the logs of this run's servers stay.
    pub(crate) fn logs(&self) -> &Path {
        &self.logs
    }

    /// A new empty folder for one server and the path of its log. The first server `pg15` of a run is `pg15-1`.
    pub(crate) fn server(&self, name: &str, account: Option<Account>) -> Result<(PathBuf, PathBuf)> {
        static STARTED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
        if process::closing() {
            return Err(format!("{name} is not started: the run is ending").into());
        }
        let number = {
            let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
            let number = started.entry(name.to_owned()).or_default();
            *number += 1;
            *number
        };
        let folder = self.folder.join(format!("{name}-{number}"));
        fs::create_dir(&folder)?;
        Account::hand_over(account, &folder)?;
        Ok((folder, self.logs.join(format!("{name}-{number}.log"))))
    }
}

fn begin() -> Result<Run> {
    process::watch_signals()?;
    let directory = directory()?;
    let (runs, logs) = (directory.join("run"), directory.join("logs"));
    fs::create_dir_all(&runs)?;
    fs::create_dir_all(&logs)?;
    // Nobody else begins a run or clears up while we do.
    let gate = File::create(directory.join("run.lock"))?;
    gate.lock()?;
    sweep(&runs)?;
    let name = std::process::id().to_string();
    let (folder, logs) = (runs.join(&name), logs.join(&name));
    fs::create_dir(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    if logs.exists() {
        fs::remove_dir_all(&logs)?;
    }
    fs::create_dir(&logs)?;
    forget_old_logs(&directory)?;
    Ok(Run { folder, logs, _lock: lock })
}

/// Removes the folders of runs that were killed.
fn sweep(runs: &Path) -> Result<()> {
    for run in fs::read_dir(runs)? {
        let folder = run?.path();
        let alive = File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if !alive {
            discard(&folder)?;
        }
    }
    Ok(())
}

/// Removes a run's folder and the shared memory of its PostgreSQL servers that were killed.
///
/// Where the run was told to stop, a test may be copying a cluster into it at this moment, or a server that was told
/// to go be writing its last file: it is tried again for a while.
fn discard(folder: &Path) -> Result<()> {
    let start = Instant::now();
    loop {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            release_shared_memory(&path.join("data"));
            // Only we write here, not the servers: a link is one of ours, to a folder kept elsewhere.
            if let Ok(elsewhere) = fs::read_link(&path) {
                drop(fs::remove_dir_all(elsewhere));
            }
        }
        match fs::remove_dir_all(folder) {
            Err(_) if folder.exists() && start.elapsed() < REMOVAL_LIMIT => nap(Duration::from_millis(20)),
            result => return Ok(result?),
        }
    }
}

/// A killed postmaster leaves the small System V segment that guards its data directory; there are only so many.
/// `postmaster.pid` names it in its seventh line (key and id) and is gone when the server stopped by itself.
pub(crate) fn release_shared_memory(data_directory: &Path) {
    let Ok(text) = fs::read_to_string(data_directory.join("postmaster.pid")) else { return };
    let id = text.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
    if let Some(id) = id {
        // Already gone is as good.
        drop(Command::new("ipcrm").args(["-m", id]).output());
    }
}

fn forget_old_logs(directory: &Path) -> Result<()> {
    let mut logs = Vec::new();
    for log in fs::read_dir(directory.join("logs"))? {
        let log = log?;
        logs.push((log.metadata()?.modified()?, log.file_name()));
    }
    logs.sort();
    let surplus = logs.len().saturating_sub(KEPT_LOGS);
    for (_, name) in logs.into_iter().take(surplus) {
        // A run that is still going keeps its logs.
        if !directory.join("run").join(&name).exists() {
            fs::remove_dir_all(directory.join("logs").join(&name))?;
        }
    }
    Ok(())
}

/// The last lines of a log, for a message.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = text.utf8_chunks().map(|chunk| chunk.valid()).collect::<String>();
    let mut lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.reverse();
    lines.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}
