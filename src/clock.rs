//! Wall-clock time, the one place that asks for it.
//!
//! Between two anchors time is counted by the runtime's monotonic clock, so that a test that moves that clock
//! moves this one too, and a pipeline pays no system call per row.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::time::UnixMicros;

/// A clock that knows the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    source: fn() -> UnixMicros,
    wall: UnixMicros,
    anchor: Instant,
}

impl Clock {
    /// Anchored to the system's clock now.
    pub fn system() -> Self {
        Self::of(system_time)
    }

    /// Anchored now to another source of the time of day.
    pub fn of(source: fn() -> UnixMicros) -> Self {
        Self { source, wall: source(), anchor: Instant::now() }
    }

    /// Anchored anew, because the time of day may have been set.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::of(self.source)
    }

    /// The time at `instant`.
    pub fn at(&self, instant: Instant) -> UnixMicros {
        let elapsed = instant.saturating_duration_since(self.anchor).as_micros();
        UnixMicros(self.wall.0.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX)))
    }

    /// The time now.
    pub fn now(&self) -> UnixMicros {
        self.at(Instant::now())
    }
}

fn system_time() -> UnixMicros {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
