//! Announces the final state of a video to the site's backend, until the backend accepts it.

use crate::api::error::ApiError;
use crate::api::videos::to_video;
use crate::services::catalog::{VideoRecord, VideoTransition};
use crate::services::log;
use crate::services::metrics::Metric;
use crate::services::webhook::Announcement;
use crate::state::AppState;

/// Announces a video's final state unless that was done. `Err`: the event must be delivered again.
pub async fn notify(app: &AppState, record: VideoRecord) -> Result<(), ApiError> {
    if !record.status.is_final() || record.announced || record.is_deleted() {
        return Ok(());
    }
    let video_id = record.video_id.clone();
    if let Some(webhook) = &app.webhook {
        let (owner, key, attempt) = (record.owner.clone(), record.key.clone(), record.attempt);
        let owner = Some(owner).filter(|owner| !owner.is_empty());
        let announcement = Announcement { video: to_video(&app.config, record), owner, key, attempt };
        let delivered = webhook.deliver(&announcement, log::trace().as_deref()).await;
        delivered.inspect_err(|_| app.metrics.record(&[Metric::CallbacksFailed]))?;
    }
    app.catalog.apply(&video_id, VideoTransition::Announced, app.now_ms()).await?;
    Ok(())
}
