//! Whether to try again and how long to wait before: what failed, how often and chance in, milliseconds out.
//! Pure.

use crate::error::Kind;

/// The first wait is at most this long, in milliseconds; each further one may be twice as long.
const FIRST_MS: f64 = 500.0;
/// No wait is longer than this, in milliseconds, unless the server asks for more.
const LONGEST_MS: f64 = 20_000.0;
/// While the network is away nobody is kept from recovering, and whoever waits wants to go on soon after.
const LONGEST_AWAY_MS: f64 = 8_000.0;
/// What is renewed waits no longer than this, in milliseconds.
const LONGEST_RENEWAL_MS: f64 = 2_000.0;
/// A server's wish to be left alone is heeded up to this, in milliseconds.
const LONGEST_WISH_MS: u32 = 120_000;

/// Failures in a row that may pass are given up only after so many of them …
const PATIENT_FAILURES: u32 = 8;
/// … and so many milliseconds of them.
const PATIENCE_MS: u64 = 600_000;
/// The same before the upload is open: a person is still waiting to see it begin. It is also how long parts
/// get no answer at all before the edge is asked whether the network is there.
const SHORT_PATIENCE_MS: u64 = 120_000;
/// Between two failures, no more milliseconds than these count: the rest was sleep, or a network that is away.
const LONGEST_GAP_MS: u64 = 60_000;
/// So often may the edge say that all is well while no part comes through.
const MOST_LOOKS: u32 = 5;
/// So many renewals are forgiven, besides two for each part that is sent at once.
const FORGIVEN: usize = 6;

/// What a whole upload may waste before it gives up: one for all its parts and calls, so that ten thousand
/// parts don't have ten thousand times the patience of one.
#[derive(Debug, Default)]
pub struct Budget {
    /// Failures since something went well, those that were answers and those without any.
    refused: Streak,
    unanswered: Streak,
    /// When the last of them was.
    last: Option<u64>,
    /// How often the edge has answered since, when it was asked whether the network is there.
    looks: u32,
    /// Accesses that had to be renewed, and parts that arrived with other bytes; less what went well since.
    renewals: u32,
    damages: u32,
    begun: bool,
}

/// Failures in a row and the milliseconds they took.
#[derive(Debug, Default)]
struct Streak {
    failures: u32,
    ms: u64,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Left,
    /// Is the network away, or only the storage out of reach? Is the upload gone, or only said to be?
    Doubtful,
    Spent,
}

impl Budget {
    /// Of an upload that an earlier page load has begun.
    pub fn begun() -> Self {
        Self { begun: true, ..Self::default() }
    }

    /// Something went well for good.
    pub fn succeeded(&mut self) {
        let (renewals, damages) = (self.renewals.saturating_sub(1), self.damages.saturating_sub(1));
        *self = Self { renewals, damages, begun: true, ..Self::default() };
    }

    /// The edge has told how the upload stands: the network is there.
    pub fn looked(&mut self) {
        let Self { renewals, damages, looks, .. } = *self;
        *self = Self { renewals, damages, looks: looks + 1, begun: true, ..Self::default() };
    }

    /// Counts a failure. `at_once` is how many could fail for one and the same reason.
    pub fn failed(&mut self, kind: Kind, now: u64, at_once: usize) -> Patience {
        let gap = now.saturating_sub(self.last.replace(now).unwrap_or(now)).min(LONGEST_GAP_MS);
        let short = SHORT_PATIENCE_MS;
        let left = match kind {
            Kind::Final | Kind::Changed => false,
            Kind::Expired | Kind::Clock => one_more(&mut self.renewals, at_once),
            Kind::Damaged => one_more(&mut self.damages, at_once),
            Kind::Gone => return self.doubt(),
            Kind::Throttled | Kind::Server | Kind::NoSpace => {
                !self.refused.is_long(gap, if self.begun { PATIENCE_MS } else { short })
            }
            Kind::Network | Kind::Stalled if !self.begun => !self.unanswered.is_long(gap, short),
            // A night is not too long to wait for the network.
            Kind::Network | Kind::Stalled if self.unanswered.is_long(gap, short) => return self.doubt(),
            Kind::Network | Kind::Stalled => true,
        };
        if left { Patience::Left } else { Patience::Spent }
    }

    fn doubt(&self) -> Patience {
        if self.looks < MOST_LOOKS { Patience::Doubtful } else { Patience::Spent }
    }

    /// How often the edge was asked how the upload stands, since a part came through.
    pub fn looks(&self) -> u32 {
        self.looks
    }
}

fn one_more(count: &mut u32, at_once: usize) -> bool {
    *count += 1;
    *count as usize <= 2 * at_once + FORGIVEN
}

impl Streak {
    /// Counts a failure `gap_ms` after the last one.
    fn is_long(&mut self, gap_ms: u64, patience_ms: u64) -> bool {
        self.failures += 1;
        self.ms += gap_ms;
        self.failures >= PATIENT_FAILURES && self.ms > patience_ms
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
    let longest = match kind {
        // Nobody is overloaded: waiting for long would mend nothing.
        Kind::Expired | Kind::Damaged => LONGEST_RENEWAL_MS,
        Kind::Network | Kind::Stalled => LONGEST_AWAY_MS,
        _ => LONGEST_MS,
    };
    let doublings = tries.saturating_sub(1).min(16);
    let ceiling = (FIRST_MS * f64::from(1u32 << doublings)).min(longest);
    // A cast of a float to an integer saturates, and makes 0 of what is no number.
    let drawn = (ceiling * chance.clamp(0.0, 1.0)) as u32;
    drawn.saturating_add(wish_ms.min(LONGEST_WISH_MS))
}

#[cfg(test)]
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

    /// What becomes of patience, and after how many failures, one a second; nothing within a million seconds.
    fn ends(kind: Kind, mut budget: Budget) -> Option<(u64, Patience)> {
        let mut patience = (0..1_000_000).map(|second| (second, budget.failed(kind, second * 1_000, 6)));
        patience.find(|(_, patience)| *patience != Patience::Left)
    }

    #[test]
    fn patience_ends() {
        use Patience::{Doubtful, Spent};
        assert_eq!(ends(Kind::Final, Budget::begun()), Some((0, Spent)));
        assert_eq!(ends(Kind::Changed, Budget::begun()), Some((0, Spent)));
        assert_eq!(ends(Kind::Damaged, Budget::begun()), Some((18, Spent)));
        assert_eq!(ends(Kind::Server, Budget::begun()), Some((601, Spent)));
        assert_eq!(ends(Kind::Server, Budget::default()), Some((121, Spent)));
        assert_eq!(ends(Kind::Network, Budget::default()), Some((121, Spent)));
        assert_eq!(ends(Kind::Network, Budget::begun()), Some((121, Doubtful)));
    }

    #[test]
    fn a_storage_out_of_reach_is_given_up_once_the_edge_has_answered_often() {
        let mut budget = Budget::begun();
        let mut looks = 0;
        let spent = (0..).find(|second| match budget.failed(Kind::Stalled, second * 1_000, 6) {
            Patience::Left => false,
            Patience::Doubtful => {
                looks += 1;
                budget.looked();
                false
            }
            Patience::Spent => true,
        });
        assert_eq!((looks, spent), (5, Some(731)));
    }

    #[test]
    fn a_night_without_network_is_no_impatience_with_the_server() {
        let mut budget = Budget::begun();
        for hour in 0..10 {
            assert_eq!(budget.failed(Kind::Server, hour * 3_600_000, 6), Patience::Left);
        }
    }

    #[test]
    fn what_goes_well_pays_back() {
        let mut budget = Budget::begun();
        for _ in 0..1_000 {
            assert_eq!(budget.failed(Kind::Damaged, 0, 6), Patience::Left);
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
