//! Object operations: put, get, head, delete, tags. Copies are in `copies`.

use super::attributes::{self, object_headers};
use super::backend::{Backend, NewObject, RequestId};
use super::blobs::{BlobRange, PinnedBlobs, received};
use super::checksums::{Algorithm, ObjectChecksum, with_checksums};
use super::conditions::{ReadConditions, WriteConditions, range_applies};
use super::digest::ExpectedChecksums;
use super::error::{OperationError, custom_error};
use super::metadata::{self, ObjectHeaders};
use super::params::{body_size, empty_body};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rusqlite::Transaction;
use s3s::dto::*;
use s3s::{S3Request, s3_error};
use std::ops;

/// Keys in one `DeleteObjects` request, as in S3.
const MAX_DELETED_KEYS: usize = 1000;

pub async fn put(b: &Backend, request: S3Request<PutObjectInput>) -> Result<PutObjectOutput, OperationError> {
    let (expected, request_id) =
        (ExpectedChecksums::from_request(&request), RequestId::from_extensions(&request.extensions));
    let size = body_size(request.input.content_length, &request.headers)?;
    let mut input = request.input;
    let headers = object_headers!(input);
    let bucket = input.bucket.clone();
    b.db.call(move |tx| metadata::require_bucket(tx, &bucket)).await?;
    let body = received(input.body.take().unwrap_or_else(empty_body));
    let (blob, computed) = b.blobs.store(body, size, expected.hasher(), &expected).await?;
    b.blobs.sync(vec![blob.name().to_owned()]).await?;

    let checksum = computed.object_checksum();
    let new = NewObject {
        content: computed.content,
        etag: computed.etag(),
        headers: ObjectHeaders {
            checksum: Some(checksum.clone()).filter(|checksum| checksum.algorithm != Algorithm::Crc64Nvme),
            ..headers
        },
        files: vec![(blob.name().to_owned(), size)],
        bucket: input.bucket,
        key: input.key,
        conditions: WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match },
        event_name: "Put",
        request_id,
    };
    let backend = b.clone();
    let (object, replaced) =
        b.db.call(move |tx| {
            let stored = backend.store_object(tx, new)?;
            blob.persist();
            Ok::<_, OperationError>(stored)
        })
        .await?;
    b.after_commit(replaced).await;
    Ok(with_checksums!(
        PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag)),
            checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            server_side_encryption: object.headers.server_side_encryption.map(Into::into),
            ..Default::default()
        },
        &checksum.into_checksums()
    ))
}

/// Builds the response fields that `GetObject` and `HeadObject` share. `response-*` parameters replace headers.
macro_rules! object_output {
    ($output:ident, $found:expr, $input:expr, { $($fields:tt)* }) => {{
        let (object, complete) = ($found.object, $found.content_range.is_none());
        // S3 returns the checksum only if the request asks for it and the response is the complete object.
        let asked = $input.checksum_mode.as_ref().is_some_and(|m| m.as_str() == ChecksumMode::ENABLED);
        let checksum = object.checksum().filter(|_| asked && complete);
        let checksum_type = checksum.as_ref().map(ObjectChecksum::checksum_type);
        let checksums = checksum.map(ObjectChecksum::into_checksums).unwrap_or_default();
        let parts_count = object.parts_count().filter(|_| $input.part_number.is_some());
        let content_type = || object.headers.content_type.unwrap_or_else(|| "binary/octet-stream".into());
        with_checksums!(
            $output {
                accept_ranges: Some("bytes".into()),
                content_length: Some($found.size.cast_signed()),
                content_range: $found.content_range,
                content_type: Some($input.response_content_type.unwrap_or_else(content_type)),
                cache_control: $input.response_cache_control.or(object.headers.cache_control),
                content_disposition: $input
                    .response_content_disposition
                    .or(object.headers.content_disposition),
                content_encoding: $input.response_content_encoding.or(object.headers.content_encoding),
                content_language: $input.response_content_language.or(object.headers.content_language),
                expires: $input.response_expires.or(object.headers.expires),
                metadata: object.headers.metadata,
                last_modified: Some(object.modified),
                storage_class: object.headers.storage_class.map(Into::into),
                server_side_encryption: object.headers.server_side_encryption.map(Into::into),
                parts_count: parts_count.map(u32::cast_signed),
                e_tag: Some(ETag::Strong(object.etag)),
                checksum_type,
                $($fields)*
                ..Default::default()
            },
            &checksums
        )
    }};
}

/// The common parameters of `GetObject` and `HeadObject`.
struct ReadRequest {
    bucket: String,
    key: String,
    range: Option<Range>,
    if_range: Option<HeaderValue>,
    part_number: Option<i32>,
    conditions: ReadConditions,
    /// `false` for `HeadObject`.
    with_body: bool,
}

/// An object that passed the conditions, and the part of it to send.
struct FoundObject {
    object: metadata::Object,
    /// Size of the body, in bytes.
    size: u64,
    content_range: Option<String>,
    ranges: Vec<BlobRange>,
    /// Pinned inside the transaction, in which the files can't be removed.
    pinned: PinnedBlobs,
}

macro_rules! read_request {
    ($input:expr, $headers:expr, $with_body:expr) => {{
        if $input.part_number.is_some() && $input.range.is_some() {
            Err(s3_error!(
                InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter"
            ))?;
        }
        ReadRequest {
            bucket: $input.bucket.clone(),
            key: $input.key.clone(),
            range: $input.range,
            if_range: $headers.get(header::IF_RANGE).cloned(),
            part_number: $input.part_number,
            conditions: ReadConditions {
                if_match: $input.if_match.clone(),
                if_none_match: $input.if_none_match.clone(),
                if_modified_since: $input.if_modified_since.clone(),
                if_unmodified_since: $input.if_unmodified_since.clone(),
            },
            with_body: $with_body,
        }
    }};
}

/// Returns the bytes to send if the request asks for a part of the object.
fn requested_bytes(
    tx: &Transaction<'_>,
    object: &metadata::Object,
    read: &ReadRequest,
) -> Result<Option<ops::Range<u64>>, OperationError> {
    let size = object.content.size;
    let if_range = || read.if_range.as_ref().is_none_or(|value| range_applies(value, object));
    if let Some(range) = read.range.filter(|_| if_range()) {
        let bytes = range.check(size).ok().filter(|bytes| !bytes.is_empty());
        return Ok(Some(bytes.ok_or_else(|| unsatisfiable(size))?));
    }
    let Some(number) = read.part_number else { return Ok(None) };
    let number = u32::try_from(number).unwrap_or_default();
    let bytes = match object.parts_count() {
        Some(count) if (1..=count).contains(&number) => metadata::part_range(tx, object.id, number)?,
        None if number == 1 => Some(0..size),
        _ => None,
    };
    let bytes = bytes.ok_or_else(|| {
        custom_error(
            "InvalidPartNumber",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The requested partnumber is not satisfiable",
        )
    })?;
    Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
}

async fn find(b: &Backend, read: ReadRequest) -> Result<FoundObject, OperationError> {
    let blobs = b.blobs.clone();
    b.db.call(move |tx| {
        let object = require_object(tx, &read.bucket, &read.key)?;
        read.conditions.check(&object.etag, &object.modified)?;
        let size = object.content.size;
        let requested = requested_bytes(tx, &object, &read)?;
        let content_range =
            requested.as_ref().map(|bytes| format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1));
        let bytes = requested.unwrap_or(0..size);
        let body_size = bytes.end - bytes.start;
        let ranges = if read.with_body { metadata::blob_ranges(tx, object.id, bytes)? } else { Vec::new() };
        let pinned = blobs.pin(&ranges);
        Ok(FoundObject { object, size: body_size, content_range, ranges, pinned })
    })
    .await
}

pub async fn get(b: &Backend, request: S3Request<GetObjectInput>) -> Result<GetObjectOutput, OperationError> {
    let input = request.input;
    let found = find(b, read_request!(input, request.headers, true)).await?;
    let body = if found.ranges.is_empty() {
        empty_body()
    } else {
        StreamingBlob::wrap(b.blobs.read(found.ranges, found.pinned))
    };
    let tags = found.object.headers.tag_count();
    Ok(object_output!(GetObjectOutput, found, input, { body: Some(body), tag_count: tags, }))
}

/// Sets `tags` to the number of tags, if there are any.
pub async fn head(
    b: &Backend,
    request: S3Request<HeadObjectInput>,
    tags: &mut Option<i32>,
) -> Result<HeadObjectOutput, OperationError> {
    let input = request.input;
    let found = find(b, read_request!(input, request.headers, false)).await?;
    *tags = found.object.headers.tag_count();
    Ok(object_output!(HeadObjectOutput, found, input, {}))
}

pub async fn get_tags(
    b: &Backend,
    request: S3Request<GetObjectTaggingInput>,
) -> Result<GetObjectTaggingOutput, OperationError> {
    let input = request.input;
    let object = b.db.call(move |tx| require_object(tx, &input.bucket, &input.key)).await?;
    Ok(GetObjectTaggingOutput { tag_set: attributes::tags_to_dto(object.headers.tags), version_id: None })
}

pub async fn put_tags(
    b: &Backend,
    request: S3Request<PutObjectTaggingInput>,
) -> Result<PutObjectTaggingOutput, OperationError> {
    let input = request.input;
    let tags = attributes::tags_from_dto(input.tagging.tag_set)?;
    set_tags(b, input.bucket, input.key, tags).await?;
    Ok(PutObjectTaggingOutput::default())
}

pub async fn delete_tags(
    b: &Backend,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Result<DeleteObjectTaggingOutput, OperationError> {
    set_tags(b, request.input.bucket, request.input.key, Vec::new()).await?;
    Ok(DeleteObjectTaggingOutput::default())
}

async fn set_tags(
    b: &Backend,
    bucket: String,
    key: String,
    tags: Vec<(String, String)>,
) -> Result<(), OperationError> {
    b.db.call(move |tx| {
        let object = require_object(tx, &bucket, &key)?;
        Ok(metadata::set_headers(tx, object.id, &ObjectHeaders { tags, ..object.headers })?)
    })
    .await
}

pub async fn delete(
    b: &Backend,
    request: S3Request<DeleteObjectInput>,
) -> Result<DeleteObjectOutput, OperationError> {
    let DeleteObjectInput { bucket, key, if_match, .. } = request.input;
    let results = remove(b, bucket, vec![(key, if_match)]).await?;
    for (_, result) in results {
        result?;
    }
    Ok(DeleteObjectOutput::default())
}

pub async fn delete_many(
    b: &Backend,
    request: S3Request<DeleteObjectsInput>,
) -> Result<DeleteObjectsOutput, OperationError> {
    let Delete { objects, quiet } = request.input.delete;
    if objects.is_empty() || objects.len() > MAX_DELETED_KEYS {
        Err(s3_error!(MalformedXML, "One request deletes 1 to {MAX_DELETED_KEYS} objects."))?;
    }
    let mut keys = Vec::new();
    for object in objects {
        if object.version_id.is_some_and(|version| version != "null")
            || object.last_modified_time.is_some()
            || object.size.is_some()
        {
            Err(s3_error!(NotImplemented, "VersionId, LastModifiedTime and Size aren't supported."))?;
        }
        keys.push((object.key, object.e_tag.map(ETagCondition::ETag)));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (key, result) in remove(b, request.input.bucket, keys).await? {
        match result.map_err(|error| error.into_s3_error(&b.log)) {
            Ok(()) => deleted.push(DeletedObject { key: Some(key), ..Default::default() }),
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                key: Some(key),
                message: error.message().map(str::to_owned),
                version_id: None,
            }),
        }
    }
    let verbose = !quiet.unwrap_or_default();
    Ok(DeleteObjectsOutput {
        deleted: verbose.then_some(deleted),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
        ..Default::default()
    })
}

/// A key, and the condition under which its object is removed.
type Removal = (String, Option<ETagCondition>);

/// Removes the objects that exist and meet their condition. A missing key is no error, as in S3, unless it has a
/// condition.
async fn remove(
    b: &Backend,
    bucket: String,
    keys: Vec<Removal>,
) -> Result<Vec<(String, Result<(), OperationError>)>, OperationError> {
    let (results, files) =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            let (mut results, mut files) = (Vec::new(), Vec::new());
            for (key, if_match) in keys {
                let object = metadata::find_object(tx, &bucket, &key)?;
                let conditions = WriteConditions { if_match, if_none_match: None };
                let allowed = conditions.check(object.as_ref());
                if let (Ok(()), Some(object)) = (&allowed, object) {
                    files.extend(metadata::remove_object(tx, object.id)?);
                }
                results.push((key, allowed));
            }
            Ok::<_, OperationError>((results, files))
        })
        .await?;
    b.blobs.remove(files).await;
    Ok(results)
}

/// Returns an object. Fails with `NoSuchBucket` or `NoSuchKey`.
pub fn require_object(
    tx: &Transaction<'_>,
    bucket: &str,
    key: &str,
) -> Result<metadata::Object, OperationError> {
    metadata::require_bucket(tx, bucket)?;
    let found = metadata::find_object(tx, bucket, key)?;
    Ok(found.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?)
}

/// Returns `InvalidRange` (416) with the `Content-Range` header that names the object's size.
fn unsatisfiable(size: u64) -> s3s::S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}
