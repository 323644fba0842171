//! The records of unfinished uploads in IndexedDB, by which a later page load continues them.

use serde::{Deserialize, Serialize};
use uploader_core::crc64;
use uploader_core::types::{PartChecksum, PersistOp, SavedState, SavedUpload, StoredFile};

/// A change of the records of one upload; `web/js/store.js` makes it.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RecordChange {
    /// Replaces everything known about this file.
    Open {
        upload: String,
        video_id: String,
        part_size: u64,
        checksum: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
    },
    /// Adds a stored part.
    Part(PartRecord),
    /// Marks the upload to be aborted, also by a later page load.
    Cancel,
    /// Adds the upload's outcome, until the video is ready.
    Stored { stored: StoredFile },
    /// Removes all records of the upload.
    Remove,
}

/// One stored part.
#[derive(Serialize, Deserialize)]
pub struct PartRecord {
    part: u32,
    /// CRC64NVME of the bytes sent, in base64.
    crc: String,
}

/// A record as `web/js/store.js` reads it, with its parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadRecord {
    #[serde(default)]
    upload: Option<String>,
    #[serde(default)]
    part_size: u64,
    #[serde(default)]
    checksum: bool,
    #[serde(default)]
    parts: Vec<PartRecord>,
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    stored: Option<StoredFile>,
}

/// An upload of an earlier page load.
pub struct PreviousUpload {
    /// The upload token.
    pub upload: String,
    pub saved: SavedUpload,
}

impl PreviousUpload {
    /// `None` if the record names no upload.
    pub fn from_record(record: UploadRecord) -> Option<Self> {
        let state = match record.stored {
            Some(stored) => SavedState::Stored(stored),
            None if record.canceled => SavedState::Canceled,
            None => SavedState::Open,
        };
        let parts = record.parts.into_iter().filter_map(PartRecord::checksum).collect();
        let saved = SavedUpload { part_size: record.part_size, checksum: record.checksum, parts, state };
        Some(Self { upload: record.upload?, saved })
    }
}

impl From<PersistOp> for RecordChange {
    fn from(operation: PersistOp) -> Self {
        match operation {
            PersistOp::Opened { upload, video_id, part_size, checksum, expires_at_ms } => {
                Self::Open { upload, video_id, part_size, checksum, expires_at: expires_at_ms }
            }
            PersistOp::Part(part) => Self::Part(part.into()),
            PersistOp::Canceled => Self::Cancel,
            PersistOp::Clear => Self::Remove,
        }
    }
}

impl From<&StoredFile> for RecordChange {
    fn from(stored: &StoredFile) -> Self {
        Self::Stored { stored: stored.clone() }
    }
}

impl From<PartChecksum> for PartRecord {
    fn from(part: PartChecksum) -> Self {
        Self { part: part.part, crc: crc64::to_base64(part.crc64) }
    }
}

impl PartRecord {
    fn checksum(self) -> Option<PartChecksum> {
        crc64::from_base64(&self.crc).map(|crc64| PartChecksum { part: self.part, crc64 })
    }
}
