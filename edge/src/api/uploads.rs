//! `/uploads`: opens, signs, lists, completes and aborts uploads.

use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::JsonBody;
use crate::api::videos::to_video;
use crate::clock;
use crate::key::{IncomingKey, VideoId};
use crate::services::catalog::{AddOutcome, UPLOAD_LIFETIME_SECS, VideoTransition};
use crate::services::metrics::Metric;
use crate::services::store::{ObjectInfo, StoreError};
use crate::state::AppState;
use crate::token::{Session, TokenError};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::collections::BTreeSet;
use wire::{
    ChecksumKind, CompleteUpload, CompletedPart, MAX_PARTS_PER_CALL, MultipartState, OpenUpload, PartPlan,
    SignParts, SignedParts, UploadCompleted, UploadOpened, UploadStatus,
};

/// Parts that are signed with the opening; clients request further ones when they need them.
const FIRST_PARTS: u32 = 16;
/// In bytes. File systems allow at most 255.
const MAX_NAME_SIZE: usize = 4096;
/// In bytes.
const MAX_TYPE_SIZE: usize = 255;

/// `POST /uploads`: opens a multipart upload and signs its first parts.
pub async fn open(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(request): JsonBody<OpenUpload>,
) -> Result<(StatusCode, Json<UploadOpened>), ApiError> {
    let limit = app.config.max_upload_bytes;
    if request.size > limit {
        return Err(ApiError::FileTooLarge { size: request.size, limit });
    }
    let plan = PartPlan::new(request.size, request.part_size)?;
    if request.file_name.len() > MAX_NAME_SIZE {
        return Err(ApiError::BadRequest("The file's name is longer than 4,096 bytes.".into()));
    }
    let video_id = match &request.video_id {
        // Cookie policies match prefixes: no id may be a prefix of another.
        Some(_) if app.config.cookies.is_some() => return Err(ApiError::VideoIdNotAllowed),
        Some(requested) => VideoId::parse(requested).ok_or(ApiError::BadVideoId)?,
        None => VideoId::random()?,
    };
    let content_type = media_type(&request.content_type);
    let mut key = IncomingKey::new(video_id, &request.file_name, content_type);
    // The request is valid: change the catalog and S3, concurrently.
    let record = app.new_record(&key, &caller.id, request.size);
    let added = app.catalog.add(record, app.config.max_open_uploads);
    let (added, mut s3_upload) =
        tokio::join!(added, app.store.create_multipart_upload(key.as_str(), content_type));
    let is_new = matches!(added, Ok(AddOutcome::Added));
    let refusal = match added {
        Ok(AddOutcome::Added) => None,
        // An owner may restart an upload until its object is stored.
        Ok(AddOutcome::Exists(video)) if video.owner == caller.id && video.is_open() => {
            // A video keeps its first key whatever the new file's name is, so that it has at most one object.
            let first = video.key.as_deref().and_then(IncomingKey::parse);
            if let Some(first) = first.filter(|first| *first != key) {
                if let Ok(s3_upload) = &s3_upload {
                    let _ = app.store.abort_multipart_upload(key.as_str(), s3_upload).await;
                }
                s3_upload = app.store.create_multipart_upload(first.as_str(), content_type).await;
                key = first;
            }
            None
        }
        Ok(AddOutcome::Exists(_)) => Some(ApiError::VideoExists),
        Ok(AddOutcome::TooManyOpen) => Some(ApiError::TooManyUploads(app.config.max_open_uploads)),
        Err(error) => Some(error.into()),
    };
    let s3_upload = match (refusal, s3_upload) {
        (None, Ok(s3_upload)) => s3_upload,
        (Some(refusal), s3_upload) => {
            roll_back(&app, &key, is_new, s3_upload.as_ref().ok()).await;
            return Err(refusal);
        }
        (None, Err(error)) => {
            roll_back(&app, &key, is_new, None).await;
            return Err(error.into());
        }
    };
    let session = Session {
        bucket: app.store.bucket().into(),
        key: key.as_str().into(),
        s3_upload,
        size: plan.size(),
        part_size: plan.part_size(),
        owner: caller.id,
        expires: app.now_ms() / 1000 + UPLOAD_LIFETIME_SECS,
    };
    let upload = app.tokens.seal(&session).ok_or(ApiError::Internal("a token can't be sealed"))?;
    let first: Vec<u32> = (1..=plan.part_count().min(FIRST_PARTS)).collect();
    let opened = UploadOpened {
        upload,
        video_id: key.video_id().to_string(),
        key: session.key.clone(),
        part_size: plan.part_size(),
        part_count: plan.part_count(),
        checksum: ChecksumKind::Crc64Nvme,
        expires_at: clock::rfc3339(session.expires * 1000),
        parts: app.store.presign(&session, &first).await?,
    };
    app.metrics.record(&[Metric::UploadsOpened]);
    Ok((StatusCode::CREATED, Json(opened)))
}

/// Deletes what a refused opening created. Best effort: S3 and the catalog also delete it after its expiry.
async fn roll_back(app: &AppState, key: &IncomingKey, added: bool, s3_upload: Option<&String>) {
    if let Some(s3_upload) = s3_upload {
        let _ = app.store.abort_multipart_upload(key.as_str(), s3_upload).await;
    }
    if added {
        let _ = app.catalog.delete_open(key.video_id().as_str()).await;
    }
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
    let numbers = &request.part_numbers;
    if numbers.is_empty() || numbers.len() > MAX_PARTS_PER_CALL {
        return Err(ApiError::BadPartNumbers("Ask for 1 to 1,000 part numbers at a time.".into()));
    }
    if let Some(bad) = numbers.iter().find(|number| !plan.contains(**number)) {
        let count = plan.part_count();
        return Err(ApiError::BadPartNumbers(format!("There is no part {bad}: they go from 1 to {count}.")));
    }
    if numbers.iter().collect::<BTreeSet<_>>().len() < numbers.len() {
        return Err(ApiError::BadPartNumbers("A part number is requested twice.".into()));
    }
    Ok(Json(SignedParts { parts: app.store.presign(&session, numbers).await? }))
}

/// `GET /uploads/{upload}`: lists the stored parts.
pub async fn status(
    State(app): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Json<UploadStatus>, ApiError> {
    let (session, plan) = open_session(&app, &caller, &token)?;
    let (state, parts) = match app.store.list_parts(&session).await {
        Ok(parts) => (MultipartState::Open, parts),
        Err(StoreError::NoSuchUpload) => match completed_object(&app, &session, None).await? {
            Some(_) => (MultipartState::Completed, Vec::new()),
            None => (MultipartState::Aborted, Vec::new()),
        },
        Err(error) => return Err(error.into()),
    };
    Ok(Json(UploadStatus { state, part_size: plan.part_size(), part_count: plan.part_count(), parts }))
}

/// `POST /uploads/{upload}/complete`: creates the object from exactly the declared bytes. Repeatable.
pub async fn complete(
    State(app): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
    JsonBody(request): JsonBody<CompleteUpload>,
) -> Result<Json<UploadCompleted>, ApiError> {
    let (session, plan) = open_session(&app, &caller, &token)?;
    check_parts(&plan, &request.parts)?;
    let checksum = request.checksum.as_deref();
    let object = match app.store.complete_multipart_upload(&session, &request.parts, checksum).await {
        Ok(object) => {
            app.metrics.record(&[Metric::UploadsCompleted, Metric::UploadedBytes(object.size)]);
            object
        }
        // An earlier attempt, whose response was lost or is still to come, may have completed the upload.
        Err(error @ (StoreError::NoSuchUpload | StoreError::ObjectExists | StoreError::Conflict)) => {
            // Unless the upload is gone, the object may be another upload's: only equal checksums show that it isn't.
            let needs_checksum = !matches!(error, StoreError::NoSuchUpload);
            let is_proven =
                |object: &ObjectInfo| !needs_checksum || (checksum.is_some() && object.checksum.is_some());
            completed_object(&app, &session, checksum).await?.filter(is_proven).ok_or(error)?
        }
        Err(error) => return Err(error.into()),
    };
    if differ(checksum, object.checksum.as_deref()) {
        app.store.delete_object(&session.key).await?;
        return Err(ApiError::ChecksumMismatch);
    }
    let key = IncomingKey::parse(&session.key).ok_or(ApiError::Internal("a sealed key doesn't parse"))?;
    let video_id = key.video_id().to_string();
    let now = app.now_ms();
    let uploaded = VideoTransition::Uploaded { size: session.size };
    let video = match app.catalog.apply(&video_id, uploaded.clone(), now).await? {
        Some(video) => video,
        None => {
            // A concurrent abort deleted the record. The object is stored, so the video exists.
            let mut record = app.new_record(&key, &session.owner, session.size);
            record.apply(uploaded, now);
            match app.catalog.add(record.clone(), u32::MAX).await? {
                AddOutcome::Exists(record) => *record,
                AddOutcome::Added | AddOutcome::TooManyOpen => record,
            }
        }
    };
    Ok(Json(UploadCompleted {
        video_id,
        key: session.key,
        size: object.size,
        checksum: object.checksum,
        video: to_video(&app.config, video),
    }))
}

/// The stored object, if its size and checksum are those of this upload.
async fn completed_object(
    app: &AppState,
    session: &Session,
    checksum: Option<&str>,
) -> Result<Option<ObjectInfo>, ApiError> {
    let object = app.store.head_object(&session.key).await?;
    Ok(object.filter(|object| object.size == session.size && !differ(checksum, object.checksum.as_deref())))
}

/// Whether both are known and different.
fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// Checks that all parts of the plan are listed, once and in order.
fn check_parts(plan: &PartPlan, parts: &[CompletedPart]) -> Result<(), ApiError> {
    let expected = 1..=plan.part_count();
    for (number, part) in expected.zip(parts) {
        if part.part_number != number {
            let found = part.part_number;
            return Err(ApiError::PartsMismatch(format!(
                "Part {found} is listed in place of part {number}."
            )));
        }
    }
    let (count, given) = (plan.part_count(), parts.len());
    if given != count as usize {
        return Err(ApiError::PartsMismatch(format!("The upload has {count} parts; {given} are listed.")));
    }
    Ok(())
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
        // The record of a completed upload stays: it is no longer `uploading`.
        app.catalog.delete_open(key.video_id().as_str()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Opens the token, and checks that the caller owns the upload.
fn open_session(app: &AppState, caller: &Caller, token: &str) -> Result<(Session, PartPlan), ApiError> {
    let session = app.tokens.open(token, app.now_ms() / 1000).map_err(|error| match error {
        TokenError::Invalid => ApiError::BadUpload,
        TokenError::Expired => ApiError::UploadExpired,
    })?;
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
