//! The browser storage of the simulation: what a page persists for a later load. A killed tab loses the last writes.

use uploader_core::types::{PersistOp, SavedUpload};

/// Writes that are older than this are durable, in milliseconds.
const FLUSH_DELAY_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub struct FakeStorage {
    /// Every write with its time.
    writes: Vec<(u64, PersistOp)>,
    upload: String,
}

impl FakeStorage {
    pub fn write(&mut self, op: PersistOp, now_ms: u64) {
        if let PersistOp::Opened { upload, .. } = &op {
            self.upload.clone_from(upload);
        }
        self.writes.push((now_ms, op));
    }

    /// The browser's data are cleared.
    pub fn clear(&mut self) {
        self.writes.clear();
        self.upload.clear();
    }

    /// Loses the last `count` writes that aren't durable yet.
    pub fn lose_last_writes(&mut self, count: usize, now_ms: u64) {
        for _ in 0..count {
            self.writes.pop_if(|(at_ms, _)| *at_ms + FLUSH_DELAY_MS > now_ms);
        }
        let opened = |(_, op): &(u64, PersistOp)| match op {
            PersistOp::Opened { upload, .. } => Some(upload.clone()),
            _ => None,
        };
        self.upload = self.writes.iter().rev().find_map(opened).unwrap_or_default();
    }

    /// The token of the persisted upload; empty if there is none.
    pub fn upload(&self) -> &str {
        &self.upload
    }

    /// The saved upload that the next page load reads.
    pub fn saved(&self) -> Option<SavedUpload> {
        let mut saved: Option<SavedUpload> = None;
        for (_, op) in &self.writes {
            match op {
                PersistOp::Opened { part_size, checksum, .. } => {
                    saved = Some(SavedUpload {
                        part_size: *part_size,
                        checksum: *checksum,
                        ..SavedUpload::default()
                    });
                }
                PersistOp::Clear => saved = None,
                PersistOp::Canceled => {
                    if let Some(saved) = &mut saved {
                        saved.canceled = true;
                    }
                }
                PersistOp::Part(part) => {
                    if let Some(saved) = &mut saved {
                        saved.parts.push(part.clone());
                    }
                }
            }
        }
        saved
    }
}
