//! Decides what an upload does next. Pure: no clock, chance, network or JS of its own.
//!
//! Call [`Machine::poll`] until `None`, obey each command, report back with [`Machine::handle`]; poll again
//! at [`Machine::wakeup`] if nothing happens before. After [`Command::Finish`] it is over.

mod on_failure;
mod on_success;
mod request_state;

use crate::concurrency::Pace;
use crate::error::Failure;
use crate::parts::Parts;
use crate::progress::{Progress, Report};
use crate::retry::Budget;
use crate::timeout::{COMPLETION_MS, PATIENCE_MS};
use crate::types::{Command, Event, Moment, Saved, Stage, Task};
use request_state::Call;
use wire::{CompleteUpload, PartPlan};

/// The wall clock running ahead of the other by this much, in milliseconds, tells of a sleep.
const SLEPT_MS: u64 = 20_000;
/// Offline, the network is tried once in so many milliseconds all the same: browsers can be wrong about it.
const OFFLINE_TRY_MS: u64 = 15_000;

/// So many parts may turn out wrong by the storage's list, besides two for each part of the upload.
const FORGIVEN_WRONG: usize = 8;

/// One upload.
#[derive(Debug)]
pub struct Machine {
    size: u64,
    checks: bool,
    /// The storage computes CRC64NVME.
    store_checks: bool,
    pace: Pace,
    budget: Budget,
    progress: Progress,
    phase: Phase,
    /// Decided and not yet fetched.
    commands: Vec<Command>,
    /// So long nothing new is begun, as the browser says that it is offline.
    offline_until: Option<u64>,
    /// The browser says so still. An answer that was on its way already doesn't make it wrong; the next failure
    /// decides.
    offline: bool,
    paused: bool,
    /// How far the wall clock is ahead of the other.
    ahead: Option<u64>,
    /// When connections last became doubtful, by a sleep or a change of network.
    doubted: Option<u64>,
    /// How often it has begun anew because the upload was gone.
    restarts: u32,
    /// How many parts the storage's list told not to be as they were sent.
    wrong: usize,
}

#[derive(Debug)]
enum Phase {
    Opening {
        call: Call,
    },
    /// Canceled while opening; the answer is waited for, as it names the upload to abort.
    Leaving {
        call: Call,
    },
    /// Asks what the storage has of what an earlier page load, or this one, has sent.
    Resuming {
        saved: Saved,
        call: Call,
    },
    /// Beside the parts, one call for URLs and the hashing of one part may be under way.
    Sending {
        parts: Parts,
        sign: Call,
        hashing: Option<u32>,
    },
    /// Asks what the storage has, because its answers are hidden or don't fit.
    Listing {
        parts: Parts,
        call: Call,
    },
    Completing {
        parts: Parts,
        call: Call,
    },
    Aborting {
        because: Failure,
        call: Call,
    },
    Over,
}

impl Machine {
    /// For a file of `size` bytes; with `checks`, CRC64NVME is compared wherever the storage has it. `saved`
    /// is what an earlier page load has written down about the same file.
    pub fn new(size: u64, checks: bool, pace: Pace, saved: Option<Saved>) -> Self {
        let call = Call::due(PATIENCE_MS);
        let store_checks = saved.as_ref().is_some_and(|saved| saved.checksum);
        let budget = if saved.is_some() { Budget::begun() } else { Budget::default() };
        let phase = match saved {
            Some(saved) if saved.canceled => Phase::Aborting { because: Failure::canceled(), call },
            Some(saved) => Phase::Resuming { saved, call },
            None => Phase::Opening { call },
        };
        Self {
            size,
            checks,
            store_checks,
            pace,
            budget,
            progress: Progress::new(size),
            phase,
            commands: Vec::new(),
            offline_until: None,
            offline: false,
            paused: false,
            ahead: None,
            doubted: None,
            restarts: 0,
            wrong: 0,
        }
    }

    /// The next command; `None` until something happens or it is time to wake up.
    pub fn poll(&mut self, at: Moment) -> Option<Command> {
        self.look_at_clocks(at);
        self.end_silences(at);
        if self.commands.is_empty() { self.begin(at) } else { Some(self.commands.remove(0)) }
    }

    fn begin(&mut self, at: Moment) -> Option<Command> {
        if let Phase::Sending { parts, hashing, .. } = &mut self.phase
            && hashing.is_none()
            && let Some(part) = parts.next_to_hash()
        {
            *hashing = Some(part);
            return Some(Command::Hash(part));
        }
        let idle = self.is_idle(at.now);
        match &mut self.phase {
            // A person who cancels waits for no network.
            Phase::Aborting { call, .. } => call.take(at).then_some(Command::Abort),
            _ if idle => None,
            Phase::Sending { parts, sign, .. } => {
                parts.requeue(at.now);
                if parts.busy() < self.pace.at_once()
                    && !parts.queue_is_full()
                    && let Some(ticket) = parts.take(at)
                {
                    return Some(Command::Put(ticket));
                }
                let unsigned = parts.unsigned(self.pace.sign_below(), self.pace.signed_ahead(), at);
                if unsigned.is_empty() {
                    sign.rest(at.now);
                    return None;
                }
                sign.want();
                sign.take(at).then_some(Command::Sign(unsigned))
            }
            Phase::Opening { call } => call.take(at).then_some(Command::Open),
            Phase::Resuming { call, .. } | Phase::Listing { call, .. } => {
                call.take(at).then_some(Command::List)
            }
            Phase::Completing { parts, call } => call.take(at).then(|| {
                let checksum = parts.checksum().map(crate::crc64::to_base64);
                Command::Complete(CompleteUpload { parts: parts.completed(), checksum })
            }),
            Phase::Leaving { .. } | Phase::Over => None,
        }
    }

    /// Whether nothing new may be begun. Offline, one thing now and then may.
    fn is_idle(&mut self, now: u64) -> bool {
        match &mut self.offline_until {
            _ if self.paused => true,
            Some(until) if now < *until => true,
            Some(until) => {
                *until = now + OFFLINE_TRY_MS;
                false
            }
            None => false,
        }
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event, at: Moment) {
        self.look_at_clocks(at);
        match event {
            Event::Opened(session) => self.opened(session, at),
            Event::Signed(tickets) => self.signed(tickets, at),
            Event::Hashed { part, crc } => {
                if let Phase::Sending { hashing, .. } = &mut self.phase
                    && *hashing == Some(part)
                {
                    *hashing = None;
                }
                self.judged(part, at, |parts| parts.hashed(part, crc));
            }
            Event::Moved { part, bytes } => self.moved(part, bytes, at.now),
            Event::Landed { part, receipt, multiplexed } => {
                if multiplexed {
                    self.pace.multiplexed();
                }
                self.moved(part, u64::MAX, at.now);
                if let Phase::Sending { parts, .. } = &self.phase
                    && let Some(idle_ms) = parts.idle_ms(part, at.now)
                {
                    self.pace.landed(parts.plan().len(part), idle_ms);
                }
                self.judged(part, at, |parts| parts.landed(part, receipt));
            }
            Event::Listed(listing) => self.listed(listing, at),
            Event::Completed(stored) => self.completed(stored),
            Event::Aborted => self.aborted(),
            Event::Failed { task: Task::Put(part), .. } if !self.is_under_way(part) => {}
            Event::Failed { task, failure } => self.failed(task, failure, at),
            Event::Online(online) => self.online(online, at),
            Event::Paused(paused) => self.paused = paused,
            Event::Canceled => self.canceled(),
        }
    }

    /// When to poll though nothing happens; on the clock that is never set.
    pub fn wakeup(&self) -> Option<u64> {
        let (ends, waits) = match &self.phase {
            Phase::Sending { parts, sign, .. } => {
                let ends = parts.first_end(self.pace.silence_ms(), self.doubted);
                let waits = earlier(parts.waits(), sign.waits());
                (earlier(ends, sign.ends(self.doubted)), waits)
            }
            Phase::Opening { call }
            | Phase::Leaving { call }
            | Phase::Resuming { call, .. }
            | Phase::Listing { call, .. }
            | Phase::Completing { call, .. }
            | Phase::Aborting { call, .. } => (call.ends(self.doubted), call.waits()),
            Phase::Over => return None,
        };
        let waits = match self.offline_until {
            _ if matches!(self.phase, Phase::Aborting { .. }) => waits,
            // Nothing that waits is begun before somebody says so.
            _ if self.paused => None,
            Some(until) => Some(until),
            None => waits,
        };
        earlier(ends, waits)
    }

    pub fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Aborting { .. } | Phase::Leaving { .. } | Phase::Over => Stage::Over,
            _ if self.paused => Stage::Paused,
            _ if self.offline_until.is_some() => Stage::Waiting,
            Phase::Opening { .. } | Phase::Resuming { .. } => Stage::Starting,
            Phase::Sending { .. } => Stage::Uploading,
            Phase::Listing { parts, .. } if !parts.all_stored() => Stage::Uploading,
            Phase::Listing { .. } | Phase::Completing { .. } => Stage::Finishing,
        }
    }

    /// How far it is, if that is worth telling now.
    pub fn report(&mut self, now: u64) -> Option<Report> {
        self.progress.report(now)
    }

    /// How the file is cut; absent before the upload is open and after its end.
    pub fn plan(&self) -> Option<PartPlan> {
        match &self.phase {
            Phase::Sending { parts, .. } | Phase::Listing { parts, .. } | Phase::Completing { parts, .. } => {
                Some(parts.plan())
            }
            Phase::Opening { .. }
            | Phase::Leaving { .. }
            | Phase::Resuming { .. }
            | Phase::Aborting { .. }
            | Phase::Over => None,
        }
    }

    /// How fast it went of late, in bytes a millisecond.
    pub fn speed(&self) -> f64 {
        self.pace.speed()
    }

    /// How many parts may be in flight now.
    pub fn at_once(&self) -> usize {
        self.pace.at_once()
    }

    /// The most parts that may be in flight.
    pub fn most_at_once(&self) -> usize {
        self.pace.most()
    }
}

/// The earlier of two times, either of which may never come.
fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

#[cfg(test)]
mod tests;
