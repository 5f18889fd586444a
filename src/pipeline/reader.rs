//! When to read the socket: at once while caught up, lazily while behind. Pure.
//!
//! A walsender whose receiver's window is closed only appends to its own send queue and moves it in large
//! segments; one that finds the window open pays the whole network path for each message, and wakes the reader
//! for each. So a reader that is behind sleeps, then drains until dry: it halves the server's work per row and
//! spares most of its own wake-ups. A reader that has caught up reads on readiness, for latency.

use std::time::Duration;

use tokio::time::Instant;

/// How long a reader that is behind sleeps between drains. The server's send queue takes what this brings.
const NAP: Duration = Duration::from_millis(10);
/// The window in which the arrival rate is measured while caught up.
const WINDOW: Duration = Duration::from_millis(4);
/// So much in one window (16 MB/s) means that a backlog is being sent.
const ENTER_BEHIND: usize = 64 * 1024;
/// A read below this ends a drain: the queue is dry.
const DRY_READ: usize = 32 * 1024;
/// Less than this from one nap to the next (13 MB/s), twice in a row, means caught up.
const LEAVE_BEHIND: usize = 128 * 1024;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait until the socket is readable.
    WhenReadable,
    /// Read now, without waiting for readiness.
    Now,
    /// Do not read before this instant.
    NotBefore(Instant),
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Idle { window_start: Instant, bytes: usize },
    Napping { until: Instant, poor_drains: u8 },
    Draining { bytes: usize, poor_drains: u8 },
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
    pub fn step(&mut self, now: Instant) -> Step {
        match self.mode {
            Mode::Idle { .. } => Step::WhenReadable,
            Mode::Napping { until, .. } if now < until => Step::NotBefore(until),
            Mode::Napping { poor_drains, .. } => {
                self.mode = Mode::Draining { bytes: 0, poor_drains };
                Step::Now
            }
            Mode::Draining { .. } => Step::Now,
        }
    }

    /// A read brought `bytes`; 0 when there was nothing to read.
    pub fn read(&mut self, bytes: usize, now: Instant) {
        match &mut self.mode {
            Mode::Idle { window_start, bytes: in_window } => {
                if now.duration_since(*window_start) > WINDOW {
                    *window_start = now;
                    *in_window = 0;
                }
                *in_window += bytes;
                if self.lazy && *in_window >= ENTER_BEHIND {
                    self.mode = Mode::Napping { until: now + NAP, poor_drains: 0 };
                }
            }
            Mode::Draining { bytes: drained, poor_drains } => {
                *drained += bytes;
                if bytes < DRY_READ {
                    let poor = if *drained < LEAVE_BEHIND { *poor_drains + 1 } else { 0 };
                    self.mode = if poor >= 2 {
                        Mode::Idle { window_start: now, bytes: 0 }
                    } else {
                        Mode::Napping { until: now + NAP, poor_drains: poor }
                    };
                }
            }
            // A nap ends by `step`; a read in the middle of one belongs to the next drain.
            Mode::Napping { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{NAP, Reader, Step};

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

    #[test]
    fn a_backlog_is_drained_in_gulps() {
        let start = Instant::now();
        let mut reader = Reader::new(start, true);
        reader.read(100_000, start);
        assert_eq!(reader.step(start), Step::NotBefore(start + NAP));
        let later = start + NAP;
        for _ in 0..10 {
            assert_eq!(reader.step(later), Step::Now);
            reader.read(150_000, later);
        }
        reader.read(0, later);
        assert_eq!(reader.step(later), Step::NotBefore(later + NAP));
    }

    #[test]
    fn two_poor_drains_mean_caught_up() {
        let mut now = Instant::now();
        let mut reader = Reader::new(now, true);
        reader.read(70_000, now);
        for _ in 0..2 {
            now += NAP;
            assert_eq!(reader.step(now), Step::Now);
            reader.read(20_000, now);
        }
        assert_eq!(reader.step(now), Step::WhenReadable);
    }

    #[test]
    fn one_poor_drain_between_rich_ones_does_not() {
        let mut now = Instant::now();
        let mut reader = Reader::new(now, true);
        reader.read(70_000, now);
        for drained in [20_000, 300_000, 20_000, 300_000] {
            now += NAP;
            assert_eq!(reader.step(now), Step::Now);
            reader.read(drained, now);
            if drained > 100_000 {
                reader.read(0, now);
            }
            assert!(matches!(reader.step(now), Step::NotBefore(_)));
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
