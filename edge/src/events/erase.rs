//! Erases deleted videos: their open upload, job, object and outputs.

use crate::api::error::ApiError;
use crate::services::catalog::{Deletion, VideoRecord, VideoTransition};
use crate::state::AppState;
use wire::VideoStatus;

/// Handles the deletion of a video by its owner.
pub async fn erase_deleted(app: &AppState, video_id: &str) -> Result<(), ApiError> {
    match app.catalog.get(video_id).await? {
        Some(record) if record.deletion == Some(Deletion::Requested) => erase(app, record).await,
        _ => Ok(()),
    }
}

/// Erases a deleted video. Repeatable, also after an event of its job that came too late.
pub async fn erase(app: &AppState, record: VideoRecord) -> Result<(), ApiError> {
    let VideoRecord { video_id, job_id, key, s3_upload, status, .. } = record;
    if let (VideoStatus::Uploading, Some(key), Some(s3_upload)) = (status, &key, &s3_upload) {
        app.store.abort_multipart_upload(key, s3_upload).await?;
    }
    // Before its outputs are deleted. Files that it still writes are deleted with the event of its end.
    if let Some(job_id) = &job_id {
        app.transcoder.cancel_job(job_id).await?;
    }
    // Once all is erased, another tool may have stored an object of this key.
    if let Some(key) = key.filter(|_| record.deletion == Some(Deletion::Requested)) {
        app.store.delete_objects(app.store.bucket(), &[key]).await?;
    }
    let bucket = &app.config.conversion.destination_bucket;
    for folder in app.job.destinations() {
        let mut keys = app.store.list_keys(bucket, &format!("{folder}{video_id}")).await?;
        keys.retain(|key| is_output(&folder, &video_id, key));
        app.store.delete_objects(bucket, &keys).await?;
    }
    app.catalog.apply(&video_id, VideoTransition::Erased, app.now_ms()).await?;
    tracing::info!(video = video_id, "video erased");
    Ok(())
}

/// Whether a key is that of an output of the video: `ID.m3u8`, `ID_720.mp4`, `ID_72000001.ts`, `ID.0000000.jpg`. Ids that
/// begin with this one have other names.
fn is_output(folder: &str, video_id: &str, key: &str) -> bool {
    let Some(rest) = key.strip_prefix(folder).and_then(|name| name.strip_prefix(video_id)) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some((modifiers, extension)) = rest.rsplit_once('.') else { return false };
    let is_extension = !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    let (height, number) = modifiers.split_once('.').map_or((modifiers, None), |(a, b)| (a, Some(b)));
    is_extension
        && (height.is_empty() || height.strip_prefix('_').is_some_and(is_number))
        && number.is_none_or(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_ids_that_begin_alike_are_kept() {
        let is_own = |name: &str| is_output("assets/HLS/", "v", &format!("assets/HLS/{name}"));
        for own in ["v.m3u8", "v_360.m3u8", "v_36000001.ts", "v_1080.mp4", "v.0000002.jpg"] {
            assert!(is_own(own), "{own}");
        }
        for other in
            ["v1.m3u8", "v-1.m3u8", "v_a.m3u8", "v_a_360.m3u8", "v_", "v", "v..", "v_1_2.mp4", "w.m3u8"]
        {
            assert!(!is_own(other), "{other}");
        }
        assert!(!is_output("assets/HLS/", "v", "assets/MP4/v_540.mp4"));
    }
}
