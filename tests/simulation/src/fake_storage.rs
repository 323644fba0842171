//! The browser storage of the simulation: what a page persists for a later load. A killed tab loses the last writes.

use uploader_core::types::{PersistOp, SavedState, SavedUpload};

/// Writes that are older than this are durable, in milliseconds.
const FLUSH_DELAY_MS: u64 = 5_000;

/// Record slots of one fingerprint, for files that share it.
#[derive(Debug, Default)]
pub struct FakeStorage {
    slots: Vec<Slot>,
    /// The slot that the page has claimed.
    claimed: usize,
}

#[derive(Debug, Default)]
struct Slot {
    /// Every write with its time.
    writes: Vec<(u64, PersistOp)>,
    /// In place of what the writes give.
    saved: Option<SavedUpload>,
}

impl FakeStorage {
    /// Claims the first slot.
    pub fn claim_first(&mut self) {
        self.claimed = 0;
    }

    /// Claims the slot after the one that is claimed.
    pub fn claim_next(&mut self) {
        self.claimed += 1;
    }

    /// What the run of another file has saved in the first slot.
    pub fn save_foreign(&mut self, upload: &str, saved: SavedUpload) {
        let opened = PersistOp::Opened {
            upload: upload.to_owned(),
            video_id: String::new(),
            part_size: saved.part_size,
            checksum: saved.checksum,
            expires_at_ms: None,
        };
        self.slots = vec![Slot { writes: vec![(0, opened)], saved: Some(saved) }];
    }

    pub fn write(&mut self, op: PersistOp, now_ms: u64) {
        while self.slots.len() <= self.claimed {
            self.slots.push(Slot::default());
        }
        self.slots[self.claimed].writes.push((now_ms, op));
    }

    /// The browser's data are cleared.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    /// Loses the last `count` writes that aren't durable yet.
    pub fn lose_last_writes(&mut self, count: usize, now_ms: u64) {
        let Some(slot) = self.slots.get_mut(self.claimed) else { return };
        // Those of the other file's run are durable.
        let durable = usize::from(slot.saved.is_some());
        for _ in 0..count.min(slot.writes.len() - durable) {
            slot.writes.pop_if(|(at_ms, _)| *at_ms + FLUSH_DELAY_MS > now_ms);
        }
    }

    /// The token of the upload in the claimed slot; empty if there is none.
    pub fn upload(&self) -> String {
        let opened = |(_, op): &(u64, PersistOp)| match op {
            PersistOp::Opened { upload, .. } => Some(upload.clone()),
            _ => None,
        };
        let writes = self.slots.get(self.claimed).map(|slot| &slot.writes);
        writes.and_then(|writes| writes.iter().rev().find_map(opened)).unwrap_or_default()
    }

    /// The saved upload that the next page load reads from the claimed slot.
    pub fn saved(&self) -> Option<SavedUpload> {
        let slot = self.slots.get(self.claimed)?;
        let mut saved = slot.saved.clone();
        // The first write of a foreign slot is what `saved` says.
        for (_, op) in slot.writes.iter().skip(usize::from(saved.is_some())) {
            match op {
                PersistOp::Opened { part_size, checksum, .. } => {
                    saved = Some(SavedUpload {
                        part_size: *part_size,
                        checksum: *checksum,
                        parts: Vec::new(),
                        state: SavedState::Open,
                    });
                }
                PersistOp::Clear => saved = None,
                PersistOp::Canceled => {
                    if let Some(saved) = &mut saved {
                        saved.state = SavedState::Canceled;
                    }
                }
                PersistOp::Part(part) => {
                    if let Some(saved) = &mut saved {
                        saved.parts.retain(|other| other.part != part.part);
                        saved.parts.push(*part);
                    }
                }
            }
        }
        saved
    }

    /// Whether the page's next load would abort an upload.
    pub fn is_canceled(&self) -> bool {
        self.saved().is_some_and(|saved| saved.state == SavedState::Canceled)
    }
}
