//! Transitions on failures, timeouts, sleep and network changes.

use super::{Machine, OFFLINE_RETRY_INTERVAL_MS, Phase, RequestState};
use crate::error::{ErrorKind, UploadError};
use crate::retry::{self, RetryDecision};
use crate::timeout::REQUEST_TIMEOUT_MS;
use crate::types::{Clocks, Command, PersistOp, Task};

/// How many times an abort is tried. After that the upload ends all the same: a later page load tries again, and
/// in the end the bucket's lifecycle rule removes the parts.
const MAX_ABORT_ATTEMPTS: u32 = 4;
/// How many times a new upload is opened in place of one that is gone.
const MAX_RESTARTS: u32 = 3;
/// After the network is back, backoffs end within this, in milliseconds: spread out, and soon.
const MAX_ONLINE_DELAY_MS: f64 = 1_000.0;
/// The computer has slept if the wall clock gained more than this on the monotonic clock, in milliseconds.
const MIN_SLEEP_MS: u64 = 20_000;

impl Machine {
    pub(super) fn on_failed(&mut self, task: Task, error: UploadError, clocks: Clocks) {
        let attempts = match (task, &mut self.phase) {
            (Task::Open, Phase::CancelingOpen { error, .. }) => {
                let error = error.clone();
                return self.end(Err(error));
            }
            (Task::Hash(_), Phase::Opening { .. }) => return self.fail(error),
            (Task::Hash(_), _) if error.kind == ErrorKind::FileChanged => return self.fail(error),
            // What is stored stays: the file may be readable again later.
            (Task::Hash(_), Phase::Verifying { .. } | Phase::Uploading { .. }) => {
                return self.end_resumable(Err(error));
            }
            (Task::Put(part), Phase::Uploading { parts, .. }) => {
                if matches!(error.kind, ErrorKind::Expired | ErrorKind::ClockSkew) {
                    parts.discard_url(part, clocks.now_ms);
                }
                if error.kind == ErrorKind::ChecksumMismatch {
                    parts.rehash(part);
                }
                self.progress.reset_part(part);
                parts.failed(part, error.kind == ErrorKind::Stalled)
            }
            (Task::Open, Phase::Opening { request, .. })
            | (Task::Sign, Phase::Uploading { sign: request, .. })
            | (Task::List, Phase::Resuming { request, .. } | Phase::CheckingStatus { request, .. })
            | (Task::Complete, Phase::Completing { request, .. })
            | (Task::Abort, Phase::Aborting { request, .. })
                if request.started().is_some() =>
            {
                request.failed()
            }
            // Stale: nothing waits for this response.
            _ => return,
        };
        if matches!(error.kind, ErrorKind::Network | ErrorKind::Stalled | ErrorKind::Throttled) {
            self.concurrency.record_loss(clocks.now_ms);
        }
        if self.ends_without_retry(task, &error, attempts) {
            return;
        }
        let delay_ms = retry::backoff_ms(error.kind, attempts, error.retry_after_ms, clocks.random);
        self.schedule_retry(task, clocks.now_ms + u64::from(delay_ms));
        self.commands.push(Command::NotifyRetry { task, attempt: attempts, delay_ms, error: error.clone() });
        // An abort has its own limit.
        if task != Task::Abort {
            self.spend_budget(task, error, clocks);
        }
    }

    fn spend_budget(&mut self, task: Task, error: UploadError, clocks: Clocks) {
        if matches!(error.kind, ErrorKind::Network | ErrorKind::Stalled) && self.offline {
            self.offline_until_ms = Some(clocks.now_ms + OFFLINE_RETRY_INTERVAL_MS);
            return;
        }
        // A stall shows nothing: without progress events, a slow part stalls, too.
        if matches!((task, error.kind), (Task::Put(_), ErrorKind::Network)) {
            let part_count = self.plan().map_or(1, |plan| plan.part_count() as usize);
            if self.reachability.part_unanswered(self.concurrency.limit().min(part_count)) {
                return self.check_status(clocks);
            }
        }
        let decision = self.budget.failed(error.kind, clocks.now_ms, self.concurrency.max());
        match (decision, task, error.kind) {
            (RetryDecision::GiveUp, ..) => self.give_up(task, error),
            // The storage has other parts than it reported.
            (RetryDecision::Retry, Task::Complete, ErrorKind::ChecksumMismatch)
            | (RetryDecision::CheckStatus, Task::Put(_), _) => self.check_status(clocks),
            (RetryDecision::Retry | RetryDecision::CheckStatus, ..) => {}
        }
    }

    /// Handles failures that no retry follows; returns whether this was one.
    fn ends_without_retry(&mut self, task: Task, error: &UploadError, attempts: u32) -> bool {
        match (task, error.kind, &self.phase) {
            (Task::Abort, kind, Phase::Aborting { error, .. }) => {
                let error = error.clone();
                if matches!(kind, ErrorKind::Permanent | ErrorKind::UploadGone) {
                    self.end(Err(error));
                } else if attempts >= MAX_ABORT_ATTEMPTS {
                    self.end_resumable(Err(error));
                } else {
                    return false;
                }
            }
            // Another user's, for instance.
            (Task::List, ErrorKind::Permanent, Phase::Resuming { .. }) => self.reject_saved(),
            // A wrong address, most likely.
            (Task::Open, ErrorKind::Blocked | ErrorKind::Unreadable, _)
                if !self.reachability.has_edge_answered() =>
            {
                self.end(Err(error.clone()));
            }
            (Task::Put(_), ErrorKind::UploadGone, _) => return false,
            (_, ErrorKind::UploadGone, _) => self.restart(error.clone()),
            _ => return false,
        }
        true
    }

    /// Asks the edge for the upload's status, after a delay.
    fn check_status(&mut self, clocks: Clocks) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let (Phase::Uploading { mut parts, .. } | Phase::Completing { mut parts, .. }) = phase else {
            self.phase = phase;
            return;
        };
        for part in parts.requeue_in_flight() {
            self.progress.reset_part(part);
        }
        self.drop_all();
        let mut request = RequestState::due(REQUEST_TIMEOUT_MS);
        let attempts = self.budget.status_checks() + 1;
        let delay_ms = retry::backoff_ms(ErrorKind::Server, attempts, 0, clocks.random);
        request.back_off(clocks.now_ms + u64::from(delay_ms));
        self.phase = Phase::CheckingStatus { parts, request };
    }

    /// Opens a new upload in place of one that is gone; ends with `error` if that happens too often.
    pub(super) fn restart(&mut self, error: UploadError) {
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS {
            return self.end(Err(error));
        }
        self.drop_all();
        self.progress.reset();
        self.commands.push(Command::Persist(PersistOp::Clear));
        let parts = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Verifying { parts, .. }
            | Phase::Uploading { parts, .. }
            | Phase::CheckingStatus { parts, .. }
            | Phase::Completing { parts, .. } => Some(parts),
            _ => None,
        };
        self.open(parts);
    }

    /// Drops every task in flight.
    pub(super) fn drop_all(&mut self) {
        let stays = |command: &Command| matches!(command, Command::Persist(_) | Command::NotifyRetry { .. });
        self.commands.retain(stays);
        self.commands.push(Command::DropAll);
    }

    /// Ends the upload: resumable if the failure may pass, aborted otherwise.
    fn give_up(&mut self, task: Task, error: UploadError) {
        match error.kind {
            _ if task == Task::Open => self.end(Err(error)),
            // The storage reports it as gone, the edge as open.
            ErrorKind::UploadGone => self.end_resumable(Err(UploadError::storage_unavailable())),
            ErrorKind::Network
            | ErrorKind::Stalled
            | ErrorKind::Throttled
            | ErrorKind::Server
            | ErrorKind::Unreadable
            | ErrorKind::StorageFull
            | ErrorKind::Expired
            | ErrorKind::ClockSkew
            | ErrorKind::FileUnreadable
            | ErrorKind::Blocked => self.end_resumable(Err(error)),
            ErrorKind::ChecksumMismatch | ErrorKind::FileChanged | ErrorKind::Permanent => self.abort(error),
        }
    }

    fn schedule_retry(&mut self, task: Task, at_ms: u64) {
        match (task, &mut self.phase) {
            (Task::Put(part), Phase::Uploading { parts, .. }) => parts.back_off(part, at_ms),
            (Task::Open, Phase::Opening { request, .. })
            | (Task::Sign, Phase::Uploading { sign: request, .. })
            | (Task::List, Phase::Resuming { request, .. } | Phase::CheckingStatus { request, .. })
            | (Task::Complete, Phase::Completing { request, .. })
            | (Task::Abort, Phase::Aborting { request, .. }) => request.back_off(at_ms),
            _ => {}
        }
    }

    /// Drops every task that has timed out.
    pub(super) fn time_out_stalled(&mut self, clocks: Clocks) {
        while let Some(task) = self.timed_out(clocks.now_ms) {
            self.commands.push(Command::Drop(task));
            self.on_failed(task, UploadError::stalled(), clocks);
        }
    }

    fn timed_out(&self, now_ms: u64) -> Option<Task> {
        let overdue = |request: &RequestState, task| {
            let deadline_ms = request.deadline_ms(self.suspect_since_ms);
            deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms).then_some(task)
        };
        match &self.phase {
            Phase::Opening { request, .. } | Phase::CancelingOpen { request, .. } => {
                overdue(request, Task::Open)
            }
            Phase::Resuming { request, .. } | Phase::CheckingStatus { request, .. } => {
                overdue(request, Task::List)
            }
            Phase::Completing { request, .. } => overdue(request, Task::Complete),
            Phase::Aborting { request, .. } => overdue(request, Task::Abort),
            Phase::Uploading { parts, sign } => {
                let stall_timeout_ms = self.concurrency.stall_timeout_ms();
                let stalled = parts.stalled(stall_timeout_ms, self.suspect_since_ms, now_ms);
                stalled.map(Task::Put).or_else(|| overdue(sign, Task::Sign))
            }
            Phase::Verifying { .. } | Phase::Ended => None,
        }
    }

    /// Detects a sleep: the monotonic clock may stop during one, the wall clock doesn't.
    pub(super) fn detect_sleep(&mut self, clocks: Clocks) {
        let lead_ms = clocks.wall_ms.saturating_sub(clocks.now_ms);
        if self.clock_lead_ms.is_some_and(|before_ms| lead_ms > before_ms + MIN_SLEEP_MS) {
            self.suspect_connections(clocks);
        }
        self.clock_lead_ms = Some(lead_ms);
    }

    pub(super) fn on_online(&mut self, online: bool, clocks: Clocks) {
        self.offline = !online;
        if online {
            self.offline_until_ms = None;
            self.suspect_connections(clocks);
        } else if self.offline_until_ms.is_none() {
            self.offline_until_ms = Some(clocks.now_ms + OFFLINE_RETRY_INTERVAL_MS);
        }
    }

    /// After a sleep or a network change: connections may be dead without an error, and the reason for a backoff may
    /// be over.
    fn suspect_connections(&mut self, clocks: Clocks) {
        self.suspect_since_ms = Some(clocks.now_ms);
        let soon_ms = clocks.now_ms + (MAX_ONLINE_DELAY_MS * clocks.random.clamp(0.0, 1.0)) as u64;
        match &mut self.phase {
            Phase::Uploading { parts, sign } => {
                parts.shorten_wait(soon_ms);
                sign.shorten_wait(soon_ms);
            }
            Phase::Opening { request, .. }
            | Phase::Resuming { request, .. }
            | Phase::CheckingStatus { request, .. }
            | Phase::Completing { request, .. } => request.shorten_wait(soon_ms),
            Phase::CancelingOpen { .. } | Phase::Verifying { .. } | Phase::Aborting { .. } | Phase::Ended => {
            }
        }
    }
}
