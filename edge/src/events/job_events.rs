//! Applies MediaConvert's job state events to the catalog.

use crate::api::error::ApiError;
use crate::events::captions;
use crate::events::convert::{convert_stored, needs_job};
use crate::events::erase::erase;
use crate::events::notify::notify;
use crate::events::outputs::{self, JobFiles};
use crate::events::shapes::{JobEvent, JobUpdate, OutputGroup};
use crate::job::STORYBOARD_FOLDER;
use crate::services::catalog::{Outputs, VideoRecord, VideoTransition};
use crate::services::metrics::Metric;
use crate::state::AppState;
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// Handles one event. Repeated and reordered events are harmless.
pub async fn handle(app: &AppState, event: JobEvent) -> Result<(), ApiError> {
    let JobEvent { job_id, video_id, update } = event;
    let transition = match update {
        JobUpdate::Progress(percent) => VideoTransition::Progress { job_id, percent },
        JobUpdate::Complete(groups) => {
            let duration_ms =
                groups.iter().flat_map(|group| &group.output_details).find_map(|o| o.duration_in_ms);
            let files = files_from_event(&app.config.conversion.destination_bucket, &groups);
            return job_completed(app, &video_id, job_id, files, duration_ms).await;
        }
        JobUpdate::Error { code, message } => {
            return job_failed(app, &video_id, job_id, VideoError { code, message }).await;
        }
        JobUpdate::Canceled => VideoTransition::Canceled { job_id },
    };
    apply_transition(app, &video_id, transition).await
}

/// MediaConvert's error codes that another job can be spared: 1432, the role can't be assumed (yet); 1999 and 3999, an
/// unexpected error of the service. AWS bills no job that ends in an error.
const PASSING_ERRORS: [&str; 3] = ["1432", "1999", "3999"];
/// Jobs after the first one that are started for errors that may pass.
const MAX_RETRIES: u32 = 3;

/// Ends the video of a failed job, or has its object converted again if the failure may pass.
pub async fn job_failed(
    app: &AppState,
    video_id: &str,
    job_id: String,
    error: VideoError,
) -> Result<(), ApiError> {
    if PASSING_ERRORS.contains(&&*error.code)
        && let Some(record) = app.catalog.get(video_id).await?
        && record.attempt < MAX_RETRIES
    {
        let announces = app.webhook.is_some();
        let again = VideoTransition::ConvertAgain { failed_job: Some(job_id.clone()), announces };
        let record = app.catalog.apply(video_id, again, app.now_ms()).await?;
        if let Some(record) = record.filter(|record| record.past_jobs.contains(&job_id)) {
            tracing::warn!(video = video_id, code = error.code, attempt = record.attempt, "job is repeated");
            // The first one at once; the reconciler starts the others, so that time passes between them.
            return if record.attempt == 1 { convert_unstarted(app, &record).await } else { Ok(()) };
        }
    }
    apply_transition(app, video_id, VideoTransition::Failed { job_id: Some(job_id), error }).await
}

/// Has the object of a failed or canceled video converted again, for an operator.
pub async fn convert_again(app: &AppState, video_id: &str) -> Result<(), ApiError> {
    let again = VideoTransition::ConvertAgain { failed_job: None, announces: app.webhook.is_some() };
    match app.catalog.apply(video_id, again, app.now_ms()).await? {
        Some(record) if needs_job(Some(&record)) => convert_unstarted(app, &record).await,
        _ => {
            Err(ApiError::BadRequest("There is no such video, or it is neither failed nor canceled.".into()))
        }
    }
}

async fn convert_unstarted(app: &AppState, record: &VideoRecord) -> Result<(), ApiError> {
    if needs_job(Some(record)) && !convert_stored(app, record).await? {
        tracing::warn!(video = record.video_id, "not converted again: the object is gone");
    }
    Ok(())
}

/// Ends the video of a completed job, which has failed if it has no playlist. Makes the rest of the outputs before, unless
/// the video has ended already.
pub async fn job_completed(
    app: &AppState,
    video_id: &str,
    job_id: String,
    files: Option<JobFiles>,
    duration_ms: Option<u64>,
) -> Result<(), ApiError> {
    let Some(files) = files else {
        let error = VideoError {
            code: "no_outputs".into(),
            message: "The job ended without an HLS playlist in the destination bucket.".into(),
        };
        return apply_transition(app, video_id, VideoTransition::Failed { job_id: Some(job_id), error })
            .await;
    };
    let finished = |outputs| VideoTransition::Finished { job_id: job_id.clone(), outputs, duration_ms };
    let mut transition = finished(files.outputs.clone());
    if let Some(record) = app.catalog.get(video_id).await?
        && !record.is_deleted()
        && record.accepts(&transition)
    {
        let hls = files.outputs.hls.clone();
        transition = finished(outputs::complete(app, &record, files, duration_ms).await);
        // Captions that were uploaded before are there when the video is.
        let attached = captions::attach_to(app, video_id, &hls, duration_ms.or(record.duration_ms)).await;
        if let Err(error) = attached {
            tracing::warn!(video = video_id, %error, "captions aren't added yet");
        }
    }
    let ended = apply_transition(app, video_id, transition).await;
    // Events of captions that came while the video wasn't ready have left them to this.
    let attached = match app.catalog.get(video_id).await? {
        Some(record) => captions::attach(app, &record).await,
        None => Ok(()),
    };
    ended.and(attached)
}

/// Changes a video, and announces it if its state is final.
pub async fn apply_transition(
    app: &AppState,
    video_id: &str,
    transition: VideoTransition,
) -> Result<(), ApiError> {
    let now = app.now_ms();
    let job_id = transition.job_id().cloned();
    match app.catalog.apply(video_id, transition, now).await? {
        // The job of a deleted video, which is canceled, or has written outputs after they were deleted.
        Some(video) if video.is_deleted() => {
            erase(app, VideoRecord { job_id: job_id.or(video.job_id), ..video }).await
        }
        Some(video) if video.status.is_final() => {
            // Logged and counted only by the call that changed the record.
            if video.updated_ms >= now {
                tracing::info!(video = video_id, status = ?video.status, "job ended");
                app.metrics.record(&final_metrics(&video));
            }
            notify(app, video).await
        }
        Some(video) => {
            tracing::debug!(video = video_id, progress = video.progress, "job progress");
            Ok(())
        }
        None => {
            tracing::warn!(video = video_id, "job event ignored: unknown video");
            Ok(())
        }
    }
}

fn final_metrics(video: &VideoRecord) -> Vec<Metric> {
    match video.status {
        VideoStatus::Ready => {
            let since = video.uploaded_ms.unwrap_or(video.updated_ms);
            let seconds = Duration::from_millis(video.updated_ms.saturating_sub(since)).as_secs_f64();
            vec![Metric::JobsSucceeded, Metric::SecondsFromObjectToReady(seconds)]
        }
        VideoStatus::Failed => vec![Metric::JobsFailed],
        _ => Vec::new(),
    }
}

/// The keys of a job's files in `bucket`. `None` without a playlist.
fn files_from_event(bucket: &str, groups: &[OutputGroup]) -> Option<JobFiles> {
    let key = |path: &String| -> Option<String> {
        Some(path.strip_prefix("s3://")?.strip_prefix(bucket)?.strip_prefix('/')?.to_owned())
    };
    let hls = groups.iter().flat_map(|group| &group.playlist_file_paths).find_map(key)?;
    let files = groups
        .iter()
        .filter(|group| group.playlist_file_paths.is_empty())
        .flat_map(|group| &group.output_details)
        .flat_map(|output| &output.output_file_paths)
        .filter_map(key);
    Some(files_from_keys(hls, files))
}

/// The files in a listing of the bucket, for a job whose event was lost. Keys of other videos are ignored.
pub fn files_from_listing(video_id: &str, keys: impl IntoIterator<Item = String>) -> Option<JobFiles> {
    let suffix = |key: &str| Some(key.rsplit_once('/')?.1.strip_prefix(video_id)?.to_owned());
    let (playlists, files): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .filter(|key| suffix(key).is_some_and(|suffix| suffix == ".m3u8" || !suffix.ends_with(".m3u8")))
        .partition(|key| key.ends_with(".m3u8"));
    // This video's files are named `ID_540.mp4` and `ID.0000000.jpg`; those of a longer id that begins with this one
    // aren't.
    let is_own = |key: &String| {
        let middle = |end| suffix(key).and_then(|text| Some(text.strip_suffix(end)?.get(1..)?.to_owned()));
        let is_number = |text: String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        middle(".mp4").is_some_and(is_number) || middle(".jpg").is_some_and(is_number)
    };
    Some(files_from_keys(playlists.into_iter().next()?, files.into_iter().filter(is_own)))
}

fn files_from_keys(hls: String, files: impl Iterator<Item = String>) -> JobFiles {
    let mut outputs = Outputs { hls, ..Outputs::default() };
    let mut storyboard = Vec::new();
    for file in files {
        if let Some(height) = mp4_height(&file) {
            outputs.mp4.insert(height.into(), file);
            continue;
        }
        let is_storyboard = file.starts_with(STORYBOARD_FOLDER);
        let pictures = if is_storyboard { &mut storyboard } else { &mut outputs.thumbnails };
        if let Some(found) = pictures_up_to(&file).filter(|found| found.len() > pictures.len()) {
            *pictures = found;
        }
    }
    JobFiles { outputs, storyboard }
}

/// `…_720.mp4` → `720`.
fn mp4_height(key: &str) -> Option<&str> {
    let (_, height) = key.strip_suffix(".mp4")?.rsplit_once('_')?;
    height.bytes().all(|b| b.is_ascii_digit()).then_some(height)
}

/// The keys up to the last picture, `….0000002.jpg`, the only one that MediaConvert's event names.
fn pictures_up_to(last: &str) -> Option<Vec<String>> {
    let (stem, number) = last.strip_suffix(".jpg")?.rsplit_once('.')?;
    let last: u32 = number.parse().ok().filter(|last| *last < 1_000)?;
    let digits = number.len();
    Some((0..=last).map(|index| format!("{stem}.{index:0digits$}.jpg")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::shapes::{Event, parse};

    #[test]
    fn complete_event_yields_output_keys() {
        let event = include_str!("../../../tests/fixtures/mediaconvert-complete.json");
        let mut message = parse(&serde_json::from_str(event).unwrap()).remove(0);
        let Ok(Event::Job(JobEvent { update: JobUpdate::Complete(groups), .. })) = message.events.remove(0)
        else {
            panic!()
        };
        let JobFiles { outputs, storyboard } = files_from_event("media", &groups).unwrap();
        assert_eq!(outputs.hls, "assets/HLS/5f2c.m3u8");
        assert_eq!(outputs.mp4["720"], "assets/MP4/5f2c_720.mp4");
        assert_eq!(outputs.mp4.len(), 2);
        let numbers = ["0000000", "0000001", "0000002"];
        assert_eq!(outputs.thumbnails, numbers.map(|n| format!("assets/Thumbnails/5f2c.{n}.jpg")));
        assert_eq!(storyboard.len(), 20);
        assert_eq!(storyboard[19], "assets/Storyboards/5f2c.0000019.jpg");
        assert_eq!(files_from_event("another", &groups), None);
    }

    #[test]
    fn listing_yields_output_keys_of_the_video() {
        let keys = [
            "assets/HLS/5f2c.m3u8",
            "assets/HLS/5f2c_360.m3u8",
            "assets/HLS/5f2c_36000001.ts",
            "assets/HLS/5f2cc.m3u8",
            "assets/MP4/5f2c_540.mp4",
            "assets/MP4/5f2c_1_720.mp4",
            "assets/MP4/5f2c_1080.mp4",
            "assets/Thumbnails/5f2c.0000000.jpg",
            "assets/Thumbnails/5f2c.0000001.jpg",
            "assets/Thumbnails/5f2c7.0000002.jpg",
            "assets/Storyboards/5f2c.0000000.jpg",
            "assets/Storyboards/5f2c.jpg",
            "assets/Storyboards/5f2c.vtt",
        ];
        let JobFiles { outputs, storyboard } = files_from_listing("5f2c", keys.map(str::to_owned)).unwrap();
        assert_eq!(outputs.hls, "assets/HLS/5f2c.m3u8");
        let mp4: Vec<_> = outputs.mp4.keys().collect();
        assert_eq!(mp4, ["1080", "540"]);
        assert_eq!(outputs.thumbnails.len(), 2);
        assert_eq!(storyboard, ["assets/Storyboards/5f2c.0000000.jpg"]);
        assert_eq!(files_from_listing("5f2", keys.map(str::to_owned)), None, "another video's");
    }

    #[test]
    fn unexpected_key_is_ignored() {
        assert_eq!(pictures_up_to("a.jpg"), None);
        assert_eq!(pictures_up_to("a.9999999.jpg"), None);
        assert_eq!(mp4_height("assets/MP4/a_b.mp4"), None);
    }
}
