//! The product itself, run as its users run it: a process, a configuration file, signals, an exit code.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::context::Context;
use crate::support::process::{Process, Streams};
use crate::support::{Result, nap, run};

/// Planted in the configurations: neither may turn up in anything the product writes.
pub(crate) const POSTGRES_SECRET: &str = "plan7ed-postgres-secret";
pub(crate) const KAFKA_SECRET: &str = "plan7ed-kafka-secret";

/// How long anything that should be quick may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(100);

/// A running `pgsluice`. Dropping it kills it, and fails the test if it has shown a secret.
#[derive(Debug)]
pub(crate) struct Sluice {
    process: Process,
    folder: PathBuf,
    errors: PathBuf,
}

/// What an ended `pgsluice` leaves.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// An empty folder for one run of the product, and the path of its log.
pub(crate) fn folder(context: &Context) -> Result<(PathBuf, PathBuf)> {
    let (folder, log) = run::current()?.server("pgsluice", None)?;
    context.note_log(log.clone());
    Ok((folder, log))
}

impl Sluice {
    /// Starts it with these arguments and variables, and nothing else in its environment.
    pub(crate) fn start(
        (folder, log): (PathBuf, PathBuf),
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: Option<&Path>,
    ) -> Result<Self> {
        let mut command = Command::new(program());
        command.args(arguments).envs(variables.iter().copied()).current_dir(&folder);
        let streams = Streams {
            input: input.map(File::open).transpose()?,
            output: File::create(folder.join("output"))?,
            errors: File::options().create(true).append(true).open(&log)?,
        };
        let process = Process::start_with("pgsluice", &command, streams, None, Signal::KILL)?;
        Ok(Self { process, folder, errors: log })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    pub(crate) fn output(&self) -> Result<String> {
        text(&self.folder.join("output"))
    }

    pub(crate) fn errors(&self) -> Result<String> {
        text(&self.errors)
    }

    /// Waits until it streams for the first time.
    pub(crate) fn streams(&self) -> Result<()> {
        self.says("\"streaming\"", 1)
    }

    /// Waits until its log holds `text` so many times.
    pub(crate) fn says(&self, text: &str, times: usize) -> Result<()> {
        self.until(
            &format!("says {text} {times} times"),
            || Ok(self.errors()?.matches(text).count() >= times),
        )
    }

    /// Waits for something that only a running process can bring about.
    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !condition()? {
            if let Some(status) = self.process.exited()? {
                return Err(format!("it ended ({status}) before it {what}").into());
            }
            if start.elapsed() > LIMIT {
                return Err(format!("in {LIMIT:?} it has not come to where it {what}").into());
            }
            nap(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// SIGTERM, after which it must drain and exit with 0.
    pub(crate) fn terminate(&self) -> Result<Ended> {
        self.signal(Signal::TERM)?;
        let ended = self.ended()?;
        assert_eq!(ended.code, Some(0), "after SIGTERM: {}", ended.errors);
        Ok(ended)
    }

    pub(crate) fn kill9(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended().map(drop)
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&self) -> Result<Ended> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.exited()? {
                return Ok(Ended { code: status.code(), output: self.output()?, errors: self.errors()? });
            }
            if start.elapsed() > LIMIT {
                return Err(format!("it has not ended in {LIMIT:?}").into());
            }
            nap(Duration::from_millis(10));
        }
    }

    /// The most memory it has ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(peak.ok_or("its memory is not told")?.trim().parse::<u64>()? * 1024)
    }
}

impl Ended {
    /// The line for a person: the last of standard error.
    pub(crate) fn line(&self) -> &str {
        self.errors.lines().next_back().unwrap_or_default()
    }

    /// Whether it ended with `code` and one line that holds each of `words`.
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        let line = self.line();
        assert_eq!(self.code, Some(code), "{}", self.errors);
        assert!(line.starts_with("pgsluice: "), "{}", self.errors);
        assert_eq!(self.errors.matches("pgsluice: ").count(), 1, "{}", self.errors);
        for word in words {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
    }
}

impl Drop for Sluice {
    fn drop(&mut self) {
        let shown = |path: &Path| fs::read(path).is_ok_and(|text| shows_secret(&text));
        let leak = shown(&self.errors) || shown(&self.folder.join("output"));
        assert!(!leak || std::thread::panicking(), "a secret stands in {}", self.errors.display());
    }
}

/// The program under test: the one that was built with the tests, or another that the environment names.
fn program() -> OsString {
    std::env::var_os("PGSLUICE_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_pgsluice").into())
}

fn shows_secret(text: &[u8]) -> bool {
    let holds = |secret: &str| text.windows(secret.len()).any(|window| window == secret.as_bytes());
    [POSTGRES_SECRET, KAFKA_SECRET].into_iter().any(holds)
}

fn text(path: &Path) -> Result<String> {
    let bytes = fs::read(path)?;
    Ok(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect())
}
