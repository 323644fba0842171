//! Decides what an upload does next. Pure: no clock, chance, network or JS of its own.
//!
//! Call [`Machine::poll`] until `None`, obey each command, report back with [`Machine::handle`]. After
//! [`Command::Finish`] it is over.

mod words;

pub use words::{Command, Event, Moment, Session, Stage, Stored, Task};

use crate::backoff;
use crate::error::{Failure, Kind, codes};
use crate::pace::Pace;
use crate::parts::{Parts, Ticket, Verdict};
use std::collections::VecDeque;
use wire::{CompleteUpload, PartPlan, StoredPart};

/// So often is an abort tried: the upload is over all the same, and the bucket's rules remove the rest.
const ABORT_TRIES: u32 = 3;

/// One upload.
#[derive(Debug)]
pub struct Machine {
    size: u64,
    checks: bool,
    pace: Pace,
    phase: Phase,
    /// Decided and not yet fetched.
    commands: VecDeque<Command>,
    failing_since: Option<u64>,
}

#[derive(Debug)]
enum Phase {
    /// `asked` while an answer is under way.
    Opening {
        tries: u32,
        asked: bool,
    },
    /// Canceled while opening; the answer is waited for, as it names the upload to abort.
    Leaving,
    /// One call for URLs and the hashing of one part may be under way.
    Sending {
        parts: Parts,
        signing: bool,
        sign_tries: u32,
        hashing: bool,
    },
    Listing {
        parts: Parts,
        tries: u32,
    },
    Completing {
        parts: Parts,
        tries: u32,
    },
    Aborting {
        because: Failure,
        tries: u32,
    },
    Over,
}

impl Machine {
    /// For a file of `size` bytes; with `checks`, CRC64NVME is compared wherever the storage has it.
    pub fn new(size: u64, checks: bool, pace: Pace) -> Self {
        Self {
            size,
            checks,
            pace,
            phase: Phase::Opening { tries: 0, asked: true },
            commands: VecDeque::from([Command::Open]),
            failing_since: None,
        }
    }

    /// The next command; `None` until something happens. `now` is in milliseconds since 1970.
    pub fn poll(&mut self, now: u64) -> Option<Command> {
        if let Some(command) = self.commands.pop_front() {
            return Some(command);
        }
        let Phase::Sending { parts, signing, hashing, .. } = &mut self.phase else { return None };
        if parts.busy() < self.pace.at_once()
            && let Some(ticket) = parts.take(now)
        {
            return Some(Command::Put(ticket));
        }
        if !*hashing && let Some(part) = parts.next_to_hash() {
            *hashing = true;
            return Some(Command::Hash(part));
        }
        if !*signing {
            let unsigned = parts.unsigned(self.pace.sign_below(), self.pace.signed_ahead(), now);
            if !unsigned.is_empty() {
                *signing = true;
                return Some(Command::Sign(unsigned));
            }
        }
        None
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event, at: Moment) {
        match event {
            Event::Opened(session) => self.opened(session, at),
            Event::Signed(tickets) => self.signed(tickets, at),
            Event::Hashed { part, crc } => {
                if let Phase::Sending { hashing, .. } = &mut self.phase {
                    *hashing = false;
                }
                self.judged(part, at, |parts| parts.hashed(part, crc));
            }
            Event::Landed { part, receipt } => self.judged(part, at, |parts| parts.landed(part, receipt)),
            Event::Listed(list) => self.listed(list, at),
            Event::Completed(stored) => self.completed(stored),
            Event::Aborted => self.aborted(),
            Event::Failed { task, failure } => self.failed(task, failure, at),
            Event::Waited(task) => self.waited(task),
            Event::Canceled => self.canceled(),
        }
    }

    pub fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Opening { .. } | Phase::Leaving => Stage::Starting,
            Phase::Sending { .. } => Stage::Uploading,
            Phase::Listing { .. } | Phase::Completing { .. } => Stage::Finishing,
            Phase::Aborting { .. } | Phase::Over => Stage::Over,
        }
    }

    /// How the file is cut; absent before the upload is open and after its end.
    pub fn plan(&self) -> Option<PartPlan> {
        match &self.phase {
            Phase::Sending { parts, .. } | Phase::Listing { parts, .. } | Phase::Completing { parts, .. } => {
                Some(parts.plan())
            }
            Phase::Opening { .. } | Phase::Leaving | Phase::Aborting { .. } | Phase::Over => None,
        }
    }

    fn opened(&mut self, session: Session, at: Moment) {
        match &self.phase {
            Phase::Opening { .. } => self.failing_since = None,
            Phase::Leaving => return self.abort(Failure::canceled()),
            _ => return,
        }
        match PartPlan::agreed(self.size, session.part_size) {
            Ok(plan) if plan.part_count() == session.part_count => {
                let mut parts = Parts::new(plan, self.checks && session.checksum);
                parts.signed(session.tickets, at.now);
                self.phase = Phase::Sending { parts, signing: false, sign_tries: 0, hashing: false };
            }
            _ => {
                self.abort(Failure::last(codes::BAD_ANSWER, "The server cut the file in an impossible way."))
            }
        }
    }

    fn signed(&mut self, tickets: Vec<Ticket>, at: Moment) {
        let Phase::Sending { parts, signing, sign_tries, .. } = &mut self.phase else { return };
        if !parts.signed(tickets, at.now) {
            return self.failed(Task::Sign, Failure::bad_answer(), at);
        }
        *signing = false;
        *sign_tries = 0;
        self.failing_since = None;
    }

    fn judged(&mut self, part: u32, at: Moment, judge: impl FnOnce(&mut Parts) -> Verdict) {
        let Phase::Sending { parts, .. } = &mut self.phase else { return };
        match judge(parts) {
            Verdict::Open => {}
            Verdict::Damaged => self.failed(Task::Put(part), Failure::damaged(), at),
            Verdict::Stored => {
                self.failing_since = None;
                self.finish_sending();
            }
        }
    }

    fn finish_sending(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Sending { parts, .. } if parts.all_stored() => {
                if parts.receipts_missing() {
                    self.commands.push_back(Command::List);
                    self.phase = Phase::Listing { parts, tries: 0 };
                } else {
                    self.complete(parts, 0);
                }
            }
            phase => self.phase = phase,
        }
    }

    fn complete(&mut self, parts: Parts, tries: u32) {
        let checksum = parts.checksum().map(crate::crc::to_base64);
        self.commands.push_back(Command::Complete(CompleteUpload { parts: parts.completed(), checksum }));
        self.phase = Phase::Completing { parts, tries };
    }

    fn listed(&mut self, list: Vec<StoredPart>, at: Moment) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Listing { mut parts, .. } => {
                self.failing_since = None;
                let wrong = parts.listed(list);
                if wrong.is_empty() {
                    return self.complete(parts, 0);
                }
                self.phase = Phase::Sending { parts, signing: false, sign_tries: 0, hashing: false };
                for part in wrong {
                    self.failed(Task::Put(part), Failure::damaged(), at);
                }
            }
            phase => self.phase = phase,
        }
    }

    fn completed(&mut self, stored: Stored) {
        let Phase::Completing { parts, .. } = &self.phase else { return };
        let ours = parts.checksum().map(crate::crc::to_base64);
        let outcome = if stored.size != self.size {
            Err(Failure::last(codes::SIZE_MISMATCH, "The stored file has another size than the file sent."))
        } else if ours.is_some() && stored.checksum.is_some() && ours != stored.checksum {
            Err(Failure { kind: Kind::Final, ..Failure::damaged() })
        } else {
            Ok(stored)
        };
        self.finish(outcome);
    }

    fn failed(&mut self, task: Task, failure: Failure, at: Moment) {
        let since = *self.failing_since.get_or_insert(at.now);
        let tries = match (task, &mut self.phase) {
            (Task::Open, Phase::Leaving) => return self.finish(Err(Failure::canceled())),
            (Task::Open, Phase::Opening { tries, asked }) => {
                *asked = false;
                *tries += 1;
                *tries
            }
            (Task::Put(part), Phase::Sending { parts, .. }) => {
                if failure.kind == Kind::Stale {
                    parts.unsign(part);
                }
                parts.failed(part)
            }
            (Task::Hash(_), Phase::Sending { .. }) => return self.abort(failure),
            (Task::Sign, Phase::Sending { sign_tries: tries, .. })
            | (Task::List, Phase::Listing { tries, .. })
            | (Task::Complete, Phase::Completing { tries, .. })
            | (Task::Abort, Phase::Aborting { tries, .. }) => {
                *tries += 1;
                *tries
            }
            // Answers to what nobody waits for any more are not news.
            _ => return,
        };
        if let Phase::Aborting { because, .. } = &self.phase
            && (failure.kind == Kind::Final || tries >= ABORT_TRIES)
        {
            return self.finish(Err(because.clone()));
        }
        if backoff::is_hopeless(failure.kind, tries, at.now.saturating_sub(since)) {
            return match task {
                Task::Open => self.finish(Err(failure)),
                _ => self.abort(failure),
            };
        }
        let ms = backoff::wait_ms(failure.kind, tries, failure.wish_ms, at.chance);
        self.commands.push_back(Command::Wait { task, tries, ms, why: failure });
    }

    fn waited(&mut self, task: Task) {
        match (task, std::mem::replace(&mut self.phase, Phase::Over)) {
            (Task::Complete, Phase::Completing { parts, tries }) => self.complete(parts, tries),
            (task, mut phase) => {
                match (task, &mut phase) {
                    (Task::Open, Phase::Opening { asked, .. }) => {
                        *asked = true;
                        self.commands.push_back(Command::Open);
                    }
                    (Task::List, Phase::Listing { .. }) => self.commands.push_back(Command::List),
                    (Task::Abort, Phase::Aborting { .. }) => self.commands.push_back(Command::Abort),
                    (Task::Sign, Phase::Sending { signing, .. }) => *signing = false,
                    (Task::Put(part), Phase::Sending { parts, .. }) => parts.requeue(part),
                    _ => {}
                }
                self.phase = phase;
            }
        }
    }

    fn canceled(&mut self) {
        match &mut self.phase {
            Phase::Opening { asked: true, .. } => self.phase = Phase::Leaving,
            Phase::Opening { asked: false, .. } => self.finish(Err(Failure::canceled())),
            Phase::Sending { .. } | Phase::Listing { .. } | Phase::Completing { .. } => {
                self.abort(Failure::canceled());
            }
            Phase::Leaving | Phase::Aborting { .. } | Phase::Over => {}
        }
    }

    fn aborted(&mut self) {
        if let Phase::Aborting { because, .. } = &self.phase {
            self.finish(Err(because.clone()));
        }
    }

    fn abort(&mut self, because: Failure) {
        self.phase = Phase::Aborting { because, tries: 0 };
        // What was decided before is void.
        self.commands = VecDeque::from([Command::Abort]);
    }

    fn finish(&mut self, outcome: Result<Stored, Failure>) {
        self.phase = Phase::Over;
        self.commands = VecDeque::from([Command::Finish(outcome)]);
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
