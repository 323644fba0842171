//! What events should have told and didn't: objects without a job, jobs that ended unheard, uploads that will
//! never end. Looks at S3, MediaConvert and the catalog, and puts right what differs.

use crate::App;
use crate::announce::announce;
use crate::catalog::{Change, Entry};
use crate::completion::{finished, listed, news_of};
use crate::convert::{convert, waits_for_its_job};
use crate::error::ApiError;
use crate::event::{Created, Reconcile};
use crate::key::IncomingKey;
use crate::metrics::Metric;
use crate::store::Listed;
use crate::transcoder::JobState;
use wire::{VideoError, VideoStatus};

/// How many overdue videos are looked at in one go; the most overdue come first.
const MOST: usize = 1_000;

/// Goes through everything once. `Err`: something couldn't be put right now; the rest was.
pub async fn reconcile(app: &App, event: &Reconcile) -> Result<(), ApiError> {
    let before = app.now_ms().saturating_sub(event.older_than_seconds * 1000);
    let since = app.now_ms().saturating_sub(event.newer_than_hours * 3_600_000);
    let mut outcome = Ok(());
    let mut mended = 0_u64;
    for entry in app.catalog.overdue(before, MOST).await? {
        let one = mend(app, entry).await;
        mended += u64::from(matches!(one, Ok(true)));
        outcome = outcome.and(one.map(drop));
    }
    let mut from = None;
    loop {
        let (objects, next) = app.store.incoming(from).await?;
        for object in objects {
            if object.modified_ms < since || object.modified_ms >= before {
                continue;
            }
            let one = start_if_none_has(app, object).await;
            mended += u64::from(matches!(one, Ok(true)));
            outcome = outcome.and(one.map(drop));
        }
        from = next;
        if from.is_none() {
            break;
        }
    }
    app.metrics.record(&[Metric::ReconcilerMended(mended)]);
    tracing::info!(mended, complete = outcome.is_ok(), "reconciled");
    outcome
}

/// An object of which no event has come.
async fn start_if_none_has(app: &App, object: Listed) -> Result<bool, ApiError> {
    let Some(key) = IncomingKey::parse(&object.key) else { return Ok(false) };
    let entry = app.catalog.get(key.video_id().as_str()).await?;
    if !waits_for_its_job(entry.as_ref()) {
        return Ok(false);
    }
    tracing::warn!(video = %key.video_id(), "an object without a job");
    let Listed { key, etag, size, .. } = object;
    convert(app, Created { bucket: app.store.bucket().into(), key, etag, size }).await.map(|()| true)
}

/// A video to which nothing has happened for too long. Whether something has now.
async fn mend(app: &App, entry: Entry) -> Result<bool, ApiError> {
    let video = entry.video_id.clone();
    if entry.status.is_final() {
        tracing::warn!(video, "an end that wasn't announced");
        return announce(app, entry).await.map(|()| true);
    }
    match (&entry.job_id, &entry.key) {
        (Some(job_id), _) => ask(app, &video, job_id.clone()).await,
        // Without a job there is the object at most.
        (None, Some(key)) => match app.store.head(key).await? {
            Some(stored) => {
                let object =
                    Listed { key: key.clone(), etag: stored.etag, size: stored.size, modified_ms: 0 };
                start_if_none_has(app, object).await
            }
            None => without_object(app, &entry).await.map(|()| true),
        },
        (None, None) => without_object(app, &entry).await.map(|()| true),
    }
}

/// An upload that never ended is forgotten; a video whose object is gone has failed.
async fn without_object(app: &App, entry: &Entry) -> Result<(), ApiError> {
    tracing::warn!(video = entry.video_id, status = ?entry.status, "a video without an object");
    if entry.status == VideoStatus::Uploading {
        return Ok(app.catalog.forget(&entry.video_id).await?);
    }
    let message = "The uploaded file was removed before it was converted.".into();
    let error = VideoError { code: "object_gone".into(), message };
    news_of(app, &entry.video_id, Change::Failed { job_id: None, error }).await
}

/// Asks MediaConvert how a job stands, and takes that in as if an event had told it.
async fn ask(app: &App, video: &str, job_id: String) -> Result<bool, ApiError> {
    let failed = |code: String, message| Change::Failed {
        job_id: Some(job_id.clone()),
        error: VideoError { code, message },
    };
    let change = match app.transcoder.job_state(&job_id).await? {
        // All is well: it takes its time.
        JobState::Running(_) => return Ok(false),
        JobState::Complete => {
            let mut keys = Vec::new();
            for folder in app.job.destinations() {
                let bucket = &app.config.conversion.destination_bucket;
                keys.extend(app.store.outputs(bucket, &format!("{folder}{video}")).await?);
            }
            finished(job_id, listed(video, keys), None)
        }
        JobState::Error { code, message } => failed(code, message),
        JobState::Canceled => Change::Canceled { job_id },
        JobState::Gone => failed("job_gone".into(), "MediaConvert no longer knows the job.".into()),
    };
    tracing::warn!(video, "a job that ended unheard");
    news_of(app, video, change).await.map(|()| true)
}
