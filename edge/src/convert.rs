//! An object has arrived: starts its job, once, however often the news comes.

use crate::App;
use crate::catalog::{Change, Claim, Entry, LEASE_MS, ObjectVersion};
use crate::clock;
use crate::error::ApiError;
use crate::event::Created;
use crate::job::Source;
use crate::key::IncomingKey;
use crate::transcoder::{NewJob, TranscoderError};
use sha2::{Digest, Sha256};
use std::time::Duration;
use wire::VideoError;

/// Work under a claim ends before the claim does, or two would be at it.
const WORK_LIMIT: Duration = Duration::from_millis(LEASE_MS - 5_000);

/// Starts the job of one object. `Err`: not now; the event must come again.
pub async fn convert(app: &App, created: Created) -> Result<(), ApiError> {
    let ours = created.bucket == app.store.bucket();
    let Some(key) = IncomingKey::parse(&created.key).filter(|_| ours) else {
        tracing::info!(bucket = created.bucket, "an object that isn't an upload; ignored");
        return Ok(());
    };
    let object = ObjectVersion { bucket: created.bucket, key: created.key, etag: created.etag };
    match app.catalog.claim(&object, clock::now_ms()).await? {
        Claim::Done => return Ok(()),
        Claim::Busy => return Err(ApiError::Throttled("another delivery of this object is at work")),
        Claim::Granted => {}
    }
    match tokio::time::timeout(WORK_LIMIT, start(app, &key, &object, created.size)).await {
        Ok(Ok(())) => Ok(app.catalog.settle(&object).await?),
        Ok(Err(error)) => {
            app.catalog.release(&object).await?;
            Err(error)
        }
        // The claim runs out by itself: what is under way may still end well.
        Err(_) => Err(ApiError::Internal("starting a job took too long")),
    }
}

async fn start(app: &App, key: &IncomingKey, object: &ObjectVersion, size: u64) -> Result<(), ApiError> {
    let (id, now) = (key.video_id().as_str(), clock::now_ms());
    // Something else than the page may have put the object there; then it is nobody's video.
    app.catalog.add(Entry::new(id, "", size, now)).await?;
    app.catalog.change(id, Change::Uploaded, now).await?;
    let input = format!("s3://{}/{}", object.bucket, object.key);
    let source = match app.transcoder.probe(&input).await {
        Ok(source) => source,
        // A probe is advice: the job itself says with a number and a sentence what is wrong with a file.
        Err(TranscoderError::Refused(_)) => Source::unknown(),
        Err(error) => return Err(error.into()),
    };
    let settings = app.job.settings(&input, &app.config.conversion.destination_bucket, id, &source);
    let request_token = request_token(object);
    let job = NewJob { video_id: id, settings, request_token: &request_token };
    let change = match app.transcoder.create_job(job).await {
        Ok(job_id) => {
            tracing::info!(video = id, job = job_id, "job started");
            let Source { duration_ms, width, height, .. } = source;
            Change::JobStarted { job_id, duration_ms, width, height }
        }
        Err(TranscoderError::Refused(message)) => {
            let code = wire::ErrorCode::TranscoderRefused.as_str().into();
            Change::Failed { job_id: None, error: VideoError { code, message } }
        }
        Err(error) => return Err(error.into()),
    };
    app.catalog.change(id, change, clock::now_ms()).await?;
    Ok(())
}

/// The same for the same object: 64 hex digits, which is as long as MediaConvert takes.
fn request_token(object: &ObjectVersion) -> String {
    let mut hash = Sha256::new();
    for part in [&object.bucket, &object.key, &object.etag] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_tokens_fit_and_tell_objects_apart() {
        let object =
            |key: &str, etag: &str| ObjectVersion { bucket: "b".into(), key: key.into(), etag: etag.into() };
        let token = request_token(&object("k", "e"));
        assert_eq!(token.len(), 64);
        assert_eq!(token, request_token(&object("k", "e")));
        assert_ne!(token, request_token(&object("ke", "")));
    }
}
