//! `POST /uploads` of captions: a file beside a video of the caller's, which doesn't touch the video's own upload.

use super::{Multipart, first_parts, media_type, respond};
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::key::{CaptionsKey, MAX_CAPTIONS_SIZE, VideoId};
use crate::services::catalog::VideoRecord;
use crate::state::AppState;
use axum::Json;
use axum::http::StatusCode;
use wire::{OpenUpload, PartPlan, UploadOpened, VideoStatus};

/// Opens an upload of captions if the file's name has their extension. `None`: it hasn't.
pub async fn open(
    app: &AppState,
    caller: &Caller,
    request: &OpenUpload,
) -> Result<Option<(StatusCode, Json<UploadOpened>)>, ApiError> {
    if !CaptionsKey::is_file_name(&request.file_name) {
        return Ok(None);
    }
    let limit = MAX_CAPTIONS_SIZE as u64;
    if request.size > limit {
        return Err(ApiError::FileTooLarge { size: request.size, limit });
    }
    let plan = PartPlan::new(request.size, request.part_size)?;
    let checksum = app.config.upload_checksum;
    let first_parts = first_parts(request, &plan, checksum)?;
    let Some(video_id) = &request.video_id else { return Err(ApiError::CaptionsWithoutVideo) };
    let video_id = VideoId::parse(video_id).ok_or(ApiError::VideoNotFound)?;
    let key = CaptionsKey::new(video_id, &request.file_name).ok_or(ApiError::BadVideoId)?;
    video_of(app, &key, &caller.id).await?;
    let content_type = media_type(&request.content_type);
    let s3_upload = app.store.create_multipart_upload(key.as_str(), content_type, checksum).await?;
    let opened = Multipart { video_id: key.video_id(), key: key.as_str(), s3_upload };
    Ok(Some(respond(app, caller, opened, &plan, &first_parts).await?))
}

/// The owner's video that captions belong to, unless its conversion has failed.
pub async fn video_of(app: &AppState, key: &CaptionsKey, owner: &str) -> Result<VideoRecord, ApiError> {
    let video = app.catalog.get(key.video_id().as_str()).await?;
    let can_have_captions = |video: &VideoRecord| {
        video.owner == owner
            && !video.is_deleted()
            && !matches!(video.status, VideoStatus::Failed | VideoStatus::Canceled)
    };
    video.filter(can_have_captions).ok_or(ApiError::VideoNotFound)
}
