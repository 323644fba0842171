//! The reconciler: compares the catalog with S3 and MediaConvert, and repairs the differences that lost events leave:
//! objects without a job, jobs whose end wasn't recorded, uploads that never complete.

use crate::api::error::ApiError;
use crate::events::convert::{convert, convert_stored, needs_job};
use crate::events::erase::erase;
use crate::events::job_events::{apply_transition, files_from_listing, job_completed, job_failed};
use crate::events::notify::notify;
use crate::events::shapes::{ObjectCreated, Reconcile};
use crate::key::IncomingKey;
use crate::services::catalog::{VideoRecord, VideoTransition};
use crate::services::metrics::Metric;
use crate::services::store::ListedObject;
use crate::services::transcoder::JobState;
use crate::state::AppState;
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// Stale records that are read at a time, the stalest first.
const PAGE_SIZE: usize = 1_000;
const MAX_CONCURRENCY: usize = 16;
/// Shorter than the Lambda's timeout of five minutes.
const RUN_TIMEOUT: Duration = Duration::from_secs(240);

/// The result of a run.
#[derive(Default)]
struct Summary {
    repairs: u64,
    /// The first failure.
    failure: Option<ApiError>,
}

impl Summary {
    /// Adds the result of one repair: whether something was repaired.
    fn add(&mut self, result: Result<bool, ApiError>) {
        match result {
            Ok(is_repaired) => self.repairs += u64::from(is_repaired),
            // The next run begins with it.
            Err(ApiError::Throttled(what)) => tracing::warn!(what, "a repair waits for the next run"),
            Err(error) => self.failure = self.failure.take().or(Some(error)),
        }
    }
}

/// Runs once. `Err`: a repair failed; the other ones were made.
pub async fn reconcile(app: &AppState, event: &Reconcile) -> Result<(), ApiError> {
    let mut summary = Summary::default();
    match tokio::time::timeout(RUN_TIMEOUT, run(app, event, &mut summary)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => summary.add(Err(error)),
        Err(_) => summary.add(Err(ApiError::Internal("the reconciler's run timed out"))),
    }
    let Summary { repairs, failure } = summary;
    app.metrics.record(&[Metric::ReconcilerRepairs(repairs)]);
    tracing::info!(repairs, complete = failure.is_none(), "reconciled");
    failure.map_or(Ok(()), Err)
}

async fn run(app: &AppState, event: &Reconcile, summary: &mut Summary) -> Result<(), ApiError> {
    let before = app.now_ms().saturating_sub(event.older_than_seconds.saturating_mul(1000));
    let since = app.now_ms().saturating_sub(event.newer_than_hours.saturating_mul(3_600_000));
    let mut unannounced = Vec::new();
    let (mut from_ms, mut seen) = (0, HashSet::new());
    loop {
        let mut page = app.catalog.list_stale(from_ms..before, PAGE_SIZE).await?;
        let is_last = page.len() < PAGE_SIZE;
        from_ms = page.last().map_or(before, VideoRecord::stale_at_ms);
        // Pages overlap by the records that became stale at the same time.
        page.retain(|record| seen.insert(record.video_id.clone()));
        let is_repeated = page.is_empty();
        let (ended, unfinished): (Vec<_>, Vec<_>) =
            page.into_iter().partition(|record| record.status.is_final() && !record.is_deleted());
        unannounced.extend(ended);
        let mut repairs =
            stream::iter(unfinished).map(|record| repair(app, record)).buffer_unordered(MAX_CONCURRENCY);
        while let Some(result) = repairs.next().await {
            summary.add(result);
        }
        if is_last || is_repeated {
            break;
        }
    }
    let mut from = None;
    loop {
        let (objects, next) = app.store.list_incoming(from).await?;
        let recent = objects.into_iter().filter(|object| (since..before).contains(&object.modified_ms));
        let mut starts = stream::iter(recent)
            .map(|object| start_missing_job(app, object))
            .buffer_unordered(MAX_CONCURRENCY);
        while let Some(result) = starts.next().await {
            summary.add(result);
        }
        from = next;
        if from.is_none() {
            break;
        }
    }
    // Last, and only until the first failure: a backend that is down takes half a minute for each video.
    for record in unannounced {
        tracing::warn!(video = record.video_id, "a final state wasn't announced");
        let result = notify(app, record).await;
        let is_delivered = result.is_ok();
        summary.add(result.map(|()| true));
        if !is_delivered {
            break;
        }
    }
    Ok(())
}

/// Handles the event of an object again if its job may not have been started.
async fn start_missing_job(app: &AppState, object: ListedObject) -> Result<bool, ApiError> {
    let keys = IncomingKey::candidates(&object.key);
    let Some(video_id) = keys.first().map(|key| key.video_id().clone()) else { return Ok(false) };
    let mut record = None;
    for key in keys {
        let stored = app.catalog.get(key.video_id().as_str()).await?;
        record = stored.filter(|record| record.key.as_ref().is_none_or(|key| *key == object.key));
        if record.is_some() {
            break;
        }
    }
    if !needs_job(record.as_ref()) {
        return Ok(false);
    }
    tracing::warn!(video = %video_id, "an object without a job");
    let ListedObject { key, etag, size, .. } = object;
    let attempt = record.map_or(0, |record| record.attempt);
    let created = ObjectCreated { bucket: app.store.bucket().into(), key, etag, size };
    convert(app, created, attempt).await.map(|()| true)
}

/// Repairs an unfinished record. Returns whether it changed.
async fn repair(app: &AppState, record: VideoRecord) -> Result<bool, ApiError> {
    if record.is_deleted() {
        return erase(app, record).await.map(|()| true);
    }
    if let Some(job_id) = &record.job_id {
        return repair_from_job(app, &record.video_id, job_id.clone()).await;
    }
    if convert_stored(app, &record).await? {
        tracing::warn!(video = record.video_id, "a stored video without a job");
        return Ok(true);
    }
    repair_without_object(app, &record).await.map(|()| true)
}

/// Deletes the record of an open upload; any other video fails, because its object is gone.
async fn repair_without_object(app: &AppState, record: &VideoRecord) -> Result<(), ApiError> {
    tracing::warn!(video = record.video_id, status = ?record.status, "a video without an object");
    if record.status == VideoStatus::Uploading {
        return Ok(app.catalog.delete_open(&record.video_id, record.s3_upload.as_deref()).await?);
    }
    let message = "The uploaded file was removed before it was converted.".into();
    let error = VideoError { code: "object_gone".into(), message };
    apply_transition(app, &record.video_id, VideoTransition::Failed { job_id: None, error }).await
}

/// Gets a job's state from MediaConvert and applies it like the lost event.
async fn repair_from_job(app: &AppState, video: &str, job_id: String) -> Result<bool, ApiError> {
    let failed = |code: String, message| VideoTransition::Failed {
        job_id: Some(job_id.clone()),
        error: VideoError { code, message },
    };
    let transition = match app.transcoder.job_state(&job_id).await? {
        JobState::Running(_) => {
            // Other stale records are reached by the next run although many jobs run for long.
            app.catalog.apply(video, VideoTransition::Checked, app.now_ms()).await?;
            return Ok(false);
        }
        JobState::Complete => {
            let mut keys = Vec::new();
            for folder in app.job.destinations() {
                let bucket = &app.config.conversion.destination_bucket;
                keys.extend(app.store.list_keys(bucket, &format!("{folder}{video}")).await?);
            }
            tracing::warn!(video, "the end of a job wasn't recorded");
            let files = files_from_listing(video, keys);
            return job_completed(app, video, job_id, files, None).await.map(|()| true);
        }
        JobState::Error { code, message } => {
            tracing::warn!(video, "the failure of a job wasn't recorded");
            return job_failed(app, video, job_id, VideoError { code, message }).await.map(|()| true);
        }
        JobState::Canceled => VideoTransition::Canceled { job_id },
        JobState::NotFound => failed("job_gone".into(), "MediaConvert no longer knows the job.".into()),
    };
    tracing::warn!(video, "the end of a job wasn't recorded");
    apply_transition(app, video, transition).await.map(|()| true)
}
