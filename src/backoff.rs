//! How long to wait before the next attempt. Pure; the caller sleeps.

use std::time::Duration;

/// Exponential back-off with jitter.
#[derive(Debug)]
pub struct Backoff {
    base: Duration,
    most: Duration,
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// Starts with `base`, doubles up to `most`. `seed` decides the jitter.
    pub fn new(base: Duration, most: Duration, seed: u64) -> Self {
        Self { base, most, attempts: 0, random: seed | 1 }
    }

    /// The pause before the next attempt: between half and the whole of the current step.
    pub fn next_pause(&mut self) -> Duration {
        let step = self.base.saturating_mul(1 << self.attempts.min(16)).min(self.most);
        self.attempts = self.attempts.saturating_add(1);
        // xorshift64: spreads instances that failed together; nothing secret depends on it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let half = step / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(self.random % micros)
    }

    /// An attempt went well.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn doubles_up_to_the_most_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), 7);
        let pauses: Vec<Duration> = (0..10).map(|_| backoff.next_pause()).collect();
        for (n, pause) in pauses.iter().enumerate() {
            let step = Duration::from_millis(100 << n).min(Duration::from_secs(5));
            assert!(*pause >= step / 2 && *pause <= step, "{n}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(100));
    }
}
