//! A video has ended: the site's backend hears of it, until it has taken the news.

use crate::App;
use crate::catalog::{Change, Entry};
use crate::error::ApiError;
use crate::log;
use crate::metrics::Metric;
use crate::videos::to_video;

/// Announces a video's end, if it has one and nobody has taken it yet. `Err`: not now; the event must come
/// again.
pub async fn announce(app: &App, entry: Entry) -> Result<(), ApiError> {
    if !entry.status.is_final() || entry.announced {
        return Ok(());
    }
    let video_id = entry.video_id.clone();
    if let Some(callback) = &app.callback {
        let told = callback.announce(&to_video(&app.config, entry), log::trace().as_deref()).await;
        told.inspect_err(|_| app.metrics.record(&[Metric::CallbacksFailed]))?;
    }
    app.catalog.change(&video_id, Change::Announced, app.now_ms()).await?;
    Ok(())
}
