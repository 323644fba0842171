//! What a page writes down for a later load of it; a killed tab loses the last lines.

use uploader_core::types::{PersistOp, SavedUpload};

/// What is older than this, in milliseconds, is truly written.
const SETTLED_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub struct Notes {
    /// With the time when each was written.
    log: Vec<(u64, PersistOp)>,
    token: String,
}

impl Notes {
    pub fn write(&mut self, note: PersistOp, t: u64) {
        match &note {
            PersistOp::Opened { upload, .. } => self.token.clone_from(upload),
            PersistOp::Part(_) | PersistOp::Canceled | PersistOp::Clear => {}
        }
        self.log.push((t, note));
    }

    /// Somebody clears the browser's data.
    pub fn clear(&mut self) {
        self.log.clear();
        self.token.clear();
    }

    /// Loses the last `lines`, as far as they were written just before `t`.
    pub fn forget(&mut self, lines: usize, t: u64) {
        for _ in 0..lines {
            self.log.pop_if(|(at, _)| *at + SETTLED_MS > t);
        }
        self.token =
            self.log
                .iter()
                .rev()
                .find_map(|(_, note)| {
                    if let PersistOp::Opened { upload, .. } = note { Some(upload.clone()) } else { None }
                })
                .unwrap_or_default();
    }

    /// The upload that they are about.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the next page load reads.
    pub fn saved(&self) -> Option<SavedUpload> {
        let mut saved: Option<SavedUpload> = None;
        for (_, note) in &self.log {
            match note {
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
