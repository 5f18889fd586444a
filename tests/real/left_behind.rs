//! That nothing outlives a test run, however it ends: this binary starts itself once more, has that process start
//! servers, and ends it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::suite::Suite;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::{Result, fetch, nap};
use crate::tally::Kind;

/// Set for the process that only starts servers: the major of PostgreSQL.
const START_ONLY: &str = "PGSLUICE_TEST_START_ONLY";
/// How long servers may take to notice.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 18], "nothing_outlives_a_killed_run", async |context| {
        let mut run = start(context.major()?)?;
        context.note(Kind::Postgres(context.major()?), None);
        context.note(Kind::Kafka, None);
        kill_process(Pid::from_child(&run.process), Signal::KILL)?;
        run.process.wait()?;
        all_gone(&run.servers)
    });
    suite.postgres([15], "an_interrupted_run_clears_up", async |context| {
        let mut run = start(context.major()?)?;
        context.note(Kind::Postgres(context.major()?), None);
        context.note(Kind::Kafka, None);
        assert!(run.folder.exists());
        kill_process(Pid::from_child(&run.process), Signal::INT)?;
        assert_eq!(run.process.wait()?.code(), Some(130));
        assert!(!run.folder.exists(), "{} is left", run.folder.display());
        all_gone(&run.servers)
    });
}

/// Does nothing unless this process is one that [`start`] has started; then it waits to be ended, by a signal or by
/// the end of its standard input, which comes when the process that started it is gone.
pub(crate) fn start_only() -> Result<()> {
    let Ok(major) = std::env::var(START_ONLY) else { return Ok(()) };
    // On a thread that ends before the servers do, as a test's does.
    let start = move || {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
            Postgres::start(major.parse()?, &[])?,
            Kafka::start(&[])?,
        ))
    };
    let (postgres, kafka) =
        std::thread::spawn(start).join().map_err(|_| "the starting thread panicked")??;
    let (first, second) = (postgres.pid()?, kafka.pid()?);
    let folder = postgres.data_directory();
    writeln!(
        std::io::stdout(),
        "{} {} {}",
        first.as_raw_nonzero(),
        second.as_raw_nonzero(),
        folder.display()
    )?;
    let unended = std::io::stdin().read_line(&mut String::new())?;
    Err(format!("{unended} bytes on standard input, or its end").into())
}

struct Run {
    process: Child,
    servers: Vec<PathBuf>,
    folder: PathBuf,
}

fn start(major: u16) -> Result<Run> {
    // Here, so that its messages are not lost among those of the other process.
    fetch(&format!("pg{major}"))?;
    fetch("kafka")?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut process =
        command.env(START_ONLY, major.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let output = process.stdout.take().ok_or("no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[postgres, kafka, data] = words.as_slice() else {
        process.kill()?;
        process.wait()?;
        return Err(format!("the other process started no servers: {line:?}").into());
    };
    let folder = Path::new(data).ancestors().nth(2).ok_or("no folder of the run")?.to_owned();
    let servers: Vec<PathBuf> = [postgres, kafka].iter().map(|pid| Path::new("/proc").join(pid)).collect();
    assert!(servers.iter().all(|server| server.exists()));
    Ok(Run { process, servers, folder })
}

fn all_gone(servers: &[PathBuf]) -> Result<()> {
    let start = Instant::now();
    while let Some(left) = servers.iter().find(|server| runs(server)) {
        if start.elapsed() > LIMIT {
            return Err(format!("{} still runs", left.display()).into());
        }
        nap(Duration::from_millis(10));
    }
    Ok(())
}

/// A zombie that its new parent has not reaped yet runs no more.
fn runs(process: &Path) -> bool {
    std::fs::read_to_string(process.join("status")).is_ok_and(|status| !status.contains("State:\tZ"))
}
