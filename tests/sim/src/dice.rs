//! Chance from a seed: the same seed, the same run.

/// SplitMix64: small, fast, good enough for weather.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// 0 to `end`, without it.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(end)) >> 64) as u64
    }

    /// `from` to `end`, without it.
    pub fn between(&mut self, from: u64, end: u64) -> u64 {
        from + self.below(end.saturating_sub(from).max(1))
    }

    /// `from` to `end`, small ones as likely as large ones.
    pub fn magnitude(&mut self, from: u64, end: u64) -> u64 {
        let (low, high) = ((from.max(1) as f64).ln(), (end.max(2) as f64).ln());
        ((low + self.unit() * (high - low)).exp() as u64).clamp(from, end)
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True so many times in a thousand.
    pub fn hits(&mut self, permille: u32) -> bool {
        permille > 0 && self.below(1_000) < u64::from(permille)
    }

    /// `rare` so many times in a thousand, else `usual`.
    pub fn either(&mut self, permille: u32, rare: u64, usual: u64) -> u64 {
        if self.hits(permille) { rare } else { usual }
    }

    pub fn coin(&mut self) -> bool {
        self.hits(500)
    }
}

/// Scatters a number; what is different stays different.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
