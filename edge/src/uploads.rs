//! `/uploads`: opening, signing, listing, completing and aborting an upload.

use crate::App;
use crate::auth::Caller;
use crate::catalog::{Added, Change, UPLOAD_LIFE};
use crate::clock;
use crate::error::ApiError;
use crate::key::{IncomingKey, VideoId};
use crate::metrics::Metric;
use crate::request::Body;
use crate::store::{StoreError, Stored};
use crate::token::{Session, TokenError};
use crate::videos::to_video;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::collections::BTreeSet;
use wire::{
    ChecksumKind, CompleteUpload, CompletedPart, MAX_PARTS_PER_CALL, OpenUpload, PartPlan, SignParts,
    SignedParts, UploadCompleted, UploadOpened, UploadState, UploadStatus,
};

/// How many parts come signed with the opening; the rest is asked for as it is needed.
const FIRST_WINDOW: u32 = 16;
/// In bytes. File names are at most 255 on any disk; this is generous.
const LONGEST_NAME: usize = 4096;
const LONGEST_TYPE: usize = 255;

/// `POST /uploads`: opens a multipart upload and signs its first parts.
pub async fn open(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<OpenUpload>,
) -> Result<(StatusCode, Json<UploadOpened>), ApiError> {
    let limit = app.config.max_upload_bytes;
    if request.size > limit {
        return Err(ApiError::FileTooLarge { size: request.size, limit });
    }
    let plan = PartPlan::new(request.size, request.part_size)?;
    if request.file_name.len() > LONGEST_NAME {
        return Err(ApiError::BadRequest("The file's name is longer than 4,096 bytes.".into()));
    }
    let video_id = match &request.video_id {
        // What opens one private video must open no other, so no id may begin like another.
        Some(_) if app.cookies.is_some() => return Err(ApiError::OwnVideoId),
        Some(asked) => VideoId::parse(asked).ok_or(ApiError::BadVideoId)?,
        None => VideoId::random()?,
    };
    let content_type = media_type(&request.content_type);
    let mut key = IncomingKey::new(video_id, &request.file_name, content_type);
    // Decided; only now touch the catalog and S3, both at once.
    let entry = app.entry(&key, &caller.id, request.size);
    let added = app.catalog.add(entry, app.config.max_open_uploads);
    let (added, mut s3_upload) = tokio::join!(added, app.store.open(key.as_str(), content_type));
    let is_new = matches!(added, Ok(Added::New));
    let refusal = match added {
        Ok(Added::New) => None,
        // Somebody may start over with an id of theirs as long as nothing is stored under it.
        Ok(Added::There(video)) if video.owner == caller.id && video.is_open() => {
            // But a video has one key, so that it has one object at most, whatever the new file is called.
            let first = video.key.as_deref().and_then(IncomingKey::parse);
            if let Some(first) = first.filter(|first| *first != key) {
                if let Ok(s3_upload) = &s3_upload {
                    let _ = app.store.abort(key.as_str(), s3_upload).await;
                }
                s3_upload = app.store.open(first.as_str(), content_type).await;
                key = first;
            }
            None
        }
        Ok(Added::There(_)) => Some(ApiError::VideoExists),
        Ok(Added::TooMany) => Some(ApiError::TooManyUploads(app.config.max_open_uploads)),
        Err(error) => Some(error.into()),
    };
    let s3_upload = match (refusal, s3_upload) {
        (None, Ok(s3_upload)) => s3_upload,
        (Some(refusal), s3_upload) => {
            undo(&app, &key, is_new, s3_upload.as_ref().ok()).await;
            return Err(refusal);
        }
        (None, Err(error)) => {
            undo(&app, &key, is_new, None).await;
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
        expires: app.now_ms() / 1000 + UPLOAD_LIFE,
    };
    let upload = app.tokens.seal(&session).ok_or(ApiError::Internal("a token can't be sealed"))?;
    let first: Vec<u32> = (1..=plan.part_count().min(FIRST_WINDOW)).collect();
    let opened = UploadOpened {
        upload,
        video_id: key.video_id().to_string(),
        key: session.key.clone(),
        part_size: plan.part_size(),
        part_count: plan.part_count(),
        checksum: ChecksumKind::Crc64Nvme,
        expires_at: clock::rfc3339(session.expires * 1000),
        parts: app.store.sign(&session, &first).await?,
    };
    app.metrics.record(&[Metric::UploadsOpened]);
    Ok((StatusCode::CREATED, Json(opened)))
}

/// Takes back what a refused opening has made. Best effort: S3 and the catalog also forget by themselves.
async fn undo(app: &App, key: &IncomingKey, added: bool, s3_upload: Option<&String>) {
    if let Some(s3_upload) = s3_upload {
        let _ = app.store.abort(key.as_str(), s3_upload).await;
    }
    if added {
        let _ = app.catalog.forget(key.video_id().as_str()).await;
    }
}

/// What can stand in a header; anything else is as good as nothing.
fn media_type(content_type: &str) -> &str {
    let plain = content_type.len() <= LONGEST_TYPE && content_type.bytes().all(|b| (0x20..0x7f).contains(&b));
    if plain { content_type } else { "" }
}

/// `POST /uploads/{upload}/parts`: signs parts, again or for the first time.
pub async fn sign(
    State(app): State<App>,
    caller: Caller,
    Path(token): Path<String>,
    Body(request): Body<SignParts>,
) -> Result<Json<SignedParts>, ApiError> {
    let (session, plan) = session(&app, &caller, &token)?;
    let numbers = &request.part_numbers;
    if numbers.is_empty() || numbers.len() > MAX_PARTS_PER_CALL {
        return Err(ApiError::BadPartNumbers("Ask for 1 to 1,000 part numbers at a time.".into()));
    }
    if let Some(bad) = numbers.iter().find(|number| !plan.contains(**number)) {
        let count = plan.part_count();
        return Err(ApiError::BadPartNumbers(format!("There is no part {bad}: they go from 1 to {count}.")));
    }
    if numbers.iter().collect::<BTreeSet<_>>().len() < numbers.len() {
        return Err(ApiError::BadPartNumbers("A part number is asked for twice.".into()));
    }
    Ok(Json(SignedParts { parts: app.store.sign(&session, numbers).await? }))
}

/// `GET /uploads/{upload}`: what S3 has of it.
pub async fn status(
    State(app): State<App>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Json<UploadStatus>, ApiError> {
    let (session, plan) = session(&app, &caller, &token)?;
    let (state, parts) = match app.store.parts(&session).await {
        Ok(parts) => (UploadState::Open, parts),
        Err(StoreError::NoSuchUpload) => match finished(&app, &session, None).await? {
            Some(_) => (UploadState::Completed, Vec::new()),
            None => (UploadState::Aborted, Vec::new()),
        },
        Err(error) => return Err(error.into()),
    };
    Ok(Json(UploadStatus { state, part_size: plan.part_size(), part_count: plan.part_count(), parts }))
}

/// `POST /uploads/{upload}/complete`: makes the object, once, of exactly the declared bytes.
pub async fn complete(
    State(app): State<App>,
    caller: Caller,
    Path(token): Path<String>,
    Body(request): Body<CompleteUpload>,
) -> Result<Json<UploadCompleted>, ApiError> {
    let (session, plan) = session(&app, &caller, &token)?;
    check_list(&plan, &request.parts)?;
    let checksum = request.checksum.as_deref();
    let stored = match app.store.complete(&session, &request.parts, checksum).await {
        Ok(stored) => {
            app.metrics.record(&[Metric::UploadsCompleted, Metric::UploadedBytes(stored.size)]);
            stored
        }
        // Completed before, by a try whose answer was lost or is still to come.
        Err(error @ (StoreError::NoSuchUpload | StoreError::Exists | StoreError::Busy)) => {
            // Only the bytes tell whose an object is that isn't known to be of this upload.
            let told_by_bytes = !matches!(error, StoreError::NoSuchUpload);
            let ours = |stored: &Stored| !told_by_bytes || (checksum.is_some() && stored.checksum.is_some());
            finished(&app, &session, checksum).await?.filter(ours).ok_or(error)?
        }
        Err(error) => return Err(error.into()),
    };
    if differ(checksum, stored.checksum.as_deref()) {
        app.store.remove(&session.key).await?;
        return Err(ApiError::ChecksumMismatch);
    }
    let key = IncomingKey::parse(&session.key).ok_or(ApiError::Internal("a sealed key doesn't parse"))?;
    let video_id = key.video_id().to_string();
    let now = app.now_ms();
    let uploaded = Change::Uploaded { size: session.size };
    let video = match app.catalog.change(&video_id, uploaded.clone(), now).await? {
        Some(video) => video,
        None => {
            // Forgotten meanwhile, by an abort that came too late. The object is there, so the video is.
            let mut entry = app.entry(&key, &session.owner, session.size);
            entry.apply(uploaded, now);
            match app.catalog.add(entry.clone(), u32::MAX).await? {
                Added::There(entry) => *entry,
                Added::New | Added::TooMany => entry,
            }
        }
    };
    Ok(Json(UploadCompleted {
        video_id,
        key: session.key,
        size: stored.size,
        checksum: stored.checksum,
        video: to_video(&app.config, video),
    }))
}

/// The object, if it is the one that this upload was to make.
async fn finished(app: &App, session: &Session, checksum: Option<&str>) -> Result<Option<Stored>, ApiError> {
    let stored = app.store.head(&session.key).await?;
    Ok(stored.filter(|stored| stored.size == session.size && !differ(checksum, stored.checksum.as_deref())))
}

fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// Every part of the plan, once, in order.
fn check_list(plan: &PartPlan, parts: &[CompletedPart]) -> Result<(), ApiError> {
    let expected = 1..=plan.part_count();
    for (number, part) in expected.zip(parts) {
        if part.part_number != number {
            let found = part.part_number;
            return Err(ApiError::PartsMismatch(format!("Part {found} stands where part {number} must be.")));
        }
    }
    let (count, given) = (plan.part_count(), parts.len());
    if given != count as usize {
        return Err(ApiError::PartsMismatch(format!("The upload has {count} parts; {given} are listed.")));
    }
    Ok(())
}

/// `DELETE /uploads/{upload}`: throws away what is stored; of a completed upload nothing is touched.
pub async fn abort(
    State(app): State<App>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (session, _) = match session(&app, &caller, &token) {
        // S3 has thrown it away by itself.
        Err(ApiError::UploadExpired) => return Ok(StatusCode::NO_CONTENT),
        other => other?,
    };
    app.store.abort(&session.key, &session.s3_upload).await?;
    if let Some(key) = IncomingKey::parse(&session.key) {
        // One that is completed is no longer `uploading` and stays.
        app.catalog.forget(key.video_id().as_str()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What the caller's token binds.
fn session(app: &App, caller: &Caller, token: &str) -> Result<(Session, PartPlan), ApiError> {
    let session = app.tokens.open(token, app.now_ms() / 1000).map_err(|error| match error {
        TokenError::Invalid => ApiError::BadUpload,
        TokenError::Expired => ApiError::UploadExpired,
    })?;
    if session.owner != caller.id {
        return Err(ApiError::Forbidden);
    }
    // Sealed with this secret, but for another stage's bucket.
    if session.bucket != app.store.bucket() {
        return Err(ApiError::BadUpload);
    }
    let plan = PartPlan::agreed(session.size, session.part_size)?;
    Ok((session, plan))
}
