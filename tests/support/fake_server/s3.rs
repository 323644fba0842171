//! S3's multipart calls, path-style, as far as uploaders use them. Signatures aren't checked.

use crate::faults::{Fault, Faults};
use crate::state::{PartRecord, Uploads, to_base64};
use crate::{CHECKSUM_HEADER, CloseConnection};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::StreamExt;
use std::time::{Duration, SystemTime};
use wire::{ChecksumKind, MultipartState};

pub fn routes() -> Router<Uploads> {
    Router::new().route("/{faults}/s3/{bucket}/{key}", post(open_or_complete).put(put_part).delete(abort))
}

/// A value of a query string, not decoded: the ids here contain no escapes.
pub fn query<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

async fn put_part(
    State(uploads): State<Uploads>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let raw = raw.unwrap_or_default();
    let part = query(&raw, "partNumber").and_then(|number| number.parse::<u32>().ok());
    let (Some(id), Some(part)) = (query(&raw, "uploadId"), part) else {
        return error(StatusCode::BAD_REQUEST, "InvalidRequest");
    };
    let Some(fault) = uploads.with(id, |upload| {
        let attempt = upload.part_started(part);
        upload.faults.for_part(part, attempt)
    }) else {
        return error(StatusCode::NOT_FOUND, "NoSuchUpload");
    };
    let checksum = headers.get(CHECKSUM_HEADER).and_then(|value| value.to_str().ok());
    let response = receive_part(&uploads, id, part, (fault, checksum), body).await;
    uploads.with(id, |upload| upload.part_ended());
    response
}

async fn receive_part(
    uploads: &Uploads,
    id: &str,
    part: u32,
    (fault, checksum): (Option<Fault>, Option<&str>),
    body: Body,
) -> Response {
    let mut chunks = body.into_data_stream();
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else { return CloseConnection::response() };
        match fault {
            Some(Fault::Reset) => return CloseConnection::response(),
            Some(Fault::Flipped | Fault::FlippedAlways) if size == 0 && !chunk.is_empty() => {
                let mut changed = chunk.to_vec();
                changed[0] ^= 1;
                digest.update(&changed);
            }
            _ => digest.update(&chunk),
        }
        size += chunk.len() as u64;
    }
    match fault {
        Some(Fault::SlowDown) => return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        Some(Fault::ServerError) => return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        Some(Fault::Expired) => return error(StatusCode::FORBIDDEN, "AccessDenied"),
        Some(Fault::RetryAfter(seconds)) => {
            let slow_down = error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
            return ([(header::RETRY_AFTER, http_date(seconds))], slow_down).into_response();
        }
        _ => {}
    }
    let stored = PartRecord { size, crc: digest.finalize() };
    let etag = stored.etag();
    let received = uploads.with(id, |upload| {
        if upload.state != MultipartState::Open {
            return Err((StatusCode::NOT_FOUND, "NoSuchUpload"));
        }
        if upload.plan.is_some_and(|plan| plan.len(part) != size) {
            return Err((StatusCode::FORBIDDEN, "SignatureDoesNotMatch"));
        }
        match (upload.checksum(), checksum) {
            (ChecksumKind::Crc64Nvme, None) => return Err((StatusCode::BAD_REQUEST, "InvalidRequest")),
            (ChecksumKind::Crc64Nvme, Some(checksum)) if checksum != to_base64(stored.crc) => {
                return Err((StatusCode::BAD_REQUEST, "BadDigest"));
            }
            _ => upload.parts.insert(part, stored),
        };
        Ok(())
    });
    match received {
        None => error(StatusCode::NOT_FOUND, "NoSuchUpload"),
        Some(Err((status, code))) => error(status, code),
        Some(Ok(())) if fault == Some(Fault::LostResponse) => CloseConnection::response(),
        Some(Ok(())) => [(header::ETAG, etag)].into_response(),
    }
}

/// The time `seconds` from now as HTTP writes it.
fn http_date(seconds: i64) -> String {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance };
    httpdate::fmt_http_date(time)
}

/// `POST ?uploads` opens, `POST ?uploadId=…` completes.
async fn open_or_complete(
    State(uploads): State<Uploads>,
    Path((faults, bucket, key)): Path<(String, String, String)>,
    RawQuery(raw): RawQuery,
) -> Response {
    let raw = raw.unwrap_or_default();
    if let Some(id) = query(&raw, "uploadId") {
        let etag = uploads.with(id, |upload| {
            upload.state = MultipartState::Completed;
            PartRecord { size: upload.size(), crc: upload.crc() }.etag()
        });
        return match etag {
            Some(etag) => xml(&format!(
                "<CompleteMultipartUploadResult><Location>/{bucket}/{key}</Location><Bucket>{bucket}</Bucket>\
                 <Key>{key}</Key><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
            )),
            None => error(StatusCode::NOT_FOUND, "NoSuchUpload"),
        };
    }
    let id = uploads.new_id();
    uploads.open(id.clone(), Faults::parse(&faults).unwrap_or_default(), None);
    xml(&format!(
        "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>\
         </InitiateMultipartUploadResult>"
    ))
}

async fn abort(State(uploads): State<Uploads>, RawQuery(raw): RawQuery) -> Response {
    let raw = raw.unwrap_or_default();
    let aborted =
        query(&raw, "uploadId").and_then(|id| uploads.with(id, |u| u.state = MultipartState::Aborted));
    match aborted {
        Some(()) => StatusCode::NO_CONTENT.into_response(),
        None => error(StatusCode::NOT_FOUND, "NoSuchUpload"),
    }
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, xml(&format!("<Error><Code>{code}</Code><Message>Injected fault.</Message></Error>")))
        .into_response()
}

fn xml(body: &str) -> Response {
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    ([(header::CONTENT_TYPE, "application/xml")], document).into_response()
}
