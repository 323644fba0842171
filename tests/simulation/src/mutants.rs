//! Mutants: faulty machines, each with one fault, that show whether the invariants are checked.

use crate::engine::{Engine, EngineConfig, EngineFactory};
use crate::invariants::Invariant;
use std::collections::VecDeque;
use uploader_core::machine::Machine;
use uploader_core::progress::ProgressReport;
use uploader_core::types::{
    Clocks, Command, Event, PartChecksum, PersistOp, PresignedPart, SavedState, StoredFile, Task,
};
use wire::PartPlan;

/// A name, a factory, and the invariant that is broken.
pub type Mutant = (&'static str, EngineFactory, Invariant);

/// The limit that [`Fault::ExceedsLimit`] reports.
const REPORTED_LIMIT: usize = 3;

pub const MUTANTS: &[Mutant] = &[
    (
        "resumes without comparing stored parts",
        |config| mutant(Fault::ResumesUnverified, config),
        Invariant::StoresFileBytes,
    ),
    (
        "cancels the upload of another file",
        |config| mutant(Fault::AbortsUnverified, config),
        Invariant::LeavesOtherUploads,
    ),
    ("never aborts", |config| mutant(Fault::NeverAborts, config), Invariant::NoOrphanedUpload),
    ("sends a part twice", |config| mutant(Fault::RepeatsPart, config), Invariant::NoNeedlessRepeat),
    (
        "sends one part more than allowed",
        |config| mutant(Fault::ExceedsLimit, config),
        Invariant::ConcurrencyLimit,
    ),
    (
        "reports less than before",
        |config| mutant(Fault::ReportsLess, config),
        Invariant::ProgressNeverDecreases,
    ),
    (
        "reports success before completion",
        |config| mutant(Fault::FinishesEarly, config),
        Invariant::StoresFileBytes,
    ),
    ("never wakes up", |config| mutant(Fault::NeverWakes, config), Invariant::Terminates),
    ("always wakes up", |config| mutant(Fault::AlwaysWakes, config), Invariant::NoBusyLoop),
    (
        "returns a command after its end",
        |config| mutant(Fault::CommandAfterEnd, config),
        Invariant::NoCommandAfterEnd,
    ),
    ("uses expired URLs", |config| mutant(Fault::UsesExpiredUrls, config), Invariant::NoExpiredUrl),
    ("sends while paused", |config| mutant(Fault::IgnoresPause, config), Invariant::NothingStartsWhilePaused),
    ("never retries", |config| mutant(Fault::NeverRetries, config), Invariant::NoUnexplainedError),
    ("persists nothing", |config| mutant(Fault::PersistsNothing, config), Invariant::Resumable),
    (
        "ignores a persisted cancellation",
        |config| mutant(Fault::IgnoresSavedCancel, config),
        Invariant::NoOrphanedUpload,
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    ResumesUnverified,
    AbortsUnverified,
    NeverAborts,
    RepeatsPart,
    ExceedsLimit,
    ReportsLess,
    FinishesEarly,
    NeverWakes,
    AlwaysWakes,
    CommandAfterEnd,
    UsesExpiredUrls,
    IgnoresPause,
    NeverRetries,
    PersistsNothing,
    IgnoresSavedCancel,
}

struct MutantMachine {
    machine: Machine,
    fault: Fault,
    /// Commands to return next.
    extra: VecDeque<Command>,
    last_put: Option<PresignedPart>,
    reports: u64,
    saved: Vec<PartChecksum>,
    /// The upload isn't known to be this file's yet.
    is_unverified: bool,
    ended: bool,
}

fn mutant(fault: Fault, mut config: EngineConfig) -> Box<dyn Engine> {
    let is_canceled = config.saved.as_ref().is_some_and(|saved| saved.state == SavedState::Canceled);
    if fault == Fault::IgnoresSavedCancel && is_canceled {
        config.saved = None;
    }
    if fault == Fault::ExceedsLimit {
        config.concurrency = Some(REPORTED_LIMIT as u32 + 1);
    }
    let is_unverified = config.saved.is_some();
    let saved = config.saved.iter().flat_map(|saved| saved.parts.clone()).collect();
    Box::new(MutantMachine {
        machine: config.machine(),
        fault,
        extra: VecDeque::new(),
        last_put: None,
        reports: 0,
        saved,
        is_unverified,
        ended: false,
    })
}

impl MutantMachine {
    fn mutate(&mut self, command: Command) -> Option<Command> {
        self.is_unverified &= !matches!(command, Command::Open { .. } | Command::Put(_) | Command::Finish(_));
        match (self.fault, &command) {
            (Fault::RepeatsPart, Command::Put(presigned)) if presigned.part == 2 => {
                self.extra.push_back(command.clone());
            }
            (Fault::NeverAborts, Command::Abort) => {
                self.extra.push_back(Command::Persist(PersistOp::Clear));
                return None;
            }
            (Fault::FinishesEarly, Command::Complete { .. }) => {
                self.ended = true;
                return Some(Command::Finish(Ok(StoredFile {
                    video_id: String::new(),
                    key: String::new(),
                    size: self.machine.plan().map_or(0, |plan| plan.size()),
                    checksum: None,
                    verified: true,
                })));
            }
            (Fault::CommandAfterEnd, Command::Finish(_)) => self.extra.push_back(Command::List),
            (Fault::PersistsNothing, Command::Persist(PersistOp::Opened { .. } | PersistOp::Part(_))) => {
                return None;
            }
            (Fault::IgnoresPause, Command::Put(presigned)) => self.last_put = Some(presigned.clone()),
            _ => {}
        }
        Some(command)
    }
}

impl Engine for MutantMachine {
    fn poll(&mut self, clocks: Clocks) -> Option<Command> {
        if let Some(command) = self.extra.pop_front() {
            return Some(command);
        }
        while !self.ended {
            let command = self.machine.poll(clocks)?;
            if let Some(command) = self.mutate(command) {
                return Some(command);
            }
            if self.fault == Fault::NeverAborts {
                self.machine.handle(Event::Aborted, clocks);
            }
        }
        None
    }

    fn handle(&mut self, event: Event, clocks: Clocks) {
        let event = match (self.fault, event) {
            (Fault::ResumesUnverified, Event::Hashed { part, crc64 }) => {
                let saved = self.saved.iter().find(|saved| saved.part == part);
                Event::Hashed { part, crc64: saved.map_or(crc64, |saved| saved.crc64) }
            }
            (Fault::AbortsUnverified, Event::Canceled) if self.is_unverified => {
                self.extra.push_back(Command::Abort);
                Event::Canceled
            }
            (Fault::UsesExpiredUrls, Event::Signed(mut parts)) => {
                parts.iter_mut().for_each(|part| part.ttl_ms = None);
                Event::Signed(parts)
            }
            (Fault::UsesExpiredUrls, Event::Opened(mut opened)) => {
                opened.parts.iter_mut().for_each(|part| part.ttl_ms = None);
                Event::Opened(opened)
            }
            (Fault::IgnoresPause, Event::Paused(true)) => {
                self.extra.extend(self.last_put.take().map(Command::Put));
                Event::Paused(true)
            }
            (Fault::NeverRetries, Event::Failed { task: Task::Put(_), error }) => {
                self.extra.push_back(Command::Finish(Err(error)));
                self.ended = true;
                return;
            }
            (_, event) => event,
        };
        if !self.ended {
            self.machine.handle(event, clocks);
        }
    }

    fn wakeup_ms(&self) -> Option<u64> {
        match self.fault {
            Fault::NeverWakes => None,
            Fault::AlwaysWakes => self.machine.wakeup_ms().map(|_| 0),
            _ if self.ended => None,
            _ => self.machine.wakeup_ms(),
        }
    }

    fn progress(&mut self, now_ms: u64) -> Option<ProgressReport> {
        let report = self.machine.progress(now_ms)?;
        self.reports += 1;
        let is_less = self.fault == Fault::ReportsLess && self.reports == 3;
        let sent = if is_less { report.sent / 2 } else { report.sent };
        Some(ProgressReport { sent, ..report })
    }

    fn plan(&self) -> Option<PartPlan> {
        self.machine.plan()
    }

    fn limit(&self) -> usize {
        if self.fault == Fault::ExceedsLimit { REPORTED_LIMIT } else { self.machine.concurrency().limit() }
    }

    fn max(&self) -> usize {
        if self.fault == Fault::ExceedsLimit { REPORTED_LIMIT } else { self.machine.concurrency().max() }
    }
}
