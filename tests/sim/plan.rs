//! What a seed decides beforehand: sizes, times, and which faults may happen how often.

use std::time::Duration;

use super::rng::Rng;

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Steps that the sessions of the database make.
    pub(crate) steps: u64,
    /// The usual longest pause between two of them, in milliseconds.
    pub(crate) pause: u64,
    pub(crate) sessions: usize,
    /// Long rows, in thousandths of all.
    pub(crate) long_rows: u64,
    pub(crate) next_xid: u64,
    /// Whether the slot is there before the pipeline.
    pub(crate) slot_exists: bool,
    /// Whether the server lets a slot go back when it is told a smaller position.
    pub(crate) old_server: bool,
    pub(crate) wal_sender_timeout: Option<Duration>,
    pub(crate) near: Option<Duration>,
    pub(crate) max_records: usize,
    pub(crate) max_bytes: usize,
    /// The broker's longest usual delay, in milliseconds.
    pub(crate) latency: u64,
    pub(crate) drain_timeout: Duration,
    /// Mean time between two faults of the world, in milliseconds; 0: none.
    pub(crate) fault_gap: u64,
    /// How often a connection gets a cut, in thousandths.
    pub(crate) cuts: u64,
    /// How often a process gets a death, in thousandths.
    pub(crate) deaths: u64,
    /// How often it is told to stop, in thousandths.
    pub(crate) stops: u64,
    /// Whether the end is a shutdown of the server.
    pub(crate) ends_with_shutdown: bool,
    /// A stall above the pipeline's patience.
    pub(crate) endless_stall: bool,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let timeouts = [None, Some(1000), Some(2000), Some(3000), Some(10_000), Some(60_000)];
        let quiet = rng.chance(60);
        let fault = |rng: &mut Rng, low: u64, high: u64| if quiet { 0 } else { rng.between(low, high) };
        Self {
            seed,
            steps: rng.scale(40, 600),
            pause: *rng.pick(&[1, 5, 20, 60, 200]),
            sessions: rng.index(5) + 1,
            long_rows: if rng.chance(50) { *rng.pick(&[40, 200]) } else { 0 },
            next_xid: *rng.pick(&[750, 4_294_967_290, (3 << 32) + 2_147_483_640, (1 << 40) + 77]),
            slot_exists: rng.chance(700),
            old_server: rng.chance(400),
            wal_sender_timeout: rng.pick(&timeouts).map(Duration::from_millis),
            near: rng.pick(&[None, Some(100), Some(2000)]).map(Duration::from_micros),
            max_records: *rng.pick(&[6, 8, 20, 100, 1000]),
            max_bytes: *rng.pick(&[500, 4000, 100_000, 10_000_000]),
            latency: *rng.pick(&[1, 4, 20, 100]),
            drain_timeout: Duration::from_secs(*rng.pick(&[1, 5])),
            fault_gap: if quiet { 0 } else { *rng.pick(&[0, 300, 1500, 6000]) },
            cuts: fault(&mut rng, 0, 700),
            deaths: fault(&mut rng, 0, 800),
            stops: fault(&mut rng, 0, 400),
            ends_with_shutdown: rng.chance(400),
            endless_stall: seed % 3000 == 7,
        }
    }
}
