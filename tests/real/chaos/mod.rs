//! Everything fails, again and again, in an order that a seed determines, while writers make transactions of every
//! kind. Then the faults stop, the product drains, and the history checker judges what a consumer has read.
//!
//! `make chaos MINUTES=20 SEED=1` runs it as long as one likes; `make test` runs one round of faults.

mod evidence;
mod faults;
mod load;
mod read;
mod schema;
mod transaction;
mod world;

use std::time::{Duration, Instant};

use crate::context::Context;
#[cfg(feature = "sabotage")]
use crate::history::Fault;
use crate::history::Findings;
use crate::history::judge::judge;
use crate::ops::slot;
use crate::suite::Suite;
use crate::support::{Result, nap, tell};

use crate::random::Random;
use faults::Tally;
use load::Load;
use world::{Program, USUAL, World};

/// How long what has piled up may take, with every server back.
const DRAIN_LIMIT: Duration = Duration::from_mins(3);
/// Beyond the time that the faults take.
const AROUND: Duration = Duration::from_mins(8);

pub(crate) fn register(suite: &mut Suite) {
    let time = Duration::from_secs(60 * setting("PGSLUICE_CHAOS_MINUTES", 0));
    let seed = setting("PGSLUICE_CHAOS_SEED", 1);
    let major = u16::try_from(setting("PGSLUICE_CHAOS_MAJOR", 17)).unwrap_or_default();
    suite.postgres_within(time + AROUND, [major], "chaos::loses_nothing", async move |context| {
        chaos(context, seed, time, USUAL).await?.verdict().map_err(Into::into)
    });
    #[cfg(feature = "sabotage")]
    register_control(suite, seed, major);
}

/// The checker must find what is really wrong, or it proves nothing: a program that confirms what it has received and
/// not yet delivered. Its own start would refuse to go on behind the gap, so it is told to accept it.
#[cfg(feature = "sabotage")]
fn register_control(suite: &mut Suite, seed: u64, major: u16) {
    const SABOTAGED: Program = Program {
        arguments: &["run", "--accept-gap"],
        variables: &[("PGSLUICE_SABOTAGE", "acknowledge-on-receipt")],
    };
    suite.postgres_within(AROUND, [major], "chaos_control::finds_what_is_lost", async move |context| {
        let findings = chaos(context, seed, Duration::ZERO, SABOTAGED).await?;
        let missing = findings.faults.iter().filter(|fault| matches!(fault, Fault::Missing { .. })).count();
        tell(&format!("chaos control: {findings}, the first of them: {:?}", findings.faults.first()));
        assert!(missing > 0, "nothing is said to be missing: {findings:?}");
        Ok(())
    });
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// Faults for `time`, one round at least.
async fn chaos(context: &Context, seed: u64, time: Duration, program: Program) -> Result<Findings> {
    let start = Instant::now();
    let mut random = Random::new(seed);
    let mut world = World::start(context, program).await?;
    // The first start makes the slot: only what commits behind it is streamed.
    evidence::prepare(&world)?;
    world.start_sluice()?;
    world.sluice()?.streams()?;
    let load = Load::start(&world.postgres.address(), &mut random)?;
    let mut tally = Tally::new();
    loop {
        for step in faults::round(&mut random) {
            step.take(&mut world, &mut tally)?;
        }
        let (faults, begun, took) = (tally.count(), load.begun(), tally.start.elapsed());
        tell(&format!("chaos: {faults} faults, {begun} transactions begun, {took:.0?}"));
        if took >= time {
            break;
        }
    }
    let faults_took = tally.start.elapsed();
    load.finish(&mut world.session()?)?;
    let drained = drain(&world)?;
    let ended = world.stop_sluice()?;
    let warned = ended.errors.matches("WARN").count();
    let (truth, records) = (read::truth(&world)?, read::records(&world)?);
    let findings = judge(&truth, &records, &read::progress(&world)?);
    if findings.fault_count > 0 {
        context.note_log(evidence::keep(&world, &tally.steps, &truth, &records)?);
    }
    tell(&format!(
        "chaos with seed {seed} on PostgreSQL {}: {findings}\n{tally}\n  faults for {faults_took:.0?}, drained in \
         {drained:.1?}, {warned} warnings, {:.0?} in all",
        world.postgres.major(),
        start.elapsed()
    ));
    Ok(findings)
}

/// Waits until the slot has confirmed everything.
fn drain(world: &World<'_>) -> Result<Duration> {
    let start = Instant::now();
    let mut session = world.session()?;
    let end = slot::wal_end(&mut session)?;
    loop {
        world.still_there()?;
        let confirmed = slot::get(&mut session, &world.pipeline.slot)?.confirmed;
        if confirmed >= end {
            return Ok(start.elapsed());
        }
        if start.elapsed() > DRAIN_LIMIT {
            return Err(format!("{} bytes are not confirmed after {DRAIN_LIMIT:?}", end - confirmed).into());
        }
        nap(Duration::from_millis(20));
    }
}
