//! Random numbers that a seed decides (splitmix64).

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// One of many streams of the same seed, so that one part of the world does not shift another's numbers.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng =
            Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.between(0, count as u64 - 1)).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// True `times` times in a thousand.
    pub(crate) fn chance(&mut self, times: u64) -> bool {
        self.between(0, 999) < times
    }

    /// A number in `low..=high` that is as often small as it is large.
    pub(crate) fn scale(&mut self, low: u64, high: u64) -> u64 {
        let bits = u64::from((high / low.max(1)).max(1).ilog2());
        let top = low.max(1) << self.between(0, bits);
        self.between(low, top.min(high).max(low))
    }
}
