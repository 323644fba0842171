//! A seeded random number generator: the same seed gives the same numbers.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number in `0..end`, or 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A number in `from..end`, or `from` if that is empty.
    pub fn between(&mut self, from: u64, end: u64) -> u64 {
        from + self.below(end.saturating_sub(from).max(1))
    }

    /// A number in `from..=end` whose logarithm is uniformly distributed.
    pub fn log_uniform(&mut self, from: u64, end: u64) -> u64 {
        let (low, high) = ((from.max(1) as f64).ln(), (end.max(2) as f64).ln());
        ((low + self.unit() * (high - low)).exp() as u64).clamp(from, end)
    }

    /// A number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with a probability in permille.
    pub fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1_000) < u64::from(permille)
    }

    /// `rare` with a probability in permille, otherwise `usual`.
    pub fn choose(&mut self, permille: u32, rare: u64, usual: u64) -> u64 {
        if self.chance(permille) { rare } else { usual }
    }

    pub fn coin(&mut self) -> bool {
        self.chance(500)
    }
}

/// A hash of a number, without collisions.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
