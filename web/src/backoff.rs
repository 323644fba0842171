//! Whether to try again and how long to wait before: what failed, how often and chance in, milliseconds out.
//! Pure.

use crate::error::Kind;

/// The first wait is at most this long, in milliseconds; each further one may be twice as long.
const FIRST_MS: f64 = 500.0;
/// No wait is longer than this, in milliseconds, unless the server asks for more.
const LONGEST_MS: f64 = 20_000.0;
/// A server's wish to be left alone is heeded up to this, in milliseconds.
const LONGEST_WISH_MS: u32 = 120_000;

/// Failures in a row that may pass are given up only after so many of them …
const PATIENT_FAILURES: u32 = 8;
/// … and so many milliseconds without any success.
const PATIENCE_MS: u64 = 600_000;
/// The same before anything has been sent: a person is still waiting to see it begin.
const PATIENCE_AT_FIRST_MS: u64 = 120_000;

/// What a whole upload may waste before it gives up: one for all its parts and calls, so that ten thousand
/// parts don't have ten thousand times the patience of one.
#[derive(Debug, Default)]
pub struct Budget {
    /// Failures without a success in between, and when the first of them was.
    streak: u32,
    since: Option<u64>,
    /// Somebody has answered since, so the network is there.
    answered: bool,
    /// Parts and accesses that had to be renewed, less what went well since.
    renewals: u32,
    begun: bool,
}

impl Budget {
    /// Something went well for good.
    pub fn succeeded(&mut self) {
        *self = Self { renewals: self.renewals.saturating_sub(1), begun: true, ..Self::default() };
    }

    /// An answer came that isn't a success of the upload's own.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    /// Counts a failure; whether to give up. `at_once` is how many could fail for one and the same reason.
    pub fn is_spent_by(&mut self, kind: Kind, now: u64, at_once: usize) -> bool {
        self.streak += 1;
        let patience = if self.begun { PATIENCE_MS } else { PATIENCE_AT_FIRST_MS };
        let long = now.saturating_sub(*self.since.get_or_insert(now)) > patience;
        let out_of_patience = long && self.streak >= PATIENT_FAILURES;
        match kind {
            Kind::Final | Kind::Changed | Kind::Gone => true,
            Kind::Expired | Kind::Clock | Kind::Damaged => {
                self.renewals += 1;
                self.renewals as usize > 2 * at_once + 2
            }
            // Without any answer, the network is away: a night is not too long to wait for it.
            Kind::Network | Kind::Stalled => out_of_patience && (self.answered || !self.begun),
            Kind::Throttled | Kind::Server | Kind::NoSpace => out_of_patience,
        }
    }
}

/// The wait before try number `tries` + 1, in milliseconds.
///
/// The whole span is drawn by `chance` (0 to 1), so that clients which failed together do not come back
/// together. `wish_ms` is what the server asked for (`Retry-After`), 0 for nothing: never earlier.
pub fn wait_ms(kind: Kind, tries: u32, wish_ms: u32, chance: f64) -> u32 {
    // What is renewed, not repeated, need not wait at first.
    if matches!(kind, Kind::Expired | Kind::Damaged | Kind::Stalled) && tries <= 1 {
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
        for kind in [Kind::Expired, Kind::Damaged] {
            assert_eq!([1, 2, 3].map(|tries| wait_ms(kind, tries, 0, 1.0)), [0, 1_000, 2_000]);
        }
    }

    /// How many failures, one a second, it takes to give up; none within a million seconds.
    fn given_up_after(kind: Kind, mut budget: Budget) -> Option<u64> {
        (0..1_000_000).find(|second| budget.is_spent_by(kind, second * 1_000, 6))
    }

    fn begun() -> Budget {
        let mut budget = Budget::default();
        budget.succeeded();
        budget
    }

    #[test]
    fn patience_ends() {
        assert_eq!(given_up_after(Kind::Final, begun()), Some(0));
        assert_eq!(given_up_after(Kind::Damaged, begun()), Some(14));
        assert_eq!(given_up_after(Kind::Server, begun()), Some(601));
        assert_eq!(given_up_after(Kind::Server, Budget::default()), Some(121));
        assert_eq!(given_up_after(Kind::Network, Budget::default()), Some(121));
    }

    #[test]
    fn a_network_that_is_away_is_waited_for_without_end_unless_others_answer() {
        assert_eq!(given_up_after(Kind::Network, begun()), None);
        let mut budget = begun();
        budget.answered();
        assert_eq!(given_up_after(Kind::Network, budget), Some(601));
    }

    #[test]
    fn what_goes_well_pays_back() {
        let mut budget = begun();
        for _ in 0..1_000 {
            assert!(!budget.is_spent_by(Kind::Damaged, 0, 6));
            budget.succeeded();
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
