//! The edge's HTTP API.

use crate::CHECKSUM_HEADER;
use crate::CloseConnection;
use crate::faults::{Fault, Faults};
use crate::state::{Uploads, to_base64};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::collections::BTreeMap;
use wire::{
    ChecksumKind, CompleteUpload, ErrorCode, MAX_PARTS_PER_CALL, MultipartState, OpenUpload, PROBLEM_JSON,
    PartPlan, PartToSign, Problem, SignParts, SignedPart, SignedParts, StoredPart, UploadCompleted,
    UploadOpened, UploadStatus, Video, VideoError, VideoStatus, VideoUrls,
};

/// The largest body that [`Fault::Firewall`] lets pass, in bytes; AWS WAF's common rule set has this limit.
const FIREWALL_LIMIT: u64 = 8192;
/// Number of sign requests that fail when the signer is down.
const SIGNER_DOWN_REQUESTS: u32 = 3;
/// Browsers connect to no such port.
const UNUSED_ADDRESS: &str = "127.0.0.1:9";
const EXPIRES_AT: &str = "2099-01-01T00:00:00Z";

pub fn routes() -> Router<Uploads> {
    Router::new()
        .route("/{faults}/api/uploads", post(open))
        .route("/{faults}/api/uploads/{upload}", get(status).delete(abort))
        .route("/{faults}/api/uploads/{upload}/parts", post(sign))
        .route("/{faults}/api/uploads/{upload}/complete", post(complete))
        .route("/{faults}/api/videos/{video}", get(video))
        .layer(middleware::from_fn(refuse))
        .route("/inspect", get(totals))
        .route("/inspect/{video}", get(inspect))
}

/// Answers with the page of a proxy or a firewall where the path's faults say so.
async fn refuse(request: Request, next: Next) -> Response {
    let mut segments = request.uri().path().split('/').skip(1);
    let faults = segments.next().and_then(Faults::parse).unwrap_or_default();
    let names_upload = segments.nth(1) == Some("uploads") && segments.next().is_some();
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if faults.has(Fault::Blocked) && names_upload {
        return (StatusCode::FORBIDDEN, Html("<html>Blocked by your organization</html>")).into_response();
    }
    if !names_upload {
        if faults.has(Fault::NoAnswer) {
            return CloseConnection::response();
        } else if faults.has(Fault::SignInPage) {
            return Html("<html>Sign in</html>").into_response();
        } else if faults.has(Fault::OtherJson) {
            return Json([1, 2, 3]).into_response();
        } else if faults.has(Fault::NotFoundPage) {
            return (StatusCode::NOT_FOUND, Html("<html>Not found</html>")).into_response();
        }
    }
    if faults.has(Fault::Firewall) && length.unwrap_or(0) > FIREWALL_LIMIT {
        return (StatusCode::PAYLOAD_TOO_LARGE, Html("<html>Request entity too large</html>"))
            .into_response();
    }
    next.run(request).await
}

async fn open(
    State(uploads): State<Uploads>,
    Path(fault_names): Path<String>,
    headers: HeaderMap,
    Json(request): Json<OpenUpload>,
) -> Response {
    let Some(faults) = Faults::parse(&fault_names) else {
        return problem(ErrorCode::NotFound, 404, "There is no such fault.");
    };
    let plan = match PartPlan::new(request.size, request.part_size) {
        Ok(plan) => plan,
        Err(wire::PlanError::Empty) => return problem(ErrorCode::FileEmpty, 400, "The file is empty."),
        Err(error) => return problem(ErrorCode::BadRequest, 400, &error.to_string()),
    };
    let id = request.video_id.unwrap_or_else(|| uploads.new_id());
    let checksum = faults.checksum();
    uploads.open(id.clone(), faults, Some(plan));
    let has_same_parts = request.part_size == Some(plan.part_size());
    let first = request.checksums.into_iter().map(Some).take_while(|_| has_same_parts);
    let first = (1..=plan.part_count()).zip(first);
    let first = first.map(|(part_number, checksum)| PartToSign { part_number, checksum });
    let parts = match sign_parts(&fault_names, &headers, &id, checksum, first) {
        Ok(parts) => parts,
        Err((code, detail)) => return problem(code, 400, detail),
    };
    let opened = UploadOpened {
        upload: id.clone(),
        key: format!("inputs/{id}.mp4"),
        video_id: id.clone(),
        part_size: plan.part_size(),
        part_count: plan.part_count(),
        checksum,
        expires_at: EXPIRES_AT.into(),
        parts,
    };
    (StatusCode::CREATED, Json(opened)).into_response()
}

async fn sign(
    State(uploads): State<Uploads>,
    Path((fault_names, id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<SignParts>,
) -> Response {
    let down = uploads.with(&id, |upload| {
        let down = upload.count("sign") <= SIGNER_DOWN_REQUESTS && upload.faults.has(Fault::SignerDown);
        (down, upload.checksum())
    });
    match down {
        None => upload_gone(),
        Some((true, _)) => (StatusCode::BAD_GATEWAY, Html("<html>Bad gateway</html>")).into_response(),
        Some((false, checksum)) => {
            match sign_parts(&fault_names, &headers, &id, checksum, request.parts.into_iter()) {
                Ok(parts) => Json(SignedParts { parts }).into_response(),
                Err((code, detail)) => problem(code, 400, detail),
            }
        }
    }
}

async fn status(State(uploads): State<Uploads>, Path((_, id)): Path<(String, String)>) -> Response {
    let status = uploads.with(&id, |upload| {
        upload.count("list");
        let plan = upload.plan?;
        let checksums = upload.checksum() == ChecksumKind::Crc64Nvme;
        let parts = upload.parts.iter().map(|(part_number, stored)| StoredPart {
            part_number: *part_number,
            size: stored.size,
            etag: stored.etag(),
            checksum: checksums.then(|| to_base64(stored.crc)),
        });
        Some(UploadStatus {
            state: upload.state,
            part_size: plan.part_size(),
            part_count: plan.part_count(),
            parts: parts.collect(),
        })
    });
    status.flatten().map_or_else(upload_gone, |status| Json(status).into_response())
}

async fn complete(
    State(uploads): State<Uploads>,
    Path((_, id)): Path<(String, String)>,
    Json(request): Json<CompleteUpload>,
) -> Response {
    let response = uploads.with(&id, |upload| {
        let first = upload.count("complete") == 1;
        if first && upload.faults.has(Fault::CompleteError) {
            return problem(ErrorCode::Internal, 500, "Injected fault.");
        }
        let Some(plan) = upload.plan else { return upload_gone() };
        if upload.state == MultipartState::Aborted {
            return upload_gone();
        }
        let is_missing =
            |part: &u32| upload.parts.get(part).is_none_or(|stored| stored.size != plan.len(*part));
        let missing: Vec<_> = (1..=plan.part_count()).filter(is_missing).collect();
        if !missing.is_empty() {
            return parts_missing(missing);
        }
        let checksum = (upload.checksum() == ChecksumKind::Crc64Nvme).then(|| to_base64(upload.crc()));
        if request.checksum.is_some() && checksum.is_some() && request.checksum != checksum {
            return problem(ErrorCode::ChecksumMismatch, 409, "The checksum doesn't match.");
        }
        upload.state = MultipartState::Completed;
        if first && upload.faults.has(Fault::CompleteLost) {
            return CloseConnection::response();
        }
        let completed = UploadCompleted {
            video_id: id.clone(),
            key: format!("inputs/{id}.mp4"),
            size: plan.size(),
            checksum,
            video: make_video(&id, plan.size(), VideoStatus::Uploaded, 0),
        };
        Json(completed).into_response()
    });
    response.unwrap_or_else(upload_gone)
}

async fn abort(State(uploads): State<Uploads>, Path((_, id)): Path<(String, String)>) -> Response {
    let aborted = uploads.with(&id, |upload| {
        upload.count("abort");
        if upload.state == MultipartState::Open {
            upload.state = MultipartState::Aborted;
            upload.parts.clear();
        }
    });
    aborted.map_or_else(upload_gone, |()| StatusCode::NO_CONTENT.into_response())
}

/// Each poll finds the conversion further: queued, half done, still half done, finished.
async fn video(
    State(uploads): State<Uploads>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some((poll, size, fails)) =
        uploads.with(&id, |u| (u.count("poll"), u.size(), u.faults.has(Fault::ConvertFails)))
    else {
        return problem(ErrorCode::VideoNotFound, 404, "There is no such video.");
    };
    let video = match poll {
        1 => make_video(&id, size, VideoStatus::Uploaded, 0),
        2 | 3 => make_video(&id, size, VideoStatus::Converting, 50),
        _ if fails => Video {
            error: Some(VideoError { code: "1040".into(), message: "The file is no video.".into() }),
            ..make_video(&id, size, VideoStatus::Failed, 50)
        },
        _ => Video { urls: Some(VideoUrls::default()), ..make_video(&id, size, VideoStatus::Ready, 100) },
    };
    let etag = format!("\"{:?}-{}\"", video.status, video.progress);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == etag.as_bytes()) {
        uploads.with(&id, |upload| upload.count("unchanged"));
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, etag)], Json(video)).into_response()
}

async fn totals(State(uploads): State<Uploads>) -> Json<serde_json::Value> {
    Json(uploads.totals())
}

async fn inspect(State(uploads): State<Uploads>, Path(id): Path<String>) -> Response {
    uploads.inspect(&id).map_or_else(upload_gone, |json| Json(json).into_response())
}

/// Code and detail of a 400.
type Refusal = (ErrorCode, &'static str);

/// Signs parts. Fails with `bad_part_numbers` for too many, with `bad_checksum` if a part lacks the checksum that its
/// `PUT` is to have.
fn sign_parts(
    fault_names: &str,
    headers: &HeaderMap,
    id: &str,
    checksum: ChecksumKind,
    parts: impl Iterator<Item = PartToSign>,
) -> Result<Vec<SignedPart>, Refusal> {
    let host = match Faults::parse(fault_names) {
        Some(faults) if faults.has(Fault::NoStorage) => UNUSED_ADDRESS,
        _ => headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    let sign = |part: PartToSign| {
        let number = part.part_number;
        let headers = match (checksum, part.checksum) {
            (ChecksumKind::None, _) => BTreeMap::new(),
            (ChecksumKind::Crc64Nvme, Some(checksum)) => BTreeMap::from([(CHECKSUM_HEADER.into(), checksum)]),
            (ChecksumKind::Crc64Nvme, None) => {
                return Err((ErrorCode::BadChecksum, "A part has no checksum."));
            }
        };
        let url = format!(
            "http://{host}/{fault_names}/s3/uploads/{id}?partNumber={number}&uploadId={id}&X-Amz-Signature=secret"
        );
        Ok(SignedPart { part_number: number, url, headers, expires_at: EXPIRES_AT.into() })
    };
    let signed = parts.map(sign).collect::<Result<Vec<_>, _>>()?;
    if signed.len() > MAX_PARTS_PER_CALL {
        return Err((ErrorCode::BadPartNumbers, "Too many parts for one call."));
    }
    Ok(signed)
}

fn make_video(id: &str, size: u64, status: VideoStatus, progress: u8) -> Video {
    Video {
        video_id: id.into(),
        title: None,
        status,
        progress,
        size,
        duration_ms: None,
        width: None,
        height: None,
        urls: None,
        error: None,
        created_at: "2026-01-01T00:00:00Z".into(),
        updated_at: "2026-01-01T00:00:00Z".into(),
    }
}

fn parts_missing(part_numbers: Vec<u32>) -> Response {
    let body = Problem {
        part_numbers,
        ..Problem::new(ErrorCode::PartsMissing, 409, "Parts aren't stored, or not with their planned size.")
    };
    (StatusCode::CONFLICT, [(header::CONTENT_TYPE, PROBLEM_JSON)], Json(body)).into_response()
}

fn upload_gone() -> Response {
    problem(ErrorCode::UploadGone, 404, "The upload no longer exists.")
}

fn problem(code: ErrorCode, status: u16, detail: &str) -> Response {
    let status_code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(Problem::new(code, status, detail));
    (status_code, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
}
