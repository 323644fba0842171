//! `POST /uploads/{upload}/complete`: creates the object from the parts that S3 lists, if they are those of the plan.

use super::captions::video_of;
use super::{is_crc64, owned_session};
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::OptionalJsonBody;
use crate::api::videos::to_video;
use crate::key::{CaptionsKey, IncomingKey};
use crate::services::catalog::{AddOutcome, DailyLimits, OwnerLimits, VideoRecord, VideoTransition};
use crate::services::metrics::Metric;
use crate::services::store::{ObjectInfo, StoreError};
use crate::state::AppState;
use crate::token::Session;
use axum::Json;
use axum::extract::{Path, State};
use std::collections::BTreeMap;
use wire::{ChecksumKind, CompleteUpload, PartPlan, StoredPart, UploadCompleted};

/// Attempts to complete from a fresh list of the parts; a part can be replaced between the list and the completion.
const MAX_ATTEMPTS: u32 = 2;

/// Creates the object from exactly the declared bytes. Repeatable, also after the upload's expiry.
pub async fn complete(
    State(app): State<AppState>,
    caller: Caller,
    Path(token): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<CompleteUpload>,
) -> Result<Json<UploadCompleted>, ApiError> {
    let (session, plan) = owned_session(&app, &caller, &token)?;
    // A store without CRC64NVME has nothing to compare it with.
    let checksum = request.checksum.as_deref().filter(|_| session.checksum == ChecksumKind::Crc64Nvme);
    if checksum.is_some_and(|checksum| !is_crc64(checksum)) {
        return Err(ApiError::BadChecksum("The file's checksum isn't base64 of eight bytes.".into()));
    }
    let object = if session.is_expired(app.now_ms() / 1000) {
        completed_object(&app, &session, checksum).await?.ok_or(ApiError::UploadExpired)?
    } else {
        create_object(&app, &session, &plan, checksum).await?
    };
    let video = if let Some(key) = CaptionsKey::parse(&session.key) {
        // Deleted meanwhile: the event of the captions has them deleted.
        video_of(&app, &key, &session.owner).await.map_err(|error| match error {
            ApiError::VideoNotFound => ApiError::UploadGone,
            error => error,
        })?
    } else {
        let key = IncomingKey::parse(&session.key).ok_or(ApiError::Internal("a sealed key doesn't parse"))?;
        record_upload(&app, &key, &session).await?
    };
    Ok(Json(UploadCompleted {
        video_id: video.video_id.clone(),
        key: session.key,
        size: object.size,
        checksum: object.checksum,
        video: to_video(&app.config, video),
    }))
}

/// Creates the object from the listed parts, or finds the one that an earlier attempt has created.
async fn create_object(
    app: &AppState,
    session: &Session,
    plan: &PartPlan,
    checksum: Option<&str>,
) -> Result<ObjectInfo, ApiError> {
    for _ in 0..MAX_ATTEMPTS {
        let error = match app.store.list_parts(session).await {
            Ok(listed) => {
                let parts = planned_parts(session.checksum, plan, listed)?;
                match app.store.complete_multipart_upload(session, parts, checksum).await {
                    Ok(object) => return verified(app, session, object, checksum),
                    Err(StoreError::PartsChanged) => continue,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        // An earlier attempt, whose response was lost or is still to come, may have completed the upload.
        let needs_checksum = match error {
            StoreError::NoSuchUpload => false,
            // The object may be another upload's: only equal checksums show that it isn't.
            StoreError::ObjectExists | StoreError::Conflict => true,
            error => return Err(error.into()),
        };
        let is_proven =
            |object: &ObjectInfo| !needs_checksum || (checksum.is_some() && object.checksum.is_some());
        let object = completed_object(app, session, checksum).await?;
        return Ok(object.filter(is_proven).ok_or(error)?);
    }
    Err(StoreError::PartsChanged.into())
}

/// Refuses a new object whose checksum differs, which a store has not compared. It stays: no call may delete objects.
fn verified(
    app: &AppState,
    session: &Session,
    mut object: ObjectInfo,
    checksum: Option<&str>,
) -> Result<ObjectInfo, ApiError> {
    if IncomingKey::parse(&session.key).is_some() {
        app.metrics.record(&[Metric::UploadsCompleted, Metric::UploadedBytes(object.size)]);
    }
    if differ(checksum, object.checksum.as_deref()) {
        return Err(ApiError::ChecksumMismatch);
    }
    object.checksum = object.checksum.filter(|_| session.checksum == ChecksumKind::Crc64Nvme);
    Ok(object)
}

/// The plan's parts from those listed, in order. Fails with the numbers of all that are absent, of another size, or without
/// the checksum that the upload has declared.
fn planned_parts(
    kind: ChecksumKind,
    plan: &PartPlan,
    listed: Vec<StoredPart>,
) -> Result<Vec<StoredPart>, ApiError> {
    let verifies = kind == ChecksumKind::Crc64Nvme;
    let mut listed: BTreeMap<u32, StoredPart> =
        listed.into_iter().map(|part| (part.part_number, part)).collect();
    // Parts can't be stored without a checksum that is declared: to send them again wouldn't help.
    if verifies && !listed.is_empty() && listed.values().all(|part| part.checksum.is_none()) {
        return Err(ApiError::NoChecksums);
    }
    let (mut parts, mut missing) = (Vec::new(), Vec::new());
    for number in 1..=plan.part_count() {
        let is_planned =
            |part: &StoredPart| part.size == plan.len(number) && (part.checksum.is_some() || !verifies);
        match listed.remove(&number).filter(is_planned) {
            Some(part) => parts.push(part),
            None => missing.push(number),
        }
    }
    if missing.is_empty() { Ok(parts) } else { Err(ApiError::PartsMissing(missing)) }
}

/// The stored object, if it is that of this upload.
pub(super) async fn completed_object(
    app: &AppState,
    session: &Session,
    checksum: Option<&str>,
) -> Result<Option<ObjectInfo>, ApiError> {
    let Some(mut object) = app.store.head_object(&session.key).await? else { return Ok(None) };
    object.checksum = object.checksum.filter(|_| session.checksum == ChecksumKind::Crc64Nvme);
    let is_same = object.size == session.size && !differ(checksum, object.checksum.as_deref());
    if !is_same {
        return Ok(None);
    }
    // Captions replace each other.
    let Some(key) = IncomingKey::parse(&session.key) else { return Ok(Some(object)) };
    // An upload that was started over is aborted: the object is its successor's.
    let video = app.catalog.get(key.video_id().as_str()).await?;
    let successor = video.and_then(|video| video.s3_upload).filter(|id| *id != session.s3_upload);
    Ok(successor.is_none().then_some(object))
}

/// Whether both are known and different.
fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// Moves the video on in the catalog.
async fn record_upload(
    app: &AppState,
    key: &IncomingKey,
    session: &Session,
) -> Result<VideoRecord, ApiError> {
    let now = app.now_ms();
    let uploaded = VideoTransition::Uploaded { size: session.size };
    if let Some(video) = app.catalog.apply(key.video_id().as_str(), uploaded.clone(), now).await? {
        // Deleted meanwhile: the event of the object has it erased.
        return if video.is_deleted() { Err(ApiError::UploadGone) } else { Ok(video) };
    }
    // A concurrent abort deleted the record. The object is stored, so the video exists.
    let mut record = VideoRecord {
        s3_upload: Some(session.s3_upload.clone()),
        ..app.new_record(key, &session.owner, session.size)
    };
    record.apply(uploaded, now);
    let no_limits = OwnerLimits { open_uploads: u32::MAX, daily: DailyLimits::default() };
    Ok(match app.catalog.add(record.clone(), no_limits).await? {
        AddOutcome::Exists(record) => *record,
        AddOutcome::Added | AddOutcome::TooManyOpen | AddOutcome::OverDailyLimit => record,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part_number: u32, size: u64, checksum: Option<&str>) -> StoredPart {
        StoredPart { part_number, size, etag: "e".into(), checksum: checksum.map(str::to_owned) }
    }

    #[test]
    fn planned_parts_are_complete_or_the_missing_are_named() {
        const SIZE: u64 = 5 << 20;
        let plan = PartPlan::new(2 * SIZE + 1, Some(SIZE)).unwrap();
        let all = || vec![part(3, 1, Some("c")), part(1, SIZE, Some("a")), part(2, SIZE, Some("b"))];
        let check = |parts, kind| match planned_parts(kind, &plan, parts) {
            Ok(parts) => Ok(parts.iter().map(|part| part.part_number).collect::<Vec<_>>()),
            Err(ApiError::PartsMissing(numbers)) => Err(numbers),
            Err(error) => panic!("{error}"),
        };
        let crc = ChecksumKind::Crc64Nvme;
        assert_eq!(check(all(), crc), Ok(vec![1, 2, 3]));
        assert_eq!(check(Vec::new(), crc), Err(vec![1, 2, 3]));
        assert_eq!(check(all().split_off(1), crc), Err(vec![3]));
        let extra = [all(), vec![part(4, SIZE, Some("d"))]].concat();
        assert_eq!(check(extra, crc), Ok(vec![1, 2, 3]), "a part outside the plan isn't used");
        for (wrong, number) in [(part(2, SIZE - 1, Some("b")), 2), (part(3, SIZE, Some("c")), 3)] {
            assert_eq!(check([all(), vec![wrong]].concat(), crc), Err(vec![number]), "another size");
        }
        let bare = [all(), vec![part(2, SIZE, None)]].concat();
        assert_eq!(check(bare.clone(), crc), Err(vec![2]), "no checksum");
        assert_eq!(check(bare, ChecksumKind::None), Ok(vec![1, 2, 3]));
        let no_checksums = planned_parts(crc, &plan, vec![part(1, SIZE, None)]);
        assert!(matches!(no_checksums, Err(ApiError::NoChecksums)));
    }
}
