//! `/uploads`: opens, signs, lists, completes and aborts uploads.

mod captions;
mod complete;

pub use complete::complete;

use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::JsonBody;
use crate::clock;
use crate::key::{IncomingKey, VideoId};
use crate::services::catalog::{
    AddOutcome, ApplyOutcome, UPLOAD_LIFETIME_SECS, Usage, VideoRecord, VideoTransition,
};
use crate::services::metrics::Metric;
use crate::services::store::StoreError;
use crate::state::AppState;
use crate::title;
use crate::token::{InvalidToken, Session};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use complete::completed_object;
use std::collections::BTreeSet;
use wire::{
    ChecksumKind, DEFAULT_PART_SIZE, MAX_PARTS_PER_CALL, MultipartState, OpenUpload, PartPlan, PartToSign,
    SignParts, SignedParts, UploadOpened, UploadStatus,
};

/// Size of a CRC64NVME, in bytes.
const CRC64_SIZE: usize = 8;
/// In bytes. File systems allow at most 255.
const MAX_NAME_SIZE: usize = 4096;
/// In bytes.
const MAX_TYPE_SIZE: usize = 255;

/// `POST /uploads`: opens a multipart upload, of a video or of captions, and signs its first parts.
pub async fn open(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<OpenUpload>,
) -> Result<(StatusCode, Json<UploadOpened>), ApiError> {
    if request.file_name.len() > MAX_NAME_SIZE {
        return Err(ApiError::BadRequest("The file's name is longer than 4,096 bytes.".into()));
    }
    if let Some(opened) = captions::open(&app, &caller, &request).await? {
        return Ok(opened);
    }
    let limit = app.config.max_upload_bytes;
    if request.size > limit {
        return Err(ApiError::FileTooLarge { size: request.size, limit });
    }
    let plan = PartPlan::new(request.size, request.part_size)?;
    let checksum = app.config.upload_checksum;
    let first_parts = first_parts(&request, &plan, checksum)?;
    let video_id = match &request.video_id {
        // Cookie policies match prefixes: no id may be a prefix of another.
        Some(_) if app.config.cookies.is_some() => return Err(ApiError::VideoIdNotAllowed),
        // Its outputs would replace those of another video, perhaps of another owner.
        Some(requested) if app.job.is_ambiguous(requested) => return Err(ApiError::AmbiguousVideoId),
        Some(requested) => VideoId::parse(requested).ok_or(ApiError::BadVideoId)?,
        None => VideoId::random()?,
    };
    let title = match &request.title {
        Some(title) => Some(title::parse(title).ok_or(ApiError::BadTitle)?),
        None => title::from_file_name(&request.file_name),
    };
    let content_type = media_type(&request.content_type);
    let key = IncomingKey::new(video_id, &request.file_name, content_type);
    let s3_upload = app.store.create_multipart_upload(key.as_str(), content_type, checksum).await?;
    let record = VideoRecord {
        title,
        s3_upload: Some(s3_upload.clone()),
        counted: Usage { bytes: request.size, videos: 1, duration_ms: 0 },
        ..app.new_record(&key, &caller.id, request.size)
    };
    let opened = Opened { key, s3_upload };
    let Opened { key, s3_upload } = register(&app, record, opened, content_type).await?;
    let multipart = Multipart { video_id: key.video_id(), key: key.as_str(), s3_upload };
    let response = respond(&app, &caller, multipart, &plan, &first_parts).await?;
    app.metrics.record(&[Metric::UploadsOpened]);
    Ok(response)
}

/// A new multipart upload of a video or of captions.
struct Multipart<'a> {
    video_id: &'a VideoId,
    key: &'a str,
    s3_upload: String,
}

/// The response with the upload's token and its first parts.
async fn respond(
    app: &AppState,
    caller: &Caller,
    Multipart { video_id, key, s3_upload }: Multipart<'_>,
    plan: &PartPlan,
    first_parts: &[PartToSign],
) -> Result<(StatusCode, Json<UploadOpened>), ApiError> {
    let checksum = app.config.upload_checksum;
    let session = Session {
        bucket: app.store.bucket().into(),
        key: key.into(),
        s3_upload,
        size: plan.size(),
        part_size: plan.part_size(),
        checksum,
        owner: caller.id.clone(),
        expires: app.now_ms() / 1000 + UPLOAD_LIFETIME_SECS,
    };
    let upload = app.tokens.seal(&session).ok_or(ApiError::Internal("a token can't be sealed"))?;
    let opened = UploadOpened {
        upload,
        video_id: video_id.to_string(),
        key: session.key.clone(),
        part_size: plan.part_size(),
        part_count: plan.part_count(),
        checksum,
        expires_at: clock::rfc3339(session.expires * 1000),
        parts: app.store.presign(&session, plan, first_parts).await?,
    };
    Ok((StatusCode::CREATED, Json(opened)))
}

/// A multipart upload of S3.
struct Opened {
    key: IncomingKey,
    s3_upload: String,
}

/// Adds the video of a new multipart upload, or starts its owner's open one over. Returns the upload to use; aborts every
/// other one.
async fn register(
    app: &AppState,
    record: VideoRecord,
    opened: Opened,
    content_type: &str,
) -> Result<Opened, ApiError> {
    let (owner, size) = (record.owner.clone(), record.size);
    let refusal = match app.catalog.add(record, app.config.owner_limits).await {
        Ok(AddOutcome::Added) => return Ok(opened),
        // An owner may restart an upload until its object is stored.
        Ok(AddOutcome::Exists(video)) if video.owner == owner && video.is_open() => {
            return start_over(app, &video, opened, size, content_type).await;
        }
        Ok(AddOutcome::Exists(_)) => ApiError::VideoExists,
        Ok(AddOutcome::TooManyOpen) => ApiError::TooManyUploads(app.config.owner_limits.open_uploads),
        Ok(AddOutcome::OverDailyLimit) => ApiError::DailyLimitReached,
        Err(error) => error.into(),
    };
    abort_unused(app, &opened.key, &opened.s3_upload).await;
    Err(refusal)
}

/// Replaces the multipart upload of an open video, which is aborted: each open video has one.
async fn start_over(
    app: &AppState,
    video: &VideoRecord,
    opened: Opened,
    size: u64,
    content_type: &str,
) -> Result<Opened, ApiError> {
    // A video keeps its first key whatever the new file's name is, so that it has at most one object.
    let first = video.key.as_deref().and_then(IncomingKey::parse).filter(|first| *first != opened.key);
    let opened = match first {
        None => opened,
        Some(key) => {
            abort_unused(app, &opened.key, &opened.s3_upload).await;
            let checksum = app.config.upload_checksum;
            let s3_upload = app.store.create_multipart_upload(key.as_str(), content_type, checksum).await?;
            Opened { key, s3_upload }
        }
    };
    let s3_upload = &opened.s3_upload;
    let restarted =
        VideoTransition::Restarted { from: video.s3_upload.clone(), s3_upload: s3_upload.clone(), size };
    let (id, daily) = (opened.key.video_id().as_str(), app.config.owner_limits.daily);
    let refusal = match app.catalog.apply_within(id, restarted, daily, app.now_ms()).await {
        Ok(ApplyOutcome::Applied(record)) if record.s3_upload.as_ref() == Some(s3_upload) => {
            if let Some(predecessor) = &video.s3_upload {
                abort_unused(app, &opened.key, predecessor).await;
            }
            return Ok(opened);
        }
        Ok(ApplyOutcome::Applied(record)) if !record.is_open() => ApiError::VideoExists,
        Ok(ApplyOutcome::Applied(_) | ApplyOutcome::NotFound) => {
            ApiError::Throttled("a concurrent opening of this upload")
        }
        Ok(ApplyOutcome::OverDailyLimit) => ApiError::DailyLimitReached,
        Err(error) => error.into(),
    };
    abort_unused(app, &opened.key, s3_upload).await;
    Err(refusal)
}

/// Aborts a multipart upload that no client uses any more. Best effort: S3's lifecycle rule aborts it otherwise.
async fn abort_unused(app: &AppState, key: &IncomingKey, s3_upload: &str) {
    if let Err(error) = app.store.abort_multipart_upload(key.as_str(), s3_upload).await {
        tracing::warn!(video = %key.video_id(), %error, "an unused upload isn't aborted");
    }
}

/// The parts to sign with the opening: those whose checksums the request brings, unless the plan cuts the file otherwise.
fn first_parts(
    request: &OpenUpload,
    plan: &PartPlan,
    kind: ChecksumKind,
) -> Result<Vec<PartToSign>, ApiError> {
    let checksums = &request.checksums;
    let max = (plan.part_count() as usize).min(MAX_PARTS_PER_CALL);
    if checksums.len() > max {
        let given = checksums.len();
        return Err(ApiError::BadChecksum(format!(
            "Checksums of {given} parts are too many: at most {max}."
        )));
    }
    let parts = (1..).zip(checksums);
    let parts = parts.map(|(part_number, sum)| PartToSign { part_number, checksum: Some(sum.clone()) });
    let parts: Vec<PartToSign> = parts.collect();
    check_checksums(&parts, kind)?;
    let is_cut_alike = plan.part_size() == request.part_size.unwrap_or(DEFAULT_PART_SIZE);
    Ok(if is_cut_alike { parts } else { Vec::new() })
}

/// Checks that each part brings a CRC64NVME, unless the upload has no checksums.
fn check_checksums(parts: &[PartToSign], kind: ChecksumKind) -> Result<(), ApiError> {
    let is_valid = |part: &&PartToSign| part.checksum.as_deref().is_some_and(is_crc64);
    match parts.iter().find(|part| kind == ChecksumKind::Crc64Nvme && !is_valid(part)) {
        None => Ok(()),
        Some(PartToSign { part_number, .. }) => Err(ApiError::BadChecksum(format!(
            "Part {part_number} must bring its CRC64NVME, base64 of eight bytes."
        ))),
    }
}

fn is_crc64(checksum: &str) -> bool {
    BASE64.decode(checksum).is_ok_and(|bytes| bytes.len() == CRC64_SIZE)
}

/// The media type if it is a valid header value, or else an empty text.
fn media_type(content_type: &str) -> &str {
    let is_valid =
        content_type.len() <= MAX_TYPE_SIZE && content_type.bytes().all(|b| (0x20..0x7f).contains(&b));
    if is_valid { content_type } else { "" }
}

/// `POST /uploads/{upload}/parts`: presigns parts, also repeatedly.
pub async fn sign(
    State(app): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
    JsonBody(request): JsonBody<SignParts>,
) -> Result<Json<SignedParts>, ApiError> {
    let (session, plan) = open_session(&app, &caller, &token)?;
    let parts = &request.parts;
    if parts.is_empty() || parts.len() > MAX_PARTS_PER_CALL {
        let max = MAX_PARTS_PER_CALL;
        return Err(ApiError::BadPartNumbers(format!("Ask for 1 to {max} parts at a time.")));
    }
    let numbers = parts.iter().map(|part| part.part_number);
    if let Some(bad) = numbers.clone().find(|number| !plan.contains(*number)) {
        let count = plan.part_count();
        return Err(ApiError::BadPartNumbers(format!("There is no part {bad}: they go from 1 to {count}.")));
    }
    if numbers.collect::<BTreeSet<_>>().len() < parts.len() {
        return Err(ApiError::BadPartNumbers("A part is requested twice.".into()));
    }
    check_checksums(parts, session.checksum)?;
    Ok(Json(SignedParts { parts: app.store.presign(&session, &plan, parts).await? }))
}

/// `GET /uploads/{upload}`: lists the stored parts. An upload that was completed in time is found after its expiry, too.
pub async fn status(
    State(app): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let (session, plan) = owned_session(&app, &caller, &token)?;
    let is_expired = session.is_expired(app.now_ms() / 1000);
    let listed =
        if is_expired { Err(StoreError::NoSuchUpload) } else { app.store.list_parts(&session).await };
    let (state, parts) = match listed {
        Ok(parts) => (MultipartState::Open, parts),
        Err(StoreError::NoSuchUpload) => match completed_object(&app, &session, None).await? {
            Some(_) => (MultipartState::Completed, Vec::new()),
            None if is_expired => return Err(ApiError::UploadExpired),
            None => (MultipartState::Aborted, Vec::new()),
        },
        Err(error) => return Err(error.into()),
    };
    let status = UploadStatus { state, part_size: plan.part_size(), part_count: plan.part_count(), parts };
    // An old list would let a resuming client send stored parts again, or miss ones.
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(status)))
}

/// `DELETE /uploads/{upload}`: deletes the stored parts. A completed upload stays.
pub async fn abort(
    State(app): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (session, _) = match open_session(&app, &caller, &token) {
        // S3's lifecycle rule has aborted it.
        Err(ApiError::UploadExpired) => return Ok(StatusCode::NO_CONTENT),
        other => other?,
    };
    app.store.abort_multipart_upload(&session.key, &session.s3_upload).await?;
    if let Some(key) = IncomingKey::parse(&session.key) {
        // The record of a completed upload stays, and that of an upload that was started over.
        app.catalog.delete_open(key.video_id().as_str(), Some(&session.s3_upload)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Opens the token, and checks that the caller owns the upload and that it hasn't expired.
fn open_session(app: &AppState, caller: &Caller, token: &str) -> Result<(Session, PartPlan), ApiError> {
    let (session, plan) = owned_session(app, caller, token)?;
    if session.is_expired(app.now_ms() / 1000) { Err(ApiError::UploadExpired) } else { Ok((session, plan)) }
}

/// Opens the token, and checks that the caller owns the upload, which may have expired.
fn owned_session(app: &AppState, caller: &Caller, token: &str) -> Result<(Session, PartPlan), ApiError> {
    let session = app.tokens.open(token).map_err(|InvalidToken| ApiError::BadUpload)?;
    if session.owner != caller.id {
        return Err(ApiError::Forbidden);
    }
    // The token is of another stage with the same secret.
    if session.bucket != app.store.bucket() {
        return Err(ApiError::BadUpload);
    }
    let plan = PartPlan::with_part_size(session.size, session.part_size)?;
    Ok((session, plan))
}
