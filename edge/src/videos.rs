//! `/videos`: what became of an upload.

use crate::App;
use crate::auth::Caller;
use crate::catalog::{Cursor, Entry, Outputs};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::error::ApiError;
use crate::key::VideoId;
use crate::request::has_version;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use wire::{Video, VideoList, VideoUrls};

const PAGE: usize = 20;
const LARGEST_PAGE: usize = 100;
/// In milliseconds since 1970; of 13 digits, as databases sort them.
const LATEST_MS: u64 = 9_999_999_999_999;

/// `GET /videos/{videoId}`: the caller's own; another's is as good as none.
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(video_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // What can't be an id needn't be looked for.
    let video_id = VideoId::parse(&video_id).ok_or(ApiError::VideoNotFound)?;
    let entry = app.catalog.get(video_id.as_str()).await?.filter(|entry| entry.owner == caller.id);
    let entry = entry.ok_or(ApiError::VideoNotFound)?;
    let etag = format!("\"{:x}\"", entry.updated_ms);
    // The browser may keep it, but asks each time whether it is still true.
    let answer_headers = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, "private, no-cache".into())];
    let ready = entry.status == wire::VideoStatus::Ready;
    let mut answer = match has_version(&headers, &etag) {
        true => (StatusCode::NOT_MODIFIED, answer_headers).into_response(),
        false => (answer_headers, Json(to_video(&app.config, entry))).into_response(),
    };
    if let Some(cookies) = app.cookies.as_ref().filter(|_| ready) {
        for cookie in cookies.of(video_id.as_str(), app.now_ms() / 1000) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(answer)
}

#[derive(Deserialize)]
pub struct Page {
    limit: Option<String>,
    cursor: Option<String>,
}

/// `GET /videos`: the caller's own, newest first, `limit` (1–100, 20 unless told) at a time.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let limit = match page.limit.as_deref().map(str::parse) {
        None => PAGE,
        Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => limit,
        Some(_) => return Err(ApiError::BadRequest("A page holds 1 to 100 videos.".into())),
    };
    let bad_cursor = || ApiError::BadRequest("The cursor isn't one of ours.".into());
    let from = page.cursor.map(|text| read_cursor(&text).ok_or_else(bad_cursor)).transpose()?;
    // One more than asked for tells whether there are more.
    let mut entries = app.catalog.list(&caller.id, limit + 1, from).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let cursor = entries.last().filter(|_| more).map(write_cursor);
    let videos = entries.into_iter().map(|entry| to_video(&app.config, entry)).collect();
    Ok(([(header::CACHE_CONTROL, "private, no-cache")], Json(VideoList { videos, cursor })))
}

fn write_cursor(entry: &Entry) -> String {
    BASE64URL.encode(format!("{}.{}", entry.created_ms, entry.video_id))
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let text = String::from_utf8(BASE64URL.decode(text).ok()?).ok()?;
    let (created_ms, video_id) = text.split_once('.')?;
    let created_ms = created_ms.parse().ok().filter(|ms| *ms <= LATEST_MS)?;
    Some(Cursor { created_ms, video_id: VideoId::parse(video_id)?.to_string() })
}

/// A video as callers see it, its outputs as URLs.
pub fn to_video(config: &Config, entry: Entry) -> Video {
    Video {
        video_id: entry.video_id,
        status: entry.status,
        progress: entry.progress,
        size: entry.size,
        duration_ms: entry.duration_ms,
        width: entry.width,
        height: entry.height,
        urls: entry.outputs.map(|outputs| urls(&config.cdn_base_url, &outputs)),
        error: entry.error,
        created_at: rfc3339(entry.created_ms),
        updated_at: rfc3339(entry.updated_ms),
    }
}

/// Keys are made of plain letters, so they stand in a URL as they are.
fn urls(base: &str, outputs: &Outputs) -> VideoUrls {
    let url = |key: &String| format!("{base}/{key}");
    VideoUrls {
        hls: url(&outputs.hls),
        mp4: outputs.mp4.iter().map(|(height, key)| (height.clone(), url(key))).collect(),
        thumbnails: outputs.thumbnails.iter().map(url).collect(),
        // The first picture is often black; a video of 3 s or less has no second one.
        poster: outputs.thumbnails.get(1).or(outputs.thumbnails.first()).map(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        let entry = Entry::new("a-b-c_d", "o", 1, 42);
        let cursor = read_cursor(&write_cursor(&entry)).unwrap();
        assert_eq!(cursor, Cursor { created_ms: 42, video_id: "a-b-c_d".into() });
        for bad in ["", "!", "MQ", "LjE", "////"] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
        for bad in ["1.a/b".to_owned(), "10000000000000.a".into(), format!("1.{}", "x".repeat(65))] {
            assert_eq!(read_cursor(&BASE64URL.encode(&bad)), None, "{bad}");
        }
    }

    #[test]
    fn the_poster_is_the_second_picture_where_there_is_one() {
        let with = |thumbnails: &[&str]| {
            let thumbnails = thumbnails.iter().map(|key| (*key).to_owned()).collect();
            urls("https://c", &Outputs { thumbnails, ..Outputs::default() }).poster
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["0.jpg"]).as_deref(), Some("https://c/0.jpg"));
        assert_eq!(with(&["0.jpg", "1.jpg", "2.jpg"]).as_deref(), Some("https://c/1.jpg"));
    }
}
