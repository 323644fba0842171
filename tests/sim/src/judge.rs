//! What must hold at every step and at the end. The judge sees what the engine says and what the world does
//! to it, and knows the truth about both.

use std::fmt;
use uploader_core::crc64;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::progress::ProgressReport;
use uploader_core::types::{Command, Event, PersistOp, Task};
use wire::{PartPlan, StoredPart, UploadState};

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Every run ends.
    Ends,
    /// Once nothing goes wrong any more, it ends soon.
    Prompt,
    /// It sleeps when there is nothing to do.
    NotBusy,
    /// `stored` is said only of the file's own bytes.
    OwnBytes,
    OneObject,
    /// What is canceled leaves nothing behind, once a later page load had its chance.
    NoOrphan,
    ProgressForward,
    /// No more in flight than allowed.
    AtOnce,
    /// Nothing is sent twice without a cause.
    SentOnce,
    /// After its end it says nothing.
    SilentAfterEnd,
    /// No URL is used that has run out.
    FreshUrls,
    /// A pause begins nothing.
    Pause,
    /// No failure without a cause in this world.
    NoBlame,
    /// A passing failure can be resumed from.
    Resumable,
    /// A part's request has that part's bytes, and at least one.
    WholeParts,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub rule: Rule,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

pub type Verdict = Result<(), Violation>;

pub fn hold(holds: bool, rule: Rule, detail: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { rule, detail: detail() }) }
}

/// What the judge knows of one page load.
#[derive(Debug, Default)]
pub struct Judge {
    /// Per part: it may be sent.
    may: Vec<bool>,
    /// Per part: it was noted as stored.
    noted: Vec<bool>,
    /// Nobody has told yet how the upload stands.
    fresh: bool,
    paused: bool,
    /// The file changes silently, so nobody can say what has a cause.
    lenient: bool,
    checks: bool,
    pub reported: u64,
}

impl Judge {
    pub fn new(checks: bool, lenient: bool) -> Self {
        Self { fresh: true, checks, lenient, ..Self::default() }
    }

    /// The engine says what to do.
    pub fn said(&mut self, command: &Command) -> Verdict {
        let begins = matches!(
            command,
            Command::Open | Command::Sign(_) | Command::Put(_) | Command::List | Command::Complete(_)
        );
        hold(!(begins && self.paused), Rule::Pause, || format!("{command:?} while paused"))?;
        match command {
            Command::Put(ticket) => {
                let part = ticket.part;
                let may = self.may.get_mut(part as usize).map(|may| std::mem::replace(may, false));
                hold(self.lenient || may == Some(true), Rule::SentOnce, || format!("part {part} again"))
            }
            Command::Drop(Task::Put(part)) => {
                self.allow(*part);
                Ok(())
            }
            Command::DropAll => {
                for (may, noted) in self.may.iter_mut().zip(&self.noted) {
                    *may |= !noted;
                }
                Ok(())
            }
            Command::Persist(PersistOp::Part(saved)) => {
                if let Some(noted) = self.noted.get_mut(saved.part as usize) {
                    *noted = true;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The world tells the engine something; `truth` is each part's real checksum.
    pub fn told(&mut self, event: &Event, plan: Option<PartPlan>, truth: impl Fn(u32) -> u64) {
        match event {
            Event::Opened(session) => self.all_may(session.part_count),
            Event::Listed(listing) => {
                let fresh = std::mem::replace(&mut self.fresh, false);
                let Some(plan) = plan else { return };
                if fresh {
                    self.all_may(plan.part_count());
                }
                match listing.state {
                    UploadState::Open => self.listed(fresh, &listing.parts, plan, truth),
                    UploadState::Completed => self.may.fill(false),
                    UploadState::Aborted => {}
                }
            }
            Event::Uploaded { part, receipt, .. } => {
                let checksum = receipt.checksum.as_ref();
                if self.checks && checksum.is_some_and(|theirs| *theirs != crc64::to_base64(truth(*part))) {
                    self.allow(*part);
                }
            }
            Event::Failed { task: Task::Put(part), .. } => self.allow(*part),
            Event::Paused(paused) => self.paused = *paused,
            _ => {}
        }
    }

    fn listed(&mut self, fresh: bool, parts: &[StoredPart], plan: PartPlan, truth: impl Fn(u32) -> u64) {
        let mut right = vec![false; self.may.len()];
        for theirs in parts {
            let part = theirs.part_number;
            let known = theirs.checksum.as_ref();
            let fits = match fresh {
                // What a list alone proves need not be sent again.
                true => self.checks && known.is_some_and(|theirs| *theirs == crc64::to_base64(truth(part))),
                false => !self.checks || known.is_none_or(|theirs| *theirs == crc64::to_base64(truth(part))),
            };
            if let Some(right) = right.get_mut(part as usize) {
                *right = fits && theirs.size == plan.len(part);
            }
        }
        for ((may, noted), right) in self.may.iter_mut().zip(&mut self.noted).zip(right) {
            *may = if fresh { !right } else { *may || !right };
            *noted &= right;
        }
    }

    fn all_may(&mut self, parts: u32) {
        self.fresh = false;
        self.may = vec![true; parts as usize + 1];
        self.noted = vec![false; parts as usize + 1];
    }

    fn allow(&mut self, part: u32) {
        if let Some(may) = self.may.get_mut(part as usize) {
            *may = true;
        }
        if let Some(noted) = self.noted.get_mut(part as usize) {
            *noted = false;
        }
    }

    pub fn progress(&mut self, report: ProgressReport) -> Verdict {
        let before = std::mem::replace(&mut self.reported, report.sent);
        hold(report.sent >= before && report.sent <= report.total, Rule::ProgressForward, || {
            format!("{before}, then {} of {}", report.sent, report.total)
        })
    }
}

/// Whether a failure may pass, so that a later page load goes on.
pub fn passes(failure: &UploadError) -> bool {
    match failure.kind {
        ErrorKind::Network
        | ErrorKind::Stalled
        | ErrorKind::Throttled
        | ErrorKind::Server
        | ErrorKind::Expired
        | ErrorKind::ClockSkew
        | ErrorKind::StorageFull => true,
        ErrorKind::ChecksumMismatch
        | ErrorKind::FileChanged
        | ErrorKind::UploadGone
        | ErrorKind::Permanent => false,
    }
}

/// Why an upload may end badly for good in one world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Causes {
    pub canceled: bool,
    pub changed: bool,
    pub unreadable: bool,
    pub flips: u32,
    pub gone: u32,
    /// The caller chose the key, and an object has it by now.
    pub exists: bool,
}

impl Causes {
    pub fn explain(&self, failure: &UploadError) -> bool {
        match &*failure.code {
            codes::CANCELED => self.canceled,
            codes::FILE_CHANGED => self.changed,
            codes::FILE_UNREADABLE => self.unreadable,
            codes::CHECKSUM_MISMATCH => self.flips > 0 || self.changed,
            codes::UPLOAD_GONE | "upload_expired" => self.gone > 3,
            "video_exists" => self.exists,
            _ => false,
        }
    }
}
