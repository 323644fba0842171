//! Delivery: what CloudFront does on AWS. Outputs under `assets/` from one bucket, with byte ranges, `ETag`,
//! CORS and cache headers. Knows nothing of videos; content types are those that S3 was told.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::response::Builder;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_range_header::{RangeUnsatisfiableError, parse_range_header};
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio_util::io::ReaderStream;
use tower_http::cors::{Any, CorsLayer};

/// Only what lies here is delivered.
const PUBLIC: &str = "assets/";
/// Playlists may change when a video is converted again; all else keeps its name for ever.
const CACHE_PLAYLIST: &str = "public, max-age=5";
const CACHE_MEDIA: &str = "public, max-age=31536000, immutable";
/// What is held of a file while it is sent, in bytes.
const CHUNK: usize = 64 << 10;

#[derive(Clone)]
struct Origin {
    s3: Client,
    bucket: String,
}

/// Serves `GET` and `HEAD` of `/{key}` from `bucket`, to pages of every origin and without credentials.
pub fn router(s3: Client, bucket: String) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([RANGE, IF_NONE_MATCH, IF_RANGE])
        .expose_headers([ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG])
        .max_age(Duration::from_secs(86_400));
    Router::new()
        .route("/{*key}", get(deliver))
        .fallback(not_found)
        .layer(cors)
        .with_state(Origin { s3, bucket })
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

async fn deliver(
    State(origin): State<Origin>,
    Path(key): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if !key.starts_with(PUBLIC) {
        return not_found().await;
    }
    let head = match origin.s3.head_object().bucket(&origin.bucket).key(&key).send().await {
        Ok(head) => head,
        Err(error) => {
            return match error.raw_response().map(|answer| answer.status().as_u16()) {
                Some(400..=499) => not_found().await,
                status => {
                    tracing::warn!(status, "delivery can't reach S3");
                    (StatusCode::BAD_GATEWAY, "the storage can't be reached\n").into_response()
                }
            };
        }
    };
    let size = head.content_length().unwrap_or(0).try_into().unwrap_or(0);
    let etag = head.e_tag().unwrap_or_default();
    let answer = describe(&key, &head);
    match wanted(&headers, etag, size) {
        Wanted::Nothing => finish(answer.status(StatusCode::NOT_MODIFIED), Body::empty()),
        Wanted::Impossible => {
            let answer = answer.status(StatusCode::RANGE_NOT_SATISFIABLE);
            finish(answer.header(CONTENT_RANGE, format!("bytes */{size}")), Body::empty())
        }
        Wanted::All => {
            let answer = answer.header(CONTENT_LENGTH, size);
            let body =
                if method == Method::HEAD { Ok(Body::empty()) } else { origin.read(&key, etag, None).await };
            body.map_or_else(IntoResponse::into_response, |body| finish(answer, body))
        }
        Wanted::Part(range) => {
            let (start, end) = range.clone().into_inner();
            let answer = answer
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_LENGTH, end - start + 1)
                .header(CONTENT_RANGE, format!("bytes {start}-{end}/{size}"));
            let body = if method == Method::HEAD {
                Ok(Body::empty())
            } else {
                origin.read(&key, etag, Some(range)).await
            };
            body.map_or_else(IntoResponse::into_response, |body| finish(answer, body))
        }
    }
}

impl Origin {
    /// The object's bytes, or those in `range`, as long as it is still the one with this `etag`.
    async fn read(
        &self,
        key: &str,
        etag: &str,
        range: Option<RangeInclusive<u64>>,
    ) -> Result<Body, (StatusCode, &'static str)> {
        let range = range.map(|range| format!("bytes={}-{}", range.start(), range.end()));
        let object =
            self.s3.get_object().bucket(&self.bucket).key(key).if_match(etag).set_range(range).send().await;
        match object {
            Ok(object) => {
                let reader = object.body.into_async_read();
                Ok(Body::from_stream(ReaderStream::with_capacity(reader, CHUNK)))
            }
            Err(error) => {
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                tracing::warn!(status, "delivery can't read from S3");
                Err((StatusCode::BAD_GATEWAY, "the storage can't be read\n"))
            }
        }
    }
}

/// The headers that all answers about an object have.
fn describe(key: &str, head: &HeadObjectOutput) -> Builder {
    let cache = if key.ends_with(".m3u8") { CACHE_PLAYLIST } else { CACHE_MEDIA };
    let modified =
        head.last_modified().and_then(|time| time.fmt(aws_smithy_types::date_time::Format::HttpDate).ok());
    let values: [(HeaderName, Option<&str>); 6] = [
        (ACCEPT_RANGES, Some("bytes")),
        (CACHE_CONTROL, Some(cache)),
        (CONTENT_TYPE, Some(head.content_type().unwrap_or("application/octet-stream"))),
        (ETAG, head.e_tag()),
        (LAST_MODIFIED, modified.as_deref()),
        (X_CONTENT_TYPE_OPTIONS, Some("nosniff")),
    ];
    values.into_iter().fold(Response::builder(), |answer, (name, value)| match value {
        Some(value) => answer.header(name, value),
        None => answer,
    })
}

fn finish(answer: Builder, body: Body) -> Response {
    answer.body(body).unwrap_or_else(|error| {
        tracing::error!(%error, "an object's headers can't be sent");
        StatusCode::BAD_GATEWAY.into_response()
    })
}

/// What a request wants of an object.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// It has it already.
    Nothing,
    All,
    /// From the first to the last byte, both included.
    Part(RangeInclusive<u64>),
    /// Bytes that aren't there.
    Impossible,
}

fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if text(IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == "*" || bare(tag) == etag))
    {
        return Wanted::Nothing;
    }
    if text(IF_RANGE).is_some_and(|tag| tag != etag) {
        return Wanted::All;
    }
    // What isn't a range, and several ranges at once, may be answered with everything (RFC 9110, 14.2).
    let Some(Ok(ranges)) = text(RANGE).map(parse_range_header) else { return Wanted::All };
    if ranges.ranges.len() > 1 {
        return Wanted::All;
    }
    match ranges.validate(size).map(|mut ranges| ranges.pop()) {
        Ok(Some(range)) if *range.end() < size => Wanted::Part(range),
        // The last thousand bytes of a hundred are the hundred.
        Err(RangeUnsatisfiableError::FileSuffixOutOfBounds) if size > 0 => Wanted::Part(0..=size - 1),
        Ok(_) | Err(_) => Wanted::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(HeaderName, &str)]) -> Wanted {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        wanted(&headers, "\"abc\"", 100)
    }

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        assert_eq!(ask(&[]), Wanted::All);
        assert_eq!(ask(&[(RANGE, "bytes=0-9")]), Wanted::Part(0..=9));
        assert_eq!(ask(&[(RANGE, "bytes=90-")]), Wanted::Part(90..=99));
        assert_eq!(ask(&[(RANGE, "bytes=90-1000")]), Wanted::Part(90..=99));
        assert_eq!(ask(&[(RANGE, "bytes=-5")]), Wanted::Part(95..=99));
        assert_eq!(ask(&[(RANGE, "bytes=-500")]), Wanted::Part(0..=99));
        assert_eq!(ask(&[(RANGE, "bytes=100-")]), Wanted::Impossible);
        assert_eq!(ask(&[(RANGE, "bytes=0-1,5-6")]), Wanted::All);
        assert_eq!(ask(&[(RANGE, "lines=1-2")]), Wanted::All);
        assert_eq!(ask(&[(RANGE, "bytes=x")]), Wanted::All);
    }

    #[test]
    fn a_copy_that_is_still_good_isnt_sent_again() {
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"x\", W/\"abc\"")]), Wanted::Nothing);
        assert_eq!(ask(&[(IF_NONE_MATCH, "*")]), Wanted::Nothing);
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"x\"")]), Wanted::All);
        assert_eq!(ask(&[(IF_RANGE, "\"x\""), (RANGE, "bytes=0-9")]), Wanted::All);
        assert_eq!(ask(&[(IF_RANGE, "\"abc\""), (RANGE, "bytes=0-9")]), Wanted::Part(0..=9));
    }
}
