//! Delivery of outputs under `assets/` from one bucket, with byte ranges, `ETag`, CORS and cache headers: the
//! local counterpart of CloudFront. Content types are those of the S3 objects.

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

/// Key prefix of the objects that are delivered.
const PUBLIC_PREFIX: &str = "assets/";
/// Playlists change when a video is converted again; other files never change under their name.
const CACHE_PLAYLIST: &str = "public, max-age=5";
const CACHE_MEDIA: &str = "public, max-age=31536000, immutable";
/// Size of the read buffer, in bytes.
const BUFFER_SIZE: usize = 64 << 10;

#[derive(Clone)]
struct Origin {
    s3: Client,
    bucket: String,
}

/// Serves `GET` and `HEAD` of `/{key}` from `bucket`, to any origin and without credentials.
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
    if !key.starts_with(PUBLIC_PREFIX) {
        return not_found().await;
    }
    let head = match origin.s3.head_object().bucket(&origin.bucket).key(&key).send().await {
        Ok(head) => head,
        Err(error) => {
            return match error.raw_response().map(|response| response.status().as_u16()) {
                Some(400..=499) => not_found().await,
                status => {
                    tracing::warn!(status, "CDN can't reach S3");
                    (StatusCode::BAD_GATEWAY, "the storage can't be reached\n").into_response()
                }
            };
        }
    };
    let size = head.content_length().unwrap_or(0).try_into().unwrap_or(0);
    let etag = head.e_tag().unwrap_or_default();
    let response = response_headers(&key, &head);
    match requested_content(&headers, etag, size) {
        RequestedContent::NotModified => finish(response.status(StatusCode::NOT_MODIFIED), Body::empty()),
        RequestedContent::Unsatisfiable => {
            let response = response.status(StatusCode::RANGE_NOT_SATISFIABLE);
            finish(response.header(CONTENT_RANGE, format!("bytes */{size}")), Body::empty())
        }
        RequestedContent::Full => {
            let response = response.header(CONTENT_LENGTH, size);
            let body =
                if method == Method::HEAD { Ok(Body::empty()) } else { origin.read(&key, etag, None).await };
            body.map_or_else(IntoResponse::into_response, |body| finish(response, body))
        }
        RequestedContent::Range(range) => {
            let (start, end) = range.clone().into_inner();
            let response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(CONTENT_LENGTH, end - start + 1)
                .header(CONTENT_RANGE, format!("bytes {start}-{end}/{size}"));
            let body = if method == Method::HEAD {
                Ok(Body::empty())
            } else {
                origin.read(&key, etag, Some(range)).await
            };
            body.map_or_else(IntoResponse::into_response, |body| finish(response, body))
        }
    }
}

impl Origin {
    /// Reads the object, or `range` of it. Fails if it no longer has this `etag`.
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
                Ok(Body::from_stream(ReaderStream::with_capacity(reader, BUFFER_SIZE)))
            }
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                tracing::warn!(status, "CDN can't read from S3");
                Err((StatusCode::BAD_GATEWAY, "the storage can't be read\n"))
            }
        }
    }
}

/// Returns the headers of every response about an object.
fn response_headers(key: &str, head: &HeadObjectOutput) -> Builder {
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
    values.into_iter().fold(Response::builder(), |response, (name, value)| match value {
        Some(value) => response.header(name, value),
        None => response,
    })
}

fn finish(response: Builder, body: Body) -> Response {
    response.body(body).unwrap_or_else(|error| {
        tracing::error!(%error, "object has invalid headers");
        StatusCode::BAD_GATEWAY.into_response()
    })
}

/// The part of an object that a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum RequestedContent {
    /// The client's cached copy is current.
    NotModified,
    Full,
    Range(RangeInclusive<u64>),
    /// The range is outside of the object.
    Unsatisfiable,
}

/// Evaluates `If-None-Match`, `If-Range` and `Range`.
fn requested_content(headers: &HeaderMap, etag: &str, size: u64) -> RequestedContent {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let strip_weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if text(IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == "*" || strip_weak(tag) == etag))
    {
        return RequestedContent::NotModified;
    }
    if text(IF_RANGE).is_some_and(|tag| tag != etag) {
        return RequestedContent::Full;
    }
    // RFC 9110, 14.2: invalid and multiple ranges may be answered with the full object.
    let Some(Ok(ranges)) = text(RANGE).map(parse_range_header) else { return RequestedContent::Full };
    if ranges.ranges.len() > 1 {
        return RequestedContent::Full;
    }
    match ranges.validate(size).map(|mut ranges| ranges.pop()) {
        Ok(Some(range)) if *range.end() < size => RequestedContent::Range(range),
        // A suffix longer than the object is the full object.
        Err(RangeUnsatisfiableError::FileSuffixOutOfBounds) if size > 0 => {
            RequestedContent::Range(0..=size - 1)
        }
        Ok(_) | Err(_) => RequestedContent::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(HeaderName, &str)]) -> RequestedContent {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        requested_content(&headers, "\"abc\"", 100)
    }

    #[test]
    fn range_header_follows_rfc_9110() {
        assert_eq!(request(&[]), RequestedContent::Full);
        assert_eq!(request(&[(RANGE, "bytes=0-9")]), RequestedContent::Range(0..=9));
        assert_eq!(request(&[(RANGE, "bytes=90-")]), RequestedContent::Range(90..=99));
        assert_eq!(request(&[(RANGE, "bytes=90-1000")]), RequestedContent::Range(90..=99));
        assert_eq!(request(&[(RANGE, "bytes=-5")]), RequestedContent::Range(95..=99));
        assert_eq!(request(&[(RANGE, "bytes=-500")]), RequestedContent::Range(0..=99));
        assert_eq!(request(&[(RANGE, "bytes=100-")]), RequestedContent::Unsatisfiable);
        assert_eq!(request(&[(RANGE, "bytes=0-1,5-6")]), RequestedContent::Full);
        assert_eq!(request(&[(RANGE, "lines=1-2")]), RequestedContent::Full);
        assert_eq!(request(&[(RANGE, "bytes=x")]), RequestedContent::Full);
    }

    #[test]
    fn matching_etag_is_not_modified() {
        assert_eq!(request(&[(IF_NONE_MATCH, "\"x\", W/\"abc\"")]), RequestedContent::NotModified);
        assert_eq!(request(&[(IF_NONE_MATCH, "*")]), RequestedContent::NotModified);
        assert_eq!(request(&[(IF_NONE_MATCH, "\"x\"")]), RequestedContent::Full);
        assert_eq!(request(&[(IF_RANGE, "\"x\""), (RANGE, "bytes=0-9")]), RequestedContent::Full);
        assert_eq!(request(&[(IF_RANGE, "\"abc\""), (RANGE, "bytes=0-9")]), RequestedContent::Range(0..=9));
    }
}
