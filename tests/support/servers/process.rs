//! Server processes that never outlive this one.
//!
//! Three nets, each for what the one before misses:
//! - dropping a [`Process`] stops and reaps it;
//! - on SIGINT, SIGTERM or SIGHUP a thread stops all of them and removes the run's folder before the process exits;
//! - when this process is killed, the kernel signals each server (`setpriv --pdeathsig`). That signal fires when the
//!   *thread* that forked the server ends, not the process, so one thread that lives as long as the process forks all
//!   of them: a test's own thread ends with the test.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::run::Account;
use super::{Result, nap, run, tell};

/// How long a server may take to go once it was told to by the signal it cannot answer with work.
const LAST_STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long a copy of a cluster may take.
const COPY_LIMIT: Duration = Duration::from_mins(2);

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    entry: Arc<Entry>,
}

/// What is known of a server by whoever may have to stop it.
#[derive(Debug)]
struct Entry {
    name: String,
    pid: Pid,
    last_signal: Signal,
    /// Reaping and signalling go through this lock, so that no signal reaches a process id already given away.
    child: Mutex<Child>,
}

#[derive(Debug)]
struct Registry {
    /// Set once and for all when the process is about to end: nothing is started any more.
    closing: bool,
    running: Vec<Arc<Entry>>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { closing: false, running: Vec::new() });

/// Where a process reads and writes.
#[derive(Debug)]
pub(crate) struct Streams {
    /// None: nothing to read.
    pub(crate) input: Option<File>,
    pub(crate) output: File,
    pub(crate) errors: File,
}

impl Process {
    /// Starts `command` under `account`, writing to `log`; only the variables named in `command` are its environment.
    /// `last_signal` ends it at once, also when this process is killed.
    pub(crate) fn start(
        name: &str,
        command: &Command,
        log: File,
        account: Option<Account>,
        last_signal: Signal,
    ) -> Result<Self> {
        let streams = Streams { input: None, output: log.try_clone()?, errors: log };
        Self::start_with(name, command, streams, account, last_signal)
    }

    /// The same for a process whose output is read apart from its errors.
    pub(crate) fn start_with(
        name: &str,
        command: &Command,
        streams: Streams,
        account: Option<Account>,
        last_signal: Signal,
    ) -> Result<Self> {
        let mut command = guarded(command, account, last_signal)?;
        command.stdin(streams.input.map_or_else(Stdio::null, Stdio::from));
        command.stdout(streams.output).stderr(streams.errors);
        let mut registry = locked(&REGISTRY);
        if registry.closing {
            return Err(format!("{name} is not started: the run is ending").into());
        }
        let child = spawn_on_lasting_thread(command)?;
        let pid = Pid::from_child(&child);
        let entry = Arc::new(Entry { name: name.to_owned(), pid, last_signal, child: Mutex::new(child) });
        registry.running.push(Arc::clone(&entry));
        Ok(Self { entry })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.entry.pid
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&self) -> Result<Option<ExitStatus>> {
        Ok(locked(&self.entry.child).try_wait()?)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.entry.signal(signal)
    }

    /// Signals it and waits until it is gone.
    pub(crate) fn stop(&self, signal: Signal, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.signal(signal)?;
        if self.entry.wait(limit)? {
            return Ok(start.elapsed());
        }
        Err(format!("{} is still there {limit:?} after {signal:?}", self.entry.name).into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.entry.put_down() {
            tell(&format!("{} could not be stopped: {error}", self.entry.name));
        }
        locked(&REGISTRY).running.retain(|entry| !Arc::ptr_eq(entry, &self.entry));
    }
}

impl Entry {
    fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = locked(&self.child);
        if child.try_wait()?.is_none() {
            kill_process(self.pid, signal)?;
        }
        Ok(())
    }

    fn wait(&self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            if locked(&self.child).try_wait()?.is_some() {
                return Ok(true);
            }
            if start.elapsed() > limit {
                return Ok(false);
            }
            nap(Duration::from_millis(5));
        }
    }

    /// Ends it whatever it is doing.
    fn put_down(&self) -> Result<()> {
        self.signal(self.last_signal)?;
        // A stopped (paused) process takes no signal but SIGKILL before it goes on.
        self.signal(Signal::CONT)?;
        if self.wait(LAST_STOP_LIMIT)? {
            return Ok(());
        }
        self.signal(Signal::KILL)?;
        if self.wait(LAST_STOP_LIMIT)? { Ok(()) } else { Err("not even SIGKILL ended it".into()) }
    }
}

/// Ends every server and lets none be started any more.
pub(crate) fn stop_everything() {
    let running = {
        let mut registry = locked(&REGISTRY);
        registry.closing = true;
        std::mem::take(&mut registry.running)
    };
    // All are told before any is waited for: seven servers then take as long as one.
    for entry in &running {
        drop(entry.signal(entry.last_signal));
    }
    for entry in &running {
        if let Err(error) = entry.put_down() {
            tell(&format!("{} could not be stopped: {error}", entry.name));
        }
    }
}

/// Whether the run is ending, so that nothing can be started any more.
pub(crate) fn closing() -> bool {
    locked(&REGISTRY).closing
}

/// Copies a folder with its owners and modes, by a process that is stopped with the servers: it would go on filling
/// the folder of a run that is over.
pub(crate) fn copy(from: &Path, to: &Path, log: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    command.args(["-a", "--reflink=auto"]).arg(from).arg(to).env("PATH", "/usr/bin:/bin");
    let file = File::options().create(true).append(true).open(log)?;
    let copying = Process::start("cp", &command, file, None, Signal::KILL)?;
    match copying.entry.wait(COPY_LIMIT)?.then(|| copying.exited()).transpose()?.flatten() {
        Some(status) if status.success() => Ok(()),
        _ => {
            Err(format!("{} could not be copied; the reason is in {}", from.display(), log.display()).into())
        }
    }
}

/// The same command, behind `setpriv`: it dies with us, in a process group of its own (Ctrl-C is for us alone, we
/// stop the servers in order), under the account given.
fn guarded(command: &Command, account: Option<Account>, last_signal: Signal) -> Result<Command> {
    let name = match last_signal {
        Signal::QUIT => "QUIT",
        Signal::KILL => "KILL",
        other => return Err(format!("{other:?} does not end a server at once").into()),
    };
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", name]);
    if let Some(account) = account {
        guarded.args(account.setpriv_options());
    }
    guarded.arg("--").arg(command.get_program()).args(command.get_args());
    guarded.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded.process_group(0);
    Ok(guarded)
}

struct Order {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// Has the one lasting thread fork: see the module's text.
fn spawn_on_lasting_thread(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<std::result::Result<Mutex<SyncSender<Order>>, String>> = OnceLock::new();
    let spawner = SPAWNER
        .get_or_init(|| begin().map(Mutex::new).map_err(|error| error.to_string()))
        .as_ref()
        .map_err(String::as_str)?;
    let (reply, answer) = sync_channel(1);
    locked(spawner).send(Order { command, reply })?;
    Ok(answer.recv()??)
}

fn begin() -> Result<SyncSender<Order>> {
    let (sender, orders): (_, Receiver<Order>) = sync_channel(1);
    std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        // The sender is in a static, so this loop ends with the process.
        for mut order in orders {
            drop(order.reply.send(order.command.spawn()));
        }
    })?;
    Ok(sender)
}

/// Has a thread wait for a signal that ends programs. A run calls this once, before it has anything to clear up.
pub(crate) fn watch_signals() -> Result<()> {
    let (ready, watching) = sync_channel(1);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Err(error) = end_on_signal(&ready) {
            tell(&format!("servers may be left running on Ctrl-C: {error}"));
        }
    })?;
    // An error came instead, and was told, when the sender is gone.
    watching.recv().ok();
    Ok(())
}

/// Set while the thread of [`end_on_signal`] clears up, after which it ends the process.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets an interrupted process end by its signal, with that signal's exit code, and not by what became of its tests
/// when their servers went away. Returns at once in any other.
pub(crate) fn leave_an_interrupted_end_to_its_signal() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        nap(Duration::from_millis(100));
    }
}

/// What a program still does before a signal ends it. The answer is its exit code; none stands for the signal's own.
pub(crate) type Farewell = fn(Signal) -> Option<i32>;

static FAREWELL: OnceLock<Farewell> = OnceLock::new();

/// Has `farewell` called, on the thread that waits for signals, before the servers are stopped. The first call holds.
pub(crate) fn before_a_signal_ends_this(farewell: Farewell) {
    FAREWELL.get_or_init(|| farewell);
}

/// Waits for a signal that ends programs, cleans up, and ends this one.
#[expect(clippy::exit, reason = "the process was told to end; the servers are stopped by then")]
fn end_on_signal(ready: &SyncSender<()>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signal = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        ready.send(()).ok();
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
        };
        Ok::<_, io::Error>(signal)
    })?;
    INTERRUPTED.store(true, Ordering::SeqCst);
    let code = FAREWELL.get().and_then(|farewell| farewell(signal));
    tell("told to stop: stopping the servers");
    stop_everything();
    run::remove();
    std::process::exit(code.unwrap_or(128 + signal.as_raw()))
}

/// A lock whose holder panicked is still a lock: what it guards here is never left half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
