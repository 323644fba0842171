//! How long to wait before trying again: tries and chance in, milliseconds out. Pure.

/// The first wait is at most this long, in milliseconds; each further one may be twice as long.
const FIRST_MS: f64 = 500.0;
/// No wait is longer than this, in milliseconds, unless the server asks for more.
const LONGEST_MS: f64 = 20_000.0;
/// A server's wish to be left alone is heeded up to this, in milliseconds.
const LONGEST_WISH_MS: u32 = 120_000;

/// The wait before try number `tries` + 1, in milliseconds.
///
/// The whole span is drawn by `chance` (0 to 1), so that clients which failed together do not come back
/// together. `wish_ms` is what the server asked for (`Retry-After`), 0 for nothing: never earlier.
pub fn wait_ms(tries: u32, wish_ms: u32, chance: f64) -> u32 {
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
        let longest = [1, 2, 3, 4, 5, 6, 7, 100, u32::MAX].map(|tries| wait_ms(tries, 0, 1.0));
        assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
        assert_eq!(wait_ms(9, 0, 0.0), 0);
    }

    proptest! {
        #[test]
        fn never_before_the_server_wishes_nor_for_ever(tries: u32, wish: u32, chance: f64) {
            let wait = wait_ms(tries, wish, chance);
            prop_assert!(wait >= wish.min(LONGEST_WISH_MS));
            prop_assert!(wait <= LONGEST_WISH_MS + LONGEST_MS as u32);
        }
    }
}
