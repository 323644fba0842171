//! MediaConvert tells how a job goes: into the catalog with it.

use crate::App;
use crate::catalog::{Change, Outputs};
use crate::clock;
use crate::error::ApiError;
use crate::event::{JobEvent, JobNews, OutputGroup};
use wire::VideoError;

/// Takes one event in. Twice or out of order changes nothing.
pub async fn take(app: &App, event: JobEvent) -> Result<(), ApiError> {
    let JobEvent { job_id, video_id, news } = event;
    let change = match news {
        JobNews::Progress(percent) => Change::Progress { job_id, percent },
        JobNews::Complete(groups) => match outputs(&app.config.conversion.destination_bucket, &groups) {
            Some(outputs) => {
                let duration_ms =
                    groups.iter().flat_map(|group| &group.output_details).find_map(|o| o.duration_in_ms);
                Change::Finished { job_id, outputs, duration_ms }
            }
            None => Change::Failed {
                job_id: Some(job_id),
                error: VideoError {
                    code: "no_outputs".into(),
                    message: "The job ended without an HLS playlist in our bucket.".into(),
                },
            },
        },
        JobNews::Error { code, message } => {
            Change::Failed { job_id: Some(job_id), error: VideoError { code, message } }
        }
        JobNews::Canceled => Change::Canceled { job_id },
    };
    match app.catalog.change(&video_id, change, clock::now_ms()).await? {
        Some(video) if video.status.is_final() => {
            tracing::info!(video = video_id, status = ?video.status, "job ended");
        }
        Some(video) => tracing::debug!(video = video_id, progress = video.progress, "job news"),
        None => tracing::warn!(video = video_id, "news of a video that isn't known here; ignored"),
    }
    Ok(())
}

/// The keys of what a job has made in `bucket`. `None` without a playlist.
fn outputs(bucket: &str, groups: &[OutputGroup]) -> Option<Outputs> {
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
    let mut outputs = Outputs { hls, ..Outputs::default() };
    for file in files {
        if let Some(height) = mp4_height(&file) {
            outputs.mp4.insert(height.into(), file);
        } else if let Some(pictures) = pictures(&file) {
            outputs.thumbnails = pictures;
        }
    }
    Some(outputs)
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
    fn odd_names_are_left_out() {
        assert_eq!(pictures("a.jpg"), None);
        assert_eq!(pictures("a.9999999.jpg"), None);
        assert_eq!(mp4_height("assets/MP4/a_b.mp4"), None);
    }
}
