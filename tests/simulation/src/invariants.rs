//! The invariants of every run, checked at each step and at the end against the world's true state.

use std::fmt;
use uploader_core::crc64;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::progress::ProgressReport;
use uploader_core::types::{Command, Event, PersistOp, Task};
use wire::{MultipartState, PartPlan, StoredPart};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// Every run ends.
    Terminates,
    /// A run ends soon after its last fault.
    FinishesPromptly,
    /// The machine sleeps while there is nothing to do.
    NoBusyLoop,
    /// Success means that the object has exactly the file's bytes.
    StoresFileBytes,
    /// An upload makes one object.
    OneObject,
    /// The upload of another file stays as it is.
    LeavesOtherUploads,
    /// A canceled upload is aborted, by a later page load at the latest.
    NoOrphanedUpload,
    ProgressNeverDecreases,
    /// No more parts in flight than the limit.
    ConcurrencyLimit,
    /// No part is sent twice without a reason.
    NoNeedlessRepeat,
    NoCommandAfterEnd,
    NoExpiredUrl,
    /// Nothing is started while paused.
    NothingStartsWhilePaused,
    /// No error without a cause in this scenario.
    NoUnexplainedError,
    /// After a transient error, a later page load can resume.
    Resumable,
    /// A part's request has exactly that part's bytes, at least one.
    WholeParts,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub invariant: Invariant,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.detail)
    }
}

pub type CheckResult = Result<(), Violation>;

pub fn ensure(holds: bool, invariant: Invariant, detail: impl FnOnce() -> String) -> CheckResult {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}

/// Checks the commands and events of one page load.
#[derive(Debug, Default)]
pub struct Checker {
    /// By part number: there is a reason to send it.
    may_send: Vec<bool>,
    /// By part number: it was persisted as stored.
    persisted: Vec<bool>,
    /// The upload's status isn't known yet.
    is_new: bool,
    paused: bool,
    /// The file changes unnoticed, so that repeated parts can't be explained.
    file_changes_unnoticed: bool,
    /// The storage lists checksums.
    checksum: bool,
    /// Bytes of the last progress report.
    pub reported: u64,
}

impl Checker {
    pub fn new(checksum: bool, file_changes_unnoticed: bool) -> Self {
        Self { is_new: true, checksum, file_changes_unnoticed, ..Self::default() }
    }

    pub fn check_command(&mut self, command: &Command) -> CheckResult {
        let is_start = matches!(
            command,
            Command::Open { .. }
                | Command::Sign(_)
                | Command::Put(_)
                | Command::List
                | Command::Complete { .. }
        );
        ensure(!(is_start && self.paused), Invariant::NothingStartsWhilePaused, || format!("{command:?}"))?;
        match command {
            Command::Put(presigned) => {
                let part = presigned.part;
                let may_send = self.may_send.get_mut(part as usize).map(std::mem::take);
                let is_explained = self.file_changes_unnoticed || may_send == Some(true);
                ensure(is_explained, Invariant::NoNeedlessRepeat, || format!("part {part} again"))
            }
            Command::Drop(Task::Put(part)) => {
                self.allow(*part);
                Ok(())
            }
            Command::DropAll => {
                for (may_send, persisted) in self.may_send.iter_mut().zip(&self.persisted) {
                    *may_send |= !persisted;
                }
                Ok(())
            }
            Command::Persist(PersistOp::Part(saved)) => {
                if let Some(persisted) = self.persisted.get_mut(saved.part as usize) {
                    *persisted = true;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes note of an event; `crc64_of` is the CRC of a part's bytes in the file.
    pub fn observe_event(&mut self, event: &Event, plan: Option<PartPlan>, crc64_of: impl Fn(u32) -> u64) {
        match event {
            Event::Opened(opened) => self.allow_all(opened.part_count),
            Event::Listed(listing) => {
                let is_first = std::mem::replace(&mut self.is_new, false);
                let Some(plan) = plan else { return };
                if is_first {
                    self.allow_all(plan.part_count());
                }
                match listing.state {
                    MultipartState::Open => self.observe_listing(is_first, &listing.parts, plan, crc64_of),
                    MultipartState::Completed => self.may_send.fill(false),
                    MultipartState::Aborted => {}
                }
            }
            Event::PartsMissing(numbers) => numbers.iter().for_each(|part| self.allow(*part)),
            Event::Failed { task: Task::Put(part), .. } => self.allow(*part),
            Event::Paused(paused) => self.paused = *paused,
            _ => {}
        }
    }

    fn observe_listing(
        &mut self,
        is_first: bool,
        parts: &[StoredPart],
        plan: PartPlan,
        crc64_of: impl Fn(u32) -> u64,
    ) {
        let mut is_right = vec![false; self.may_send.len()];
        for listed in parts {
            let part = listed.part_number;
            let equals = |stored: &String| *stored == crc64::to_base64(crc64_of(part));
            let matches = match is_first {
                // A part whose checksum is listed need not be sent again.
                true => self.checksum && listed.checksum.as_ref().is_some_and(equals),
                false => !self.checksum || listed.checksum.as_ref().is_none_or(equals),
            };
            if let Some(is_right) = is_right.get_mut(part as usize) {
                *is_right = matches && listed.size == plan.len(part);
            }
        }
        for ((may_send, persisted), is_right) in
            self.may_send.iter_mut().zip(&mut self.persisted).zip(is_right)
        {
            *may_send = if is_first { !is_right } else { *may_send || !is_right };
            *persisted &= is_right;
        }
    }

    fn allow_all(&mut self, parts: u32) {
        self.is_new = false;
        self.may_send = vec![true; parts as usize + 1];
        self.persisted = vec![false; parts as usize + 1];
    }

    fn allow(&mut self, part: u32) {
        if let Some(may_send) = self.may_send.get_mut(part as usize) {
            *may_send = true;
        }
        if let Some(persisted) = self.persisted.get_mut(part as usize) {
            *persisted = false;
        }
    }

    pub fn check_progress(&mut self, report: ProgressReport) -> CheckResult {
        let before = std::mem::replace(&mut self.reported, report.sent);
        let is_valid = report.sent >= before && report.sent <= report.total;
        ensure(is_valid, Invariant::ProgressNeverDecreases, || {
            format!("{before}, then {} of {}", report.sent, report.total)
        })
    }
}

/// Whether an error may pass, so that a later page load goes on.
pub fn is_transient(error: &UploadError) -> bool {
    match error.kind {
        ErrorKind::Network
        | ErrorKind::Stalled
        | ErrorKind::Throttled
        | ErrorKind::Server
        | ErrorKind::Expired
        | ErrorKind::ClockSkew
        | ErrorKind::Blocked
        | ErrorKind::Unreadable
        | ErrorKind::StorageFull => true,
        ErrorKind::ChecksumMismatch
        | ErrorKind::FileChanged
        | ErrorKind::FileUnreadable
        | ErrorKind::UploadGone
        | ErrorKind::Permanent => false,
    }
}

/// Causes that can end an upload with a permanent error, as far as they have happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorCauses {
    pub canceled: bool,
    pub file_changed: bool,
    pub file_unreadable: bool,
    pub bit_flips: u32,
    pub uploads_removed: u32,
    pub parts_lost: u32,
    /// An object has the key that the caller chose.
    pub object_exists: bool,
}

impl ErrorCauses {
    pub fn explain(&self, error: &UploadError) -> bool {
        match &*error.code {
            codes::CANCELED => self.canceled,
            codes::FILE_CHANGED => self.file_changed,
            codes::FILE_UNREADABLE => self.file_unreadable,
            codes::CHECKSUM_MISMATCH => self.bit_flips > 0 || self.file_changed,
            codes::PARTS_MISSING => self.parts_lost > 8,
            codes::UPLOAD_GONE | "upload_expired" => self.uploads_removed > 3,
            "video_exists" => self.object_exists,
            _ => false,
        }
    }
}
