//! The upload of another file with the same fingerprint, which an earlier page load has left.

use super::World;
use crate::fake_backend::{Part, Upload};
use crate::rng::mix;
use crate::scenario::ForeignState;
use uploader_core::crc64;
use uploader_core::types::{PartChecksum, SavedState, SavedUpload, StoredFile};

/// The upload of another file, as an earlier page load has left it.
pub(super) struct Foreign {
    pub token: String,
    pub upload: Option<Upload>,
    /// A part is known to be stored that isn't this file's.
    pub is_distinguishable: bool,
}

impl World {
    /// What the run of another file has left, in the storage and in the first record slot.
    pub(super) fn add_foreign_upload(&mut self) {
        let (Some(foreign), Some(plan)) = (self.scenario.foreign.clone(), self.plan()) else { return };
        let (checksum, is_completed) = (self.scenario.backend.checksum, foreign.state != ForeignState::Open);
        let differing = foreign.differing_part.min(plan.part_count());
        let (mut parts, mut recorded) = (Vec::new(), Vec::new());
        let mut is_distinguishable = is_completed && checksum;
        for part in 1..=plan.part_count() {
            let is_stored = self.rng.below(10) < foreign.stored_tenths;
            let is_recorded = is_stored && self.rng.below(10) < foreign.recorded_tenths;
            let own = self.file_crc64(part, 0, plan.part_size());
            let crc64 = if part == differing { mix(own) } else { own };
            is_distinguishable |= part == differing && (is_recorded || is_stored && checksum);
            parts.push(is_stored.then(|| Part { crc64, len: plan.len(part) }));
            recorded.extend(is_recorded.then_some(PartChecksum { part, crc64 }));
        }
        let file_crc64 = crc64::combine(parts.iter().flatten().map(|part| (part.crc64, part.len)));
        let token = self.backend.add_foreign_upload(parts, is_completed);
        let stored = StoredFile {
            video_id: "other".into(),
            key: "other".into(),
            size: plan.size(),
            checksum: checksum.then(|| crc64::to_base64(file_crc64)),
            verified: checksum,
        };
        let state = match foreign.state {
            ForeignState::Open | ForeignState::Completed => SavedState::Open,
            ForeignState::Stored => SavedState::Stored(stored),
        };
        let saved = SavedUpload { part_size: plan.part_size(), checksum, parts: recorded, state };
        self.storage.save_foreign(&token, saved);
        self.max_objects += usize::from(is_completed);
        let upload = self.backend.upload(&token).cloned();
        self.foreign = Some(Foreign { token, upload, is_distinguishable });
    }

    pub(super) fn is_foreign(&self, upload: &str) -> bool {
        self.foreign.as_ref().is_some_and(|foreign| foreign.token == upload)
    }
}
