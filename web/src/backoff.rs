//! Whether to try again and how long to wait before: what failed, how often and chance in, milliseconds out.
//! Pure.

use crate::error::Kind;

/// The first wait is at most this long, in milliseconds; each further one may be twice as long.
const FIRST_MS: f64 = 500.0;
/// No wait is longer than this, in milliseconds, unless the server asks for more.
const LONGEST_MS: f64 = 20_000.0;
/// A server's wish to be left alone is heeded up to this, in milliseconds.
const LONGEST_WISH_MS: u32 = 120_000;

/// A failure that may pass is given up only after this many tries of one thing …
const PATIENT_TRIES: u32 = 8;
/// … and this many milliseconds without any success.
const PATIENCE_MS: u64 = 120_000;
/// So often is a part sent anew, or an access renewed, before the fault is taken to lie elsewhere.
const FRESH_TRIES: u32 = 5;

/// Whether to give up after `tries` tries of one thing, if nothing at all has gone well for `streak_ms`
/// milliseconds.
pub fn is_hopeless(kind: Kind, tries: u32, streak_ms: u64) -> bool {
    match kind {
        Kind::Final => true,
        Kind::Stale | Kind::Damaged => tries >= FRESH_TRIES,
        Kind::Network | Kind::Throttled | Kind::Server => tries >= PATIENT_TRIES && streak_ms > PATIENCE_MS,
    }
}

/// The wait before try number `tries` + 1, in milliseconds.
///
/// The whole span is drawn by `chance` (0 to 1), so that clients which failed together do not come back
/// together. `wish_ms` is what the server asked for (`Retry-After`), 0 for nothing: never earlier.
pub fn wait_ms(kind: Kind, tries: u32, wish_ms: u32, chance: f64) -> u32 {
    // What is renewed, not repeated, need not wait at first.
    if matches!(kind, Kind::Stale | Kind::Damaged) && tries <= 1 {
        return 0;
    }
    let doublings = tries.saturating_sub(1).min(16);
    let ceiling = (FIRST_MS * f64::from(1u32 << doublings)).min(LONGEST_MS);
    // A cast of a float to an integer saturates, and makes 0 of what is no number.
    let drawn = (ceiling * chance.clamp(0.0, 1.0)) as u32;
    drawn.saturating_add(wish_ms.min(LONGEST_WISH_MS))
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grows_to_its_ceiling() {
        let longest = |tries| wait_ms(Kind::Server, tries, 0, 1.0);
        let waits = [1, 2, 3, 4, 5, 6, 7, 100, u32::MAX].map(longest);
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
        assert_eq!(wait_ms(Kind::Server, 9, 0, 0.0), 0);
    }

    #[test]
    fn what_is_renewed_waits_only_from_the_second_time_on() {
        for kind in [Kind::Stale, Kind::Damaged] {
            assert_eq!([1, 2, 3].map(|tries| wait_ms(kind, tries, 0, 1.0)), [0, 1_000, 2_000]);
        }
    }

    #[test]
    fn patience_ends() {
        for (kind, tries, streak_ms, hopeless) in [
            (Kind::Final, 1, 0, true),
            (Kind::Stale, 4, u64::MAX, false),
            (Kind::Damaged, 5, 0, true),
            (Kind::Network, 7, u64::MAX, false),
            (Kind::Throttled, 100, 120_000, false),
            (Kind::Server, 8, 120_001, true),
        ] {
            assert_eq!(is_hopeless(kind, tries, streak_ms), hopeless, "{kind:?} {tries} {streak_ms}");
        }
    }

    proptest! {
        #[test]
        fn never_before_the_server_wishes_nor_for_ever(tries: u32, wish: u32, chance: f64) {
            let wait = wait_ms(Kind::Throttled, tries, wish, chance);
            prop_assert!(wait >= wish.min(LONGEST_WISH_MS));
            prop_assert!(wait <= LONGEST_WISH_MS + LONGEST_MS as u32);
        }
    }
}
