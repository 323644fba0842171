//! Watches a video until it is converted. How often to look is said in `watch.rs`.

use crate::client::{Client, Look};
use js_sys::Math;
use uploader_core::error::{ErrorKind, UploadError, codes};
use uploader_core::{poll_interval, retry};
use wasm_bindgen::JsValue;
use wire::VideoStatus;

/// Waits for the end; answers the whole `Video`.
pub async fn watch(client: Client, video_id: String) -> Result<JsValue, UploadError> {
    let host = client.host.clone();
    let (mut wait, mut failures, mut percent, mut seen) = (0, 0, None, None);
    loop {
        wait = poll_interval::next_ms(wait, false);
        match client.video(&video_id, seen.as_deref()).await {
            Ok(Look::Same) => failures = 0,
            Ok(Look::Video { glance, whole, etag }) => {
                (failures, seen) = (0, etag);
                match glance.status {
                    VideoStatus::Ready => {
                        host.state("ready");
                        return Ok(whole);
                    }
                    VideoStatus::Failed => {
                        let told = glance.error.filter(|m| !m.is_empty());
                        let sentence = told.unwrap_or_else(|| "The video can't be converted.".into());
                        return Err(UploadError::permanent(codes::CONVERSION_FAILED, sentence));
                    }
                    VideoStatus::Canceled => {
                        return Err(UploadError::permanent(
                            codes::CONVERSION_CANCELED,
                            "The conversion was canceled.",
                        ));
                    }
                    VideoStatus::Converting if percent != Some(glance.progress) => {
                        if percent.is_none() {
                            host.state("converting");
                        }
                        percent = Some(glance.progress);
                        host.converting(glance.progress);
                        wait = poll_interval::next_ms(wait, true);
                    }
                    VideoStatus::Uploading | VideoStatus::Uploaded | VideoStatus::Converting => {}
                }
            }
            Err(failure) if failure.kind == ErrorKind::Permanent => return Err(failure),
            // The video is safe; a look that fails is only late.
            Err(failure) => {
                failures += 1;
                wait = wait.max(retry::backoff_ms(
                    failure.kind,
                    failures,
                    failure.retry_after_ms,
                    Math::random(),
                ));
            }
        }
        host.sleep(wait).await;
    }
}
