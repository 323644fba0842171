//! Requests and replies of the edge's HTTP API. Field names on the wire are camelCase; sizes are bytes;
//! times are RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `POST /uploads`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenUpload {
    pub file_name: String,
    /// The file's size, in bytes. What is stored in the end must have exactly this many.
    pub size: u64,
    #[serde(default)]
    pub content_type: String,
    /// The file's last change, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_id: Option<String>,
    /// The part size asked for, in bytes: a whole number of MiB from 5 MiB to 5 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
}

/// The answer to [`OpenUpload`]: all that a client needs to send the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadOpened {
    /// Opaque, URL-safe and tamper-proof; names this upload in every later call.
    pub upload: String,
    pub video_id: String,
    pub key: String,
    pub part_size: u64,
    pub part_count: u32,
    pub checksum: ChecksumKind,
    /// When `upload` expires.
    pub expires_at: String,
    /// The first window of signed parts.
    pub parts: Vec<Part>,
}

/// Whether the store computes CRC64NVME of what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ChecksumKind {
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "none")]
    None,
}

/// A signed URL that takes the bytes of one part with a single `PUT`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub part_number: u32,
    pub url: String,
    /// Headers that must go with the `PUT`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    pub expires_at: String,
}

/// A signed URL is a secret: it stays out of logs.
impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("part_number", &self.part_number).finish_non_exhaustive()
    }
}

/// `POST /uploads/{upload}/parts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignParts {
    /// At most [`crate::MAX_PARTS_PER_CALL`].
    pub part_numbers: Vec<u32>,
}

/// The answer to [`SignParts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedParts {
    pub parts: Vec<Part>,
}

/// `GET /uploads/{upload}`: what S3 has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadStatus {
    pub state: UploadState,
    pub part_size: u64,
    pub part_count: u32,
    pub parts: Vec<StoredPart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    Open,
    Completed,
    Aborted,
}

/// A part that S3 has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredPart {
    pub part_number: u32,
    pub size: u64,
    pub etag: String,
    /// CRC64NVME of the part, base64 of eight big-endian bytes, where the store tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// `POST /uploads/{upload}/complete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteUpload {
    pub parts: Vec<CompletedPart>,
    /// CRC64NVME of the whole file, base64 of eight big-endian bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CompletedPart {
    pub part_number: u32,
    pub etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// The answer to [`CompleteUpload`], the same however often it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadCompleted {
    pub video_id: String,
    pub key: String,
    pub size: u64,
    /// The stored object's CRC64NVME, as the store computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    pub video: Video,
}

/// A video on its way from upload to playback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Video {
    pub video_id: String,
    pub status: VideoStatus,
    /// Of the conversion, 0–100; never goes back.
    pub progress: u8,
    /// The uploaded file's size, in bytes.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<VideoUrls>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<VideoError>,
    pub created_at: String,
    pub updated_at: String,
}

/// Where a video stands. `ready`, `failed` and `canceled` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum VideoStatus {
    Uploading,
    Uploaded,
    Converting,
    Ready,
    Failed,
    Canceled,
}

impl VideoStatus {
    pub fn is_final(self) -> bool {
        match self {
            Self::Uploading | Self::Uploaded | Self::Converting => false,
            Self::Ready | Self::Failed | Self::Canceled => true,
        }
    }
}

/// Where to fetch a finished video; all on `CDN_BASE_URL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VideoUrls {
    /// The HLS master playlist.
    pub hls: String,
    /// By height: `"540"`, `"720"`, `"1080"`.
    pub mp4: BTreeMap<String, String>,
    pub thumbnails: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<String>,
}

/// Why a video failed: MediaConvert's number and sentence, or one of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VideoError {
    pub code: String,
    pub message: String,
}

/// `GET /videos`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VideoList {
    pub videos: Vec<Video>,
    /// Ask again with this for older ones; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
