//! The interval at which a video's conversion status is polled.

/// Interval after a change, in milliseconds.
const MIN_INTERVAL_MS: u32 = 1_000;
/// Longest interval while nothing changes, in milliseconds.
const MAX_INTERVAL_MS: u32 = 5_000;

/// The delay before the next poll, in milliseconds: 1 s after a change, up to 5 s while nothing changes.
///
/// `last_ms` is the delay before the last poll, 0 before the first one; `changed` is whether that poll found
/// a change.
pub fn next_ms(last_ms: u32, changed: bool) -> u32 {
    if changed {
        MIN_INTERVAL_MS
    } else {
        (last_ms.saturating_mul(3) / 2).clamp(MIN_INTERVAL_MS, MAX_INTERVAL_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_grows_until_a_change_resets_it() {
        let intervals: Vec<_> =
            std::iter::successors(Some(0), |last| Some(next_ms(*last, false))).take(6).collect();
        assert_eq!(intervals, [0, 1_000, 1_500, 2_250, 3_375, 5_000]);
        assert_eq!((next_ms(5_000, false), next_ms(5_000, true)), (5_000, 1_000));
    }
}
