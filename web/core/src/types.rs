//! Commands, events and the data in them. Plain data: nothing here decides.

use crate::error::UploadError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::StoredPart;

/// A request or a read that a command starts, that can fail, and that can be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Open a multipart upload.
    Open,
    /// Presign parts.
    Sign,
    /// Hash the part of that number.
    Hash(u32),
    /// Upload the part of that number.
    Put(u32),
    /// List the stored parts.
    List,
    /// Complete the upload.
    Complete,
    /// Abort the upload.
    Abort,
}

/// An edge that hasn't answered for so long is announced as unreachable, in milliseconds.
pub const UNREACHABLE_AFTER_MS: u64 = 10_000;

/// An instruction for the driver. Part numbers are S3's: they start at 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open a multipart upload; reported by [`Event::Opened`].
    Open {
        /// The part size to request, in bytes.
        part_size: u64,
        /// CRC64NVME of the first parts as `part_size` cuts the file, at most [`wire::MAX_PARTS_PER_CALL`].
        checksums: Vec<u64>,
    },
    /// Presign these parts, at most [`wire::MAX_PARTS_PER_CALL`]; reported by [`Event::Signed`].
    Sign(Vec<PartChecksum>),
    /// Compute a part's CRC64NVME from the file; reported by [`Event::Hashed`]. One at a time.
    Hash(u32),
    /// Upload a part; reported by [`Event::Progress`] and [`Event::Uploaded`].
    Put(PresignedPart),
    /// List the stored parts; reported by [`Event::Listed`].
    List,
    /// Complete the upload; reported by [`Event::Completed`] or [`Event::PartsMissing`].
    Complete {
        /// CRC64NVME of the file.
        crc64: u64,
    },
    /// Drop every task in flight, then abort the upload; reported by [`Event::Aborted`].
    Abort,
    /// Drop this task: it has stalled. Nothing more is reported about it.
    Drop(Task),
    /// Drop every task in flight, reads of the file included. Nothing more is reported about them.
    DropAll,
    /// Persist this for a later page load. Nothing is reported.
    Persist(PersistOp),
    /// Announce a retry. Nothing is reported.
    NotifyRetry {
        /// The task that failed.
        task: Task,
        /// How many times in a row it has failed, this time included.
        attempt: u32,
        /// Milliseconds until it is tried again.
        delay_ms: u32,
        /// Why it failed.
        error: UploadError,
    },
    /// Announce that the edge has never answered, for [`UNREACHABLE_AFTER_MS`]. It is tried on; nothing is reported.
    NotifyUnreachable,
    /// The saved upload is another file's: go on without it, and leave it as it is. No command follows.
    RejectSaved,
    /// The upload has ended, with this result. No command follows.
    Finish(Result<StoredFile, UploadError>),
}

/// An outcome of a command, a browser event, or a call of the page.
#[derive(Clone, Debug)]
pub enum Event {
    /// [`Command::Open`] succeeded.
    Opened(OpenedUpload),
    /// [`Command::Sign`] succeeded.
    Signed(Vec<PresignedPart>),
    /// [`Command::Hash`] succeeded.
    Hashed {
        /// Part number.
        part: u32,
        /// CRC64NVME of the part's bytes in the file.
        crc64: u64,
    },
    /// A part's request has handed bytes to the network.
    Progress {
        /// Part number.
        part: u32,
        /// Bytes since the request began.
        bytes: u64,
    },
    /// [`Command::Put`] succeeded.
    Uploaded {
        /// Part number.
        part: u32,
        /// The connection carries many requests at once (HTTP/2 or HTTP/3).
        multiplexed: bool,
    },
    /// [`Command::List`] succeeded.
    Listed(Listing),
    /// [`Command::Complete`] succeeded.
    Completed(StoredFile),
    /// [`Command::Complete`] found that the storage lacks these parts.
    PartsMissing(Vec<u32>),
    /// [`Command::Abort`] succeeded.
    Aborted,
    /// A task failed.
    Failed {
        /// The task that failed.
        task: Task,
        /// Why.
        error: UploadError,
    },
    /// The browser's `online` (`true`) or `offline` (`false`) event.
    Online(bool),
    /// The page paused (`true`) or resumed (`false`) the upload.
    Paused(bool),
    /// The page canceled the upload.
    Canceled,
}

/// A presigned URL for one part. `Debug` leaves the URL out: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedPart {
    /// Part number.
    pub part: u32,
    /// The URL of the `PUT`.
    pub url: String,
    /// Headers that the `PUT` must carry.
    pub headers: BTreeMap<String, String>,
    /// How long the URL is valid from its signing on, in milliseconds; `None` if unknown. A duration, because
    /// the server's clock and the client's may differ.
    pub ttl_ms: Option<u64>,
}

impl PresignedPart {
    /// The URL's origin, or its beginning where it has none.
    pub fn origin(&self) -> &str {
        let path = self.url.match_indices('/').nth(2).map_or(self.url.len(), |(index, _)| index);
        self.url.get(..path).unwrap_or_default()
    }
}

impl std::fmt::Debug for PresignedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresignedPart").field("part", &self.part).finish_non_exhaustive()
    }
}

/// A part and the CRC64NVME of its bytes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartChecksum {
    /// Part number.
    pub part: u32,
    /// CRC64NVME.
    pub crc64: u64,
}

/// The edge's response to [`Command::Open`].
#[derive(Clone, Debug)]
pub struct OpenedUpload {
    /// The upload token; it names the upload in every later request.
    pub upload: String,
    /// The video's id.
    pub video_id: String,
    /// Size of every part but the last, in bytes.
    pub part_size: u64,
    /// Number of parts.
    pub part_count: u32,
    /// Whether the storage verifies CRC64NVME.
    pub checksum: bool,
    /// When the upload expires, in milliseconds since 1970 by the server's clock; `None` if unknown.
    pub expires_at_ms: Option<u64>,
    /// The first presigned parts.
    pub parts: Vec<PresignedPart>,
}

/// The edge's response to [`Command::List`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// State of the multipart upload.
    pub state: wire::MultipartState,
    /// The stored parts; empty unless the upload is open.
    pub parts: Vec<StoredPart>,
}

/// The stored object. Serialized as in `StoredFile` of index.d.ts; the fields but `verified` are those of
/// [`wire::UploadCompleted`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    /// The video's id.
    pub video_id: String,
    /// The object's key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// CRC64NVME in base64, as the storage has verified it; `None` if it verifies none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Whether the file's own CRC64NVME was compared with `checksum`. Set by the machine; `false` in events.
    #[serde(default)]
    pub verified: bool,
}

/// A change to what is persisted about a file for later page loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersistOp {
    /// An upload is open. Replaces everything persisted about this file.
    Opened {
        /// The upload token.
        upload: String,
        /// The video's id.
        video_id: String,
        /// In bytes.
        part_size: u64,
        /// Whether the storage verifies CRC64NVME.
        checksum: bool,
        /// In milliseconds since 1970 by the server's clock; `None` if unknown.
        expires_at_ms: Option<u64>,
    },
    /// A part is stored. Replaces an earlier entry of the same part.
    Part(PartChecksum),
    /// The upload is to be aborted, by a later page load if not by this one.
    Canceled,
    /// Nothing about this file is needed any more.
    Clear,
}

/// An upload as an earlier page load has persisted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedUpload {
    /// In bytes.
    pub part_size: u64,
    /// Whether the storage verifies CRC64NVME.
    pub checksum: bool,
    /// The parts that the storage has accepted.
    pub parts: Vec<PartChecksum>,
    /// The state in which it was left.
    pub state: SavedState,
}

/// The state in which an earlier page load left an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedState {
    /// It was open.
    Open,
    /// It was completed.
    Stored(StoredFile),
    /// It was canceled and is still to be aborted.
    Canceled,
}

/// Two clocks and a random number, read when an event or a poll happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clocks {
    /// Milliseconds of a monotonic clock, which may stop while the computer sleeps.
    pub now_ms: u64,
    /// Milliseconds since 1970 by the client's wall clock, which may be set at any time.
    pub wall_ms: u64,
    /// A random number from 0 to 1.
    pub random: f64,
}

/// The upload's state until its end, as in `UploadState` of index.d.ts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Opening the upload, or finding out what is stored.
    Starting,
    /// Uploading parts.
    Uploading,
    /// Paused by the page.
    Paused,
    /// Waiting for the network.
    Waiting,
    /// Completing.
    Finishing,
    /// Ended, or aborting; the result comes with [`Command::Finish`].
    Ended,
}
