//! Requests and replies of the edge's HTTP API. Field names on the wire are camelCase; sizes are bytes;
//! times are RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(doc)]
use crate::MAX_PARTS_PER_CALL;

/// The longest title of a video, in characters.
pub const MAX_TITLE_LENGTH: usize = 200;

/// `POST /uploads`: opens an upload of a video, or of captions: a file whose name ends in `.vtt` or `.srt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenUpload {
    /// The file's name, at most 4,096 bytes. Only its extension and, without `title`, its stem are used; of captions its
    /// language, as in `film.pt-BR.vtt`.
    pub file_name: String,
    /// The file's size, in bytes. The stored object must have exactly this size.
    pub size: u64,
    /// The file's media type; may be empty.
    #[serde(default)]
    pub content_type: String,
    /// The time of the file's last modification, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<u64>,
    /// The video's id: 1 to 64 letters, digits, `_` or `-`. Chosen by the server if absent. Of captions the id of the video
    /// that they belong to, which is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_id: Option<String>,
    /// The video's title, 1 to [`MAX_TITLE_LENGTH`] characters. By default the file's name without its extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The requested part size, in bytes: a whole number of MiB from 5 MiB to 5 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size: Option<u64>,
    /// CRC64NVME of the first parts, as `partSize` cuts the file, at most [`MAX_PARTS_PER_CALL`]; base64 of eight big-endian
    /// bytes each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<String>,
}

/// Response to [`OpenUpload`]: all that a client needs to send the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadOpened {
    /// The upload's token: opaque, URL-safe and tamper-proof. Identifies the upload in every later call.
    pub upload: String,
    /// The video's id.
    pub video_id: String,
    /// The object's key in the upload bucket.
    pub key: String,
    /// The size of every part but the last, in bytes.
    pub part_size: u64,
    /// The number of parts, 1 to 10,000.
    pub part_count: u32,
    /// The checksum that the store verifies.
    pub checksum: ChecksumKind,
    /// The time at which `upload` expires.
    pub expires_at: String,
    /// The parts of [`OpenUpload::checksums`], presigned; none if the part size isn't the requested one.
    pub parts: Vec<SignedPart>,
}

/// The checksum that the store verifies of parts and objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ChecksumKind {
    /// CRC64NVME, for each part and for the object.
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    /// None.
    #[serde(rename = "none")]
    None,
}

/// A presigned URL for the `PUT` of one part. Its signature covers the part's length and, if the store verifies one, the
/// part's checksum: the store refuses any other bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignedPart {
    /// The part's number, from 1.
    pub part_number: u32,
    /// The presigned URL.
    pub url: String,
    /// Headers that the `PUT` must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The time at which the URL expires.
    pub expires_at: String,
}

/// Omits the URL, which is a secret: it must not be logged.
impl std::fmt::Debug for SignedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedPart").field("part_number", &self.part_number).finish_non_exhaustive()
    }
}

/// `POST /uploads/{upload}/parts`: presigns parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignParts {
    /// The parts to sign, 1 to [`MAX_PARTS_PER_CALL`] different ones.
    pub parts: Vec<PartToSign>,
}

/// A part to presign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PartToSign {
    /// The part's number, from 1.
    pub part_number: u32,
    /// CRC64NVME of the part, base64 of eight big-endian bytes; required unless the upload's checksum is `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// Response to [`SignParts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedParts {
    /// The presigned parts, in the requested order.
    pub parts: Vec<SignedPart>,
}

/// Response of `GET /uploads/{upload}`: the upload's state and stored parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadStatus {
    /// The upload's state.
    pub state: MultipartState,
    /// The size of every part but the last, in bytes.
    pub part_size: u64,
    /// The number of parts, 1 to 10,000.
    pub part_count: u32,
    /// The stored parts; empty unless the upload is open.
    pub parts: Vec<StoredPart>,
}

/// The state of a multipart upload in the store.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MultipartState {
    /// Parts can be sent.
    Open,
    /// The object was created.
    Completed,
    /// The upload was aborted or has expired.
    Aborted,
}

/// A part in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoredPart {
    /// The part's number, from 1.
    pub part_number: u32,
    /// The part's size, in bytes.
    pub size: u64,
    /// The part's ETag, with quotes.
    pub etag: String,
    /// CRC64NVME of the part, base64 of eight big-endian bytes, if the store returns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// `POST /uploads/{upload}/complete`: creates the object from the stored parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CompleteUpload {
    /// CRC64NVME of the file, base64 of eight big-endian bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// Response to [`CompleteUpload`]; repetitions get the same one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadCompleted {
    /// The video's id.
    pub video_id: String,
    /// The object's key in the upload bucket.
    pub key: String,
    /// The object's size, in bytes.
    pub size: u64,
    /// The object's CRC64NVME, as the store computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The video.
    pub video: Video,
}

/// A video, from its upload to its playback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Video {
    /// The video's id.
    pub video_id: String,
    /// The video's title; absent in videos of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The video's state.
    pub status: VideoStatus,
    /// Progress of the conversion in percent, 0–100; never decreases.
    pub progress: u8,
    /// The uploaded file's size, in bytes.
    pub size: u64,
    /// The duration, in milliseconds, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The source's displayed width in pixels, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The source's displayed height in pixels, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// The outputs, if the video is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<VideoUrls>,
    /// The reason, if the video failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<VideoError>,
    /// The time at which the upload was opened.
    pub created_at: String,
    /// The time of the last change.
    pub updated_at: String,
}

/// The state of a video. `ready`, `failed` and `canceled` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum VideoStatus {
    /// The upload is open.
    Uploading,
    /// The file is stored; its conversion hasn't started.
    Uploaded,
    /// The conversion is running.
    Converting,
    /// The video can be played.
    Ready,
    /// The conversion failed.
    Failed,
    /// The conversion was canceled.
    Canceled,
}

impl VideoStatus {
    /// Whether the state is final.
    pub fn is_final(self) -> bool {
        match self {
            Self::Uploading | Self::Uploaded | Self::Converting => false,
            Self::Ready | Self::Failed | Self::Canceled => true,
        }
    }
}

/// `PATCH /videos/{videoId}`: changes a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeVideo {
    /// The new title, 1 to [`MAX_TITLE_LENGTH`] characters.
    pub title: String,
}

/// URLs of a ready video, all on `CDN_BASE_URL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VideoUrls {
    /// The HLS master playlist.
    pub hls: String,
    /// MP4 files by the length of the short side: `"540"`, `"720"`, `"1080"`.
    pub mp4: BTreeMap<String, String>,
    /// Thumbnails, in order of time.
    pub thumbnails: Vec<String>,
    /// The thumbnail to show before playback: one that is neither dark nor of one color, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<String>,
    /// The storyboard: WebVTT with a picture for each moment (`….jpg#xywh=x,y,width,height`, relative to it), which
    /// players show beside the time. Absent in videos of earlier versions, or if it couldn't be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storyboard: Option<String>,
}

/// Why a video failed: MediaConvert's error, or one of the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VideoError {
    /// MediaConvert's error number, or a code of the edge.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// Response of `GET /videos`: one page of the caller's videos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VideoList {
    /// The videos, newest first.
    pub videos: Vec<Video>,
    /// The `cursor` parameter for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
