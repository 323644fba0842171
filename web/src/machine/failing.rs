//! What the machine does when something fails, is silent for too long, or the network comes and goes.

use super::{Command, Event, Machine, Moment, Note, OFFLINE_TRY_MS, Phase, SLEPT_MS, Saved, Task};
use super::{Call, PATIENCE_MS};
use crate::backoff;
use crate::error::{Failure, Kind, codes};

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
            (Task::Put(part), Phase::Sending { parts, .. }) => {
                // A part that is on a list as stored, and isn't, fails too.
                if matches!(failure.kind, Kind::Expired | Kind::Clock) {
                    parts.unsign(part);
                }
                if failure.kind == Kind::Damaged {
                    parts.doubt(part);
                }
                self.progress.lost(part);
                parts.failed(part)
            }
            (Task::Hash(_), Phase::Sending { .. }) => return self.abort(failure),
            (Task::Open, Phase::Opening { call })
            | (Task::Sign, Phase::Sending { sign: call, .. })
            | (Task::List, Phase::Resuming { call, .. } | Phase::Listing { call, .. })
            | (Task::Complete, Phase::Completing { call, .. })
            | (Task::Abort, Phase::Aborting { call, .. })
                if call.is_asked() =>
            {
                call.failed()
            }
            // Answers to what nobody waits for any more are not news.
            _ => return,
        };
        if matches!(failure.kind, Kind::Network | Kind::Stalled | Kind::Throttled) {
            self.pace.lost(at.now);
        }
        if self.mends_otherwise(task, &failure, tries) {
            return;
        }
        let is_network = matches!(failure.kind, Kind::Network | Kind::Stalled);
        if is_network && let Some(until) = &mut self.offline_until {
            *until = at.now + OFFLINE_TRY_MS;
        } else if self.budget.is_spent_by(failure.kind, at.now, self.pace.most()) {
            return self.give_up(task, failure);
        }
        let ms = backoff::wait_ms(failure.kind, tries, failure.wish_ms, at.chance);
        self.again(task, at.now + u64::from(ms));
        self.commands.push_back(Command::Tell { task, tries, ms, why: failure });
    }

    /// Some failures are answered by doing something else.
    fn mends_otherwise(&mut self, task: Task, failure: &Failure, tries: u32) -> bool {
        match (task, failure.kind, std::mem::replace(&mut self.phase, Phase::Over)) {
            (Task::Abort, kind, Phase::Aborting { because, call }) => {
                if matches!(kind, Kind::Final | Kind::Gone) {
                    self.finish(Err(because));
                } else if tries >= ABORT_TRIES {
                    self.leave(Err(because));
                } else {
                    self.phase = Phase::Aborting { because, call };
                    return false;
                }
            }
            // What was saved is of no use, whatever the reason.
            (Task::List, Kind::Final | Kind::Gone, Phase::Resuming { .. }) => self.start_over(Failure::gone()),
            // Gone for the storage: completed, or aborted? The edge knows.
            (Task::Put(_), Kind::Gone, Phase::Sending { parts, .. }) => {
                let saved = Saved {
                    part_size: parts.plan().part_size(),
                    checksum: true,
                    parts: parts.all_saved(),
                    canceled: false,
                };
                self.drop_flights();
                self.phase = Phase::Resuming { saved, call: Call::due(PATIENCE_MS) };
            }
            (_, Kind::Gone, _) => self.start_over(failure.clone()),
            // The storage has other parts than it said.
            (Task::Complete, Kind::Damaged, Phase::Completing { parts, .. }) if tries <= MOST_RESTARTS => {
                self.phase = Phase::Listing { parts, call: Call::due(PATIENCE_MS) };
            }
            (_, _, phase) => {
                self.phase = phase;
                return false;
            }
        }
        true
    }

    /// Opens a new upload in place of one that no longer exists.
    pub(super) fn start_over(&mut self, failure: Failure) {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            return self.finish(Err(failure));
        }
        self.drop_flights();
        self.progress.start_over();
        self.commands.push_back(Command::Keep(Note::Over));
        self.phase = Phase::Opening { call: Call::due(PATIENCE_MS) };
    }

    /// What is under way belongs to an upload that is over.
    fn drop_flights(&mut self) {
        self.commands.retain(|command| matches!(command, Command::Keep(_)));
        self.commands.push_back(Command::DropAll);
    }

    /// What may pass is kept for a later try; of the rest nothing stays.
    fn give_up(&mut self, task: Task, failure: Failure) {
        match failure.kind {
            _ if task == Task::Open => self.finish(Err(failure)),
            Kind::Network | Kind::Stalled | Kind::Throttled | Kind::Server | Kind::NoSpace | Kind::Expired
            | Kind::Clock => self.leave(Err(failure)),
            Kind::Damaged | Kind::Changed | Kind::Gone | Kind::Final => self.abort(failure),
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
            self.commands.push_back(Command::CutOff(task));
            self.handle(Event::Failed { task, failure: Failure::stalled() }, at);
        }
    }

    fn silent(&self, now: u64) -> Option<Task> {
        let overdue = |call: &Call, task| call.is_overdue(now).then_some(task);
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

/// Codes of the edge's that mean: that upload is no more.
pub fn is_gone(code: &str) -> bool {
    matches!(code, codes::UPLOAD_GONE | "upload_expired" | "bad_upload")
}
