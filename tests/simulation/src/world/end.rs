//! The checks at the end of a run.

use super::{MAX_FINISH_DELAY_MS, MAX_NO_PROGRESS_TIMEOUT_MS, MAX_SLOWDOWN, RunSummary, UploadResult, World};
use crate::event_queue::WorldEvent;
use crate::fake_backend::UPLOAD_TTL_MS;
use crate::invariants::{CheckResult, Invariant, Violation, ensure};
use uploader_core::types::StoredFile;

impl World {
    pub(super) fn check_end(&mut self, outcome: UploadResult) -> Result<RunSummary, Violation> {
        let faults_end_ms = self.scenario.faults_end_ms.max(self.loaded_ms);
        // Without progress events a dead connection looks like a slow one.
        let no_progress = self.first_progress_ms.is_none_or(|at_ms| at_ms > faults_end_ms);
        let stall_ms = if no_progress { MAX_NO_PROGRESS_TIMEOUT_MS } else { 0 };
        let max_ms = MAX_SLOWDOWN * self.scenario.ideal_ms() + MAX_FINISH_DELAY_MS + stall_ms;
        ensure(self.now_ms < faults_end_ms + max_ms, Invariant::FinishesPromptly, || {
            let took_s = (self.now_ms - faults_end_ms) / 1_000;
            format!("{took_s} s after the last fault, not {}", max_ms / 1_000)
        })?;
        // Requests in flight still arrive.
        while let Some((at_ms, event)) = self.queue.pop() {
            self.now_ms = self.now_ms.max(at_ms);
            if matches!(event, WorldEvent::RequestArrived(_)) {
                self.handle(event)?;
            }
        }
        let objects = self.backend.objects.len();
        ensure(objects <= self.max_objects, Invariant::OneObject, || format!("{objects} objects"))?;
        if let Ok(stored) = &outcome {
            self.check_object(stored)?;
        }
        if let Some(foreign) = &self.foreign
            && foreign.is_distinguishable
            && self.now_ms < UPLOAD_TTL_MS
        {
            let stays = self.backend.upload(&foreign.token) == foreign.upload.as_ref();
            ensure(stays, Invariant::LeavesOtherUploads, || format!("{} has changed", foreign.token))?;
        }
        // A file that can't be read isn't known to be another one, whose record stands before the canceled upload's.
        let is_hidden = self.foreign.is_some() && self.causes.file_unreadable;
        if let Some(upload) = self.must_be_aborted.as_ref().filter(|_| !is_hidden) {
            let is_open = self.backend.is_open(upload);
            ensure(!is_open, Invariant::NoOrphanedUpload, || format!("{upload} is still open"))?;
        }
        Ok(RunSummary {
            outcome,
            took_ms: self.now_ms,
            steps: self.steps,
            loads: self.loads,
            puts: self.puts,
            parts: self.parts() as u32,
            faults: self.faults,
        })
    }

    fn check_object(&self, stored: &StoredFile) -> CheckResult {
        let Some(object) = self.backend.object(&stored.key) else {
            return ensure(false, Invariant::StoresFileBytes, || "there is no object".into());
        };
        let is_size_right = stored.size == self.scenario.size;
        ensure(is_size_right, Invariant::StoresFileBytes, || format!("{} bytes", stored.size))?;
        let can_verify = self.scenario.backend.checksum;
        let part_size = self.plan().map_or(0, |plan| plan.part_size());
        let changed_ms = self.file_change.map(|(at_ms, _)| at_ms);
        // A page that was loaded after the change compares what was stored before it.
        let must_be_new = can_verify && changed_ms.is_some_and(|at_ms| at_ms < self.loaded_ms);
        for (part, stored) in (1..).zip(&object.parts) {
            let (old, new) = (self.file_crc64(part, 0, part_size), self.file_crc64(part, 1, part_size));
            let is_right = (stored.crc64 == old && (!must_be_new || old == new))
                || (stored.crc64 == new && changed_ms.is_some());
            ensure(is_right, Invariant::StoresFileBytes, || format!("part {part} has other bytes"))?;
        }
        ensure(stored.verified == can_verify, Invariant::StoresFileBytes, || {
            format!("verified: {}", stored.verified)
        })
    }
}
