//! The edge's HTTP API.

use crate::CloseConnection;
use crate::faults::{Fault, Faults};
use crate::state::{Uploads, to_base64};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::collections::BTreeMap;
use wire::{
    ChecksumKind, CompleteUpload, ErrorCode, MultipartState, OpenUpload, PROBLEM_JSON, PartPlan, Problem,
    SignParts, SignedPart, SignedParts, StoredPart, UploadCompleted, UploadOpened, UploadStatus, Video,
    VideoError, VideoStatus, VideoUrls,
};

/// Number of parts signed when an upload is opened.
const FIRST_WINDOW: u32 = 8;
/// Number of sign requests that fail when the signer is down.
const SIGNER_DOWN_REQUESTS: u32 = 3;
const EXPIRES_AT: &str = "2099-01-01T00:00:00Z";

pub fn routes() -> Router<Uploads> {
    Router::new()
        .route("/{faults}/api/uploads", post(open))
        .route("/{faults}/api/uploads/{upload}", get(status).delete(abort))
        .route("/{faults}/api/uploads/{upload}/parts", post(sign))
        .route("/{faults}/api/uploads/{upload}/complete", post(complete))
        .route("/{faults}/api/videos/{video}", get(video))
        .route("/inspect", get(totals))
        .route("/inspect/{video}", get(inspect))
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
    let checksum = match faults.has(Fault::NoChecksum) {
        true => ChecksumKind::None,
        false => ChecksumKind::Crc64Nvme,
    };
    let id = request.video_id.unwrap_or_else(|| uploads.new_id());
    uploads.open(id.clone(), faults, Some(plan));
    let window =
        (1..=plan.part_count().min(FIRST_WINDOW)).map(|part| sign_part(&fault_names, &headers, &id, part));
    let opened = UploadOpened {
        upload: id.clone(),
        key: format!("inputs/{id}.mp4"),
        video_id: id.clone(),
        part_size: plan.part_size(),
        part_count: plan.part_count(),
        checksum,
        expires_at: EXPIRES_AT.into(),
        parts: window.collect(),
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
        upload.count("sign") <= SIGNER_DOWN_REQUESTS && upload.faults.has(Fault::SignerDown)
    });
    match down {
        None => upload_gone(),
        Some(true) => (StatusCode::BAD_GATEWAY, "<html>Bad gateway</html>").into_response(),
        Some(false) => {
            let parts = request.part_numbers.iter().map(|part| sign_part(&fault_names, &headers, &id, *part));
            Json(SignedParts { parts: parts.collect() }).into_response()
        }
    }
}

async fn status(State(uploads): State<Uploads>, Path((_, id)): Path<(String, String)>) -> Response {
    let status = uploads.with(&id, |upload| {
        upload.count("list");
        let plan = upload.plan?;
        let checksums = !upload.faults.has(Fault::NoChecksum);
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
        let requested: Vec<_> = request.parts.iter().map(|p| (p.part_number, p.etag.clone())).collect();
        let stored: Vec<_> = upload.parts.iter().map(|(n, stored)| (*n, stored.etag())).collect();
        if requested != stored {
            return problem(ErrorCode::PartsMismatch, 409, "The parts aren't those that are stored.");
        }
        if upload.size() != plan.size() {
            return problem(ErrorCode::SizeMismatch, 409, "The size isn't the declared one.");
        }
        let checksum = (!upload.faults.has(Fault::NoChecksum)).then(|| to_base64(upload.crc()));
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

fn sign_part(fault_names: &str, headers: &HeaderMap, id: &str, part_number: u32) -> SignedPart {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    SignedPart {
        part_number,
        url: format!(
            "http://{host}/{fault_names}/s3/uploads/{id}?partNumber={part_number}&uploadId={id}&X-Amz-Signature=secret"
        ),
        headers: BTreeMap::new(),
        expires_at: EXPIRES_AT.into(),
    }
}

fn make_video(id: &str, size: u64, status: VideoStatus, progress: u8) -> Video {
    Video {
        video_id: id.into(),
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

fn upload_gone() -> Response {
    problem(ErrorCode::UploadGone, 404, "The upload no longer exists.")
}

fn problem(code: ErrorCode, status: u16, detail: &str) -> Response {
    let status_code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(Problem::new(code, status, detail));
    (status_code, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
}
