//! Erases deleted videos: their open upload, job, object and outputs.

use crate::api::error::ApiError;
use crate::events::captions::{self, is_captions_output};
use crate::job::STORYBOARD_FOLDER;
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
    captions::delete(app, &video_id).await?;
    let bucket = &app.config.conversion.destination_bucket;
    let outputs = app.job.outputs(&video_id);
    for folder in app.job.destinations() {
        let mut keys = app.store.list_keys(bucket, &format!("{folder}{video_id}")).await?;
        keys.retain(|key| is_output(&outputs, &video_id, key));
        app.store.delete_objects(bucket, &keys).await?;
    }
    app.catalog.apply(&video_id, VideoTransition::Erased, app.now_ms()).await?;
    tracing::info!(video = video_id, "video erased");
    Ok(())
}

/// Whether a key is one of a job's outputs, a segment of one of its playlists (`ID_360_00001.ts`), a further picture
/// (`ID.0000001.jpg`), or what the edge makes of the pictures (`ID.jpg`, `ID.vtt`) and of captions. Those of ids that begin
/// with this one aren't.
fn is_output(outputs: &[String], video_id: &str, key: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let storyboard = key.strip_prefix(STORYBOARD_FOLDER).and_then(|name| name.strip_prefix(video_id));
    if matches!(storyboard, Some(".jpg" | ".vtt")) || is_captions_output(video_id, key) {
        return true;
    }
    outputs.iter().any(|output| {
        let rest = |end| key.strip_prefix(output.strip_suffix(end)?)?.rsplit_once('.');
        let is_segment = rest(".m3u8").is_some_and(|(number, extension)| {
            extension != "m3u8" && is_number(number.strip_prefix('_').unwrap_or(number))
        });
        let is_picture =
            rest("0000000.jpg").is_some_and(|(number, extension)| extension == "jpg" && is_number(number));
        key == output || is_segment || is_picture
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobTemplate;

    #[test]
    fn outputs_of_ids_that_begin_alike_are_kept() {
        let template = JobTemplate::parse(include_str!("../../../job.json")).unwrap();
        let outputs = template.outputs("v");
        for own in
            ["HLS/v.m3u8", "HLS/v_360.m3u8", "HLS/v_360_00001.ts", "HLS/v_36000001.ts", "MP4/v_1080.mp4"]
        {
            assert!(is_output(&outputs, "v", &format!("assets/{own}")), "{own}");
        }
        assert!(is_output(&outputs, "v", "assets/Thumbnails/v.0000002.jpg"));
        for own in ["v.captions.pt-BR.0123456789ab.vtt", "v.captions.und.0123456789ab.m3u8"] {
            assert!(is_output(&outputs, "v", &format!("assets/HLS/{own}")), "{own}");
        }
        for own in ["v.0000099.jpg", "v.jpg", "v.vtt"] {
            assert!(is_output(&outputs, "v", &format!("assets/Storyboards/{own}")), "{own}");
        }
        for other in [
            "HLS/v1.m3u8",
            "HLS/v_1.m3u8",
            "HLS/v_a_360.m3u8",
            "HLS/v_1_360_00001.ts",
            "MP4/v_1_540.mp4",
            "MP4/v_2.mp4",
            "Thumbnails/v_1.0000000.jpg",
            "Thumbnails/v.txt",
            "Thumbnails/v.jpg",
            "Storyboards/v_1.jpg",
            "Storyboards/v1.vtt",
            "HLS/w.m3u8",
            "HLS/v1.captions.de.0123456789ab.vtt",
            "MP4/v_360_00001.ts",
        ] {
            assert!(!is_output(&outputs, "v", &format!("assets/{other}")), "{other}");
        }
    }
}
