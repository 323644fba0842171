//! Object operations: put, get, head, copy, delete.

use super::backend::{Backend, NewObject, RequestId};
use super::blobs::BlobRange;
use super::checksums::ExpectedChecksums;
use super::conditions::{ReadConditions, WriteConditions};
use super::error::OperationError;
use super::metadata::{self, ObjectHeaders};
use super::params::{body_size, empty_body, object_headers};
use rusqlite::Transaction;
use s3s::dto::*;
use s3s::{S3Request, s3_error};
use std::fs::File;
use std::io;

/// Keys in one `DeleteObjects` request, as in S3.
const MAX_DELETED_KEYS: usize = 1000;

pub async fn put(b: &Backend, request: S3Request<PutObjectInput>) -> Result<PutObjectOutput, OperationError> {
    let (expected, request_id) =
        (ExpectedChecksums::from_request(&request), RequestId::from_extensions(&request.extensions));
    let mut input = request.input;
    let size = body_size(input.content_length)?;
    let bucket = input.bucket.clone();
    b.db.call(move |tx| metadata::require_bucket(tx, &bucket)).await?;
    let body = input.body.take().unwrap_or_else(empty_body);
    let (blob, computed) = b.blobs.store(body, size, expected).await?;
    b.blobs.sync(vec![blob.name().to_owned()]).await?;

    let new = NewObject {
        content: computed.content,
        etag: computed.content.etag(),
        headers: object_headers!(input),
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
    Ok(PutObjectOutput {
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_crc32: computed.checksums.checksum_crc32,
        checksum_crc32c: computed.checksums.checksum_crc32c,
        checksum_crc64nvme: computed.checksums.checksum_crc64nvme,
        checksum_sha1: computed.checksums.checksum_sha1,
        checksum_sha256: computed.checksums.checksum_sha256,
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    })
}

/// Builds the response fields that `GetObject` and `HeadObject` share.
macro_rules! object_output {
    ($output:ident, $found:expr, $input:expr) => {{
        let (object, complete) = ($found.object, $found.content_range.is_none());
        // S3 returns the checksum only if the request asks for it and the response is the complete object.
        let with_checksum = complete
            && !object.headers.no_checksum
            && $input.checksum_mode.as_ref().is_some_and(|m| m.as_str() == ChecksumMode::ENABLED);
        $output {
            accept_ranges: Some("bytes".into()),
            content_length: Some($found.size.cast_signed()),
            content_range: $found.content_range,
            content_type: Some(object.headers.content_type.unwrap_or_else(|| "binary/octet-stream".into())),
            cache_control: object.headers.cache_control,
            content_disposition: object.headers.content_disposition,
            content_encoding: object.headers.content_encoding,
            content_language: object.headers.content_language,
            expires: object.headers.expires,
            metadata: object.headers.metadata,
            last_modified: Some(object.modified),
            checksum_crc64nvme: with_checksum.then(|| object.content.checksum_header()),
            checksum_type: with_checksum.then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            e_tag: Some(ETag::Strong(object.etag)),
            ..Default::default()
        }
    }};
}

/// The common parameters of `GetObject` and `HeadObject`.
struct ReadRequest {
    bucket: String,
    key: String,
    range: Option<Range>,
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
    /// The first range's file, opened inside the transaction, in which it can't be removed.
    first: Option<File>,
}

macro_rules! read_request {
    ($input:expr, $with_body:expr) => {{
        if $input.part_number.is_some() {
            Err(s3_error!(NotImplemented, "partNumber isn't supported; use Range."))?;
        }
        if $input.version_id.is_some() {
            Err(s3_error!(NotImplemented, "Versions aren't supported."))?;
        }
        ReadRequest {
            bucket: $input.bucket.clone(),
            key: $input.key.clone(),
            range: $input.range,
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

async fn find(b: &Backend, read: ReadRequest) -> Result<FoundObject, OperationError> {
    let blobs = b.blobs.clone();
    b.db.call(move |tx| {
        let object = require_object(tx, &read.bucket, &read.key)?;
        read.conditions.check(&object.etag, &object.modified)?;
        let size = object.content.size;
        let bytes = match read.range {
            None => 0..size,
            Some(range) => {
                range.check(size).ok().filter(|r| !r.is_empty()).ok_or_else(|| unsatisfiable(size))?
            }
        };
        let content_range = read
            .range
            .is_some()
            .then(|| format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1)));
        let body_size = bytes.end - bytes.start;
        let ranges = if read.with_body { metadata::blob_ranges(tx, object.id, bytes)? } else { Vec::new() };
        let first = ranges.first().map(|range| blobs.open_file(range)).transpose()?;
        Ok(FoundObject { object, size: body_size, content_range, ranges, first })
    })
    .await
}

pub async fn get(b: &Backend, request: S3Request<GetObjectInput>) -> Result<GetObjectOutput, OperationError> {
    let input = request.input;
    let mut found = find(b, read_request!(input, true)).await?;
    let body = match found.first.take() {
        Some(first) => StreamingBlob::wrap(b.blobs.read(first, std::mem::take(&mut found.ranges))),
        None => empty_body(),
    };
    Ok(GetObjectOutput { body: Some(body), ..object_output!(GetObjectOutput, found, input) })
}

pub async fn head(
    b: &Backend,
    request: S3Request<HeadObjectInput>,
) -> Result<HeadObjectOutput, OperationError> {
    let input = request.input;
    let found = find(b, read_request!(input, false)).await?;
    Ok(object_output!(HeadObjectOutput, found, input))
}

/// Copies an object by hard links to its blob files; no bytes are copied.
pub async fn copy(
    b: &Backend,
    request: S3Request<CopyObjectInput>,
) -> Result<CopyObjectOutput, OperationError> {
    let request_id = RequestId::from_extensions(&request.extensions);
    let mut input = request.input;
    let CopySource::Bucket { bucket: from_bucket, key: from_key, version_id: None } = input.copy_source
    else {
        Err(s3_error!(NotImplemented, "The source must be the name of a bucket and a key."))?
    };
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
    let headers = (directive == Some(MetadataDirective::REPLACE)).then(|| object_headers!(input));
    let (bucket, key, backend) = (input.bucket, input.key, b.clone());
    let (object, replaced) =
        b.db.call(move |tx| {
            let source = require_object(tx, &from_bucket, &from_key)?;
            match conditions.check(&source.etag, &source.modified) {
                // S3 reports a failed condition of a copy as 412, never as 304.
                Err(OperationError::Refused(error)) if error.code() == &s3s::S3ErrorCode::NotModified => {
                    Err(s3_error!(
                        PreconditionFailed,
                        "The source does not meet the conditions of the copy."
                    ))?;
                }
                checked => checked?,
            }
            let ranges = metadata::blob_ranges(tx, source.id, 0..source.content.size)?;
            let links: Vec<_> =
                ranges.iter().map(|range| backend.blobs.link(&range.file)).collect::<io::Result<_>>()?;
            let new = NewObject {
                content: source.content,
                etag: source.content.etag(),
                headers: headers.unwrap_or(ObjectHeaders { no_checksum: false, ..source.headers }),
                files: links
                    .iter()
                    .zip(&ranges)
                    .map(|(link, range)| (link.name().to_owned(), range.size))
                    .collect(),
                bucket,
                key,
                conditions: WriteConditions::default(),
                event_name: "Copy",
                request_id,
            };
            let stored = backend.store_object(tx, new)?;
            for link in links {
                link.persist();
            }
            Ok::<_, OperationError>(stored)
        })
        .await?;
    b.after_commit(replaced).await;
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified),
        checksum_crc64nvme: Some(object.content.checksum_header()),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    };
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
}

pub async fn delete(
    b: &Backend,
    request: S3Request<DeleteObjectInput>,
) -> Result<DeleteObjectOutput, OperationError> {
    remove(b, request.input.bucket, vec![request.input.key]).await?;
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
    let keys: Vec<_> = objects.into_iter().map(|object| object.key).collect();
    remove(b, request.input.bucket, keys.clone()).await?;
    let deleted = keys.into_iter().map(|key| DeletedObject { key: Some(key), ..Default::default() });
    let verbose = !quiet.unwrap_or_default();
    Ok(DeleteObjectsOutput { deleted: verbose.then(|| deleted.collect()), ..Default::default() })
}

/// Removes the objects that exist. A missing key is no error, as in S3.
async fn remove(b: &Backend, bucket: String, keys: Vec<String>) -> Result<(), OperationError> {
    let files =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            let mut files = Vec::new();
            for key in keys {
                if let Some(object) = metadata::find_object(tx, &bucket, &key)? {
                    files.extend(metadata::remove_object(tx, object.id)?);
                }
            }
            Ok::<_, OperationError>(files)
        })
        .await?;
    b.blobs.remove(files).await;
    Ok(())
}

/// Returns an object. Fails with `NoSuchBucket` or `NoSuchKey`.
fn require_object(tx: &Transaction<'_>, bucket: &str, key: &str) -> Result<metadata::Object, OperationError> {
    metadata::require_bucket(tx, bucket)?;
    let found = metadata::find_object(tx, bucket, key)?;
    Ok(found.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?)
}

/// Returns `InvalidRange` (416) with the `Content-Range` header that names the object's size.
fn unsatisfiable(size: u64) -> s3s::S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = http::HeaderMap::new();
    if let Ok(value) = http::HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(http::header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}
