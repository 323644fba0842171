//! One call to the edge: not needed, due, under way, or waiting for its next try. Pure.

use crate::timeout::{PATIENCE_MS, patience_ends};
use crate::types::Moment;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Due,
    Asked { at: Moment },
    Waiting { until: u64 },
}

/// A call, and how often in a row it has failed.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    state: State,
    tries: u32,
    patience_ms: u64,
}

impl Call {
    /// To be made as soon as may be.
    pub fn due(patience_ms: u64) -> Self {
        Self { state: State::Due, tries: 0, patience_ms }
    }

    /// To be made when [`Call::want`] says so.
    pub fn idle() -> Self {
        Self { state: State::Idle, ..Self::due(PATIENCE_MS) }
    }

    pub fn want(&mut self) {
        if self.state == State::Idle {
            self.state = State::Due;
        }
    }

    /// Whether to make it now; it is under way from then on.
    pub fn take(&mut self, at: Moment) -> bool {
        let take = match self.state {
            State::Due => true,
            State::Waiting { until } => until <= at.now,
            State::Idle | State::Asked { .. } => false,
        };
        if take {
            self.state = State::Asked { at };
        }
        take
    }

    pub fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// When it was made, if it is under way.
    pub fn asked_at(&self) -> Option<Moment> {
        match self.state {
            State::Asked { at } => Some(at),
            State::Idle | State::Due | State::Waiting { .. } => None,
        }
    }

    pub fn answered(&mut self) {
        (self.state, self.tries) = (State::Idle, 0);
    }

    /// Counts a failure; how many there were in a row.
    pub fn failed(&mut self) -> u32 {
        self.tries += 1;
        self.tries
    }

    /// Makes it due at `until`.
    pub fn wait(&mut self, until: u64) {
        self.state = State::Waiting { until };
    }

    /// Ends a wait at `until`, if it would be longer.
    pub fn hurry(&mut self, until: u64) {
        if let State::Waiting { until: later } = &mut self.state {
            *later = until.min(*later);
        }
    }

    /// It isn't needed now. A wait that isn't over is still kept: it is somebody's wish.
    pub fn rest(&mut self, now: u64) {
        if matches!(self.state, State::Waiting { until } if until <= now) {
            self.state = State::Idle;
        }
    }

    /// When the patience with it ends, if it is under way; the network was `doubted` last.
    pub fn ends(&self, doubted: Option<u64>) -> Option<u64> {
        Some(patience_ends(self.asked_at()?.now, self.patience_ms, doubted))
    }

    /// When its wait ends, if it waits.
    pub fn waits(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Idle | State::Due | State::Asked { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: u64) -> Moment {
        Moment { now, wall: 5 * now, chance: 0.0 }
    }

    #[test]
    fn is_made_once_and_again_after_its_wait() {
        let mut call = Call::idle();
        assert!(!call.take(at(0)));
        call.want();
        call.want();
        assert!(call.take(at(1)) && !call.take(at(2)));
        call.want();
        assert!(!call.take(at(3)), "it is under way");
        assert_eq!((call.failed(), call.failed()), (1, 2));
        call.wait(100);
        assert_eq!((call.waits(), call.ends(None)), (Some(100), None));
        assert!(!call.take(at(99)) && call.take(at(100)));
        assert_eq!(call.asked_at(), Some(at(100)));
        call.answered();
        assert_eq!(call.failed(), 1);
    }

    #[test]
    fn patience_ends_earlier_after_a_doubt() {
        let mut call = Call::due(PATIENCE_MS);
        assert!(call.take(at(1_000)));
        assert_eq!(call.ends(None), Some(61_000));
        assert_eq!(call.ends(Some(999)), Some(61_000), "that was before");
        assert_eq!(call.ends(Some(2_000)), Some(12_000));
        assert_eq!(call.ends(Some(60_000)), Some(61_000));
    }

    #[test]
    fn a_wait_is_shortened_never_lengthened_and_forgotten_only_when_it_is_over() {
        let mut call = Call::idle();
        call.wait(50);
        call.hurry(70);
        assert_eq!(call.waits(), Some(50));
        call.hurry(20);
        call.rest(19);
        assert_eq!(call.waits(), Some(20));
        call.rest(20);
        assert_eq!(call.waits(), None);
        assert!(!call.take(at(99)));
    }
}
