//! One run of one program: wall time, CPU of all its threads, peak memory, and the walsender's CPU beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::Filled;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::session::Session;
use crate::support::{Result, nap};

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) walsender_cpu: Duration,
    pub(crate) peak_kib: u64,
}

impl Cost {
    pub(crate) fn cpu_per_row(&self, rows: u64) -> f64 {
        per_row(self.cpu, rows)
    }

    pub(crate) fn walsender_per_row(&self, rows: u64) -> f64 {
        per_row(self.walsender_cpu, rows)
    }
}

#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^52")]
fn per_row(cpu: Duration, rows: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / rows as f64
}

/// Where `pg_recvlogical` is; says how to get it.
pub(crate) fn find_recvlogical() -> Result<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let debian = (12..=18).rev().map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")));
    on_path
        .chain(debian)
        .map(|folder| folder.join("pg_recvlogical"))
        .find(|path| path.exists())
        .ok_or_else(|| "pg_recvlogical is not there: apt-get install postgresql-client".into())
}

/// Drains a slot with `pg_recvlogical` to `/dev/null`.
pub(crate) fn with_recvlogical(postgres: &Postgres, filled: &Filled, round: usize) -> Result<Cost> {
    let slot = filled.theirs.get(round).ok_or("no slot")?;
    let mut command = Command::new(find_recvlogical()?);
    command
        .env("PGSSLMODE", "disable")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &postgres.port().to_string(),
            "-U",
            "postgres",
            "-d",
            &filled.database,
        ])
        .args(["-S", slot, "--start", "--no-loop", "--endpos", &filled.end, "-f", "/dev/null"])
        .args(["-o", "include-xids=1", "-o", "include-timestamp=1"]);
    timed(command, postgres, slot)
}

/// Drains a slot with pgsluice into Kafka.
pub(crate) fn with_pgsluice(
    program: &Path,
    postgres: &Postgres,
    kafka: &Kafka,
    filled: &Filled,
    round: usize,
) -> Result<Cost> {
    let slot = filled.ours.get(round).ok_or("no slot")?;
    let file = configuration(postgres, kafka, &filled.database, slot)?;
    let mut command = Command::new(program);
    command.arg("run").arg(&file).args(["--end-lsn", &filled.end, "--log-level", "warn"]);
    timed(command, postgres, slot)
}

/// A configuration file for one slot.
pub(crate) fn configuration(
    postgres: &Postgres,
    kafka: &Kafka,
    database: &str,
    slot: &str,
) -> Result<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{slot}.toml"));
    let text = format!(
        "[source]\nserver = \"127.0.0.1\"\nport = {}\ndatabase = \"{database}\"\nsslmode = \"disable\"\n[source.auth]\nuser = \"postgres\"\n\
         [source.replication]\nslot = \"{slot}\"\n[sink.kafka]\nprefix = \"{slot}\"\n[sink.kafka.topics]\n\
         partitions = 4\n[sink.kafka.librdkafka]\n\"bootstrap.servers\" = \"{}\"\n",
        postgres.port(),
        kafka.bootstrap()
    );
    fs::write(&file, text)?;
    Ok(file)
}

fn timed(mut command: Command, postgres: &Postgres, slot: &str) -> Result<Cost> {
    let mut session = postgres.session("postgres")?;
    let before = cpu_of_children()?;
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let watched = watch(&mut child, &mut session, slot);
    let wall = started.elapsed();
    let (peak_kib, walsender_cpu) = watched?;
    Ok(Cost { wall, cpu: cpu_of_children()?.saturating_sub(before), walsender_cpu, peak_kib })
}

/// Waits for the program, looking at it and at its walsender every few milliseconds.
fn watch(child: &mut Child, session: &mut Session, slot: &str) -> Result<(u64, Duration)> {
    let mut peak = 0;
    let mut walsender: Option<u32> = None;
    let mut walsender_cpu = Duration::ZERO;
    let path = format!("/proc/{}/status", child.id());
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok((peak, walsender_cpu))
            } else {
                Err(format!("it ended with {status}").into())
            };
        }
        if let Some(kib) = fs::read_to_string(&path).ok().as_deref().and_then(peak_memory) {
            peak = peak.max(kib);
        }
        match walsender {
            None => walsender = active_pid(session, slot)?,
            Some(pid) => {
                if let Some(cpu) = fs::read_to_string(format!("/proc/{pid}/stat"))
                    .ok()
                    .as_deref()
                    .and_then(|stat| ticks(stat, 13))
                {
                    walsender_cpu = cpu;
                }
            }
        }
        nap(Duration::from_millis(10));
    }
}

fn active_pid(session: &mut Session, slot: &str) -> Result<Option<u32>> {
    let rows =
        session.query(&format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'"))?;
    Ok(rows.into_iter().flatten().flatten().next().and_then(|pid| pid.parse().ok()))
}

fn peak_memory(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// CPU of all children that have been waited for, with a resolution of 10 ms.
fn cpu_of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    ticks(&stat, 15).ok_or_else(|| "no CPU times in /proc/self/stat".into())
}

/// Two neighbouring fields of a `stat` file, user and system time, added up. Fields are counted from 0; the name may
/// hold spaces, so they are counted behind it.
fn ticks(stat: &str, first: usize) -> Option<Duration> {
    let behind_name = stat.rsplit_once(") ")?.1;
    let mut fields = behind_name.split_whitespace().skip(first - 2);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}
