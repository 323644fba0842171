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
use futures_util::{StreamExt, stream};
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// How many overdue videos are looked at in one go; the most overdue come first.
const MOST: usize = 1_000;
/// How many things are looked at at a time.
const AT_ONCE: usize = 16;
/// Lambda gives five minutes.
const WORK_LIMIT: Duration = Duration::from_secs(240);

/// What came of a run.
#[derive(Default)]
struct Tally {
    mended: u64,
    failure: Option<ApiError>,
}

impl Tally {
    fn add(&mut self, one: Result<bool, ApiError>) {
        match one {
            Ok(mended) => self.mended += u64::from(mended),
            Err(error) => self.failure = self.failure.take().or(Some(error)),
        }
    }
}

/// Goes through everything once. `Err`: something couldn't be put right now; the rest was.
pub async fn reconcile(app: &App, event: &Reconcile) -> Result<(), ApiError> {
    let mut tally = Tally::default();
    match tokio::time::timeout(WORK_LIMIT, all(app, event, &mut tally)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tally.add(Err(error)),
        Err(_) => tally.add(Err(ApiError::Internal("there is more to reconcile than fits into one run"))),
    }
    let Tally { mended, failure } = tally;
    app.metrics.record(&[Metric::ReconcilerMended(mended)]);
    tracing::info!(mended, complete = failure.is_none(), "reconciled");
    failure.map_or(Ok(()), Err)
}

async fn all(app: &App, event: &Reconcile, tally: &mut Tally) -> Result<(), ApiError> {
    let before = app.now_ms().saturating_sub(event.older_than_seconds.saturating_mul(1000));
    let since = app.now_ms().saturating_sub(event.newer_than_hours.saturating_mul(3_600_000));
    let overdue = app.catalog.overdue(before, MOST).await?;
    let (untold, unended): (Vec<_>, Vec<_>) = overdue.into_iter().partition(|entry| entry.status.is_final());
    let mut mending = stream::iter(unended).map(|entry| mend(app, entry)).buffer_unordered(AT_ONCE);
    while let Some(one) = mending.next().await {
        tally.add(one);
    }
    let mut from = None;
    loop {
        let (objects, next) = app.store.incoming(from).await?;
        let recent = objects.into_iter().filter(|object| (since..before).contains(&object.modified_ms));
        let mut starting =
            stream::iter(recent).map(|object| start_if_none_has(app, object)).buffer_unordered(AT_ONCE);
        while let Some(one) = starting.next().await {
            tally.add(one);
        }
        from = next;
        if from.is_none() {
            break;
        }
    }
    // Last, as a backend that is down takes half a minute for each; then there is no point in telling it more.
    for entry in untold {
        tracing::warn!(video = entry.video_id, "an end that wasn't announced");
        let told = announce(app, entry).await;
        let goes_on = told.is_ok();
        tally.add(told.map(|()| true));
        if !goes_on {
            break;
        }
    }
    Ok(())
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
