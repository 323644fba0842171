//! Starts the job of a created object, once, however often its event is delivered.

use crate::api::error::ApiError;
use crate::events::notify::notify;
use crate::events::shapes::ObjectCreated;
use crate::job::{JobTemplate, Source};
use crate::key::{IncomingKey, VideoId};
use crate::services::catalog::{Claim, LEASE_MS, Lease, ObjectVersion, VideoRecord, VideoTransition};
use crate::services::metrics::Metric;
use crate::services::transcoder::{NewJob, Transcoder, TranscoderError};
use crate::state::AppState;
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// Times out before the lease expires, so that only one worker starts the job.
const START_TIMEOUT: Duration = Duration::from_millis(LEASE_MS - 5_000);

/// After it, the file is converted without the probe's result.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the job of one object. `Err`: the event must be delivered again.
pub async fn convert(app: &AppState, created: ObjectCreated) -> Result<(), ApiError> {
    let is_upload_bucket = created.bucket == app.store.bucket();
    let Some(key) = IncomingKey::parse(&created.key).filter(|_| is_upload_bucket) else {
        tracing::info!(bucket = created.bucket, "object ignored: it isn't an upload");
        return Ok(());
    };
    let object = ObjectVersion { bucket: created.bucket, key: created.key, etag: created.etag };
    // Without an owner, for an object that was stored without the edge.
    let mut new = app.new_record(&key, "", created.size);
    new.apply(VideoTransition::Uploaded { size: created.size }, app.now_ms());
    let lease = match app.catalog.claim(object, new, app.now_ms()).await? {
        Claim::Completed(record) => return notify(app, *record).await,
        Claim::Busy => return Err(ApiError::Throttled("a concurrent delivery of this object's event")),
        Claim::Granted(lease) => *lease,
    };
    match tokio::time::timeout(START_TIMEOUT, start(app, &key, &lease)).await {
        Ok(Ok(transition)) => {
            let metric = if matches!(transition, VideoTransition::Failed { .. }) {
                Metric::JobsFailed
            } else {
                Metric::JobsStarted
            };
            let record = app.catalog.complete_claim(lease, transition, app.now_ms()).await?;
            app.metrics.record(&[metric]);
            notify(app, record).await
        }
        Ok(Err(error)) => {
            app.catalog.release_claim(&lease).await?;
            Err(error)
        }
        // The claim isn't released: a request in flight may still create the job.
        Err(_) => Err(ApiError::Internal("starting a job timed out")),
    }
}

/// Creates the job, unless an earlier holder of the claim created it without completing the claim.
async fn start(app: &AppState, key: &IncomingKey, lease: &Lease) -> Result<VideoTransition, ApiError> {
    let ObjectVersion { bucket, key: name, .. } = &lease.object;
    let (input, token) = (format!("s3://{bucket}/{name}"), lease.object.digest());
    if lease.is_retry
        && let Some(job_id) = app.transcoder.find_job(&input, &token).await?
    {
        tracing::info!(video = %key.video_id(), job = job_id, "job found: an earlier attempt created it");
        return Ok(job_started(job_id, &Source::default()));
    }
    let to = &app.config.conversion.destination_bucket;
    create_job(&app.transcoder, &app.job, &input, to, key.video_id(), &token).await
}

/// Probes a file and creates its job. Returns the video's transition; `Err`: try again later.
pub async fn create_job(
    transcoder: &Transcoder,
    template: &JobTemplate,
    input: &str,
    destination_bucket: &str,
    video_id: &VideoId,
    request_token: &str,
) -> Result<VideoTransition, ApiError> {
    let source = match tokio::time::timeout(PROBE_TIMEOUT, transcoder.probe(input)).await {
        Ok(Ok(source)) => source,
        Ok(Err(error @ TranscoderError::Throttled)) => return Err(error.into()),
        // The probe is optional: if the file is at fault, the job fails with an error code and a message.
        failed => {
            tracing::warn!(video = %video_id, ?failed, "the file can't be probed");
            Source::unknown()
        }
    };
    let settings = template.settings(input, destination_bucket, video_id.as_str(), &source);
    let job = NewJob { video_id: video_id.as_str(), settings, request_token };
    match transcoder.create_job(job).await {
        Ok(job_id) => {
            tracing::info!(video = %video_id, job = job_id, "job started");
            Ok(job_started(job_id, &source))
        }
        Err(TranscoderError::Refused(message)) => {
            let code = wire::ErrorCode::TranscoderRefused.as_str().into();
            Ok(VideoTransition::Failed { job_id: None, error: VideoError { code, message } })
        }
        Err(error) => Err(error.into()),
    }
}

fn job_started(job_id: String, source: &Source) -> VideoTransition {
    let Source { duration_ms, width, height, .. } = *source;
    VideoTransition::JobStarted { job_id, duration_ms, width, height }
}

/// Whether the job of an object with this record may not have been started.
pub fn needs_job(record: Option<&VideoRecord>) -> bool {
    record.is_none_or(|record| matches!(record.status, VideoStatus::Uploading | VideoStatus::Uploaded))
}
