//! Decides what an upload does next. Pure: time and randomness are passed in.
//!
//! Call [`Machine::poll`] until it returns `None`, execute each command, and report its outcome with
//! [`Machine::handle`]. Poll again after each event, and at [`Machine::wakeup_ms`] if nothing happens before. After
//! [`Command::Finish`] the upload has ended.

mod on_failure;
mod on_success;
mod reachability;
mod request_state;

use crate::concurrency::{BROWSER_CONNECTIONS, Concurrency};
use crate::error::UploadError;
use crate::parts::Parts;
use crate::progress::{Progress, ProgressReport};
use crate::retry::RetryBudget;
use crate::timeout::REQUEST_TIMEOUT_MS;
use crate::types::{Clocks, Command, Event, SavedState, SavedUpload, StoredFile, Task, UploadState};
use reachability::Reachability;
use request_state::RequestState;
use wire::PartPlan;

/// While the browser reports that it is offline, one request is tried at this interval, in milliseconds: the
/// browser can be wrong.
const OFFLINE_RETRY_INTERVAL_MS: u64 = 15_000;

/// While an upload is being opened, hashing goes on with this many parts.
const HASHED_WHILE_OPENING: usize = 2 * BROWSER_CONNECTIONS;

/// One upload.
#[derive(Debug)]
pub struct Machine {
    size: u64,
    /// The part size to request, in bytes.
    part_size: u64,
    /// Whether the storage verifies CRC64NVME.
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
    reachability: Reachability,
    /// How many times a new upload was opened in place of one that was gone.
    restarts: u32,
    /// How many parts the storage has lost after it had accepted them.
    lost_parts: usize,
}

#[derive(Debug)]
enum Phase {
    /// Hashes the first parts, then opens. `parts` is `None` for a size that can't be planned: the edge refuses it.
    Opening {
        parts: Option<Parts>,
        request: RequestState,
    },
    /// Ended while opening: the response names the upload to abort.
    CancelingOpen {
        error: UploadError,
        request: RequestState,
    },
    /// Asks what the storage has of an upload that an earlier page load has begun.
    Resuming {
        saved: SavedUpload,
        request: RequestState,
    },
    /// Compares what an earlier page load has stored with the file. With `stored`, all of it.
    Verifying {
        parts: Parts,
        stored: Option<StoredFile>,
    },
    /// Uploads parts. One signing request and one hash may be in flight besides.
    Uploading {
        parts: Parts,
        sign: RequestState,
    },
    /// Asks for the upload's state and parts.
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
    /// An upload of a file of `size` bytes. `part_size` is requested of the edge, in bytes: a whole number of MiB from 5 MiB
    /// to 5 GiB. `saved` is what an earlier page load has persisted about a file that may be the same.
    pub fn new(size: u64, part_size: u64, concurrency: Concurrency, saved: Option<SavedUpload>) -> Self {
        let storage_checksum = saved.as_ref().is_some_and(|saved| saved.checksum);
        let budget = if saved.is_some() { RetryBudget::for_open_upload() } else { RetryBudget::default() };
        let mut machine = Self {
            size,
            part_size,
            storage_checksum,
            concurrency,
            budget,
            progress: Progress::new(size),
            phase: Phase::Ended,
            commands: Vec::new(),
            offline_until_ms: None,
            offline: false,
            paused: false,
            clock_lead_ms: None,
            suspect_since_ms: None,
            reachability: Reachability::default(),
            restarts: 0,
            lost_parts: 0,
        };
        match saved {
            None => machine.open(None),
            Some(saved) => machine.start_from(saved),
        }
        machine
    }

    /// Opens an upload; `parts` are those of an earlier one of the same file.
    fn open(&mut self, parts: Option<Parts>) {
        let new_parts = || PartPlan::new(self.size, Some(self.part_size)).ok().map(Parts::new);
        let parts = parts.map(Parts::for_new_upload).or_else(new_parts);
        self.phase = Phase::Opening { parts, request: RequestState::due(REQUEST_TIMEOUT_MS) };
    }

    fn start_from(&mut self, saved: SavedUpload) {
        let request = RequestState::due(REQUEST_TIMEOUT_MS);
        match saved.state {
            SavedState::Canceled => {
                self.phase = Phase::Aborting { error: UploadError::canceled(), request };
            }
            SavedState::Open => self.phase = Phase::Resuming { saved, request },
            SavedState::Stored(stored) => {
                let plan = PartPlan::with_part_size(self.size, saved.part_size).ok();
                match plan.and_then(|plan| Parts::completed(plan, &saved.parts)) {
                    Some(parts) => self.phase = Phase::Verifying { parts, stored: Some(stored) },
                    None => self.reject_saved(),
                }
            }
        }
    }

    /// The next command; `None` until an event happens or it is [`Machine::wakeup_ms`].
    pub fn poll(&mut self, clocks: Clocks) -> Option<Command> {
        self.detect_sleep(clocks);
        self.time_out_stalled(clocks);
        let is_held_back = self.paused || self.offline_until_ms.is_some();
        if self.awaits_first_answer() && self.reachability.announce(is_held_back, clocks.now_ms) {
            self.commands.push(Command::NotifyUnreachable);
        }
        if self.commands.is_empty() { self.start_next(clocks) } else { Some(self.commands.remove(0)) }
    }

    fn awaits_first_answer(&self) -> bool {
        matches!(self.phase, Phase::Opening { .. } | Phase::Resuming { .. })
    }

    fn start_next(&mut self, clocks: Clocks) -> Option<Command> {
        if let Some(part) = self.start_hashing() {
            return Some(Command::Hash(part));
        }
        let is_blocked = self.is_blocked(clocks.now_ms);
        match &mut self.phase {
            // An abort isn't held back, as a person waits for it.
            Phase::Aborting { request, .. } => request.start(clocks).then_some(Command::Abort),
            _ if is_blocked => None,
            Phase::Uploading { parts, sign } => {
                parts.requeue_due(clocks.now_ms);
                let limit = self.concurrency.limit();
                if parts.active() < limit
                    && !parts.browser_queue_is_full()
                    && let Some(presigned) = parts.start_next(clocks)
                {
                    return Some(Command::Put(presigned));
                }
                let unsigned = parts.unsigned(limit, clocks);
                if unsigned.is_empty() {
                    sign.make_idle(clocks.now_ms);
                    return None;
                }
                sign.make_due();
                sign.start(clocks).then_some(Command::Sign(unsigned))
            }
            Phase::Opening { parts, request } => {
                let checksums = match parts {
                    Some(parts) => parts.first_checksums()?,
                    None => Vec::new(),
                };
                let part_size = parts.as_ref().map_or(self.part_size, |parts| parts.plan().part_size());
                self.reachability.edge_requested(clocks.now_ms);
                request.start(clocks).then_some(Command::Open { part_size, checksums })
            }
            Phase::Resuming { request, .. } | Phase::CheckingStatus { request, .. } => {
                self.reachability.edge_requested(clocks.now_ms);
                request.start(clocks).then_some(Command::List)
            }
            Phase::Completing { parts, request } => {
                let crc64 = parts.file_crc64()?;
                request.start(clocks).then_some(Command::Complete { crc64 })
            }
            Phase::Verifying { .. } | Phase::CancelingOpen { .. } | Phase::Ended => None,
        }
    }

    /// The next part to hash. Hashing goes ahead of sending by as many parts as may be in flight.
    fn start_hashing(&mut self) -> Option<u32> {
        let ahead = self.concurrency.limit();
        match &mut self.phase {
            Phase::Opening { parts, .. } => parts.as_mut()?.start_hashing(HASHED_WHILE_OPENING),
            Phase::Verifying { parts, .. } => parts.start_hashing(0),
            Phase::Uploading { parts, .. } => parts.start_hashing(ahead),
            _ => None,
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
        match &event {
            Event::Uploaded { .. } => self.reachability.storage_answers(),
            Event::Failed { task, error } => self.reachability.failed(*task, error),
            Event::Opened(_)
            | Event::Signed(_)
            | Event::Listed(_)
            | Event::Completed(_)
            | Event::PartsMissing(_)
            | Event::Aborted => self.reachability.edge_answers(),
            Event::Hashed { .. }
            | Event::Progress { .. }
            | Event::Online(_)
            | Event::Paused(_)
            | Event::Canceled => {}
        }
        match event {
            Event::Opened(opened) => self.on_opened(opened, clocks),
            Event::Signed(parts) => self.on_signed(parts, clocks),
            Event::Hashed { part, crc64 } => self.on_hashed(part, crc64),
            Event::Progress { part, bytes } => self.on_progress_event(part, bytes, clocks.now_ms),
            Event::Uploaded { part, multiplexed } => {
                if multiplexed {
                    self.concurrency.set_multiplexed();
                }
                self.on_uploaded(part, clocks);
            }
            Event::Listed(listing) => self.on_listed(listing, clocks),
            Event::Completed(stored) => self.on_completed(stored),
            Event::PartsMissing(numbers) => self.on_parts_missing(&numbers, clocks),
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
            Phase::Uploading { parts, sign } => {
                let stall_timeout_ms = self.concurrency.stall_timeout_ms();
                let deadline_ms = parts.first_deadline_ms(stall_timeout_ms, self.suspect_since_ms);
                (
                    earlier(deadline_ms, sign.deadline_ms(self.suspect_since_ms)),
                    earlier(parts.next_retry_ms(), sign.retry_at_ms()),
                )
            }
            Phase::Opening { request, .. }
            | Phase::CancelingOpen { request, .. }
            | Phase::Resuming { request, .. }
            | Phase::CheckingStatus { request, .. }
            | Phase::Completing { request, .. }
            | Phase::Aborting { request, .. } => {
                (request.deadline_ms(self.suspect_since_ms), request.retry_at_ms())
            }
            Phase::Verifying { .. } | Phase::Ended => return None,
        };
        let retry_ms = match self.offline_until_ms {
            _ if matches!(self.phase, Phase::Aborting { .. }) => retry_ms,
            // Nothing is retried before the page resumes.
            _ if self.paused => None,
            Some(until_ms) => Some(until_ms),
            None => retry_ms,
        };
        let announce_at_ms = self.reachability.announce_at_ms().filter(|_| self.awaits_first_answer());
        earlier(earlier(deadline_ms, retry_ms), announce_at_ms)
    }

    /// The upload's state, for people.
    pub fn state(&self) -> UploadState {
        match &self.phase {
            Phase::Aborting { .. } | Phase::CancelingOpen { .. } | Phase::Ended => UploadState::Ended,
            _ if self.paused => UploadState::Paused,
            _ if self.offline_until_ms.is_some() => UploadState::Waiting,
            Phase::Opening { .. } | Phase::Resuming { .. } | Phase::Verifying { .. } => UploadState::Starting,
            Phase::Uploading { .. } => UploadState::Uploading,
            Phase::CheckingStatus { parts, .. } if !parts.all_stored() => UploadState::Uploading,
            Phase::CheckingStatus { .. } | Phase::Completing { .. } => UploadState::Finishing,
        }
    }

    /// The progress, if a report is due at `now_ms` of the monotonic clock. None while stored parts are compared with the
    /// file: they may be another file's.
    pub fn progress(&mut self, now_ms: u64) -> Option<ProgressReport> {
        if matches!(self.phase, Phase::Verifying { .. }) {
            return None;
        }
        self.progress.report(now_ms)
    }

    /// How the file is cut; `None` while that isn't known and after the upload's end.
    pub fn plan(&self) -> Option<PartPlan> {
        match &self.phase {
            Phase::Opening { parts, .. } => parts.as_ref().map(Parts::plan),
            Phase::Verifying { parts, .. }
            | Phase::Uploading { parts, .. }
            | Phase::CheckingStatus { parts, .. }
            | Phase::Completing { parts, .. } => Some(parts.plan()),
            Phase::CancelingOpen { .. } | Phase::Resuming { .. } | Phase::Aborting { .. } | Phase::Ended => {
                None
            }
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
