//! The reconciler: compares the catalog with S3 and MediaConvert, and repairs the differences that lost events leave:
//! objects without a job, jobs whose end wasn't recorded, uploads that never complete.

use crate::api::error::ApiError;
use crate::events::convert::{convert, needs_job};
use crate::events::job_events::{apply_transition, completed, outputs_from_listing};
use crate::events::notify::notify;
use crate::events::shapes::{ObjectCreated, Reconcile};
use crate::key::IncomingKey;
use crate::services::catalog::{VideoRecord, VideoTransition};
use crate::services::metrics::Metric;
use crate::services::store::ListedObject;
use crate::services::transcoder::JobState;
use crate::state::AppState;
use futures_util::{StreamExt, stream};
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// The most stale records of one run; the stalest come first.
const MAX_RECORDS: usize = 1_000;
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
    let stale = app.catalog.list_stale(before, MAX_RECORDS).await?;
    let (unannounced, unfinished): (Vec<_>, Vec<_>) =
        stale.into_iter().partition(|record| record.status.is_final());
    let mut repairs =
        stream::iter(unfinished).map(|record| repair(app, record)).buffer_unordered(MAX_CONCURRENCY);
    while let Some(result) = repairs.next().await {
        summary.add(result);
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
    let Some(key) = IncomingKey::parse(&object.key) else { return Ok(false) };
    let record = app.catalog.get(key.video_id().as_str()).await?;
    if !needs_job(record.as_ref()) {
        return Ok(false);
    }
    tracing::warn!(video = %key.video_id(), "an object without a job");
    let ListedObject { key, etag, size, .. } = object;
    convert(app, ObjectCreated { bucket: app.store.bucket().into(), key, etag, size }).await.map(|()| true)
}

/// Repairs an unfinished record. Returns whether it changed.
async fn repair(app: &AppState, record: VideoRecord) -> Result<bool, ApiError> {
    let video = record.video_id.clone();
    match (&record.job_id, &record.key) {
        (Some(job_id), _) => repair_from_job(app, &video, job_id.clone()).await,
        (None, Some(key)) => match app.store.head_object(key).await? {
            Some(object) => {
                let object =
                    ListedObject { key: key.clone(), etag: object.etag, size: object.size, modified_ms: 0 };
                start_missing_job(app, object).await
            }
            None => repair_without_object(app, &record).await.map(|()| true),
        },
        (None, None) => repair_without_object(app, &record).await.map(|()| true),
    }
}

/// Deletes the record of an open upload; any other video fails, because its object is gone.
async fn repair_without_object(app: &AppState, record: &VideoRecord) -> Result<(), ApiError> {
    tracing::warn!(video = record.video_id, status = ?record.status, "a video without an object");
    if record.status == VideoStatus::Uploading {
        return Ok(app.catalog.delete_open(&record.video_id).await?);
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
        JobState::Running(_) => return Ok(false),
        JobState::Complete => {
            let mut keys = Vec::new();
            for folder in app.job.destinations() {
                let bucket = &app.config.conversion.destination_bucket;
                keys.extend(app.store.list_keys(bucket, &format!("{folder}{video}")).await?);
            }
            completed(job_id, outputs_from_listing(video, keys), None)
        }
        JobState::Error { code, message } => failed(code, message),
        JobState::Canceled => VideoTransition::Canceled { job_id },
        JobState::NotFound => failed("job_gone".into(), "MediaConvert no longer knows the job.".into()),
    };
    tracing::warn!(video, "the end of a job wasn't recorded");
    apply_transition(app, video, transition).await.map(|()| true)
}
