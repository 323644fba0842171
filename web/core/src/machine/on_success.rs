//! Transitions on success, and the ways in which an upload ends.

use super::{Machine, Phase, RequestState};
use crate::crc64;
use crate::error::{UploadError, codes};
use crate::parts::{PartOutcome, Parts};
use crate::timeout::{COMPLETE_TIMEOUT_MS, REQUEST_TIMEOUT_MS};
use crate::types::{
    Clocks, Command, Listing, OpenedUpload, PartReceipt, PersistOp, PresignedPart, SavedPart, StoredFile,
    Task,
};
use wire::{MultipartState, PartPlan};

/// How many parts may differ in the storage's listings, besides two for each part of the upload.
const EXTRA_MISMATCHED_PARTS: usize = 8;

impl Machine {
    pub(super) fn on_opened(&mut self, opened: OpenedUpload, clocks: Clocks) {
        let requested = match &self.phase {
            Phase::Opening { request } | Phase::CancelingOpen { request } => {
                request.started().unwrap_or(clocks)
            }
            _ => return,
        };
        self.storage_checksum = opened.checksum;
        self.commands.push(Command::Persist(PersistOp::Opened {
            upload: opened.upload,
            video_id: opened.video_id,
            part_size: opened.part_size,
            checksum: opened.checksum,
            expires_at_ms: opened.expires_at_ms,
        }));
        if let Phase::CancelingOpen { .. } = &self.phase {
            return self.abort(UploadError::canceled());
        }
        self.concurrency.record_round_trip(clocks.now_ms.saturating_sub(requested.now_ms));
        self.record_success();
        match PartPlan::with_part_size(self.size, opened.part_size) {
            Ok(plan) if plan.part_count() == opened.part_count => {
                let mut parts = Parts::new(plan, self.checksum);
                parts.add_presigned(opened.parts, requested, clocks);
                self.upload(parts);
            }
            _ => {
                let message = "The server cut the file in an impossible way.";
                self.abort(UploadError::permanent(codes::BAD_ANSWER, message));
            }
        }
    }

    fn upload(&mut self, parts: Parts) {
        self.phase = Phase::Uploading { parts, sign: RequestState::idle(), hashing: None };
        self.complete_if_all_stored();
    }

    pub(super) fn on_signed(&mut self, presigned: Vec<PresignedPart>, clocks: Clocks) {
        let Phase::Uploading { parts, sign, .. } = &mut self.phase else { return };
        let Some(requested) = sign.started() else { return };
        if !parts.add_presigned(presigned, requested, clocks) {
            return self.on_failed(Task::Sign, UploadError::bad_answer(), clocks);
        }
        sign.succeeded();
        self.offline_until_ms = None;
    }

    pub(super) fn is_active(&self, part: u32) -> bool {
        matches!(&self.phase, Phase::Uploading { parts, .. } if parts.is_active(part))
    }

    pub(super) fn on_progress(&mut self, part: u32, bytes: u64, now_ms: u64) {
        let Phase::Uploading { parts, .. } = &mut self.phase else { return };
        let bytes = bytes.min(parts.plan().len(part));
        let (new_bytes, took_ms) = parts.record_progress(part, bytes, now_ms);
        if new_bytes > 0 {
            self.concurrency.record_progress(new_bytes, took_ms, parts.active(), now_ms);
            self.progress.set_part(part, bytes);
        }
    }

    pub(super) fn on_hashed(&mut self, part: u32, crc64: u64, clocks: Clocks) {
        let Phase::Uploading { parts, hashing, .. } = &mut self.phase else { return };
        if *hashing == Some(part) {
            *hashing = None;
        }
        let outcome = parts.hashed(part, crc64);
        self.on_part_outcome(part, outcome, clocks);
    }

    pub(super) fn on_uploaded(&mut self, part: u32, receipt: PartReceipt, clocks: Clocks) {
        self.on_progress(part, u64::MAX, clocks.now_ms);
        let Phase::Uploading { parts, .. } = &mut self.phase else { return };
        if let Some(idle_ms) = parts.idle_ms(part, clocks.now_ms) {
            self.concurrency.record_uploaded(parts.plan().len(part), idle_ms);
        }
        let outcome = parts.uploaded(part, receipt);
        self.on_part_outcome(part, outcome, clocks);
    }

    fn on_part_outcome(&mut self, part: u32, outcome: PartOutcome, clocks: Clocks) {
        match outcome {
            PartOutcome::Pending => {}
            PartOutcome::FileChanged => self.abort(UploadError::file_changed()),
            PartOutcome::ChecksumMismatch => {
                self.on_failed(Task::Put(part), UploadError::checksum_mismatch(), clocks);
            }
            PartOutcome::Stored => {
                let Phase::Uploading { parts, .. } = &self.phase else { return };
                self.progress.set_part(part, parts.plan().len(part));
                if let Some(saved) = parts.saved_part(part) {
                    self.commands.push(Command::Persist(PersistOp::Part(saved)));
                }
                self.record_success();
                self.complete_if_all_stored();
            }
        }
    }

    fn complete_if_all_stored(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Uploading { parts, .. } if parts.all_stored() => {
                if parts.receipts_missing(self.checksum && self.storage_checksum) {
                    let request = RequestState::due(REQUEST_TIMEOUT_MS);
                    self.phase = Phase::CheckingStatus { parts, request };
                } else {
                    self.complete(parts);
                }
            }
            phase => self.phase = phase,
        }
    }

    fn complete(&mut self, parts: Parts) {
        self.phase = Phase::Completing { parts, request: RequestState::due(COMPLETE_TIMEOUT_MS) };
    }

    pub(super) fn on_listed(&mut self, listing: Listing, clocks: Clocks) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        if let Phase::Resuming { request, .. } = &phase {
            let round_trip_ms =
                request.started().map_or(0, |started| clocks.now_ms.saturating_sub(started.now_ms));
            self.concurrency.record_round_trip(round_trip_ms);
        }
        if let Phase::Resuming { .. } | Phase::CheckingStatus { .. } = &phase {
            self.budget.status_checked();
            self.offline_until_ms = None;
        }
        match phase {
            Phase::Resuming { .. } | Phase::CheckingStatus { .. }
                if listing.state == MultipartState::Aborted =>
            {
                self.restart(UploadError::upload_gone());
            }
            Phase::Resuming { saved, .. } => match PartPlan::with_part_size(self.size, saved.part_size) {
                Ok(plan) => self.resume(plan, listing, saved.parts),
                Err(_) => self.restart(UploadError::upload_gone()),
            },
            // An object exists already. Completing again shows whether it is this file.
            Phase::CheckingStatus { parts, .. } if listing.state == MultipartState::Completed => {
                if parts.all_stored() {
                    self.complete(parts);
                } else {
                    self.resume(parts.plan(), listing, parts.saved_parts());
                }
            }
            Phase::CheckingStatus { mut parts, .. } => {
                let mismatched = parts.apply_listing(listing.parts);
                for part in &mismatched {
                    self.progress.reset_part(*part);
                }
                self.mismatched_parts += mismatched.len();
                let max = 2 * parts.plan().part_count() as usize + EXTRA_MISMATCHED_PARTS;
                if parts.all_stored() {
                    self.complete(parts);
                } else if self.mismatched_parts > max {
                    self.abort(UploadError::checksum_mismatch());
                } else {
                    self.phase = Phase::Uploading { parts, sign: RequestState::idle(), hashing: None };
                }
            }
            phase => self.phase = phase,
        }
    }

    /// Goes on with what the storage has.
    fn resume(&mut self, plan: PartPlan, listing: Listing, saved: Vec<SavedPart>) {
        let parts = Parts::resume(plan, self.checksum, listing, saved);
        self.progress.reset();
        for saved in parts.saved_parts() {
            self.progress.set_part(saved.part, plan.len(saved.part));
        }
        self.upload(parts);
    }

    pub(super) fn on_completed(&mut self, stored: StoredFile) {
        let Phase::Completing { parts, .. } = &self.phase else { return };
        let checksum = parts.file_crc64().map(crc64::to_base64);
        let can_compare = checksum.is_some() && stored.checksum.is_some();
        let result = if stored.size != self.size {
            let message = "The stored file has another size than the file sent.";
            Err(UploadError::permanent(codes::SIZE_MISMATCH, message))
        } else if can_compare && checksum != stored.checksum {
            let message = "The stored file isn't the file that was sent.";
            Err(UploadError::permanent(codes::CHECKSUM_MISMATCH, message))
        } else {
            self.progress.complete();
            Ok(StoredFile { verified: can_compare, ..stored })
        };
        self.end(result);
    }

    pub(super) fn on_canceled(&mut self) {
        match &mut self.phase {
            Phase::Opening { request } if request.started().is_some() => {
                self.phase = Phase::CancelingOpen { request: *request };
            }
            Phase::Opening { .. } => self.end(Err(UploadError::canceled())),
            Phase::Resuming { .. }
            | Phase::Uploading { .. }
            | Phase::CheckingStatus { .. }
            | Phase::Completing { .. } => self.abort(UploadError::canceled()),
            Phase::CancelingOpen { .. } | Phase::Aborting { .. } | Phase::Ended => {}
        }
    }

    pub(super) fn on_aborted(&mut self) {
        if let Phase::Aborting { error, .. } = &self.phase {
            let error = error.clone();
            self.end(Err(error));
        }
    }

    /// Aborts the upload; it ends with `error`.
    pub(super) fn abort(&mut self, error: UploadError) {
        self.phase = Phase::Aborting { error, request: RequestState::due(REQUEST_TIMEOUT_MS) };
        self.discard_commands();
        self.commands.push(Command::Persist(PersistOp::Canceled));
    }

    /// Ends the upload; nothing stays persisted.
    pub(super) fn end(&mut self, result: Result<StoredFile, UploadError>) {
        self.commands.push(Command::Persist(PersistOp::Clear));
        self.end_resumable(result);
    }

    /// Ends the upload; what is persisted stays for a later page load.
    pub(super) fn end_resumable(&mut self, result: Result<StoredFile, UploadError>) {
        self.phase = Phase::Ended;
        self.discard_commands();
        self.commands.push(Command::Finish(result));
    }

    /// Discards what was decided before, except what is to be persisted: that stays true.
    fn discard_commands(&mut self) {
        self.commands.retain(|command| matches!(command, Command::Persist(_)));
    }

    fn record_success(&mut self) {
        self.budget.succeeded();
        self.offline_until_ms = None;
    }
}
