//! Copies on the server: `CopyObject` and `UploadPartCopy`.

use super::attributes::object_headers;
use super::backend::{Backend, NewObject, RequestId};
use super::blobs::{BlobRange, PinnedBlobs};
use super::checksums::{Algorithm, ObjectChecksum, with_checksums};
use super::conditions::{ReadConditions, WriteConditions};
use super::digest::{ExpectedChecksums, Hasher};
use super::error::OperationError;
use super::metadata::{self, Object, ObjectHeaders};
use super::multipart::{NewPart, part_number};
use super::objects::require_object;
use rusqlite::Transaction;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag, MetadataDirective,
    TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, s3_error};
use std::io;
use std::ops::Range;
use wire::MAX_PART_SIZE;

/// The source of a copy, and its conditions.
struct Source {
    bucket: String,
    key: String,
    conditions: ReadConditions,
}

macro_rules! source {
    ($input:expr) => {{
        let CopySource::Bucket { bucket, key, version_id } = $input.copy_source else {
            Err(s3_error!(NotImplemented, "The source must be the name of a bucket and a key."))?
        };
        if version_id.is_some_and(|version| *version != *"null") {
            Err(s3_error!(NotImplemented, "Versions aren't supported."))?;
        }
        Source {
            bucket: bucket.into(),
            key: key.into(),
            conditions: ReadConditions {
                if_match: $input.copy_source_if_match,
                if_none_match: $input.copy_source_if_none_match,
                if_modified_since: $input.copy_source_if_modified_since,
                if_unmodified_since: $input.copy_source_if_unmodified_since,
            },
        }
    }};
}

impl Source {
    /// Returns the object. Fails as [`require_object`], or with `PreconditionFailed`.
    fn find(&self, tx: &Transaction<'_>) -> Result<Object, OperationError> {
        let object = require_object(tx, &self.bucket, &self.key)?;
        match self.conditions.check(&object.etag, &object.modified) {
            // S3 reports a failed condition of a copy as 412, never as 304.
            Err(OperationError::Refused(error)) if error.code() == &s3s::S3ErrorCode::NotModified => {
                Err(s3_error!(PreconditionFailed, "The source does not meet the conditions of the copy."))?
            }
            checked => checked?,
        }
        Ok(object)
    }
}

/// Copies an object by hard links to its blob files; no bytes are copied.
pub async fn copy(
    b: &Backend,
    request: S3Request<CopyObjectInput>,
) -> Result<CopyObjectOutput, OperationError> {
    let request_id = RequestId::from_extensions(&request.extensions);
    let conditions = WriteConditions::from_headers(&request.headers)?;
    let mut input = request.input;
    let source = source!(input);
    let requested = input.checksum_algorithm.map(|name| Algorithm::from_name(name.as_str())).transpose()?;
    let replaces_metadata =
        input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
    let replaces_tags =
        input.tagging_directive.as_ref().is_some_and(|d| d.as_str() == TaggingDirective::REPLACE);
    let changes_nothing =
        !replaces_metadata && input.storage_class.is_none() && input.server_side_encryption.is_none();
    let own = object_headers!(input);
    if changes_nothing && source.bucket == input.bucket && source.key == input.key {
        Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ))?;
    }

    let backend = b.clone();
    let (object, links, ranges) =
        b.db.call(move |tx| {
            let object = source.find(tx)?;
            check_size(object.content.size)?;
            let ranges = metadata::blob_ranges(tx, object.id, 0..object.content.size)?;
            let links: Vec<_> =
                ranges.iter().map(|range| backend.blobs.link(&range.file)).collect::<io::Result<_>>()?;
            Ok::<_, OperationError>((object, links, ranges))
        })
        .await?;
    let files: Vec<_> =
        links.iter().zip(&ranges).map(|(link, range)| (link.name().to_owned(), range.size)).collect();

    // The bytes are read only for an ETag or a checksum that isn't known. A composite checksum isn't kept: the copy
    // has no parts.
    let (mut etag, mut checksum) = (object.etag.clone(), object.checksum());
    let computes_checksum = requested
        .is_some_and(|requested| checksum.as_ref().is_none_or(|own| own.algorithm != requested))
        || checksum.as_ref().is_some_and(|checksum| checksum.value.contains('-'));
    if !object.has_md5_etag() || computes_checksum {
        let algorithm = requested.or(checksum.map(|checksum| checksum.algorithm));
        let hasher = Hasher::new(|one| Some(one) == algorithm);
        let names = files.iter().map(|(name, _)| name.clone()).collect();
        let computed = b.blobs.hash(names, hasher).await?;
        (etag, checksum) = (computed.etag(), Some(computed.object_checksum()));
    }
    let headers = ObjectHeaders {
        no_checksum: false,
        checksum: checksum.filter(|checksum| checksum.algorithm != Algorithm::Crc64Nvme),
        storage_class: own.storage_class.clone(),
        server_side_encryption: own.server_side_encryption.clone(),
        tags: if replaces_tags { own.tags.clone() } else { object.headers.tags.clone() },
        ..if replaces_metadata { own } else { object.headers }
    };
    let new = NewObject {
        content: object.content,
        etag,
        headers,
        files,
        bucket: input.bucket,
        key: input.key,
        conditions,
        event_name: "Copy",
        request_id,
    };
    let backend = b.clone();
    let (object, replaced) =
        b.db.call(move |tx| {
            let stored = backend.store_object(tx, new)?;
            for link in links {
                link.persist();
            }
            Ok::<_, OperationError>(stored)
        })
        .await?;
    b.after_commit(replaced).await;

    let checksum = object.checksum();
    let checksum_type = checksum.as_ref().map(ObjectChecksum::checksum_type);
    let checksums = checksum.map(ObjectChecksum::into_checksums).unwrap_or_default();
    let result = with_checksums!(
        CopyObjectResult {
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified),
            checksum_type,
        },
        &checksums
    );
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        server_side_encryption: object.headers.server_side_encryption.map(Into::into),
        ..Default::default()
    })
}

/// Stores a part that consists of an object's bytes, or of a range of them.
pub async fn upload_part_copy(
    b: &Backend,
    request: S3Request<UploadPartCopyInput>,
) -> Result<UploadPartCopyOutput, OperationError> {
    let input = request.input;
    let source = source!(input);
    let part = NewPart {
        number: part_number(input.part_number)?,
        bucket: input.bucket,
        key: input.key,
        upload: input.upload_id,
    };
    let range = input.copy_source_range.as_deref().map(parse_range).transpose()?;
    let upload = part.find_upload(b).await?;
    let blobs = b.blobs.clone();
    let (ranges, pinned, size) =
        b.db.call(move |tx| find_range(tx, &source, range, |ranges| blobs.pin(ranges))).await?;

    let declared = upload.checksum.map(|declared| declared.algorithm);
    let hasher = Hasher::new(|algorithm| Some(algorithm) == declared);
    let bytes = futures_util::StreamExt::map(b.blobs.read(ranges, pinned), |read| Ok(read?));
    let (blob, computed) = b.blobs.store(bytes, size, hasher, &ExpectedChecksums::default()).await?;
    let etag = computed.etag();
    let checksums = declared.map(|_| computed.object_checksum().into_checksums()).unwrap_or_default();
    let modified = part.store(b, blob, computed).await?;
    let result = with_checksums!(
        CopyPartResult { e_tag: Some(ETag::Strong(etag)), last_modified: Some(modified) },
        &checksums
    );
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        server_side_encryption: upload.headers.server_side_encryption.map(Into::into),
        ..Default::default()
    })
}

/// Returns the blob ranges of the source's bytes in `range`, and their size.
fn find_range(
    tx: &Transaction<'_>,
    source: &Source,
    range: Option<Range<u64>>,
    pin: impl FnOnce(&[BlobRange]) -> PinnedBlobs,
) -> Result<(Vec<BlobRange>, PinnedBlobs, u64), OperationError> {
    let object = source.find(tx)?;
    let size = object.content.size;
    let range = range.unwrap_or(0..size);
    if range.end > size {
        Err(s3_error!(InvalidArgument, "Range specified is not valid for source object of size: {size}"))?;
    }
    check_size(range.end - range.start)?;
    let ranges = metadata::blob_ranges(tx, object.id, range.clone())?;
    let pinned = pin(&ranges);
    Ok((ranges, pinned, range.end - range.start))
}

/// Fails with `InvalidRequest` if one request may not copy so many bytes.
fn check_size(size: u64) -> Result<(), OperationError> {
    if size > MAX_PART_SIZE {
        Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_PART_SIZE}"
        ))?;
    }
    Ok(())
}

/// Parses `x-amz-copy-source-range`. Fails with `InvalidArgument`.
fn parse_range(text: &str) -> Result<Range<u64>, OperationError> {
    let parsed = text.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..last.checked_add(1)?)
    });
    Ok(parsed.ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        )
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_range_has_a_first_and_a_last_byte() {
        assert_eq!(parse_range("bytes=0-0").unwrap(), 0..1);
        assert_eq!(parse_range("bytes=5-9").unwrap(), 5..10);
        for wrong in
            ["bytes=5-4", "bytes=5-", "bytes=-5", "5-9", "bytes=0-1,3-4", "bytes=0-18446744073709551615"]
        {
            assert!(parse_range(wrong).is_err(), "{wrong}");
        }
    }
}
