//! The captures again: what was run for each is run on every major, and what the plugin writes is held against what was
//! captured. [`differences`] lists, by major, what is meant to differ: nothing else may, and all of it must.
//!
//! Each slot is read twice, over a replication connection (whose frames the product takes apart) and by SQL. Every
//! payload is parsed and printed again.
#![expect(clippy::indexing_slicing, reason = "an index out of bounds fails the test and names the place")]

mod capture;
mod cases;
mod databases;
mod differences;
mod document;
mod normal;
mod read;
mod script;

use std::collections::BTreeMap;
use std::time::Instant;

use self::cases::{Plan, captures, plans};
use self::databases::Databases;
use self::differences::Outcome;
use self::read::{Frame, Slot};
use crate::context::Context;
use crate::suite::Suite;
use crate::support::postgres::MAJORS;
use crate::support::{Result, tell};

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "replay::prints_what_was_captured", async |context| everything(context));
}

/// What is told at the end.
#[derive(Default)]
struct Counts {
    captures: usize,
    messages: usize,
    refused: usize,
}

fn everything(context: &Context) -> Result<()> {
    let started = Instant::now();
    let captures = captures();
    let plans = plans(&captures, context.major()?)?;
    let mut counts = Counts::default();
    let mut faults: Vec<String> = Vec::new();
    faults.extend(document::is_up_to_date().err().map(|error| error.to_string()));
    refuse(context, &plans, &mut counts, &mut faults)?;
    // Cases with one script share its run: a slot that nothing is confirmed to can be read again.
    let mut runs: BTreeMap<_, Vec<&Plan<'_>>> = BTreeMap::new();
    for plan in &plans {
        if !matches!(plan.outcome(), Some(Outcome::Impossible(_) | Outcome::NoSlot(_))) {
            runs.entry((&plan.script, plan.encoding()?, plan.two_phase())).or_default().push(plan);
        }
    }
    let mut databases = Databases::default();
    for ((script, encoding, two_phase), plans) in &runs {
        let address = databases.empty(context, encoding)?;
        let slot = Slot::create(&address, context.prefix(), *two_phase)?;
        let session =
            script::run(&address, script, encoding).map_err(|error| format!("{script}: {error}"))?;
        slot.mark_the_end()?;
        for plan in plans {
            let found = replay(context, &slot, plan, &mut counts);
            faults.extend(found.err().map(|error| plan.fault(&error)));
        }
        slot.drop()?;
        drop(session);
    }
    let (major, seconds) = (context.major()?, started.elapsed().as_secs_f64());
    let Counts { captures, messages, refused } = counts;
    let differ = plans.iter().filter(|plan| plan.difference.is_some()).count();
    tell(&format!(
        "replay on PostgreSQL {major}: {} scripts, {captures} captures with {messages} messages; {differ} differ as \
         listed, of which {refused} are refused; {seconds:.1} s",
        runs.len()
    ));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// What this major is to refuse before anything can be read; what it does of a script is of no interest.
fn refuse(
    context: &Context,
    plans: &[Plan<'_>],
    counts: &mut Counts,
    faults: &mut Vec<String>,
) -> Result<()> {
    let address = context.postgres()?;
    let mut scripts = BTreeMap::new();
    for plan in plans {
        match plan.outcome() {
            Some(Outcome::NoSlot(sqlstate)) => {
                counts.refused += 1;
                let slot = Slot::create(&address, context.prefix(), plan.two_phase()).map(drop);
                faults.extend(is_refused("ERROR", sqlstate, &slot).err().map(|error| plan.fault(&error)));
            }
            Some(Outcome::Impossible(sqlstate)) => {
                counts.refused += 1;
                scripts.insert(&plan.own_script, (sqlstate, plan));
            }
            Some(Outcome::Rewritten { sqlstate, .. }) => {
                scripts.insert(&plan.own_script, (sqlstate, plan));
            }
            _ => {}
        }
    }
    for (script, (sqlstate, plan)) in scripts {
        let run = script::run(&address, script, plan.encoding()?);
        faults.extend(is_refused("ERROR", sqlstate, &run).err().map(|error| plan.fault(&error)));
    }
    Ok(())
}

/// Reads the slot as the case was read, and compares.
fn replay(context: &Context, slot: &Slot, plan: &Plan<'_>, counts: &mut Counts) -> Result<()> {
    match plan.outcome() {
        Some(Outcome::Unreadable(sqlstate)) => {
            counts.refused += 1;
            return is_refused("ERROR", sqlstate, &slot.stream("", &plan.options));
        }
        Some(Outcome::WithoutSetting(sqlstate)) => {
            let setting = plan.case.head["startup_options"].as_str().unwrap_or_default();
            is_refused("FATAL", sqlstate, &slot.stream(setting, &plan.options))?;
        }
        _ => {}
    }
    let frames = slot.stream(&plan.settings, &plan.options)?;
    // The functions of SQL know no option without a value.
    if plan.options.iter().all(|(_, value)| value.is_some()) {
        let by_sql = slot.peek(&plan.settings, &plan.options)?;
        same_by_sql(&by_sql, &frames)?;
    }
    if let Some(folder) = capture::folder() {
        capture::write(&folder, plan, &frames, context.major()?, &slot.version()?)?;
    }
    counts.captures += 1;
    counts.messages += frames.len();
    plan.check(&frames)
}

fn is_refused<T: std::fmt::Debug>(severity: &str, sqlstate: &str, outcome: &Result<T>) -> Result<()> {
    match outcome {
        Err(error) if error.to_string().starts_with(&format!("{severity} {sqlstate}: ")) => Ok(()),
        other => Err(format!("it was to be refused with {sqlstate}: {other:?}").into()),
    }
}

/// A slot read by SQL is the same as read as a stream.
fn same_by_sql(by_sql: &[Frame], streamed: &[Frame]) -> Result<()> {
    // A BEGIN that skip-empty-xacts held back comes without a position, which SQL makes up for.
    let same = |(sql, stream): &(&Frame, &Frame)| {
        sql.payload == stream.payload && (sql.lsn == stream.lsn || stream.lsn == 0)
    };
    let alike = by_sql.iter().zip(streamed).take_while(same).count();
    if alike == by_sql.len().max(streamed.len()) {
        return Ok(());
    }
    Err(format!(
        "message {alike} is {:?} by SQL and {:?} in the stream",
        by_sql.get(alike),
        streamed.get(alike)
    )
    .into())
}
