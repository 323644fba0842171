//! Decides what an upload does next. Pure: time and randomness are passed in.
//!
//! Call [`Machine::poll`] until it returns `None`, execute each command, and report its outcome with
//! [`Machine::handle`]. Poll again after each event, and at [`Machine::wakeup_ms`] if nothing happens before. After
//! [`Command::Finish`] the upload has ended.

mod on_failure;
mod on_success;
mod request_state;

use crate::concurrency::Concurrency;
use crate::crc64;
use crate::error::UploadError;
use crate::parts::Parts;
use crate::progress::{Progress, ProgressReport};
use crate::retry::RetryBudget;
use crate::timeout::REQUEST_TIMEOUT_MS;
use crate::types::{Clocks, Command, Event, SavedUpload, Task, UploadState};
use request_state::RequestState;
use wire::{CompleteUpload, PartPlan};

/// While the browser reports that it is offline, one request is tried at this interval, in milliseconds: the
/// browser can be wrong.
const OFFLINE_RETRY_INTERVAL_MS: u64 = 15_000;

/// One upload.
#[derive(Debug)]
pub struct Machine {
    size: u64,
    /// The `checksum` option: compare checksums where the storage has them.
    checksum: bool,
    /// Whether the storage computes CRC64NVME.
    storage_checksum: bool,
    concurrency: Concurrency,
    budget: RetryBudget,
    progress: Progress,
    phase: Phase,
    /// Decided and not yet returned by [`Machine::poll`].
    commands: Vec<Command>,
    /// Nothing is started until then: the browser is offline.
    offline_until_ms: Option<u64>,
    /// The browser reports that it is offline. Responses that still arrive don't end that; the next failure decides.
    offline: bool,
    paused: bool,
    /// By how much the wall clock was ahead of the monotonic clock.
    clock_lead_ms: Option<u64>,
    /// When a sleep or a network change last made connections suspect.
    suspect_since_ms: Option<u64>,
    /// How many times a new upload was opened in place of one that was gone.
    restarts: u32,
    /// How many parts differed in the storage's listings.
    mismatched_parts: usize,
}

#[derive(Debug)]
enum Phase {
    Opening {
        request: RequestState,
    },
    /// Canceled while opening: the response names the upload to abort.
    CancelingOpen {
        request: RequestState,
    },
    /// Asks what the storage has of an upload that an earlier page load has begun.
    Resuming {
        saved: SavedUpload,
        request: RequestState,
    },
    /// Uploads parts. One signing request and one hash may be in flight besides.
    Uploading {
        parts: Parts,
        sign: RequestState,
        hashing: Option<u32>,
    },
    /// Asks what the storage has of this upload, because its responses are hidden or contradict each other.
    CheckingStatus {
        parts: Parts,
        request: RequestState,
    },
    Completing {
        parts: Parts,
        request: RequestState,
    },
    Aborting {
        error: UploadError,
        request: RequestState,
    },
    Ended,
}

impl Machine {
    /// An upload of a file of `size` bytes.
    ///
    /// With `checksum`, CRC64NVME is computed of each part and compared wherever the storage has it. `saved` is what
    /// an earlier page load has persisted about the same file.
    pub fn new(size: u64, checksum: bool, concurrency: Concurrency, saved: Option<SavedUpload>) -> Self {
        let request = RequestState::due(REQUEST_TIMEOUT_MS);
        let storage_checksum = saved.as_ref().is_some_and(|saved| saved.checksum);
        let budget = if saved.is_some() { RetryBudget::for_open_upload() } else { RetryBudget::default() };
        let phase = match saved {
            Some(saved) if saved.canceled => Phase::Aborting { error: UploadError::canceled(), request },
            Some(saved) => Phase::Resuming { saved, request },
            None => Phase::Opening { request },
        };
        Self {
            size,
            checksum,
            storage_checksum,
            concurrency,
            budget,
            progress: Progress::new(size),
            phase,
            commands: Vec::new(),
            offline_until_ms: None,
            offline: false,
            paused: false,
            clock_lead_ms: None,
            suspect_since_ms: None,
            restarts: 0,
            mismatched_parts: 0,
        }
    }

    /// The next command; `None` until an event happens or it is [`Machine::wakeup_ms`].
    pub fn poll(&mut self, clocks: Clocks) -> Option<Command> {
        self.detect_sleep(clocks);
        self.time_out_stalled(clocks);
        if self.commands.is_empty() { self.start_next(clocks) } else { Some(self.commands.remove(0)) }
    }

    fn start_next(&mut self, clocks: Clocks) -> Option<Command> {
        if let Phase::Uploading { parts, hashing, .. } = &mut self.phase
            && hashing.is_none()
            && let Some(part) = parts.next_to_hash()
        {
            *hashing = Some(part);
            return Some(Command::Hash(part));
        }
        let is_blocked = self.is_blocked(clocks.now_ms);
        match &mut self.phase {
            // An abort isn't held back, as a person waits for it.
            Phase::Aborting { request, .. } => request.start(clocks).then_some(Command::Abort),
            _ if is_blocked => None,
            Phase::Uploading { parts, sign, .. } => {
                parts.requeue_due(clocks.now_ms);
                if parts.active() < self.concurrency.limit()
                    && !parts.browser_queue_is_full()
                    && let Some(presigned) = parts.start_next(clocks)
                {
                    return Some(Command::Put(presigned));
                }
                let (threshold, target) =
                    (self.concurrency.presign_threshold(), self.concurrency.presign_target());
                let unsigned = parts.unsigned(threshold, target, clocks);
                if unsigned.is_empty() {
                    sign.make_idle(clocks.now_ms);
                    return None;
                }
                sign.make_due();
                sign.start(clocks).then_some(Command::Sign(unsigned))
            }
            Phase::Opening { request } => request.start(clocks).then_some(Command::Open),
            Phase::Resuming { request, .. } | Phase::CheckingStatus { request, .. } => {
                request.start(clocks).then_some(Command::List)
            }
            Phase::Completing { parts, request } => request.start(clocks).then(|| {
                let checksum = parts.file_crc64().map(crc64::to_base64);
                Command::Complete(CompleteUpload { parts: parts.completed_parts(), checksum })
            }),
            Phase::CancelingOpen { .. } | Phase::Ended => None,
        }
    }

    /// Whether nothing may be started: paused, or offline and it isn't time for the next try.
    fn is_blocked(&mut self, now_ms: u64) -> bool {
        match &mut self.offline_until_ms {
            _ if self.paused => true,
            Some(until_ms) if now_ms < *until_ms => true,
            Some(until_ms) => {
                *until_ms = now_ms + OFFLINE_RETRY_INTERVAL_MS;
                false
            }
            None => false,
        }
    }

    /// Takes an event. Stale responses, to what is no longer in flight, are ignored.
    pub fn handle(&mut self, event: Event, clocks: Clocks) {
        self.detect_sleep(clocks);
        match event {
            Event::Opened(opened) => self.on_opened(opened, clocks),
            Event::Signed(parts) => self.on_signed(parts, clocks),
            Event::Hashed { part, crc64 } => self.on_hashed(part, crc64, clocks),
            Event::Progress { part, bytes } => self.on_progress(part, bytes, clocks.now_ms),
            Event::Uploaded { part, receipt, multiplexed } => {
                if multiplexed {
                    self.concurrency.set_multiplexed();
                }
                self.on_uploaded(part, receipt, clocks);
            }
            Event::Listed(listing) => self.on_listed(listing, clocks),
            Event::Completed(stored) => self.on_completed(stored),
            Event::Aborted => self.on_aborted(),
            Event::Failed { task: Task::Put(part), .. } if !self.is_active(part) => {}
            Event::Failed { task, error } => self.on_failed(task, error, clocks),
            Event::Online(online) => self.on_online(online, clocks),
            Event::Paused(paused) => self.paused = paused,
            Event::Canceled => self.on_canceled(),
        }
    }

    /// When to poll although nothing happens, in milliseconds of the monotonic clock; `None` for never.
    pub fn wakeup_ms(&self) -> Option<u64> {
        let (deadline_ms, retry_ms) = match &self.phase {
            Phase::Uploading { parts, sign, .. } => {
                let stall_timeout_ms = self.concurrency.stall_timeout_ms();
                let deadline_ms = parts.first_deadline_ms(stall_timeout_ms, self.suspect_since_ms);
                (
                    earlier(deadline_ms, sign.deadline_ms(self.suspect_since_ms)),
                    earlier(parts.next_retry_ms(), sign.retry_at_ms()),
                )
            }
            Phase::Opening { request }
            | Phase::CancelingOpen { request }
            | Phase::Resuming { request, .. }
            | Phase::CheckingStatus { request, .. }
            | Phase::Completing { request, .. }
            | Phase::Aborting { request, .. } => {
                (request.deadline_ms(self.suspect_since_ms), request.retry_at_ms())
            }
            Phase::Ended => return None,
        };
        let retry_ms = match self.offline_until_ms {
            _ if matches!(self.phase, Phase::Aborting { .. }) => retry_ms,
            // Nothing is retried before the page resumes.
            _ if self.paused => None,
            Some(until_ms) => Some(until_ms),
            None => retry_ms,
        };
        earlier(deadline_ms, retry_ms)
    }

    /// The upload's state, for people.
    pub fn state(&self) -> UploadState {
        match &self.phase {
            Phase::Aborting { .. } | Phase::CancelingOpen { .. } | Phase::Ended => UploadState::Ended,
            _ if self.paused => UploadState::Paused,
            _ if self.offline_until_ms.is_some() => UploadState::Waiting,
            Phase::Opening { .. } | Phase::Resuming { .. } => UploadState::Starting,
            Phase::Uploading { .. } => UploadState::Uploading,
            Phase::CheckingStatus { parts, .. } if !parts.all_stored() => UploadState::Uploading,
            Phase::CheckingStatus { .. } | Phase::Completing { .. } => UploadState::Finishing,
        }
    }

    /// The progress, if a report is due at `now_ms` of the monotonic clock.
    pub fn progress(&mut self, now_ms: u64) -> Option<ProgressReport> {
        self.progress.report(now_ms)
    }

    /// How the file is cut; `None` before the upload is open and after its end.
    pub fn plan(&self) -> Option<PartPlan> {
        match &self.phase {
            Phase::Uploading { parts, .. }
            | Phase::CheckingStatus { parts, .. }
            | Phase::Completing { parts, .. } => Some(parts.plan()),
            Phase::Opening { .. }
            | Phase::CancelingOpen { .. }
            | Phase::Resuming { .. }
            | Phase::Aborting { .. }
            | Phase::Ended => None,
        }
    }

    /// The limit on parts in flight, and the speed.
    pub fn concurrency(&self) -> &Concurrency {
        &self.concurrency
    }
}

/// The earlier of two times; `None` is never.
fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}

#[cfg(test)]
mod tests;
