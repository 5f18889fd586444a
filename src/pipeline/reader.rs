//! When to read the socket and when to process what was read: at once while caught up, in waves while behind. Pure.
//!
//! **Reading.** A walsender whose receiver's window is closed only appends to its own send queue and moves it in large
//! segments; one that finds the window open pays the whole network path for each message, and wakes the reader
//! for each. So a reader that is behind sleeps, then takes what is there in one gulp, before any of it is processed:
//! it halves the server's work per row and spares most of its own wake-ups. A reader that has caught up reads on
//! readiness, for latency.
//!
//! **Waves.** librdkafka's broker thread spins while a batch that is due (`linger.ms`) waits for the batch before it,
//! and an idempotent producer has one batch a partition on the way. So a reader that is behind makes records for less
//! than that time and then waits until they have settled: each partition sends one batch a wave. Meanwhile the
//! processors are the server's and the broker's.

use std::time::Duration;

use tokio::time::Instant;

/// How long a reader that is behind sleeps between drains. The server's send queue takes what this brings.
const NAP: Duration = Duration::from_millis(6);
/// The most that is read ahead.
pub const GULP: usize = 1 << 20;
/// How long a wave waits for the records of the one before it. A sink that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long records are made in one wave: a little less than the sink's `linger.ms`.
const WAVE: Duration = Duration::from_millis(4);
/// How often reports are looked for between waves.
const POLL: Duration = Duration::from_millis(1);
/// The window in which the arrival rate is measured while caught up.
const WINDOW: Duration = Duration::from_millis(4);
/// So much in one window (16 MB/s) means that a backlog is being sent.
const ENTER_BEHIND: usize = 64 * 1024;
/// A read below this ends a drain: the queue is dry.
pub const DRY_READ: usize = 32 * 1024;
/// Less than this from one nap to the next (13 MB/s), twice in a row, means caught up.
const LEAVE_BEHIND: usize = 128 * 1024;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait until the socket is readable.
    WhenReadable,
    /// Read now, without waiting for readiness, until a read brings less than [`DRY_READ`] or the buffer holds
    /// [`GULP`].
    Drain,
    /// Do not read before this instant.
    NotBefore(Instant),
}

/// A stretch of processing.
#[derive(Clone, Copy, Debug)]
pub struct Wave {
    /// When it ends at the latest; `None` when all is processed that is there.
    pub ends: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Idle { window_start: Instant, bytes: usize },
    Behind { next_drain: Instant, last_wave: Instant, poor_drains: u8 },
}

/// The reader's state.
#[derive(Debug)]
pub struct Reader {
    mode: Mode,
    lazy: bool,
}

impl Reader {
    /// A reader that starts caught up. `lazy` is off for Unix sockets, whose queue holds too little for a nap.
    pub fn new(now: Instant, lazy: bool) -> Self {
        Self { mode: Mode::Idle { window_start: now, bytes: 0 }, lazy }
    }

    /// Whether a backlog is being drained.
    pub fn is_behind(&self) -> bool {
        !matches!(self.mode, Mode::Idle { .. })
    }

    /// What to do next.
    pub fn step(&self, now: Instant) -> Step {
        match self.mode {
            Mode::Idle { .. } => Step::WhenReadable,
            Mode::Behind { next_drain, .. } if now < next_drain => {
                Step::NotBefore(next_drain.min(now + POLL))
            }
            Mode::Behind { .. } => Step::Drain,
        }
    }

    /// Whether what was read may be processed now, and for how long. `settled` when nothing is in flight.
    pub fn wave(&mut self, now: Instant, settled: bool) -> Option<Wave> {
        match &mut self.mode {
            Mode::Idle { .. } => Some(Wave { ends: None }),
            Mode::Behind { last_wave, .. } if settled || now >= *last_wave + PATIENCE => {
                *last_wave = now;
                Some(Wave { ends: Some(now + WAVE) })
            }
            Mode::Behind { .. } => None,
        }
    }

    /// A read or a whole drain brought `bytes`; 0 when there was nothing to read.
    pub fn read(&mut self, bytes: usize, now: Instant) {
        match &mut self.mode {
            Mode::Idle { window_start, bytes: in_window } => {
                if now.duration_since(*window_start) > WINDOW {
                    *window_start = now;
                    *in_window = 0;
                }
                *in_window += bytes;
                if self.lazy && *in_window >= ENTER_BEHIND {
                    self.mode = Mode::Behind { next_drain: now + NAP, last_wave: now, poor_drains: 0 };
                }
            }
            Mode::Behind { next_drain, poor_drains, .. } => {
                *next_drain = now + NAP;
                *poor_drains = if bytes < LEAVE_BEHIND { *poor_drains + 1 } else { 0 };
                if *poor_drains >= 2 {
                    self.mode = Mode::Idle { window_start: now, bytes: 0 };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{GULP, NAP, PATIENCE, POLL, Reader, Step, WAVE};

    #[test]
    fn a_quiet_stream_is_read_at_once() {
        let start = Instant::now();
        let mut reader = Reader::new(start, true);
        for n in 0..1000 {
            let now = start + Duration::from_millis(n);
            assert_eq!(reader.step(now), Step::WhenReadable);
            reader.read(2800, now);
        }
    }

    fn behind(now: Instant) -> Reader {
        let mut reader = Reader::new(now, true);
        reader.read(100_000, now);
        assert!(reader.is_behind());
        reader
    }

    #[test]
    fn a_backlog_is_drained_in_gulps() {
        let mut now = Instant::now();
        let mut reader = behind(now);
        for _ in 0..10 {
            assert_eq!(reader.step(now), Step::NotBefore(now + POLL));
            assert_eq!(reader.step(now + NAP - POLL), Step::NotBefore(now + NAP));
            now += NAP;
            assert_eq!(reader.step(now), Step::Drain);
            reader.read(GULP, now);
        }
    }

    #[test]
    fn a_wave_waits_for_the_records_of_the_one_before() {
        let now = Instant::now();
        let mut reader = behind(now);
        let wave = reader.wave(now, true).unwrap();
        assert_eq!(wave.ends, Some(now + WAVE));
        assert!(reader.wave(now + WAVE, false).is_none());
        assert!(reader.wave(now + WAVE, true).is_some());
    }

    #[test]
    fn a_slow_sink_is_not_waited_for() {
        let now = Instant::now();
        let mut reader = behind(now);
        assert!(reader.wave(now, true).is_some());
        assert!(reader.wave(now + PATIENCE - POLL, false).is_none());
        assert!(reader.wave(now + PATIENCE, false).is_some());
        assert!(reader.wave(now + PATIENCE, false).is_none());
    }

    #[test]
    fn who_has_caught_up_processes_at_once_and_all() {
        let now = Instant::now();
        let wave = Reader::new(now, true).wave(now, false).unwrap();
        assert_eq!(wave.ends, None);
    }

    #[test]
    fn two_poor_drains_mean_caught_up() {
        let mut now = Instant::now();
        let mut reader = behind(now);
        for _ in 0..2 {
            now += NAP;
            assert_eq!(reader.step(now), Step::Drain);
            reader.read(20_000, now);
        }
        assert_eq!(reader.step(now), Step::WhenReadable);
    }

    #[test]
    fn one_poor_drain_between_rich_ones_does_not() {
        let mut now = Instant::now();
        let mut reader = behind(now);
        for drained in [20_000, 300_000, 20_000, 300_000] {
            now += NAP;
            assert_eq!(reader.step(now), Step::Drain);
            reader.read(drained, now);
            assert!(reader.is_behind());
        }
    }

    #[test]
    fn a_unix_socket_is_never_left_to_fill() {
        let now = Instant::now();
        let mut reader = Reader::new(now, false);
        reader.read(10_000_000, now);
        assert_eq!(reader.step(now), Step::WhenReadable);
    }
}
