//! Announces the final state of a video to the site's backend, until the backend accepts it.

use crate::api::error::ApiError;
use crate::api::videos::to_video;
use crate::services::catalog::{VideoRecord, VideoTransition};
use crate::services::log;
use crate::services::metrics::Metric;
use crate::state::AppState;

/// Announces a video's final state unless that was done. `Err`: the event must be delivered again.
pub async fn notify(app: &AppState, record: VideoRecord) -> Result<(), ApiError> {
    if !record.status.is_final() || record.announced {
        return Ok(());
    }
    let video_id = record.video_id.clone();
    if let Some(webhook) = &app.webhook {
        let delivered = webhook.deliver(&to_video(&app.config, record), log::trace().as_deref()).await;
        delivered.inspect_err(|_| app.metrics.record(&[Metric::CallbacksFailed]))?;
    }
    app.catalog.apply(&video_id, VideoTransition::Announced, app.now_ms()).await?;
    Ok(())
}
