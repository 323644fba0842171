//! Broken machines, each by one fault. If the judge doesn't see them, it sees nothing.

use crate::engine::{Engine, Make, Recipe};
use crate::judge::Rule;
use std::collections::VecDeque;
use uploader_core::machine::Machine;
use uploader_core::progress::ProgressReport;
use uploader_core::types::{Clocks, Command, Event, PersistOp, SavedPart, StoredFile, Task};
use uploader_core::types::{PartReceipt, PresignedPart};
use wire::{CompleteUpload, PartPlan};

/// A name, its maker, and the rule that it breaks.
pub type Mutant = (&'static str, Make, Rule);

/// What the greedy one says that it keeps to.
const ALLOWED: usize = 3;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    ("takes damaged parts as they are", |recipe| broken(Fault::Gullible, recipe), Rule::OwnBytes),
    (
        "takes what an earlier page load stored without comparing",
        |recipe| broken(Fault::Trusting, recipe),
        Rule::OwnBytes,
    ),
    ("forgets to abort what is canceled", |recipe| broken(Fault::Careless, recipe), Rule::NoOrphan),
    ("sends a part twice", |recipe| broken(Fault::Stuttering, recipe), Rule::SentOnce),
    ("sends one more than allowed", |recipe| broken(Fault::Greedy, recipe), Rule::AtOnce),
    ("reports less than before", |recipe| broken(Fault::Modest, recipe), Rule::ProgressForward),
    ("says stored before it is", |recipe| broken(Fault::Hasty, recipe), Rule::OwnBytes),
    ("never wakes up", |recipe| broken(Fault::Sleepy, recipe), Rule::Ends),
    ("wakes up all the time", |recipe| broken(Fault::Sleepless, recipe), Rule::NotBusy),
    ("goes on after its end", |recipe| broken(Fault::Chatty, recipe), Rule::SilentAfterEnd),
    ("uses URLs that have run out", |recipe| broken(Fault::Stale, recipe), Rule::FreshUrls),
    ("sends while paused", |recipe| broken(Fault::Restless, recipe), Rule::Pause),
    ("gives up at the first failure", |recipe| broken(Fault::Timid, recipe), Rule::NoBlame),
    ("writes nothing down", |recipe| broken(Fault::Forgetful, recipe), Rule::Resumable),
    ("opens a new upload at each page load", |recipe| broken(Fault::Amnesiac, recipe), Rule::NoOrphan),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Gullible,
    Trusting,
    Careless,
    Stuttering,
    Greedy,
    Modest,
    Hasty,
    Sleepy,
    Sleepless,
    Chatty,
    Stale,
    Restless,
    Timid,
    Forgetful,
    Amnesiac,
}

struct Broken {
    machine: Machine,
    fault: Fault,
    /// To be said next.
    extra: VecDeque<Command>,
    last: Option<PresignedPart>,
    reports: u64,
    /// The whole's checksum, as it was said last.
    whole: Option<String>,
    saved: Vec<SavedPart>,
    resumes: bool,
    over: bool,
}

fn broken(fault: Fault, mut recipe: Recipe) -> Box<dyn Engine> {
    if fault == Fault::Amnesiac && recipe.saved.as_ref().is_some_and(|saved| saved.canceled) {
        recipe.saved = None;
    }
    if fault == Fault::Greedy {
        recipe.at_once = Some(ALLOWED as u32 + 1);
    }
    let resumes = recipe.saved.is_some();
    let saved = recipe.saved.iter().flat_map(|saved| saved.parts.clone()).collect();
    Box::new(Broken {
        machine: recipe.machine(),
        fault,
        extra: VecDeque::new(),
        last: None,
        reports: 0,
        whole: None,
        saved,
        resumes,
        over: false,
    })
}

impl Broken {
    fn spoilt(&mut self, command: Command) -> Option<Command> {
        match (self.fault, &command) {
            (Fault::Stuttering, Command::Put(ticket)) if ticket.part == 2 => {
                self.extra.push_back(command.clone());
            }
            (Fault::Careless, Command::Abort) => {
                self.extra.push_back(Command::Persist(PersistOp::Clear));
                return None;
            }
            (Fault::Hasty, Command::Complete(_)) => {
                let size = self.machine.plan().map_or(0, |plan| plan.size());
                let (video_id, key) = (String::new(), String::new());
                self.over = true;
                return Some(Command::Finish(Ok(StoredFile {
                    video_id,
                    key,
                    size,
                    checksum: None,
                    verified: true,
                })));
            }
            (Fault::Gullible, Command::Complete(body)) => {
                // The storage isn't asked to compare either.
                self.whole.clone_from(&body.checksum);
                return Some(Command::Complete(CompleteUpload { checksum: None, ..body.clone() }));
            }
            (Fault::Chatty, Command::Finish(_)) => self.extra.push_back(Command::List),
            (Fault::Forgetful, Command::Persist(PersistOp::Opened { .. } | PersistOp::Part(_))) => {
                return None;
            }
            (Fault::Restless, Command::Put(ticket)) => self.last = Some(ticket.clone()),
            _ => {}
        }
        Some(command)
    }
}

impl Engine for Broken {
    fn poll(&mut self, at: Clocks) -> Option<Command> {
        if let Some(command) = self.extra.pop_front() {
            return Some(command);
        }
        while !self.over {
            let command = self.machine.poll(at)?;
            if let Some(command) = self.spoilt(command) {
                return Some(command);
            }
            if self.fault == Fault::Careless {
                self.machine.handle(Event::Aborted, at);
            }
        }
        None
    }

    fn handle(&mut self, event: Event, at: Clocks) {
        let event = match (self.fault, event) {
            (Fault::Gullible, Event::Uploaded { part, receipt, multiplexed }) => {
                Event::Uploaded { part, receipt: PartReceipt { checksum: None, ..receipt }, multiplexed }
            }
            (Fault::Gullible, Event::Listed(mut listing)) if !self.resumes => {
                listing.parts.iter_mut().for_each(|part| part.checksum = None);
                Event::Listed(listing)
            }
            // What the storage says of the whole is taken for what the parts said.
            (Fault::Gullible, Event::Completed(stored)) if stored.checksum.is_some() => {
                Event::Completed(StoredFile { checksum: self.whole.clone(), ..stored })
            }
            (Fault::Trusting, Event::Hashed { part, crc64: crc }) => {
                let known = self.saved.iter().find(|saved| saved.part == part);
                Event::Hashed { part, crc64: known.and_then(|saved| saved.crc64).unwrap_or(crc) }
            }
            (Fault::Stale, Event::Signed(tickets)) => Event::Signed(
                tickets.into_iter().map(|ticket| PresignedPart { ttl_ms: None, ..ticket }).collect(),
            ),
            (Fault::Stale, Event::Opened(mut session)) => {
                session.parts.iter_mut().for_each(|ticket| ticket.ttl_ms = None);
                Event::Opened(session)
            }
            (Fault::Restless, Event::Paused(true)) => {
                self.extra.extend(self.last.take().map(Command::Put));
                Event::Paused(true)
            }
            (Fault::Timid, Event::Failed { task: Task::Put(_), error: failure }) => {
                self.extra.push_back(Command::Finish(Err(failure)));
                self.over = true;
                return;
            }
            (_, event) => event,
        };
        if !self.over {
            self.machine.handle(event, at);
        }
    }

    fn wakeup(&self) -> Option<u64> {
        match self.fault {
            Fault::Sleepy => None,
            Fault::Sleepless => self.machine.wakeup_ms().map(|_| 0),
            _ if self.over => None,
            _ => self.machine.wakeup_ms(),
        }
    }

    fn report(&mut self, now: u64) -> Option<ProgressReport> {
        let report = self.machine.progress(now)?;
        self.reports += 1;
        let sent =
            if self.fault == Fault::Modest && self.reports == 3 { report.sent / 2 } else { report.sent };
        Some(ProgressReport { sent, ..report })
    }

    fn plan(&self) -> Option<PartPlan> {
        self.machine.plan()
    }

    fn at_once(&self) -> usize {
        if self.fault == Fault::Greedy { ALLOWED } else { self.machine.concurrency().limit() }
    }

    fn most_at_once(&self) -> usize {
        if self.fault == Fault::Greedy { ALLOWED } else { self.machine.concurrency().max() }
    }
}
