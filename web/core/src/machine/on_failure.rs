//! What the machine does when something fails, is silent for too long, or the network comes and goes.

use super::{Call, Machine, OFFLINE_TRY_MS, PATIENCE_MS, Phase, SLEPT_MS};
use crate::error::{Failure, Kind};
use crate::retry::{self, Patience};
use crate::types::{Command, Moment, Note, Task};

/// So often is an abort tried: the upload is over all the same, a later page load tries again, and in the end
/// the bucket's rules remove the rest.
const ABORT_TRIES: u32 = 4;
/// So often does an upload begin anew that is gone from the storage.
const MOST_RESTARTS: u32 = 3;
/// After the network is back, waits end within so many milliseconds: not all at once, not late.
const BACK_MS: f64 = 1_000.0;

impl Machine {
    pub(super) fn failed(&mut self, task: Task, failure: Failure, at: Moment) {
        let tries = match (task, &mut self.phase) {
            (Task::Open, Phase::Leaving { .. }) => return self.finish(Err(Failure::canceled())),
            (Task::Hash(_), Phase::Sending { .. }) => return self.abort(failure),
            (Task::Put(part), Phase::Sending { parts, .. }) => {
                if matches!(failure.kind, Kind::Expired | Kind::Clock) {
                    parts.unsign(part, at.now);
                }
                if failure.kind == Kind::Damaged {
                    parts.doubt(part);
                }
                self.progress.lost(part);
                parts.failed(part, failure.kind == Kind::Stalled)
            }
            (Task::Open, Phase::Opening { call })
            | (Task::Sign, Phase::Sending { sign: call, .. })
            | (Task::List, Phase::Resuming { call, .. } | Phase::Listing { call, .. })
            | (Task::Complete, Phase::Completing { call, .. })
            | (Task::Abort, Phase::Aborting { call, .. })
                if call.asked_at().is_some() =>
            {
                call.failed()
            }
            // Answers to what nobody waits for any more are not news.
            _ => return,
        };
        if matches!(failure.kind, Kind::Network | Kind::Stalled | Kind::Throttled) {
            self.pace.lost(at.now);
        }
        if self.ends_otherwise(task, &failure, tries) {
            return;
        }
        let ms = retry::wait_ms(failure.kind, tries, failure.wish_ms, at.chance);
        self.again(task, at.now + u64::from(ms));
        self.commands.push(Command::Tell { task, tries, ms, why: failure.clone() });
        self.count(task, failure, at);
    }

    /// Weighs a failure that may pass.
    fn count(&mut self, task: Task, failure: Failure, at: Moment) {
        if matches!(failure.kind, Kind::Network | Kind::Stalled) && self.offline {
            self.offline_until = Some(at.now + OFFLINE_TRY_MS);
            return;
        }
        match (self.budget.failed(failure.kind, at.now, self.pace.most()), task, failure.kind) {
            (Patience::Spent, ..) => self.give_up(task, failure),
            // The storage has other parts than it said.
            (Patience::Left, Task::Complete, Kind::Damaged) | (Patience::Doubtful, Task::Put(_), _) => {
                self.look(at);
            }
            (Patience::Left | Patience::Doubtful, ..) => {}
        }
    }

    /// Some failures are no matter of patience.
    fn ends_otherwise(&mut self, task: Task, failure: &Failure, tries: u32) -> bool {
        match (task, failure.kind, &self.phase) {
            (Task::Abort, kind, Phase::Aborting { because, .. }) => {
                let because = because.clone();
                if matches!(kind, Kind::Final | Kind::Gone) {
                    self.finish(Err(because));
                } else if tries >= ABORT_TRIES {
                    self.leave(Err(because));
                } else {
                    return false;
                }
            }
            // What was saved is of no use, whatever the reason.
            (Task::List, Kind::Final, Phase::Resuming { .. }) => self.start_over(Failure::gone()),
            (Task::Put(_), Kind::Gone, _) => return false,
            (_, Kind::Gone, _) => self.start_over(failure.clone()),
            _ => return false,
        }
        true
    }

    /// Asks the edge how the upload stands.
    fn look(&mut self, at: Moment) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let (Phase::Sending { mut parts, .. } | Phase::Completing { mut parts, .. }) = phase else {
            self.phase = phase;
            return;
        };
        for part in parts.ground() {
            self.progress.lost(part);
        }
        self.drop_flights();
        let mut call = Call::due(PATIENCE_MS);
        let ms = retry::wait_ms(Kind::Server, self.budget.looks() + 1, 0, at.chance);
        call.wait(at.now + u64::from(ms));
        self.phase = Phase::Listing { parts, call };
    }

    /// Opens a new upload in place of one that no longer exists.
    pub(super) fn start_over(&mut self, failure: Failure) {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            return self.finish(Err(failure));
        }
        self.drop_flights();
        self.progress.start_over();
        self.commands.push(Command::Keep(Note::Over));
        self.phase = Phase::Opening { call: Call::due(PATIENCE_MS) };
    }

    /// What is under way is of no use any more.
    fn drop_flights(&mut self) {
        self.commands.retain(|command| matches!(command, Command::Keep(_) | Command::Tell { .. }));
        self.commands.push(Command::DropAll);
    }

    /// What may pass is kept for a later try; of the rest nothing stays.
    fn give_up(&mut self, task: Task, failure: Failure) {
        match failure.kind {
            _ if task == Task::Open => self.finish(Err(failure)),
            // The edge says that it isn't.
            Kind::Gone => self.leave(Err(Failure::storage_unavailable())),
            Kind::Network
            | Kind::Stalled
            | Kind::Throttled
            | Kind::Server
            | Kind::NoSpace
            | Kind::Expired
            | Kind::Clock => self.leave(Err(failure)),
            Kind::Damaged | Kind::Changed | Kind::Final => self.abort(failure),
        }
    }

    fn again(&mut self, task: Task, until: u64) {
        match (task, &mut self.phase) {
            (Task::Put(part), Phase::Sending { parts, .. }) => parts.wait(part, until),
            (Task::Open, Phase::Opening { call })
            | (Task::Sign, Phase::Sending { sign: call, .. })
            | (Task::List, Phase::Resuming { call, .. } | Phase::Listing { call, .. })
            | (Task::Complete, Phase::Completing { call, .. })
            | (Task::Abort, Phase::Aborting { call, .. }) => call.wait(until),
            _ => {}
        }
    }

    /// Cuts off whatever has been silent for too long.
    pub(super) fn end_silences(&mut self, at: Moment) {
        while let Some(task) = self.silent(at.now) {
            self.commands.push(Command::CutOff(task));
            self.failed(task, Failure::stalled(), at);
        }
    }

    fn silent(&self, now: u64) -> Option<Task> {
        let overdue =
            |call: &Call, task| call.ends(self.doubted).is_some_and(|end| end <= now).then_some(task);
        match &self.phase {
            Phase::Opening { call } | Phase::Leaving { call } => overdue(call, Task::Open),
            Phase::Resuming { call, .. } | Phase::Listing { call, .. } => overdue(call, Task::List),
            Phase::Completing { call, .. } => overdue(call, Task::Complete),
            Phase::Aborting { call, .. } => overdue(call, Task::Abort),
            Phase::Sending { parts, sign, .. } => {
                let stalled = parts.stalled(self.pace.silence_ms(), self.doubted, now).map(Task::Put);
                stalled.or_else(|| overdue(sign, Task::Sign))
            }
            Phase::Over => None,
        }
    }

    /// One clock stands still during a sleep, the other doesn't.
    pub(super) fn look_at_clocks(&mut self, at: Moment) {
        let ahead = at.wall.saturating_sub(at.now);
        if self.ahead.is_some_and(|before| ahead > before + SLEPT_MS) {
            self.doubt(at);
        }
        self.ahead = Some(ahead);
    }

    pub(super) fn online(&mut self, online: bool, at: Moment) {
        self.offline = !online;
        if online {
            self.offline_until = None;
            self.doubt(at);
        } else if self.offline_until.is_none() {
            self.offline_until = Some(at.now + OFFLINE_TRY_MS);
        }
    }

    /// Connections may be dead without knowing it, and what was waited for may have come.
    fn doubt(&mut self, at: Moment) {
        self.doubted = Some(at.now);
        let soon = at.now + (BACK_MS * at.chance.clamp(0.0, 1.0)) as u64;
        match &mut self.phase {
            Phase::Sending { parts, sign, .. } => {
                parts.hurry(soon);
                sign.hurry(soon);
            }
            Phase::Opening { call }
            | Phase::Resuming { call, .. }
            | Phase::Listing { call, .. }
            | Phase::Completing { call, .. } => call.hurry(soon),
            Phase::Leaving { .. } | Phase::Aborting { .. } | Phase::Over => {}
        }
    }
}
