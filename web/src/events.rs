//! The events of `index.d.ts`, as plain objects.

use serde::Serialize;
use uploader_core::container::Media;
use uploader_core::error::UploadError;
use uploader_core::progress::ProgressReport;
use uploader_core::types::{StoredFile, Task};
use wasm_bindgen::JsValue;

/// An event for the page. `failed`, and the whole of `uploaded`, end as results of `done` and `ready` there.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum UploadEvent {
    State { state: &'static str },
    Media(MediaEvent),
    Progress(ProgressEvent),
    Retry(RetryEvent),
    Unreachable { message: String },
    Uploaded { stored: StoredFile },
    Converting { percent: u8 },
    Ready(ReadyEvent),
    Failed(FailedEvent),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaEvent {
    mime: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    rotation: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    video_codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_codec: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressEvent {
    sent: u64,
    total: u64,
    bytes_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    part_number: Option<u32>,
    attempt: u32,
    in_ms: u32,
    reason: String,
}

/// The video as the edge sent it, fields that this version doesn't know included.
#[derive(Serialize)]
pub struct ReadyEvent {
    #[serde(with = "serde_wasm_bindgen::preserve")]
    video: JsValue,
}

#[derive(Serialize)]
pub struct FailedEvent {
    code: String,
    message: String,
}

impl UploadEvent {
    pub fn retry(task: Task, attempt: u32, delay_ms: u32, error: &UploadError) -> Self {
        let part_number = match task {
            Task::Put(part) | Task::Hash(part) => Some(part),
            Task::Open | Task::Sign | Task::List | Task::Complete | Task::Abort => None,
        };
        Self::Retry(RetryEvent { part_number, attempt, in_ms: delay_ms, reason: error.code.to_string() })
    }

    /// Nothing has answered there so far.
    pub fn unreachable(endpoint: &str) -> Self {
        Self::Unreachable { message: UploadError::network(endpoint).message.into_owned() }
    }

    pub fn ready(video: JsValue) -> Self {
        Self::Ready(ReadyEvent { video })
    }
}

impl From<&Media> for UploadEvent {
    fn from(media: &Media) -> Self {
        Self::Media(MediaEvent {
            mime: media.mime,
            duration_ms: media.duration_ms,
            width: media.width,
            height: media.height,
            rotation: media.rotation,
            video_codec: media.video_codec.clone(),
            audio_codec: media.audio_codec.clone(),
        })
    }
}

impl From<ProgressReport> for UploadEvent {
    fn from(report: ProgressReport) -> Self {
        Self::Progress(ProgressEvent {
            sent: report.sent,
            total: report.total,
            bytes_per_second: report.bytes_per_second,
            eta_seconds: report.eta_seconds,
        })
    }
}

impl From<&StoredFile> for UploadEvent {
    fn from(stored: &StoredFile) -> Self {
        Self::Uploaded { stored: stored.clone() }
    }
}

impl From<&UploadError> for UploadEvent {
    fn from(error: &UploadError) -> Self {
        Self::Failed(FailedEvent { code: error.code.to_string(), message: error.message.to_string() })
    }
}
