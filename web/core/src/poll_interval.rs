//! How long to wait between looks at a video that is being converted. Pure.

/// While it moves, and at first: every second.
const SHORTEST_MS: u32 = 1_000;
/// While nothing moves, up to every five.
const LONGEST_MS: u32 = 5_000;

/// The wait, in milliseconds, before the next look, after one that waited `last_ms`.
pub fn next_ms(last_ms: u32, moved: bool) -> u32 {
    if moved { SHORTEST_MS } else { (last_ms.saturating_mul(3) / 2).clamp(SHORTEST_MS, LONGEST_MS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slows_down_while_nothing_moves() {
        let waits: Vec<_> =
            std::iter::successors(Some(0), |wait| Some(next_ms(*wait, false))).take(6).collect();
        assert_eq!(waits, [0, 1_000, 1_500, 2_250, 3_375, 5_000]);
        assert_eq!((next_ms(5_000, false), next_ms(5_000, true)), (5_000, 1_000));
    }
}
