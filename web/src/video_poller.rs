//! Polls a video until its conversion has ended. `uploader_core::poll_interval` says how often.

use crate::api::{ApiClient, PollResult, VideoProgress};
use crate::events::UploadEvent;
use crate::host::UploadHost;
use gloo_timers::future::TimeoutFuture;
use js_sys::Math;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::{poll_interval, retry};
use wasm_bindgen::JsValue;
use wire::VideoStatus;

/// Returns the whole video once it is ready.
///
/// # Errors
/// `conversion_failed`, `conversion_canceled`, and what the edge refuses for good.
pub async fn poll_until_ready(
    api: ApiClient,
    host: UploadHost,
    video_id: String,
) -> Result<JsValue, UploadError> {
    let (mut wait_ms, mut failures, mut percent, mut last_etag) = (0, 0, None, None);
    loop {
        wait_ms = poll_interval::next_ms(wait_ms, false);
        match api.video(&video_id, last_etag.as_deref()).await {
            Ok(PollResult::NotModified) => failures = 0,
            Ok(PollResult::Video { progress, video, etag }) => {
                (failures, last_etag) = (0, etag);
                match progress.status {
                    VideoStatus::Ready => {
                        host.emit(&UploadEvent::State { state: "ready" });
                        return Ok(video);
                    }
                    VideoStatus::Failed => return Err(conversion_failed(progress)),
                    VideoStatus::Canceled => {
                        let message = "The conversion was canceled.";
                        return Err(UploadError::permanent(codes::CONVERSION_CANCELED, message));
                    }
                    VideoStatus::Converting if percent != Some(progress.progress) => {
                        if percent.is_none() {
                            host.emit(&UploadEvent::State { state: "converting" });
                        }
                        percent = Some(progress.progress);
                        host.emit(&UploadEvent::Converting { percent: progress.progress });
                        wait_ms = poll_interval::next_ms(wait_ms, true);
                    }
                    VideoStatus::Uploading | VideoStatus::Uploaded | VideoStatus::Converting => {}
                }
            }
            Err(error) if error.kind == ErrorKind::Permanent => return Err(error),
            // The file is stored, so a failed poll only delays.
            Err(error) => {
                failures += 1;
                let delay_ms = retry::backoff_ms(error.kind, failures, error.retry_after_ms, Math::random());
                wait_ms = wait_ms.max(delay_ms);
            }
        }
        TimeoutFuture::new(wait_ms).await;
    }
}

fn conversion_failed(progress: VideoProgress) -> UploadError {
    let message = progress.error.map(|error| error.message).filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| "The video can't be converted.".into());
    UploadError::permanent(codes::CONVERSION_FAILED, message)
}
