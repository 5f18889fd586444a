//! What holds of values that change from run to run: times, LSNs, transaction ids, `pgsluice.tx`, `pgsluice.ordinal`.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Pair, Sent};
use crate::json::Json;
use crate::support::Result;

/// Microseconds on the server's clock, before the first statement and after the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

/// What the records of one transaction have in common.
#[derive(Debug)]
struct Transaction {
    id: String,
    commit_time: i64,
    previous_commit: Option<i64>,
    /// Lowest and highest.
    lsns: (i64, i64),
}

/// One change: its LSN, and what was made of it, in order; `-` is a tombstone.
type Change = (i64, Vec<String>);

/// Checks all records of a scenario, which nobody else's transactions ran beside.
pub(crate) fn check(pairs: &[Pair], span: Span) -> Result<()> {
    // By the transaction's number in the reference's run: who was together there must be here.
    let mut transactions: BTreeMap<String, Transaction> = BTreeMap::new();
    let mut changes: BTreeMap<(String, u64), Change> = BTreeMap::new();
    let mut event: Option<&Sent> = None;
    for (expected, sent) in pairs {
        let at = |error| format!("{} {:?}: {error}", sent.topic, sent.key);
        let number = sent.header("pgsluice.ordinal").and_then(|ordinal| Ok(ordinal.parse()?)).map_err(at)?;
        let id = sent.header("pgsluice.tx").map_err(at)?.to_owned();
        if sent.value.is_none() {
            tombstone(sent, event).map_err(at)?;
            let change = changes.get_mut(&(id, number)).ok_or("a tombstone of nothing")?;
            change.1.push("-".to_owned());
            continue;
        }
        event = Some(sent);
        let (lsn, op) = (sent.source("lsn")?.number()?, sent.field("op")?.text()?);
        // Halves of a changed key may stand in different partitions, the new one first here.
        let (at_lsn, made) = changes.entry((id, number)).or_insert_with(|| (lsn, Vec::new()));
        if *at_lsn != lsn {
            return Err(at("one change, two LSNs".into()).into());
        }
        made.push(op);
        times(sent, span).map_err(at)?;
        let reference = expected.source("txId").ok_or("no txId")?;
        in_transaction(sent, reference, expected.source("sequence"), &mut transactions).map_err(at)?;
    }
    ordinals(&changes)?;
    positions(transactions.into_values().collect())
}

/// A tombstone follows the event of the row that is gone, with the same key and headers.
fn tombstone(sent: &Sent, event: Option<&Sent>) -> Result<()> {
    let event = event.ok_or("a tombstone comes first")?;
    let same = event.key == sent.key && event.headers == sent.headers && event.topic == sent.topic;
    if same && event.field("op")?.text()? == "d" { Ok(()) } else { Err("it has no delete before it".into()) }
}

fn times(sent: &Sent, span: Span) -> Result<()> {
    let (millis, micros, nanos) = three(|name| sent.source(name))?;
    if millis != micros.div_euclid(1000) || nanos != micros * 1000 {
        return Err("the three times of source differ".into());
    }
    // Outside of transactions it is the time of handling.
    let committed_in_time = sent.source("txId")?.is_null() || micros <= span.end;
    if micros < span.begin || !committed_in_time {
        return Err(format!("source.ts_us {micros} is not within {span:?}").into());
    }
    let handled = sent.field("ts_ms")?.number()?;
    // A message has one resolution only.
    if sent.field("ts_us").is_ok() {
        let (millis, micros, nanos) = three(|name| sent.field(name))?;
        if millis != micros.div_euclid(1000) || micros != nanos.div_euclid(1000) {
            return Err("the three outer times differ".into());
        }
    }
    if handled < millis { Err("it was handled before it was committed".into()) } else { Ok(()) }
}

fn three<'a>(field: impl Fn(&str) -> Result<&'a Json>) -> Result<(i64, i64, i64)> {
    Ok((field("ts_ms")?.number()?, field("ts_us")?.number()?, field("ts_ns")?.number()?))
}

fn in_transaction(
    sent: &Sent,
    reference: &Json,
    reference_sequence: Option<&Json>,
    transactions: &mut BTreeMap<String, Transaction>,
) -> Result<()> {
    let (lsn, id) = (sent.source("lsn")?.number()?, sent.header("pgsluice.tx")?.to_owned());
    let (previous_commit, sequence_lsn) = sequence(sent.source("sequence")?)?;
    let (reference_commit, _) = sequence(reference_sequence.ok_or("no sequence")?)?;
    if sequence_lsn != lsn || previous_commit.is_some() != reference_commit.is_some() {
        return Err(format!("sequence is {}", sent.source("sequence")?).into());
    }
    let xid = sent.source("txId")?;
    let (xid_of_id, first_lsn) = id.split_once(':').ok_or("pgsluice.tx has no `:`")?;
    let first_lsn: i64 = first_lsn.parse()?;
    if reference.is_null() {
        // Outside of transactions.
        let alone = xid.is_null() && xid_of_id == "0" && first_lsn == lsn;
        return if alone { Ok(()) } else { Err(format!("txId {xid}, pgsluice.tx {id}").into()) };
    }
    if xid.number()?.to_string() != xid_of_id || first_lsn > lsn {
        return Err(format!("txId {xid} and lsn {lsn} of pgsluice.tx {id}").into());
    }
    let commit_time = sent.source("ts_us")?.number()?;
    let new = Transaction { id: id.clone(), commit_time, previous_commit, lsns: (lsn, lsn) };
    let known = transactions.entry(reference.to_string()).or_insert(new);
    known.lsns = (known.lsns.0.min(lsn), known.lsns.1.max(lsn));
    if (&known.id, known.commit_time, known.previous_commit) != (&id, commit_time, previous_commit) {
        return Err(format!("it is not of one transaction with {known:?}").into());
    }
    Ok(())
}

/// `["1","2"]` or `[null,"2"]`, as a string.
fn sequence(json: &Json) -> Result<(Option<i64>, i64)> {
    let Json::Array(pair) = Json::parse(&json.text()?)? else {
        return Err(format!("{json} is no array").into());
    };
    let [commit, lsn] = pair.as_slice() else { return Err(format!("{json} is no pair").into()) };
    let commit = if commit.is_null() { None } else { Some(commit.text()?.parse()?) };
    Ok((commit, lsn.text()?.parse()?))
}

/// In each transaction changes are numbered from 1 on, in order of LSN; what one change can become is known.
fn ordinals(changes: &BTreeMap<(String, u64), Change>) -> Result<()> {
    let mut before: Option<(&str, u64, i64)> = None;
    for ((id, number), (lsn, made)) in changes {
        let (expected, least) = match before {
            Some((before, number, lsn)) if before == id => (number + 1, lsn),
            _ => (1, id.split_once(':').ok_or("no `:`")?.1.parse()?),
        };
        if *number != expected || *lsn < least || (expected == 1 && *lsn != least) {
            return Err(
                format!("change {number} of {id} at {lsn}, not {expected} at {least} or later").into()
            );
        }
        let mut made: Vec<&str> = made.iter().map(String::as_str).collect();
        made.sort_unstable();
        if ![&["c"][..], &["u"], &["d"], &["t"], &["m"], &["-", "d"], &["-", "c", "d"], &["c", "d"]]
            .contains(&made.as_slice())
        {
            return Err(format!("change {number} of {id} became {made:?}").into());
        }
        before = Some((id, *number, *lsn));
    }
    Ok(())
}

/// One transaction ran after the other, so each begins behind the end of the commit before it, which lies behind all
/// rows of that.
fn positions(mut transactions: Vec<Transaction>) -> Result<()> {
    transactions.sort_by_key(|transaction| transaction.lsns);
    let ids: BTreeSet<_> = transactions.iter().map(|transaction| &transaction.id).collect();
    if ids.len() != transactions.len() {
        return Err("two transactions have one id".into());
    }
    for (number, transaction) in transactions.iter().enumerate() {
        let ordered =
            match (number.checked_sub(1).map(|before| &transactions[before]), transaction.previous_commit) {
                (None, None) => true,
                (Some(before), Some(commit)) => {
                    before.lsns.1 < commit
                        && commit <= transaction.lsns.0
                        && before.commit_time <= transaction.commit_time
                }
                _ => false,
            };
        if !ordered {
            return Err(format!("the commit before {transaction:?} was not that").into());
        }
    }
    Ok(())
}
