//! Events that AWS invokes the edge with: objects created, job states, deletions, the reconciler's schedule.

pub mod captions;
pub mod convert;
pub mod erase;
pub mod events_only;
pub mod job_events;
pub mod lambda_events;
pub mod notify;
pub mod outputs;
pub mod reconcile;
pub mod sanitize_event;
pub mod shapes;

use crate::api::error::ApiError;
use crate::key::CaptionsKey;
use crate::state::AppState;
use lambda_events::EventHandler;
use shapes::{JobEvent, ObjectCreated, Reconcile};

#[async_trait::async_trait]
impl EventHandler for AppState {
    async fn object(&self, created: ObjectCreated) -> Result<(), ApiError> {
        match CaptionsKey::parse(&created.key).filter(|_| created.bucket == self.store.bucket()) {
            Some(key) => captions::stored(self, &created, &key).await,
            None => convert::convert(self, created, 0).await,
        }
    }

    async fn job(&self, event: JobEvent) -> Result<(), ApiError> {
        job_events::handle(self, event).await
    }

    async fn reconcile(&self, event: &Reconcile) -> Result<(), ApiError> {
        reconcile::reconcile(self, event).await
    }

    async fn convert_again(&self, video_id: &str) -> Result<(), ApiError> {
        job_events::convert_again(self, video_id).await
    }

    async fn deleted(&self, video_id: &str) -> Result<(), ApiError> {
        erase::erase_deleted(self, video_id).await
    }
}
