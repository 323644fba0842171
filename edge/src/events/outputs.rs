//! Completes the outputs of a job: chooses the poster, and makes the storyboard of its captured pictures. What can't be
//! made is left out: the video is ready without it.

use crate::job::{STORYBOARD_FOLDER, storyboard_interval_s};
use crate::pictures::{MAX_PICTURES, Picture, Sheet};
use crate::services::catalog::{Outputs, VideoRecord};
use crate::services::store::StoreError;
use crate::state::AppState;
use futures_util::{StreamExt, stream};
use std::time::Duration;

/// For the poster and the storyboard of one video: the video isn't ready before.
const OUTPUTS_TIMEOUT: Duration = Duration::from_secs(60);
/// In bytes; a captured picture of 1280×720 has some 200 kB.
const MAX_PICTURE_SIZE: usize = 4 << 20;
/// Pictures that are read and decoded at a time.
const MAX_CONCURRENCY: usize = 8;

/// The files that a job has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFiles {
    pub outputs: Outputs,
    /// Keys of the storyboard's pictures, in order of time.
    pub storyboard: Vec<String>,
}

/// The reason that a storyboard isn't made.
#[derive(Debug, thiserror::Error)]
enum StoryboardError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("none of its pictures can be decoded")]
    NoPictures,
    #[error("it can't be encoded: {0}")]
    Encoding(#[from] jpeg_encoder::EncodingError),
    #[error("the encoder failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// The outputs with poster and storyboard. `duration_ms` is that of the outputs.
pub async fn complete(
    app: &AppState,
    record: &VideoRecord,
    files: JobFiles,
    duration_ms: Option<u64>,
) -> Outputs {
    let JobFiles { mut outputs, storyboard } = files;
    let id = record.video_id.as_str();
    let made = tokio::time::timeout(OUTPUTS_TIMEOUT, async {
        outputs.poster = poster(app, &outputs.thumbnails).await;
        if storyboard.is_empty() {
            return;
        }
        let interval_s = interval_s(
            record.duration_ms,
            duration_ms,
            storyboard.len(),
            app.job.default_storyboard_interval_s(),
        );
        let end_ms = duration_ms.or(record.duration_ms);
        match make_storyboard(app, id, storyboard, interval_s, end_ms).await {
            Ok(key) => outputs.storyboard = Some(key),
            Err(error) => tracing::warn!(video = id, %error, "no storyboard"),
        }
    });
    if made.await.is_err() {
        tracing::warn!(video = id, "poster and storyboard aren't made in time");
    }
    outputs
}

/// The first picture that is neither dark nor of one color: the second, which is no title, then the third, then the first.
/// `None`: there is none.
async fn poster(app: &AppState, thumbnails: &[String]) -> Option<String> {
    for index in [1, 2, 0] {
        let Some(key) = thumbnails.get(index) else { continue };
        match picture(app, key).await {
            Ok(Some(picture)) if picture.is_poster() => return Some(key.clone()),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(key, %error, "a thumbnail can't be read");
                return None;
            }
        }
    }
    None
}

/// `None`: there is no such object, or it isn't a picture.
async fn picture(app: &AppState, key: &str) -> Result<Option<Picture>, StoreError> {
    let bucket = &app.config.conversion.destination_bucket;
    let Some(object) = app.store.read_object(bucket, key, MAX_PICTURE_SIZE).await? else { return Ok(None) };
    if object.is_truncated {
        return Ok(None);
    }
    let decoded = tokio::task::spawn_blocking(move || Picture::decode(&object.bytes)).await;
    Ok(decoded.ok().flatten())
}

/// The seconds between two pictures. They were chosen by the probed duration; where that isn't known, the file's own value
/// was used, or an earlier attempt knew it: the number of pictures tells.
fn interval_s(probed_ms: Option<u64>, duration_ms: Option<u64>, count: usize, default: Option<u64>) -> u64 {
    let default = default.unwrap_or(1).max(1);
    let Some(duration_ms) = probed_ms.or(duration_ms) else { return default };
    let by_duration = storyboard_interval_s(duration_ms);
    let expected = |interval_s: u64| {
        let pictures = duration_ms.div_ceil(interval_s * 1000);
        usize::try_from(pictures).unwrap_or(usize::MAX).min(MAX_PICTURES)
    };
    let is_default = expected(default).abs_diff(count) < expected(by_duration).abs_diff(count);
    if probed_ms.is_none() && is_default { default } else { by_duration }
}

/// Writes the sprite sheet, then the index; returns the index's key.
async fn make_storyboard(
    app: &AppState,
    id: &str,
    mut keys: Vec<String>,
    interval_s: u64,
    duration_ms: Option<u64>,
) -> Result<String, StoryboardError> {
    keys.truncate(MAX_PICTURES);
    let count = keys.len();
    let mut pictures = stream::iter(keys.into_iter().enumerate())
        .map(|(index, key)| async move { (index, picture(app, &key).await) })
        .buffered(MAX_CONCURRENCY);
    let mut sheet = None;
    while let Some((index, picture)) = pictures.next().await {
        let Some(picture) = picture? else { continue };
        if sheet.is_none() {
            sheet = Sheet::new(&picture, count);
        }
        if let Some(sheet) = &mut sheet {
            sheet.place(index, &picture);
        }
    }
    let sheet = sheet.ok_or(StoryboardError::NoPictures)?;
    let bucket = &app.config.conversion.destination_bucket;
    let (image, index) = (format!("{id}.jpg"), format!("{STORYBOARD_FOLDER}{id}.vtt"));
    let text = sheet.webvtt(&image, interval_s, duration_ms);
    let jpeg = tokio::task::spawn_blocking(move || sheet.jpeg()).await??;
    let key = format!("{STORYBOARD_FOLDER}{image}");
    app.store.write_object(bucket, &key, jpeg, "image/jpeg", None).await?;
    app.store.write_object(bucket, &index, text.into_bytes(), "text/vtt", None).await?;
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_that_of_the_job() {
        assert_eq!(interval_s(Some(250_000), Some(251_000), 84, Some(10)), 3);
        assert_eq!(interval_s(None, Some(45_000), 5, Some(10)), 10, "not probed");
        assert_eq!(interval_s(None, Some(45_000), 45, Some(10)), 1, "the job was found, not started");
        assert_eq!(interval_s(None, Some(5_000_000), 100, Some(10)), 50);
        assert_eq!(interval_s(None, None, 7, Some(10)), 10);
        assert_eq!(interval_s(None, None, 7, None), 1);
    }
}
