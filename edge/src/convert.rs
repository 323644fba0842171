//! An object has arrived: starts its job, once, however often the news comes.

use crate::App;
use crate::announce::announce;
use crate::catalog::{Change, Claim, Entry, LEASE_MS, Lease, ObjectVersion};
use crate::error::ApiError;
use crate::event::Created;
use crate::job::{JobTemplate, Source};
use crate::key::{IncomingKey, VideoId};
use crate::metrics::Metric;
use crate::transcoder::{NewJob, Transcoder, TranscoderError};
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// Work under a claim ends before the claim does, or two would be at it.
const WORK_LIMIT: Duration = Duration::from_millis(LEASE_MS - 5_000);

/// A file that takes longer to look into is converted without.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// Starts the job of one object. `Err`: not now; the event must come again.
pub async fn convert(app: &App, created: Created) -> Result<(), ApiError> {
    let ours = created.bucket == app.store.bucket();
    let Some(key) = IncomingKey::parse(&created.key).filter(|_| ours) else {
        tracing::info!(bucket = created.bucket, "an object that isn't an upload; ignored");
        return Ok(());
    };
    let object = ObjectVersion { bucket: created.bucket, key: created.key, etag: created.etag };
    // Something else than the page may have put the object there; then it is nobody's video.
    let mut new = app.entry(&key, "", created.size);
    new.apply(Change::Uploaded { size: created.size }, app.now_ms());
    let lease = match app.catalog.claim(object, new, app.now_ms()).await? {
        Claim::Done(entry) => return announce(app, *entry).await,
        Claim::Busy => return Err(ApiError::Throttled("another delivery of this object is at work")),
        Claim::Granted(lease) => *lease,
    };
    match tokio::time::timeout(WORK_LIMIT, start(app, &key, &lease)).await {
        Ok(Ok(change)) => {
            let counts = if matches!(change, Change::Failed { .. }) {
                Metric::JobsFailed
            } else {
                Metric::JobsStarted
            };
            let entry = app.catalog.settle(lease, change, app.now_ms()).await?;
            app.metrics.record(&[counts]);
            announce(app, entry).await
        }
        Ok(Err(error)) => {
            app.catalog.release(&lease).await?;
            Err(error)
        }
        // The claim runs out by itself: what is under way may still end well.
        Err(_) => Err(ApiError::Internal("starting a job took too long")),
    }
}

/// Makes the job, unless an earlier holder of the claim has made it and couldn't say so.
async fn start(app: &App, key: &IncomingKey, lease: &Lease) -> Result<Change, ApiError> {
    let ObjectVersion { bucket, key: name, .. } = &lease.object;
    let (input, token) = (format!("s3://{bucket}/{name}"), lease.object.digest());
    if lease.again
        && let Some(job_id) = app.transcoder.find_job(&input, &token).await?
    {
        tracing::info!(video = %key.video_id(), job = job_id, "an earlier try has made the job");
        return Ok(started(job_id, &Source::default()));
    }
    let to = &app.config.conversion.destination_bucket;
    make_job(&app.transcoder, &app.job, &input, to, key.video_id(), &token).await
}

/// Probes a file and makes its job. What comes out is news for the video; `Err`: not now.
pub async fn make_job(
    transcoder: &Transcoder,
    template: &JobTemplate,
    input: &str,
    destination_bucket: &str,
    video_id: &VideoId,
    request_token: &str,
) -> Result<Change, ApiError> {
    let source = match tokio::time::timeout(PROBE_LIMIT, transcoder.probe(input)).await {
        Ok(Ok(source)) => source,
        Ok(Err(error @ TranscoderError::Throttled)) => return Err(error.into()),
        // A probe is advice: the job itself says with a number and a sentence what is wrong with a file.
        unread => {
            tracing::warn!(video = %video_id, ?unread, "no look into the file");
            Source::unknown()
        }
    };
    let settings = template.settings(input, destination_bucket, video_id.as_str(), &source);
    let job = NewJob { video_id: video_id.as_str(), settings, request_token };
    match transcoder.create_job(job).await {
        Ok(job_id) => {
            tracing::info!(video = %video_id, job = job_id, "job started");
            Ok(started(job_id, &source))
        }
        Err(TranscoderError::Refused(message)) => {
            let code = wire::ErrorCode::TranscoderRefused.as_str().into();
            Ok(Change::Failed { job_id: None, error: VideoError { code, message } })
        }
        Err(error) => Err(error.into()),
    }
}

fn started(job_id: String, source: &Source) -> Change {
    let Source { duration_ms, width, height, .. } = *source;
    Change::JobStarted { job_id, duration_ms, width, height }
}

/// Whether an object's job may still have to be started.
pub fn waits_for_its_job(entry: Option<&Entry>) -> bool {
    entry.is_none_or(|entry| matches!(entry.status, VideoStatus::Uploading | VideoStatus::Uploaded))
}
