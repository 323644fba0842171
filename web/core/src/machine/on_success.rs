//! Transitions on success, and the ways in which an upload ends.

use super::{Machine, Phase, RequestState};
use crate::crc64;
use crate::error::{UploadError, codes};
use crate::parts::{HashOutcome, Parts};
use crate::timeout::{COMPLETE_TIMEOUT_MS, REQUEST_TIMEOUT_MS};
use crate::types::{
    Clocks, Command, Listing, OpenedUpload, PartChecksum, PersistOp, PresignedPart, SavedUpload, StoredFile,
    Task,
};
use wire::{MultipartState, PartPlan};

/// How many parts the storage may lose, besides two for each part of the upload.
const EXTRA_LOST_PARTS: usize = 8;

impl Machine {
    pub(super) fn on_opened(&mut self, opened: OpenedUpload, clocks: Clocks) {
        let (parts, requested, canceled) = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Opening { parts, request } => (parts, request.started().unwrap_or(clocks), None),
            Phase::CancelingOpen { error, .. } => (None, clocks, Some(error)),
            phase => {
                self.phase = phase;
                return;
            }
        };
        self.storage_checksum = opened.checksum;
        self.commands.push(Command::Persist(PersistOp::Opened {
            upload: opened.upload,
            video_id: opened.video_id,
            part_size: opened.part_size,
            checksum: opened.checksum,
            expires_at_ms: opened.expires_at_ms,
        }));
        if let Some(error) = canceled {
            return self.abort(error);
        }
        self.concurrency.record_round_trip(clocks.now_ms.saturating_sub(requested.now_ms));
        self.record_success();
        match PartPlan::with_part_size(self.size, opened.part_size) {
            Ok(plan) if plan.part_count() == opened.part_count => {
                // Another part size than the requested one: other checksums.
                let mut parts = parts.filter(|parts| parts.plan() == plan).unwrap_or_else(|| {
                    self.commands.push(Command::DropAll);
                    Parts::new(plan)
                });
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
        self.phase = Phase::Uploading { parts, sign: RequestState::idle() };
        self.complete_if_all_stored();
    }

    pub(super) fn on_signed(&mut self, presigned: Vec<PresignedPart>, clocks: Clocks) {
        let Phase::Uploading { parts, sign } = &mut self.phase else { return };
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

    pub(super) fn on_progress_event(&mut self, part: u32, bytes: u64, now_ms: u64) {
        if let Phase::Uploading { parts, .. } = &mut self.phase
            && parts.is_active(part)
        {
            parts.progress_event();
        }
        self.on_progress(part, bytes, now_ms);
    }

    fn on_progress(&mut self, part: u32, bytes: u64, now_ms: u64) {
        let Phase::Uploading { parts, .. } = &mut self.phase else { return };
        let bytes = bytes.min(parts.plan().len(part));
        let (new_bytes, took_ms) = parts.record_progress(part, bytes, now_ms);
        if new_bytes > 0 {
            self.reachability.storage_answers();
            self.concurrency.record_progress(new_bytes, took_ms, parts.active(), now_ms);
            self.progress.set_part(part, bytes);
        }
    }

    pub(super) fn on_hashed(&mut self, part: u32, crc64: u64) {
        let (Phase::Opening { parts: Some(parts), .. }
        | Phase::Verifying { parts, .. }
        | Phase::Uploading { parts, .. }) = &mut self.phase
        else {
            return;
        };
        match parts.hashed(part, crc64) {
            HashOutcome::Known => {}
            HashOutcome::Verified => {
                self.progress.set_part(part, parts.plan().len(part));
                self.commands.push(Command::Persist(PersistOp::Part(PartChecksum { part, crc64 })));
                self.finish_verifying();
            }
            HashOutcome::OtherFile => self.reject_saved(),
            HashOutcome::FileChanged => self.fail(UploadError::file_changed()),
        }
    }

    /// Goes on once everything stored is compared with the file.
    fn finish_verifying(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Verifying { parts, stored } if !parts.has_unverified() => match stored {
                None => self.upload(parts),
                Some(stored) => {
                    let checksum = parts.file_crc64().map(crc64::to_base64);
                    if stored.size == self.size && (stored.checksum.is_none() || stored.checksum == checksum)
                    {
                        self.progress.complete();
                        self.end_resumable(Ok(stored));
                    } else {
                        self.reject_saved();
                    }
                }
            },
            phase => self.phase = phase,
        }
    }

    pub(super) fn on_uploaded(&mut self, part: u32, clocks: Clocks) {
        self.on_progress(part, u64::MAX, clocks.now_ms);
        let Phase::Uploading { parts, .. } = &mut self.phase else { return };
        if let Some(idle_ms) = parts.idle_ms(part, clocks.now_ms) {
            self.concurrency.record_uploaded(parts.plan().len(part), idle_ms);
        }
        let Some(stored) = parts.uploaded(part) else { return };
        self.progress.set_part(part, parts.plan().len(part));
        self.commands.push(Command::Persist(PersistOp::Part(stored)));
        self.record_success();
        self.complete_if_all_stored();
    }

    fn complete_if_all_stored(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Uploading { parts, .. } if parts.all_stored() => self.complete(parts),
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
                self.phase = phase;
                self.restart(UploadError::upload_gone());
            }
            Phase::Resuming { saved, .. } => self.verify(&saved, &listing),
            // Completing again shows whether the object is this file.
            Phase::CheckingStatus { mut parts, .. } if listing.state == MultipartState::Completed => {
                parts.mark_completed();
                self.verify_parts(parts);
            }
            Phase::CheckingStatus { mut parts, .. } => {
                if self.reachability.edge_checked() {
                    return self.end_resumable(Err(UploadError::storage_unreachable(parts.storage_origin())));
                }
                let lost = parts.missing_in(&listing);
                parts.requeue_stored(&lost);
                self.upload(parts);
                self.record_lost(&lost);
            }
            phase => self.phase = phase,
        }
    }

    /// Compares what the storage has of a saved upload with the file.
    fn verify(&mut self, saved: &SavedUpload, listing: &Listing) {
        match PartPlan::with_part_size(self.size, saved.part_size) {
            // The completion compares nothing: each part must be known.
            Ok(plan) if listing.state == MultipartState::Completed && !saved.checksum => {
                match Parts::completed(plan, &saved.parts) {
                    Some(parts) => self.verify_parts(parts),
                    None => self.reject_saved(),
                }
            }
            Ok(plan) => self.verify_parts(Parts::resume(plan, listing, &saved.parts)),
            Err(_) => self.reject_saved(),
        }
    }

    fn verify_parts(&mut self, parts: Parts) {
        self.progress.reset();
        for stored in parts.stored_parts() {
            self.progress.set_part(stored.part, parts.plan().len(stored.part));
        }
        self.phase = Phase::Verifying { parts, stored: None };
        self.finish_verifying();
    }

    pub(super) fn on_completed(&mut self, stored: StoredFile) {
        let Phase::Completing { parts, .. } = &self.phase else { return };
        let checksum = parts.file_crc64().map(crc64::to_base64);
        let is_verified = self.storage_checksum && stored.checksum.is_some();
        let result = if stored.size != self.size {
            let message = "The stored file has another size than the file sent.";
            Err(UploadError::permanent(codes::SIZE_MISMATCH, message))
        } else if stored.checksum.is_some() && checksum != stored.checksum {
            let message = "The stored file isn't the file that was sent.";
            Err(UploadError::permanent(codes::CHECKSUM_MISMATCH, message))
        } else {
            self.progress.complete();
            Ok(StoredFile { verified: is_verified, ..stored })
        };
        match result {
            // The driver persists the outcome, in place of the upload.
            Ok(_) => self.end_resumable(result),
            Err(_) => self.end(result),
        }
    }

    /// The completion found that parts aren't stored: they are uploaded again.
    pub(super) fn on_parts_missing(&mut self, numbers: &[u32], clocks: Clocks) {
        if !matches!(&self.phase, Phase::Completing { parts, .. } if numbers.iter().any(|part| parts.plan().contains(*part)))
        {
            return self.on_failed(Task::Complete, UploadError::bad_answer(), clocks);
        }
        if let Phase::Completing { mut parts, .. } = std::mem::replace(&mut self.phase, Phase::Ended) {
            parts.requeue_stored(numbers);
            self.upload(parts);
            self.record_lost(numbers);
        }
    }

    /// Ends the upload if the storage loses parts again and again.
    fn record_lost(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.progress.reset_part(*number);
        }
        self.lost_parts += numbers.len();
        let max = self.plan().map_or(0, |plan| 2 * plan.part_count() as usize) + EXTRA_LOST_PARTS;
        if self.lost_parts > max {
            self.drop_all();
            self.end_resumable(Err(UploadError::parts_missing()));
        }
    }

    pub(super) fn on_canceled(&mut self) {
        self.fail(UploadError::canceled());
    }

    /// Ends the upload with `error`, and aborts it if it is open.
    pub(super) fn fail(&mut self, error: UploadError) {
        match &mut self.phase {
            Phase::Opening { request, .. } if request.started().is_some() => {
                self.phase = Phase::CancelingOpen { error, request: *request };
            }
            Phase::Opening { .. } => self.end(Err(error)),
            // Not known to be this file's: it stays.
            Phase::Resuming { .. } | Phase::Verifying { .. } => self.end_resumable(Err(error)),
            Phase::Uploading { .. } | Phase::CheckingStatus { .. } | Phase::Completing { .. } => {
                self.abort(error)
            }
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

    /// Ends this machine, as the saved upload isn't this file's.
    pub(super) fn reject_saved(&mut self) {
        self.phase = Phase::Ended;
        self.discard_commands();
        self.commands.push(Command::RejectSaved);
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
