//! The retry state of one request to the edge.

use crate::timeout::{self, REQUEST_TIMEOUT_MS};
use crate::types::Clocks;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Due,
    InFlight { started: Clocks },
    Backoff { until_ms: u64 },
}

/// A request, its timeout, and how many times in a row it has failed.
#[derive(Clone, Copy, Debug)]
pub struct RequestState {
    state: State,
    attempts: u32,
    timeout_ms: u64,
}

impl RequestState {
    /// A request to send at once.
    pub fn due(timeout_ms: u64) -> Self {
        Self { state: State::Due, attempts: 0, timeout_ms }
    }

    /// A request that isn't needed before [`RequestState::make_due`].
    pub fn idle() -> Self {
        Self { state: State::Idle, ..Self::due(REQUEST_TIMEOUT_MS) }
    }

    /// Makes an idle request due.
    pub fn make_due(&mut self) {
        if self.state == State::Idle {
            self.state = State::Due;
        }
    }

    /// Marks the request as in flight if it is due; returns whether it was.
    pub fn start(&mut self, clocks: Clocks) -> bool {
        let is_due = match self.state {
            State::Due => true,
            State::Backoff { until_ms } => until_ms <= clocks.now_ms,
            State::Idle | State::InFlight { .. } => false,
        };
        if is_due {
            self.state = State::InFlight { started: clocks };
        }
        is_due
    }

    /// When the request was sent, if it is in flight.
    pub fn started(&self) -> Option<Clocks> {
        match self.state {
            State::InFlight { started } => Some(started),
            State::Idle | State::Due | State::Backoff { .. } => None,
        }
    }

    /// Records a success: idle again, with no failures.
    pub fn succeeded(&mut self) {
        (self.state, self.attempts) = (State::Idle, 0);
    }

    /// Counts a failure; returns how many there were in a row.
    pub fn failed(&mut self) -> u32 {
        self.attempts += 1;
        self.attempts
    }

    /// Makes the request due at `until_ms`.
    pub fn back_off(&mut self, until_ms: u64) {
        self.state = State::Backoff { until_ms };
    }

    /// Ends a backoff at `until_ms` if it would last longer.
    pub fn shorten_wait(&mut self, until_ms: u64) {
        if let State::Backoff { until_ms: later_ms } = &mut self.state {
            *later_ms = until_ms.min(*later_ms);
        }
    }

    /// Makes a request idle that isn't needed now. A backoff that isn't over stays: `Retry-After` may be in it.
    pub fn make_idle(&mut self, now_ms: u64) {
        if matches!(self.state, State::Backoff { until_ms } if until_ms <= now_ms) {
            self.state = State::Idle;
        }
    }

    /// When the request times out, if it is in flight; see [`timeout::deadline_ms`].
    pub fn deadline_ms(&self, suspect_since_ms: Option<u64>) -> Option<u64> {
        Some(timeout::deadline_ms(self.started()?.now_ms, self.timeout_ms, suspect_since_ms))
    }

    /// When its backoff ends, if it has one.
    pub fn retry_at_ms(&self) -> Option<u64> {
        match self.state {
            State::Backoff { until_ms } => Some(until_ms),
            State::Idle | State::Due | State::InFlight { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now_ms: u64) -> Clocks {
        Clocks { now_ms, wall_ms: 5 * now_ms, random: 0.0 }
    }

    #[test]
    fn request_starts_once_and_again_after_its_backoff() {
        let mut request = RequestState::idle();
        assert!(!request.start(at(0)));
        request.make_due();
        request.make_due();
        assert!(request.start(at(1)) && !request.start(at(2)));
        request.make_due();
        assert!(!request.start(at(3)), "it is in flight");
        assert_eq!((request.failed(), request.failed()), (1, 2));
        request.back_off(100);
        assert_eq!((request.retry_at_ms(), request.deadline_ms(None)), (Some(100), None));
        assert!(!request.start(at(99)) && request.start(at(100)));
        assert_eq!(request.started(), Some(at(100)));
        request.succeeded();
        assert_eq!(request.failed(), 1);
    }

    #[test]
    fn suspect_connection_times_out_earlier() {
        let mut request = RequestState::due(REQUEST_TIMEOUT_MS);
        assert!(request.start(at(1_000)));
        assert_eq!(request.deadline_ms(None), Some(61_000));
        assert_eq!(request.deadline_ms(Some(999)), Some(61_000), "suspect before the request");
        assert_eq!(request.deadline_ms(Some(2_000)), Some(12_000));
        assert_eq!(request.deadline_ms(Some(60_000)), Some(61_000));
    }

    #[test]
    fn backoff_is_shortened_never_lengthened_and_dropped_only_when_over() {
        let mut request = RequestState::idle();
        request.back_off(50);
        request.shorten_wait(70);
        assert_eq!(request.retry_at_ms(), Some(50));
        request.shorten_wait(20);
        request.make_idle(19);
        assert_eq!(request.retry_at_ms(), Some(20));
        request.make_idle(20);
        assert_eq!(request.retry_at_ms(), None);
        assert!(!request.start(at(99)));
    }
}
