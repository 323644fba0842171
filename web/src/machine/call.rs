//! One call to the edge: not needed, due, under way, or waiting for its next try. Pure.

/// How long any call but completion may take, in milliseconds.
pub const PATIENCE_MS: u64 = 60_000;
/// Completing is the storage's longest work, in milliseconds. It can be asked for again at any time, so this
/// is how long a lost answer goes unnoticed, not how long S3 may take.
pub const COMPLETION_MS: u64 = 180_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Due,
    Asked { since: u64 },
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
    pub fn take(&mut self, now: u64) -> bool {
        let take = match self.state {
            State::Due => true,
            State::Waiting { until } => until <= now,
            State::Idle | State::Asked { .. } => false,
        };
        if take {
            self.state = State::Asked { since: now };
        }
        take
    }

    pub fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// How long it has been under way, in milliseconds.
    pub fn asked_for(&self, now: u64) -> u64 {
        match self.state {
            State::Asked { since } => now.saturating_sub(since),
            State::Idle | State::Due | State::Waiting { .. } => 0,
        }
    }

    /// Nobody has answered for too long.
    pub fn is_overdue(&self, now: u64) -> bool {
        matches!(self.state, State::Asked { since } if now >= since + self.patience_ms)
    }

    pub fn answered(&mut self) {
        (self.state, self.tries) = (State::Idle, 0);
    }

    /// Counts a failure; how many there were in a row.
    pub fn failed(&mut self) -> u32 {
        self.tries += 1;
        self.tries
    }

    pub fn wait(&mut self, until: u64) {
        self.state = State::Waiting { until };
    }

    /// Ends a wait at `until`, if it would be longer.
    pub fn hurry(&mut self, until: u64) {
        if let State::Waiting { until: later } = &mut self.state {
            *later = until.min(*later);
        }
    }

    /// When there is something to do though nothing happens.
    pub fn wakeup(&self) -> Option<u64> {
        match self.state {
            State::Idle | State::Due => None,
            State::Asked { since } => Some(since + self.patience_ms),
            State::Waiting { until } => Some(until),
        }
    }
}
