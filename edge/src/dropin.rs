//! The original tutorial's two functions in one, with nothing but their environment: an object becomes a job,
//! and a job's end is told to the site's backend. No catalog, so nothing is remembered: one object gives one
//! job only within the minute that MediaConvert remembers a request token, and progress is nobody's.

use crate::callback::Callback;
use crate::catalog::{Change, ObjectVersion};
use crate::clock;
use crate::config::Conversion;
use crate::convert::make_job;
use crate::error::ApiError;
use crate::event::{Created, JobEvent, JobNews, Reconcile};
use crate::gate::{Events, Gate, events};
use crate::job::JobTemplate;
use crate::key::VideoId;
use crate::log;
use crate::transcoder::Transcoder;
use aws_config::SdkConfig;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::post;
use std::sync::Arc;
use wire::{Video, VideoError, VideoStatus};

#[derive(Clone)]
pub struct DropIn(Arc<Parts>);

struct Parts {
    conversion: Conversion,
    job: JobTemplate,
    transcoder: Transcoder,
    callback: Option<Callback>,
}

impl DropIn {
    pub fn new(conversion: Conversion, job: JobTemplate, mediaconvert: &SdkConfig) -> Self {
        let transcoder =
            Transcoder::new(mediaconvert, &conversion.media_convert_role, &conversion.application);
        let callback = conversion.callback.as_ref().map(Callback::new);
        Self(Arc::new(Parts { conversion, job, transcoder, callback }))
    }

    /// What Lambda runs: events only.
    pub fn gate(&self) -> Gate {
        let router = Router::new()
            .route("/events", post(events::<Self>))
            .fallback(|| async { ApiError::NotFound })
            .layer(from_fn(log::access))
            .with_state(self.clone());
        Gate(router)
    }

    async fn announce(
        &self,
        id: &VideoId,
        status: VideoStatus,
        error: Option<VideoError>,
        duration_ms: Option<u64>,
    ) -> Result<(), ApiError> {
        tracing::info!(video = %id, ?status, "job ended");
        let Some(callback) = &self.0.callback else { return Ok(()) };
        let now = clock::rfc3339(clock::now_ms());
        let video = Video {
            video_id: id.to_string(),
            status,
            progress: if status == VideoStatus::Ready { 100 } else { 0 },
            size: 0,
            duration_ms,
            width: None,
            height: None,
            urls: None,
            error,
            created_at: now.clone(),
            updated_at: now,
        };
        Ok(callback.announce(&video, log::trace().as_deref()).await?)
    }
}

#[async_trait::async_trait]
impl Events for DropIn {
    async fn object(&self, created: Created) -> Result<(), ApiError> {
        let Parts { conversion, job, transcoder, .. } = &*self.0;
        // The tutorial watches the very bucket that outputs go to: they are no inputs.
        let is_output = created.bucket == conversion.destination_bucket
            && job.destinations().iter().any(|folder| created.key.starts_with(folder.as_str()));
        if is_output {
            return Ok(());
        }
        let id = VideoId::of_object(&created.key);
        let input = format!("s3://{}/{}", created.bucket, created.key);
        let object = ObjectVersion { bucket: created.bucket, key: created.key, etag: created.etag };
        let to = &conversion.destination_bucket;
        match make_job(transcoder, job, &input, to, &id, &object.digest()).await? {
            Change::Failed { error, .. } => self.announce(&id, VideoStatus::Failed, Some(error), None).await,
            _ => Ok(()),
        }
    }

    async fn job(&self, event: JobEvent) -> Result<(), ApiError> {
        let Some(id) = VideoId::parse(&event.video_id) else { return Ok(()) };
        match event.news {
            JobNews::Progress(_) => Ok(()),
            JobNews::Complete(groups) => {
                let duration = groups.iter().flat_map(|g| &g.output_details).find_map(|o| o.duration_in_ms);
                self.announce(&id, VideoStatus::Ready, None, duration).await
            }
            JobNews::Error { code, message } => {
                self.announce(&id, VideoStatus::Failed, Some(VideoError { code, message }), None).await
            }
            JobNews::Canceled => self.announce(&id, VideoStatus::Canceled, None, None).await,
        }
    }

    /// There is nothing to compare with.
    async fn reconcile(&self, _: &Reconcile) -> Result<(), ApiError> {
        Ok(())
    }
}
