//! `/videos`: returns, lists, changes and deletes videos.

use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, matches_etag};
use crate::api::signed_cookies::SignedCookies;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::key::VideoId;
use crate::services::catalog::{Cursor, Outputs, VideoRecord, VideoTransition};
use crate::state::AppState;
use crate::title;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use wire::{ChangeVideo, Video, VideoList, VideoUrls};

const DEFAULT_PAGE_SIZE: usize = 20;
const MAX_PAGE_SIZE: usize = 100;
/// In bytes of the hash.
const ETAG_SIZE: usize = 12;
/// In milliseconds since 1970: the last time with 13 digits, the width by which DynamoDB sorts.
const MAX_CREATED_MS: u64 = 9_999_999_999_999;

/// `GET /videos/{videoId}`: one of the caller's videos. Other owners' videos are not found.
pub async fn get(
    State(app): State<AppState>,
    State(cookies): State<Option<Arc<SignedCookies>>>,
    caller: Caller,
    Path(video_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let video_id = VideoId::parse(&video_id).ok_or(ApiError::VideoNotFound)?;
    let record = owned_video(&app, &caller, &video_id).await?;
    let record = Some(record).filter(|record| !record.is_deleted()).ok_or(ApiError::VideoNotFound)?;
    let is_ready = record.status == wire::VideoStatus::Ready;
    let body = serde_json::to_vec(&to_video(&app.config, record))
        .map_err(|_| ApiError::Internal("a video can't be serialized"))?;
    // A digest of the body: a changed `CDN_BASE_URL` changes the response without changing the record.
    let digest = Sha256::digest(&body);
    let etag = format!("\"{}\"", hex::encode(digest.iter().take(ETAG_SIZE).copied().collect::<Vec<u8>>()));
    // Browsers may cache the response but must revalidate it each time.
    let response_headers =
        [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, "private, no-cache".into())];
    let mut response = match matches_etag(&headers, &etag) {
        true => (StatusCode::NOT_MODIFIED, response_headers).into_response(),
        false => (response_headers, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
    };
    if let Some(cookies) = cookies.filter(|_| is_ready) {
        for cookie in cookies.for_video(video_id.as_str(), app.now_ms() / 1000) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

/// `PATCH /videos/{videoId}`: changes the title.
pub async fn change(
    State(app): State<AppState>,
    caller: Caller,
    Path(video_id): Path<String>,
    JsonBody(request): JsonBody<ChangeVideo>,
) -> Result<Json<Video>, ApiError> {
    let video_id = VideoId::parse(&video_id).ok_or(ApiError::VideoNotFound)?;
    owned_video(&app, &caller, &video_id).await?;
    let titled = VideoTransition::Titled { title: title::parse(&request.title).ok_or(ApiError::BadTitle)? };
    let changed = app.catalog.apply(video_id.as_str(), titled, app.now_ms()).await?;
    let record = changed.filter(|record| !record.is_deleted()).ok_or(ApiError::VideoNotFound)?;
    Ok(Json(to_video(&app.config, record)))
}

/// `DELETE /videos/{videoId}`: hides the video at once. Its object, outputs and job are deleted by `events::erase`, in
/// an invocation that no HTTP request reaches.
pub async fn delete(
    State(app): State<AppState>,
    caller: Caller,
    Path(video_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let video_id = VideoId::parse(&video_id).ok_or(ApiError::VideoNotFound)?;
    owned_video(&app, &caller, &video_id).await?;
    app.catalog.apply(video_id.as_str(), VideoTransition::Deleted, app.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One of the caller's videos, which may be deleted. Other owners' videos are not found.
async fn owned_video(app: &AppState, caller: &Caller, video_id: &VideoId) -> Result<VideoRecord, ApiError> {
    let record = app.catalog.get(video_id.as_str()).await?;
    record.filter(|record| record.owner == caller.id).ok_or(ApiError::VideoNotFound)
}

#[derive(Deserialize)]
pub struct Page {
    limit: Option<String>,
    cursor: Option<String>,
}

/// `GET /videos`: the caller's videos, newest first, in pages of `limit` (1–100, default 20).
pub async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let limit = match page.limit.as_deref().map(str::parse) {
        None => DEFAULT_PAGE_SIZE,
        Some(Ok(limit)) if (1..=MAX_PAGE_SIZE).contains(&limit) => limit,
        Some(_) => return Err(ApiError::BadRequest("A page holds 1 to 100 videos.".into())),
    };
    let bad_cursor = || ApiError::BadRequest("The cursor isn't valid.".into());
    let from = page.cursor.map(|text| decode_cursor(&text).ok_or_else(bad_cursor)).transpose()?;
    // One record more than requested shows whether there is another page.
    let mut records = app.catalog.list(&caller.id, limit + 1, from).await?;
    let has_more = records.len() > limit;
    records.truncate(limit);
    let cursor = records.last().filter(|_| has_more).map(encode_cursor);
    let videos = records.into_iter().map(|record| to_video(&app.config, record)).collect();
    Ok(([(header::CACHE_CONTROL, "private, no-cache")], Json(VideoList { videos, cursor })))
}

fn encode_cursor(record: &VideoRecord) -> String {
    BASE64URL.encode(format!("{}.{}", record.created_ms, record.video_id))
}

fn decode_cursor(text: &str) -> Option<Cursor> {
    let text = String::from_utf8(BASE64URL.decode(text).ok()?).ok()?;
    let (created_ms, video_id) = text.split_once('.')?;
    let created_ms = created_ms.parse().ok().filter(|ms| *ms <= MAX_CREATED_MS)?;
    Some(Cursor { created_ms, video_id: VideoId::parse(video_id)?.to_string() })
}

/// The response for a record, with its outputs as URLs.
pub fn to_video(config: &Config, record: VideoRecord) -> Video {
    Video {
        video_id: record.video_id,
        title: record.title,
        status: record.status,
        progress: record.progress,
        size: record.size,
        duration_ms: record.duration_ms,
        width: record.width,
        height: record.height,
        urls: record.outputs.map(|outputs| urls(&config.cdn_base_url, &outputs)),
        error: record.error,
        created_at: rfc3339(record.created_ms),
        updated_at: rfc3339(record.updated_ms),
    }
}

/// URLs of outputs. Their keys contain no character that needs escaping.
fn urls(base: &str, outputs: &Outputs) -> VideoUrls {
    let url = |key: &String| format!("{base}/{key}");
    VideoUrls {
        hls: url(&outputs.hls),
        mp4: outputs.mp4.iter().map(|(height, key)| (height.clone(), url(key))).collect(),
        thumbnails: outputs.thumbnails.iter().map(url).collect(),
        // Where none was chosen: the first thumbnail is often black; a video of 3 s or less has no second one.
        poster: outputs.poster.as_ref().or(outputs.thumbnails.get(1)).or(outputs.thumbnails.first()).map(url),
        storyboard: outputs.storyboard.as_ref().map(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_decodes_to_what_was_encoded() {
        let record = VideoRecord::new("a-b-c_d", "o", 1, 42);
        let cursor = decode_cursor(&encode_cursor(&record)).unwrap();
        assert_eq!(cursor, Cursor { created_ms: 42, video_id: "a-b-c_d".into() });
        for bad in ["", "!", "MQ", "LjE", "////"] {
            assert_eq!(decode_cursor(bad), None, "{bad}");
        }
        for bad in ["1.a/b".to_owned(), "10000000000000.a".into(), format!("1.{}", "x".repeat(65))] {
            assert_eq!(decode_cursor(&BASE64URL.encode(&bad)), None, "{bad}");
        }
    }

    #[test]
    fn poster_is_the_chosen_or_the_second_thumbnail() {
        let poster = |thumbnails: &[&str], poster: Option<&str>| {
            let thumbnails = thumbnails.iter().map(|key| (*key).to_owned()).collect();
            let poster = poster.map(str::to_owned);
            urls("https://c", &Outputs { thumbnails, poster, ..Outputs::default() }).poster
        };
        assert_eq!(poster(&[], None), None);
        assert_eq!(poster(&["0.jpg"], None).as_deref(), Some("https://c/0.jpg"));
        assert_eq!(poster(&["0.jpg", "1.jpg", "2.jpg"], None).as_deref(), Some("https://c/1.jpg"));
        assert_eq!(poster(&["0.jpg", "1.jpg"], Some("0.jpg")).as_deref(), Some("https://c/0.jpg"));
    }
}
