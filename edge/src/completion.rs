//! MediaConvert tells how a job goes: into the catalog with it.

use crate::App;
use crate::announce::announce;
use crate::catalog::{Change, Entry, Outputs};
use crate::error::ApiError;
use crate::event::{JobEvent, JobNews, OutputGroup};
use crate::metrics::Metric;
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// Takes one event in. Twice or out of order changes nothing.
pub async fn take(app: &App, event: JobEvent) -> Result<(), ApiError> {
    let JobEvent { job_id, video_id, news } = event;
    let change = match news {
        JobNews::Progress(percent) => Change::Progress { job_id, percent },
        JobNews::Complete(groups) => {
            let duration_ms =
                groups.iter().flat_map(|group| &group.output_details).find_map(|o| o.duration_in_ms);
            finished(job_id, outputs(&app.config.conversion.destination_bucket, &groups), duration_ms)
        }
        JobNews::Error { code, message } => {
            Change::Failed { job_id: Some(job_id), error: VideoError { code, message } }
        }
        JobNews::Canceled => Change::Canceled { job_id },
    };
    news_of(app, &video_id, change).await
}

/// A job has ended well, if there is something to play.
pub fn finished(job_id: String, outputs: Option<Outputs>, duration_ms: Option<u64>) -> Change {
    match outputs {
        Some(outputs) => Change::Finished { job_id, outputs, duration_ms },
        None => Change::Failed {
            job_id: Some(job_id),
            error: VideoError {
                code: "no_outputs".into(),
                message: "The job ended without an HLS playlist in our bucket.".into(),
            },
        },
    }
}

/// Changes a video and announces its end.
pub async fn news_of(app: &App, video_id: &str, change: Change) -> Result<(), ApiError> {
    let now = app.now_ms();
    match app.catalog.change(video_id, change, now).await? {
        Some(video) if video.status.is_final() => {
            // Changed just now: the same news again doesn't count again.
            if video.updated_ms >= now {
                tracing::info!(video = video_id, status = ?video.status, "job ended");
                app.metrics.record(&ended(&video));
            }
            announce(app, video).await
        }
        Some(video) => {
            tracing::debug!(video = video_id, progress = video.progress, "job news");
            Ok(())
        }
        None => {
            tracing::warn!(video = video_id, "news of a video that isn't known here; ignored");
            Ok(())
        }
    }
}

/// What an end counts as.
fn ended(video: &Entry) -> Vec<Metric> {
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

/// The keys of what a job has made in `bucket`. `None` without a playlist.
pub fn outputs(bucket: &str, groups: &[OutputGroup]) -> Option<Outputs> {
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
    Some(of_files(hls, files))
}

/// The same from a listing of the bucket, for a job whose own word was lost: of `keys`, those of this video.
pub fn listed(video_id: &str, keys: impl IntoIterator<Item = String>) -> Option<Outputs> {
    let rest = |key: &str| Some(key.rsplit_once('/')?.1.strip_prefix(video_id)?.to_owned());
    let (playlists, files): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .filter(|key| rest(key).is_some_and(|rest| rest == ".m3u8" || !rest.ends_with(".m3u8")))
        .partition(|key| key.ends_with(".m3u8"));
    // A longer id that begins with this one has other names: `ID_540.mp4` and `ID.0000000.jpg` are ours.
    let ours = |key: &String| {
        let middle = |end| rest(key).and_then(|rest| Some(rest.strip_suffix(end)?.get(1..)?.to_owned()));
        let digits = |text: String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        middle(".mp4").is_some_and(digits) || middle(".jpg").is_some_and(digits)
    };
    Some(of_files(playlists.into_iter().next()?, files.into_iter().filter(ours)))
}

fn of_files(hls: String, files: impl Iterator<Item = String>) -> Outputs {
    let mut outputs = Outputs { hls, ..Outputs::default() };
    for file in files {
        if let Some(height) = mp4_height(&file) {
            outputs.mp4.insert(height.into(), file);
        } else if let Some(pictures) = pictures(&file).filter(|found| found.len() > outputs.thumbnails.len())
        {
            outputs.thumbnails = pictures;
        }
    }
    outputs
}

/// `…_720.mp4` → `720`.
fn mp4_height(key: &str) -> Option<&str> {
    let (_, height) = key.strip_suffix(".mp4")?.rsplit_once('_')?;
    height.bytes().all(|b| b.is_ascii_digit()).then_some(height)
}

/// MediaConvert names only the last picture, `….0000002.jpg`; those before it are there, too.
fn pictures(last: &str) -> Option<Vec<String>> {
    let (stem, number) = last.strip_suffix(".jpg")?.rsplit_once('.')?;
    let last: u32 = number.parse().ok().filter(|last| *last < 1_000)?;
    let digits = number.len();
    Some((0..=last).map(|at| format!("{stem}.{at:0digits$}.jpg")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, read};

    #[test]
    fn a_finished_jobs_keys_are_found() {
        let event = include_str!("../../tests/fixtures/mediaconvert-complete.json");
        let Ok(Event::Job(JobEvent { news: JobNews::Complete(groups), .. })) =
            read(serde_json::from_str(event).unwrap())
        else {
            panic!()
        };
        let outputs = outputs("media", &groups).unwrap();
        assert_eq!(outputs.hls, "assets/HLS/5f2c.m3u8");
        assert_eq!(outputs.mp4["720"], "assets/MP4/5f2c_720.mp4");
        assert_eq!(outputs.mp4.len(), 2);
        let numbers = ["0000000", "0000001", "0000002"];
        assert_eq!(outputs.thumbnails, numbers.map(|n| format!("assets/Thumbnails/5f2c.{n}.jpg")));
        assert_eq!(super::outputs("another", &groups), None);
    }

    #[test]
    fn a_listing_tells_the_same() {
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
        ];
        let outputs = listed("5f2c", keys.map(str::to_owned)).unwrap();
        assert_eq!(outputs.hls, "assets/HLS/5f2c.m3u8");
        let mp4: Vec<_> = outputs.mp4.keys().collect();
        assert_eq!(mp4, ["1080", "540"]);
        assert_eq!(outputs.thumbnails.len(), 2);
        assert_eq!(listed("5f2", keys.map(str::to_owned)), None, "another video's");
    }

    #[test]
    fn odd_names_are_left_out() {
        assert_eq!(pictures("a.jpg"), None);
        assert_eq!(pictures("a.9999999.jpg"), None);
        assert_eq!(mp4_height("assets/MP4/a_b.mp4"), None);
    }
}
