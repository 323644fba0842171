//! Whether to retry after a failure, and after which delay.

use crate::error::ErrorKind;

/// Upper end of the first delay, in milliseconds; it doubles with each attempt.
const INITIAL_DELAY_MS: f64 = 500.0;
/// Longest delay, in milliseconds, besides what the server asks for.
const MAX_DELAY_MS: f64 = 20_000.0;
/// Longest delay while the network is away, in milliseconds: no server is overloaded, and the upload should go on
/// soon after.
const MAX_NETWORK_DELAY_MS: f64 = 8_000.0;
/// Longest delay before something is renewed, in milliseconds.
const MAX_RENEWAL_DELAY_MS: f64 = 2_000.0;
/// Longest `Retry-After` that is honored, in milliseconds.
const MAX_RETRY_AFTER_MS: u32 = 120_000;

/// A series of failures ends the upload only after at least this many …
const MIN_FAILURES: u32 = 8;
/// … that lasted this long, in milliseconds.
const RETRY_TIMEOUT_MS: u64 = 600_000;
/// The same before the upload is open, in milliseconds, as a person still waits for its start. Also how long parts
/// get no response at all before the edge is asked whether it can be reached.
const SHORT_RETRY_TIMEOUT_MS: u64 = 120_000;
/// At most this counts of the time between two failures, in milliseconds: the rest was sleep or an outage.
const MAX_FAILURE_INTERVAL_MS: u64 = 60_000;
/// How many times in a row the edge may answer while no part gets through.
const MAX_STATUS_CHECKS: u32 = 5;
/// How many times in a row a request may be refused on its way.
const MAX_BLOCKED: u32 = 3;
/// Renewals allowed besides two for each part that can be in flight.
const EXTRA_RENEWALS: usize = 6;

/// The failures that an upload may have before it gives up: one budget for all its parts and requests, so that
/// 10,000 parts don't have 10,000 times the retries of one.
#[derive(Debug, Default)]
pub struct RetryBudget {
    /// Failures since the last success that were responses.
    refused: FailureSeries,
    /// Failures since the last success without a response.
    unanswered: FailureSeries,
    last_failure_ms: Option<u64>,
    /// How many times the edge has answered since a part got through.
    status_checks: u32,
    /// Renewed URLs and tokens, less the successes since.
    renewals: u32,
    /// Parts with other bytes than the file's, less the successes since.
    checksum_mismatches: u32,
    /// Requests refused on their way since the last success.
    blocked: u32,
    is_open: bool,
}

/// Failures in a row.
#[derive(Debug, Default)]
struct FailureSeries {
    failures: u32,
    ms: u64,
}

/// The next step after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again after [`backoff_ms`].
    Retry,
    /// Ask the edge for the upload's status: the network may be away or only the storage, and the upload may be gone
    /// or only be reported so.
    CheckStatus,
    /// The budget is spent.
    GiveUp,
}

impl RetryBudget {
    /// The budget of an upload that an earlier page load has opened.
    pub fn for_open_upload() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    /// Records a success: failures in a row end, and one renewal and one checksum mismatch are forgotten.
    pub fn succeeded(&mut self) {
        let renewals = self.renewals.saturating_sub(1);
        let checksum_mismatches = self.checksum_mismatches.saturating_sub(1);
        *self = Self { renewals, checksum_mismatches, is_open: true, ..Self::default() };
    }

    /// Records that the edge has answered a status request.
    pub fn status_checked(&mut self) {
        let Self { renewals, checksum_mismatches, status_checks, .. } = *self;
        let status_checks = status_checks + 1;
        *self = Self { renewals, checksum_mismatches, status_checks, is_open: true, ..Self::default() };
    }

    /// Records a failure. `max_in_flight` is how many requests could fail for one and the same reason.
    ///
    /// Once an upload is open, network outages never exhaust the budget, however long they last.
    pub fn failed(&mut self, kind: ErrorKind, now_ms: u64, max_in_flight: usize) -> RetryDecision {
        let last_ms = self.last_failure_ms.replace(now_ms).unwrap_or(now_ms);
        let interval_ms = now_ms.saturating_sub(last_ms).min(MAX_FAILURE_INTERVAL_MS);
        let may_retry = match kind {
            ErrorKind::Permanent | ErrorKind::FileChanged | ErrorKind::FileUnreadable => false,
            ErrorKind::Blocked => {
                self.blocked += 1;
                self.blocked < MAX_BLOCKED
            }
            ErrorKind::Expired | ErrorKind::ClockSkew => count(&mut self.renewals, max_in_flight),
            ErrorKind::ChecksumMismatch => count(&mut self.checksum_mismatches, max_in_flight),
            ErrorKind::UploadGone => return self.check_status(),
            ErrorKind::Throttled | ErrorKind::Server | ErrorKind::Unreadable | ErrorKind::StorageFull => {
                let timeout_ms = if self.is_open { RETRY_TIMEOUT_MS } else { SHORT_RETRY_TIMEOUT_MS };
                !self.refused.exceeds(interval_ms, timeout_ms)
            }
            ErrorKind::Network | ErrorKind::Stalled => {
                let too_long = self.unanswered.exceeds(interval_ms, SHORT_RETRY_TIMEOUT_MS);
                if too_long && self.is_open {
                    return self.check_status();
                }
                !too_long
            }
        };
        if may_retry { RetryDecision::Retry } else { RetryDecision::GiveUp }
    }

    fn check_status(&self) -> RetryDecision {
        if self.status_checks < MAX_STATUS_CHECKS {
            RetryDecision::CheckStatus
        } else {
            RetryDecision::GiveUp
        }
    }

    /// How many times the edge has answered a status request since a part got through.
    pub fn status_checks(&self) -> u32 {
        self.status_checks
    }
}

/// Counts one more renewal; returns whether it is within the budget.
fn count(renewals: &mut u32, max_in_flight: usize) -> bool {
    *renewals += 1;
    *renewals as usize <= 2 * max_in_flight + EXTRA_RENEWALS
}

impl FailureSeries {
    /// Counts a failure `interval_ms` after the last one; returns whether the series is too long by now.
    fn exceeds(&mut self, interval_ms: u64, timeout_ms: u64) -> bool {
        self.failures += 1;
        self.ms += interval_ms;
        self.failures >= MIN_FAILURES && self.ms > timeout_ms
    }
}

/// The delay before the next attempt, in milliseconds, after `attempts` failures in a row.
///
/// `random` (0 to 1) chooses from the whole range up to the ceiling ("full jitter"), so that clients which failed
/// together don't come back together. `retry_after_ms`, 0 for none, is added: never earlier.
pub fn backoff_ms(kind: ErrorKind, attempts: u32, retry_after_ms: u32, random: f64) -> u32 {
    // A renewal, or a retry on a new connection, isn't delayed at first.
    let is_immediate = matches!(kind, ErrorKind::Expired | ErrorKind::ChecksumMismatch | ErrorKind::Stalled);
    if is_immediate && attempts <= 1 {
        return 0;
    }
    let max_ms = match kind {
        ErrorKind::Expired | ErrorKind::ChecksumMismatch => MAX_RENEWAL_DELAY_MS,
        ErrorKind::Network | ErrorKind::Stalled => MAX_NETWORK_DELAY_MS,
        _ => MAX_DELAY_MS,
    };
    let doublings = attempts.saturating_sub(1).min(16);
    let ceiling_ms = (INITIAL_DELAY_MS * f64::from(1u32 << doublings)).min(max_ms);
    // A cast from float to integer saturates, and makes NaN 0.
    let delay_ms = (ceiling_ms * random.clamp(0.0, 1.0)) as u32;
    delay_ms.saturating_add(retry_after_ms.min(MAX_RETRY_AFTER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn backoff_doubles_up_to_its_maximum() {
        let longest = |attempts| backoff_ms(ErrorKind::Server, attempts, 0, 1.0);
        let delays = [1, 2, 3, 4, 5, 6, 7, 100, u32::MAX].map(longest);
        assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
        assert_eq!(backoff_ms(ErrorKind::Server, 9, 0, 0.0), 0);
    }

    #[test]
    fn renewal_is_delayed_from_the_second_attempt_on() {
        for kind in [ErrorKind::Expired, ErrorKind::ChecksumMismatch] {
            assert_eq!([1, 2, 3].map(|attempts| backoff_ms(kind, attempts, 0, 1.0)), [0, 1_000, 2_000]);
        }
    }

    /// The first decision that isn't `Retry`, and after how many seconds with one failure each; `None` within a
    /// million seconds.
    fn end(kind: ErrorKind, mut budget: RetryBudget) -> Option<(u64, RetryDecision)> {
        let mut decisions = (0..1_000_000).map(|second| (second, budget.failed(kind, second * 1_000, 6)));
        decisions.find(|(_, decision)| *decision != RetryDecision::Retry)
    }

    #[test]
    fn budget_is_spent_after_a_time_that_depends_on_the_kind() {
        use RetryDecision::{CheckStatus, GiveUp};
        let (new, open) = (RetryBudget::default, RetryBudget::for_open_upload);
        assert_eq!(end(ErrorKind::Permanent, open()), Some((0, GiveUp)));
        assert_eq!(end(ErrorKind::FileChanged, open()), Some((0, GiveUp)));
        assert_eq!(end(ErrorKind::FileUnreadable, open()), Some((0, GiveUp)));
        assert_eq!(end(ErrorKind::Blocked, open()), Some((2, GiveUp)));
        assert_eq!(end(ErrorKind::ChecksumMismatch, open()), Some((18, GiveUp)));
        assert_eq!(end(ErrorKind::Server, open()), Some((601, GiveUp)));
        assert_eq!(end(ErrorKind::Server, new()), Some((121, GiveUp)));
        assert_eq!(end(ErrorKind::Network, new()), Some((121, GiveUp)));
        assert_eq!(end(ErrorKind::Network, open()), Some((121, CheckStatus)));
    }

    #[test]
    fn unreachable_storage_is_given_up_after_five_status_checks() {
        let mut budget = RetryBudget::for_open_upload();
        let mut status_checks = 0;
        let given_up = (0..).find(|second| match budget.failed(ErrorKind::Stalled, second * 1_000, 6) {
            RetryDecision::Retry => false,
            RetryDecision::CheckStatus => {
                status_checks += 1;
                budget.status_checked();
                false
            }
            RetryDecision::GiveUp => true,
        });
        assert_eq!((status_checks, given_up), (5, Some(731)));
    }

    #[test]
    fn time_between_rare_failures_does_not_spend_the_budget() {
        let mut budget = RetryBudget::for_open_upload();
        for hour in 0..10 {
            assert_eq!(budget.failed(ErrorKind::Server, hour * 3_600_000, 6), RetryDecision::Retry);
        }
    }

    #[test]
    fn success_restores_the_budget() {
        let mut budget = RetryBudget::for_open_upload();
        for _ in 0..1_000 {
            assert_eq!(budget.failed(ErrorKind::ChecksumMismatch, 0, 6), RetryDecision::Retry);
            budget.succeeded();
        }
    }

    proptest! {
        #[test]
        fn backoff_is_never_shorter_than_retry_after_nor_endless(
            attempts: u32,
            retry_after_ms: u32,
            random: f64,
        ) {
            let delay_ms = backoff_ms(ErrorKind::Throttled, attempts, retry_after_ms, random);
            prop_assert!(delay_ms >= retry_after_ms.min(MAX_RETRY_AFTER_MS));
            prop_assert!(delay_ms <= MAX_RETRY_AFTER_MS + MAX_DELAY_MS as u32);
        }
    }
}
