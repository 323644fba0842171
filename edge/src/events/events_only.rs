//! Events-only mode: the original tutorial's two functions in one, configured by their variables alone. Objects become
//! jobs, and their results are announced to the site's backend. There is no catalog: repeated events of one object
//! create one job only within the minute that MediaConvert remembers a request token, and progress isn't reported.

use crate::api::error::ApiError;
use crate::clock;
use crate::config::Conversion;
use crate::events::convert::{NewInput, create_job, probe};
use crate::events::lambda_events::{EventHandler, LambdaService, receive};
use crate::events::shapes::{JobEvent, JobUpdate, ObjectCreated, Reconcile};
use crate::job::JobTemplate;
use crate::key::VideoId;
use crate::services::catalog::{ObjectVersion, VideoTransition};
use crate::services::log;
use crate::services::transcoder::Transcoder;
use crate::services::webhook::{Announcement, Webhook};
use aws_types::SdkConfig;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::post;
use std::sync::Arc;
use wire::{Video, VideoError, VideoStatus};

#[derive(Clone)]
pub struct EventsOnly(Arc<Shared>);

struct Shared {
    conversion: Conversion,
    job: JobTemplate,
    transcoder: Transcoder,
    webhook: Option<Webhook>,
}

impl EventsOnly {
    pub fn new(conversion: Conversion, job: JobTemplate, mediaconvert: &SdkConfig) -> Self {
        let transcoder =
            Transcoder::new(mediaconvert, &conversion.media_convert_role, &conversion.application);
        let webhook = conversion.callback.as_ref().map(Webhook::new);
        Self(Arc::new(Shared { conversion, job, transcoder, webhook }))
    }

    /// The router as Lambda runs it, with the event endpoint alone.
    pub fn lambda_service(&self) -> LambdaService {
        let router = Router::new()
            .route("/events", post(receive::<Self>))
            .fallback(|| async { ApiError::NotFound })
            .layer(from_fn(log::access))
            .with_state(self.clone());
        LambdaService::new(router)
    }

    async fn notify(
        &self,
        id: &VideoId,
        status: VideoStatus,
        error: Option<VideoError>,
        duration_ms: Option<u64>,
    ) -> Result<(), ApiError> {
        tracing::info!(video = %id, ?status, "job ended");
        let Some(webhook) = &self.0.webhook else { return Ok(()) };
        let now = clock::rfc3339(clock::now_ms());
        let video = Video {
            video_id: id.to_string(),
            title: None,
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
        let announcement = Announcement { video, owner: None, key: None, attempt: 0 };
        Ok(webhook.deliver(&announcement, log::trace().as_deref()).await?)
    }
}

#[async_trait::async_trait]
impl EventHandler for EventsOnly {
    async fn object(&self, created: ObjectCreated) -> Result<(), ApiError> {
        let Shared { conversion, job, transcoder, .. } = &*self.0;
        // In the tutorial's set-up the outputs' bucket also sends events: outputs must not be converted again.
        let is_output = created.bucket == conversion.destination_bucket
            && job.destinations().iter().any(|folder| created.key.starts_with(folder.as_str()));
        if is_output {
            return Ok(());
        }
        let id = VideoId::from_object_key(&created.key);
        let input = format!("s3://{}/{}", created.bucket, created.key);
        let object =
            ObjectVersion { bucket: created.bucket, key: created.key, etag: created.etag, attempt: 0 };
        let to = &conversion.destination_bucket;
        let source = match probe(transcoder, &input, &conversion.source_limits).await? {
            Ok(source) => source,
            Err(error) => return self.notify(&id, VideoStatus::Failed, Some(error), None).await,
        };
        let input = NewInput { url: &input, source, request_token: &object.digest() };
        match create_job(transcoder, job, input, to, &id).await? {
            VideoTransition::Failed { error, .. } => {
                self.notify(&id, VideoStatus::Failed, Some(error), None).await
            }
            _ => Ok(()),
        }
    }

    async fn job(&self, event: JobEvent) -> Result<(), ApiError> {
        let Some(id) = VideoId::parse(&event.video_id) else { return Ok(()) };
        match event.update {
            JobUpdate::Progress(_) => Ok(()),
            JobUpdate::Complete(groups) => {
                let duration = groups.iter().flat_map(|g| &g.output_details).find_map(|o| o.duration_in_ms);
                self.notify(&id, VideoStatus::Ready, None, duration).await
            }
            JobUpdate::Error { code, message } => {
                self.notify(&id, VideoStatus::Failed, Some(VideoError { code, message }), None).await
            }
            JobUpdate::Canceled => self.notify(&id, VideoStatus::Canceled, None, None).await,
        }
    }

    /// Does nothing, like the events below: without a catalog there is nothing to compare.
    async fn reconcile(&self, _: &Reconcile) -> Result<(), ApiError> {
        Ok(())
    }

    async fn convert_again(&self, _: &str) -> Result<(), ApiError> {
        Ok(())
    }

    async fn deleted(&self, _: &str) -> Result<(), ApiError> {
        Ok(())
    }
}
