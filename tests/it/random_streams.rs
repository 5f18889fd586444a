//! Streams at random: whatever the order of reports and the size of reads, every confirmed position is one below
//! which all is durable and which is recorded; and in the end everything is confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::support::held_sink::{Hold, Produced};
use super::support::ledger::Entry;
use super::support::scripted::keepalive;
use super::support::tap::Chunks;
use super::support::walsender::{
    Options, Rig, Walsender, begin, commit, insert, logical_message, long_insert, transaction,
};

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    /// A transaction with this many rows, which began so many bytes before the last position, with a keepalive in
    /// front of this row.
    Transaction { rows: usize, overlap: u64, keepalive_at: usize },
    /// One that is longer than what is held back, with a keepalive and a pause before its COMMIT.
    Long { asks: bool },
    /// A message outside of any transaction.
    Message,
    /// A keepalive this far beyond the last position.
    Keepalive { beyond: u64, asks: bool },
    /// A keepalive that goes back.
    Back { by: u64 },
    /// Some of the held reports come, picked by these numbers.
    Deliver(Vec<usize>),
    /// Time passes.
    Pause(u64),
    /// What is held from now on.
    Hold(Hold),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6usize, 0..200u64, 0..8usize)
            .prop_map(|(rows, overlap, keepalive_at)| Step::Transaction { rows, overlap, keepalive_at }),
        1 => any::<bool>().prop_map(|asks| Step::Long { asks }),
        2 => Just(Step::Message),
        3 => (0..100u64, any::<bool>()).prop_map(|(beyond, asks)| Step::Keepalive { beyond, asks }),
        1 => (0..500u64).prop_map(|by| Step::Back { by }),
        6 => prop::collection::vec(0..1000usize, 1..6).prop_map(Step::Deliver),
        4 => prop_oneof![3 => 0..50u64, 1 => 0..1500u64].prop_map(Step::Pause),
        1 => prop::sample::select(vec![Hold::Nothing, Hold::Data, Hold::Progress, Hold::Everything])
            .prop_map(Step::Hold),
    ]
}

/// What a correct client may confirm: the positions, and how many records must be durable for each.
#[derive(Debug, Default)]
struct Model {
    last: u64,
    records: usize,
    positions: BTreeMap<u64, usize>,
}

impl Model {
    fn ends_at(&mut self, position: u64) {
        self.last = position;
        self.positions.entry(position).or_insert(self.records);
    }
}

/// Plays one step; what it sends must fit what the client still reads, so it is sent beside the rest.
fn messages(step: &Step, model: &mut Model) -> Vec<u8> {
    let at = model.last;
    match step {
        Step::Transaction { rows, overlap, keepalive_at } => {
            let start = at.saturating_sub(*overlap).max(1);
            let mut bytes = begin(start, 7);
            for row in 0..*rows {
                if row == *keepalive_at {
                    bytes.extend(keepalive(at + 5, row % 2 == 0));
                }
                bytes.extend(insert(start, row));
            }
            bytes.extend(commit(at + 50, 7));
            model.records += rows;
            model.ends_at(at + 50);
            bytes
        }
        Step::Long { asks } => {
            model.records += 1;
            model.ends_at(at + 90);
            [begin(at, 8), long_insert(at + 10, 0), keepalive(at + 60, *asks), commit(at + 90, 8)].concat()
        }
        Step::Message => {
            model.records += 1;
            model.ends_at(at + 7);
            logical_message(at + 7, false, "x")
        }
        Step::Keepalive { beyond, asks } => {
            model.ends_at(at + beyond);
            keepalive(at + beyond, *asks)
        }
        Step::Back { by } => {
            let back = at.saturating_sub(*by);
            model.positions.entry(back).or_insert(model.records);
            keepalive(back, true)
        }
        Step::Deliver(_) | Step::Pause(_) | Step::Hold(_) => Vec::new(),
    }
}

async fn play(steps: &[Step], rig: &mut Rig, model: &mut Model) {
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        for step in steps {
            let bytes = messages(step, model);
            match step {
                Step::Deliver(picks) => {
                    for pick in picks {
                        let held = server.sink.held();
                        if !held.is_empty() {
                            server.sink.deliver(held[pick % held.len()]);
                        }
                    }
                }
                Step::Pause(millis) => server.pause(Duration::from_millis(*millis)).await,
                Step::Hold(hold) => server.sink.hold(*hold),
                _ => {
                    // A client whose budget is used up does not read.
                    while !server.send_part(&bytes).await {
                        server.sink.release();
                        server.sink.hold(Hold::Everything);
                    }
                }
            }
        }
        server.sink.release();
        let end = model.last;
        server.until(Duration::from_mins(2), |server| server.flush() == end).await;
        server.stop();
        server.finish().await;
        assert!(server.outcome().await.is_ok());
    })
    .await;
}

/// Holds what happened, in its order, against the model.
fn verify(entries: &[Entry], records: &[Produced], model: &Model) -> Result<(), TestCaseError> {
    let data: Vec<usize> = (0..records.len()).filter(|&number| !records[number].is_progress()).collect();
    prop_assert_eq!(data.len(), model.records);
    let (mut durable, mut in_front, mut recorded) = (BTreeSet::new(), 0, 0);
    for entry in entries {
        match entry {
            Entry::Durable(number) => {
                durable.insert(*number);
                while data.get(in_front).is_some_and(|number| durable.contains(number)) {
                    in_front += 1;
                }
                recorded = recorded.max(records[*number].end_lsn().unwrap_or(0));
            }
            Entry::Produced(number) => {
                let Some(end) = records[*number].end_lsn() else { continue };
                let Some(&needed) = model.positions.get(&end) else {
                    return Err(TestCaseError::fail(format!("{end:#x} is no position")));
                };
                prop_assert!(
                    in_front >= needed,
                    "{:#x} needs {} records, {} are durable",
                    end,
                    needed,
                    in_front
                );
            }
            Entry::Told(status) => prop_assert!(status.flush <= recorded, "{:?} but {}", status, recorded),
            Entry::CopyDone | Entry::Terminated => {}
        }
    }
    Ok(())
}

/// Reads of changing, small and large, sizes.
fn sizes() -> Chunks {
    let mut state = 12_345_usize;
    Box::new(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match state >> 60 {
            0..4 => 1 + (state >> 50) % 8,
            4..10 => 1 + (state >> 40) % 200,
            _ => 1 + (state >> 40) % 100_000,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_confirmed_position_is_durable_and_recorded_and_in_the_end_all_is(
        steps in prop::collection::vec(step(), 1..40),
        budget in prop::sample::select(vec![16usize, 30, 1000]),
        (lazy, small_reads) in any::<(bool, bool)>(),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let mut rig = Rig::new(Options { records: budget, ..Options::default() });
        rig.lazy = lazy;
        if small_reads {
            rig.chunks = sizes;
        }
        let mut model = Model { last: 0x100, ..Model::default() };
        let steps = [vec![Step::Transaction { rows: 1, overlap: 0, keepalive_at: 0 }], steps].concat();
        runtime.block_on(play(&steps, &mut rig, &mut model));
        verify(&rig.ledger.entries(), &rig.sink.records(), &model)?;
    }
}

/// The check itself finds what it is for.
#[test]
fn the_model_refuses_a_position_too_early() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let mut rig = Rig::default();
    runtime.block_on(rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
    }));
    let (mut entries, records) = (rig.ledger.entries(), rig.sink.records());
    let model = Model { last: 0x200, records: 2, positions: BTreeMap::from([(0x200, 2)]) };
    verify(&entries, &records, &model).unwrap();
    let durable = entries.iter().position(|entry| *entry == Entry::Durable(1)).unwrap();
    let late = entries.remove(durable);
    entries.push(late);
    assert!(verify(&entries, &records, &model).is_err());
}
