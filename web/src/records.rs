//! The records of unfinished uploads in IndexedDB, by which a later page load continues them.

use serde::{Deserialize, Serialize};
use uploader_core::crc64;
use uploader_core::types::{PersistOp, SavedPart, SavedUpload, StoredFile};

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
    /// Replaces the upload by its outcome, until the video is ready.
    Stored { stored: StoredFile },
    /// Removes all records of the upload.
    Remove,
}

/// One stored part.
#[derive(Serialize, Deserialize)]
pub struct PartRecord {
    part: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// CRC64NVME of the bytes sent, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crc: Option<String>,
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
pub enum PreviousUpload {
    /// It is open.
    Open { upload: String, saved: SavedUpload },
    /// The file is stored; the video may still be converted.
    Stored(StoredFile),
}

impl PreviousUpload {
    /// `None` if the record names no upload.
    pub fn from_record(record: UploadRecord) -> Option<Self> {
        if let Some(stored) = record.stored {
            return Some(Self::Stored(stored));
        }
        let saved = SavedUpload {
            part_size: record.part_size,
            checksum: record.checksum,
            parts: record.parts.into_iter().map(SavedPart::from).collect(),
            canceled: record.canceled,
        };
        Some(Self::Open { upload: record.upload?, saved })
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

impl From<SavedPart> for PartRecord {
    fn from(saved: SavedPart) -> Self {
        Self { part: saved.part, etag: saved.etag, crc: saved.crc64.map(crc64::to_base64) }
    }
}

impl From<PartRecord> for SavedPart {
    fn from(record: PartRecord) -> Self {
        let crc64 = record.crc.as_deref().and_then(crc64::from_base64);
        Self { part: record.part, etag: record.etag, crc64 }
    }
}
