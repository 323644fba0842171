//! Starts the job of a created object, once, however often its event is delivered.

use crate::api::error::ApiError;
use crate::config::SourceLimits;
use crate::events::erase::erase;
use crate::events::notify::notify;
use crate::events::shapes::ObjectCreated;
use crate::job::{JobTemplate, Source};
use crate::key::{IncomingKey, VideoId};
use crate::services::catalog::{
    ApplyOutcome, Claim, Deletion, LEASE_MS, Lease, ObjectVersion, VideoRecord, VideoTransition,
};
use crate::services::metrics::Metric;
use crate::services::transcoder::{NewJob, Transcoder, TranscoderError};
use crate::state::AppState;
use crate::title;
use std::time::Duration;
use wire::{VideoError, VideoStatus};

/// Times out before the lease expires, so that only one worker starts the job.
const START_TIMEOUT: Duration = Duration::from_millis(LEASE_MS - 5_000);

/// After it, the file is converted without the probe's result, where that is allowed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the job of one object, for this attempt. `Err`: the event must be delivered again.
pub async fn convert(app: &AppState, created: ObjectCreated, attempt: u32) -> Result<(), ApiError> {
    if created.bucket != app.store.bucket() {
        tracing::info!(bucket = created.bucket, "object ignored: it isn't in the upload bucket");
        return Ok(());
    }
    let Some((key, claim)) = claim(app, created, attempt).await? else {
        tracing::info!("object ignored: its key isn't that of a video");
        return Ok(());
    };
    let lease = match claim {
        Claim::Completed(record) if record.deletion == Some(Deletion::Requested) => {
            return erase(app, *record).await;
        }
        Claim::Completed(record) => return notify(app, *record).await,
        Claim::Busy => return Err(ApiError::Throttled("a concurrent delivery of this object's event")),
        Claim::OtherObject => return Ok(()),
        Claim::Granted(lease) => *lease,
    };
    match tokio::time::timeout(START_TIMEOUT, start(app, &key, &lease)).await {
        Ok(Ok(transition)) => {
            let (metric, job_id) = match &transition {
                VideoTransition::JobStarted { job_id, .. } => (Metric::JobsStarted, Some(job_id.clone())),
                _ => (Metric::JobsFailed, None),
            };
            let record = app.catalog.complete_claim(lease, transition, app.now_ms()).await?;
            app.metrics.record(&[metric]);
            // Deleted while the job was started.
            if record.is_deleted() {
                return erase(app, VideoRecord { job_id: job_id.or(record.job_id), ..record }).await;
            }
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

/// Starts the job of a video whose object is stored. `false`: there is no object.
pub async fn convert_stored(app: &AppState, record: &VideoRecord) -> Result<bool, ApiError> {
    let Some(key) = record.key.clone() else { return Ok(false) };
    let Some(object) = app.store.head_object(&key).await? else { return Ok(false) };
    let bucket = app.store.bucket().into();
    let created = ObjectCreated { bucket, key, etag: object.etag, size: object.size };
    convert(app, created, record.attempt).await.map(|()| true)
}

/// Claims an object as that of an upload, or else as one that another tool has stored: it becomes a video, too, with an id
/// derived from its key. `None`: the key is no file's.
async fn claim(
    app: &AppState,
    created: ObjectCreated,
    attempt: u32,
) -> Result<Option<(IncomingKey, Claim)>, ApiError> {
    let ObjectCreated { bucket, key, etag, size } = created;
    let object = ObjectVersion { bucket, key, etag, attempt };
    let mut claimed = None;
    for key in IncomingKey::candidates(&object.key) {
        let mut new = VideoRecord {
            title: title::from_file_name(key.as_str()),
            ..app.new_record(&key, &app.config.object_owner, size)
        };
        new.apply(VideoTransition::Uploaded { size }, app.now_ms());
        let claim = app.catalog.claim(object.clone(), new, app.now_ms()).await?;
        let is_other = claim == Claim::OtherObject;
        claimed = Some((key, claim));
        if !is_other {
            break;
        }
    }
    Ok(claimed)
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
    let conversion = &app.config.conversion;
    let source = match probe(&app.transcoder, &input, &conversion.source_limits).await? {
        Ok(source) => source,
        Err(error) => return Ok(VideoTransition::Failed { job_id: None, error }),
    };
    let daily = app.config.owner_limits.daily;
    if let Some(duration_ms) = source.duration_ms
        && daily.duration_ms.is_some()
        && !lease.record.owner.is_empty()
    {
        let counted = VideoTransition::Counted { duration_ms };
        let id = key.video_id().as_str();
        if app.catalog.apply_within(id, counted, daily, app.now_ms()).await? == ApplyOutcome::OverDailyLimit {
            let error = refused(
                wire::ErrorCode::DailyLimitReached.as_str(),
                "The owner's videos of this day are longer than is allowed together.".into(),
            );
            return Ok(VideoTransition::Failed { job_id: None, error });
        }
    }
    let (to, id) = (&conversion.destination_bucket, key.video_id());
    create_job(&app.transcoder, &app.job, NewInput { url: &input, source, request_token: &token }, to, id)
        .await
}

/// A file to convert.
pub struct NewInput<'a> {
    /// `s3://…`
    pub url: &'a str,
    pub source: Source,
    pub request_token: &'a str,
}

/// Probes a file, and compares it with the limits. The inner error is final; the outer one means: try again later.
pub async fn probe(
    transcoder: &Transcoder,
    url: &str,
    limits: &SourceLimits,
) -> Result<Result<Source, VideoError>, ApiError> {
    let source = match tokio::time::timeout(PROBE_TIMEOUT, transcoder.probe(url)).await {
        Ok(Ok(source)) => source,
        Ok(Err(error @ TranscoderError::Throttled)) => return Err(error.into()),
        Ok(Err(error @ TranscoderError::Unavailable(_))) if !limits.allows_unknown_duration => {
            return Err(error.into());
        }
        Err(_) if !limits.allows_unknown_duration => return Err(ApiError::Internal("the probe timed out")),
        // The probe is optional: if the file is at fault, the job fails with an error code and a message.
        failed => {
            tracing::warn!(url, ?failed, "the file can't be probed");
            Source::unknown()
        }
    };
    Ok(match over_limit(&source, limits) {
        None => Ok(source),
        Some(error) => Err(error),
    })
}

/// Why a file isn't converted.
fn over_limit(source: &Source, limits: &SourceLimits) -> Option<VideoError> {
    match source.duration_ms {
        None if !limits.allows_unknown_duration => {
            return Some(refused("duration_unknown", "The file's duration can't be determined.".into()));
        }
        Some(duration_ms) if duration_ms > limits.max_duration_ms => {
            let (seconds, max) = (duration_ms.div_ceil(1000), limits.max_duration_ms / 1000);
            let message = format!("The video is {seconds} s long; at most {max} s are allowed.");
            return Some(refused("duration_too_long", message));
        }
        _ => {}
    }
    let rate = source.frame_rate.filter(|rate| *rate > limits.max_frame_rate)?;
    let max = limits.max_frame_rate;
    let message = format!("The video has {rate:.3} frames per second; at most {max} are allowed.");
    Some(refused("frame_rate_too_high", message))
}

fn refused(code: &str, message: String) -> VideoError {
    VideoError { code: code.into(), message }
}

/// Creates the job of a file. Returns the video's transition; `Err`: try again later.
pub async fn create_job(
    transcoder: &Transcoder,
    template: &JobTemplate,
    input: NewInput<'_>,
    destination_bucket: &str,
    video_id: &VideoId,
) -> Result<VideoTransition, ApiError> {
    let NewInput { url, source, request_token } = input;
    let settings = template.settings(url, destination_bucket, video_id.as_str(), &source);
    let job = NewJob { video_id: video_id.as_str(), settings, request_token };
    match transcoder.create_job(job).await {
        Ok(job_id) => {
            tracing::info!(video = %video_id, job = job_id, "job started");
            Ok(job_started(job_id, &source))
        }
        Err(TranscoderError::Refused(message)) => {
            let error = refused(wire::ErrorCode::TranscoderRefused.as_str(), message);
            Ok(VideoTransition::Failed { job_id: None, error })
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
    record.is_none_or(|record| {
        !record.is_deleted() && matches!(record.status, VideoStatus::Uploading | VideoStatus::Uploaded)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_over_a_limit_is_refused_with_its_code() {
        let limits =
            SourceLimits { max_duration_ms: 60_000, allows_unknown_duration: false, max_frame_rate: 120.0 };
        let allowing = SourceLimits { allows_unknown_duration: true, ..limits };
        let source = |duration_ms, frame_rate| Source { duration_ms, frame_rate, ..Source::unknown() };
        for (limits, source, code) in [
            (limits, source(Some(60_000), Some(120.0)), None),
            (limits, source(Some(60_001), None), Some("duration_too_long")),
            (limits, source(None, None), Some("duration_unknown")),
            (allowing, source(None, None), None),
            (allowing, source(None, Some(120.1)), Some("frame_rate_too_high")),
            (limits, source(Some(1), Some(1000.0)), Some("frame_rate_too_high")),
        ] {
            let error = over_limit(&source, &limits);
            assert_eq!(error.as_ref().map(|error| &*error.code), code, "{source:?}");
            assert!(error.is_none_or(|error| error.message.ends_with('.')));
        }
    }
}
