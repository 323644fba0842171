//! Multipart upload operations. Completion copies no bytes: the parts' blob files become the object's.

use super::backend::{Backend, NewObject, RequestId};
use super::checksums::{Crc64AndSize, ExpectedChecksums};
use super::conditions::WriteConditions;
use super::error::OperationError;
use super::metadata::{self, ObjectHeaders, Part, Upload};
use super::notification::form_encode;
use super::params::{KeyEncoding, body_size, empty_body, object_headers, page_size};
use crate::random::random_hex;
use rusqlite::Transaction;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Owner, StorageClass,
    Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, s3_error};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use wire::{MAX_PARTS, MIN_PART_SIZE};

pub async fn create(
    b: &Backend,
    request: S3Request<CreateMultipartUploadInput>,
) -> Result<CreateMultipartUploadOutput, OperationError> {
    let mut input = request.input;
    let algorithm = input.checksum_algorithm.map(|algorithm| algorithm.as_str().to_owned());
    let checksum_type = checksum_type(algorithm.as_deref());
    let requested = input.checksum_type.as_ref().map(ChecksumType::as_str);
    if requested.is_some() && requested != checksum_type.as_ref().map(ChecksumType::as_str) {
        Err(s3_error!(
            NotImplemented,
            "The supported checksum types are FULL_OBJECT for CRC64NVME and COMPOSITE for the other algorithms."
        ))?;
    }
    let (id, headers) = (random_hex(32)?, object_headers!(input));
    let (upload, bucket, key) = (id.clone(), input.bucket.clone(), input.key.clone());
    let stored_algorithm = algorithm.clone();
    b.db.call(move |tx| {
        metadata::add_upload(tx, &upload, &bucket, &key, stored_algorithm.as_deref(), &headers)
    })
    .await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: algorithm.map(ChecksumAlgorithm::from),
        checksum_type,
        ..Default::default()
    })
}

/// Returns the type of checksum that this endpoint supports for an algorithm.
fn checksum_type(algorithm: Option<&str>) -> Option<ChecksumType> {
    let checksum_type = if algorithm? == ChecksumAlgorithm::CRC64NVME {
        ChecksumType::FULL_OBJECT
    } else {
        ChecksumType::COMPOSITE
    };
    Some(ChecksumType::from_static(checksum_type))
}

pub async fn upload_part(
    b: &Backend,
    request: S3Request<UploadPartInput>,
) -> Result<UploadPartOutput, OperationError> {
    let expected = ExpectedChecksums::from_request(&request);
    let input = request.input;
    let number = u32::try_from(input.part_number).unwrap_or_default();
    if !(1..=MAX_PARTS).contains(&u64::from(number)) {
        Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
        ))?;
    }
    let size = body_size(input.content_length)?;
    let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
    let find = move |tx: &Transaction<'_>| metadata::require_upload(tx, &bucket, &key, &id);
    // Checked before the body is read, so that a part without an upload is refused at once.
    let find_before = find.clone();
    let upload = b.db.call(move |tx| find_before(tx)).await?;
    if let Some(algorithm) = &upload.checksum_algorithm {
        expected.require(algorithm)?;
    }
    let (blob, computed) = b.blobs.store(input.body.unwrap_or_else(empty_body), size, expected).await?;

    let content = computed.content;
    let replaced =
        b.db.call_without_sync(move |tx| {
            let upload = find(tx)?;
            let part = Part { number, content, file: blob.name().to_owned(), modified: Timestamp::default() };
            let replaced = metadata::set_part(tx, &upload.id, &part)?;
            blob.persist();
            Ok::<_, OperationError>(replaced)
        })
        .await?;
    b.blobs.remove(replaced.into_iter().collect()).await;
    Ok(UploadPartOutput {
        e_tag: Some(ETag::Strong(content.etag())),
        checksum_crc32: computed.checksums.checksum_crc32,
        checksum_crc32c: computed.checksums.checksum_crc32c,
        checksum_crc64nvme: computed.checksums.checksum_crc64nvme,
        checksum_sha1: computed.checksums.checksum_sha1,
        checksum_sha256: computed.checksums.checksum_sha256,
        ..Default::default()
    })
}

pub async fn list_parts(
    b: &Backend,
    request: S3Request<ListPartsInput>,
) -> Result<ListPartsOutput, OperationError> {
    let input = request.input;
    let max = page_size(input.max_parts, "max-parts")?;
    let after = u32::try_from(input.part_number_marker.unwrap_or_default())
        .map_err(|_| s3_error!(InvalidArgument, "part-number-marker must not be below 0."))?;
    let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
    let (upload, mut parts) =
        b.db.call(move |tx| {
            let upload = metadata::require_upload(tx, &bucket, &key, &id)?;
            // One more than a page, to find out whether there is a next page.
            let parts = metadata::parts(tx, &upload.id, after, max + 1)?;
            Ok::<_, OperationError>((upload, parts))
        })
        .await?;
    let truncated = parts.len() > max as usize;
    parts.truncate(max as usize);
    let has_crc64nvme = upload.has_crc64nvme();
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(input.part_number_marker.unwrap_or_default()),
        next_part_number_marker: parts.last().map(|part| part.number.cast_signed()),
        max_parts: Some(max.cast_signed()),
        is_truncated: Some(truncated),
        checksum_type: checksum_type(upload.checksum_algorithm.as_deref()),
        checksum_algorithm: upload.checksum_algorithm.map(ChecksumAlgorithm::from),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        parts: Some(parts.into_iter().map(|part| listed_part(part, has_crc64nvme)).collect()),
        ..Default::default()
    })
}

fn listed_part(part: Part, has_crc64nvme: bool) -> s3s::dto::Part {
    s3s::dto::Part {
        part_number: Some(part.number.cast_signed()),
        size: Some(part.content.size.cast_signed()),
        e_tag: Some(ETag::Strong(part.content.etag())),
        checksum_crc64nvme: has_crc64nvme.then(|| part.content.checksum_header()),
        last_modified: Some(part.modified),
        ..Default::default()
    }
}

/// A part as named in `CompleteMultipartUpload`.
struct RequestedPart {
    number: u32,
    etag: String,
    checksum: Option<String>,
}

/// The parameters of `CompleteMultipartUpload`.
struct Completion {
    bucket: String,
    key: String,
    upload: String,
    parts: Vec<RequestedPart>,
    checksum: Option<String>,
    size: Option<i64>,
    conditions: WriteConditions,
    request_id: String,
}

pub async fn complete(
    b: &Backend,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Result<CompleteMultipartUploadOutput, OperationError> {
    let request_id = RequestId::from_extensions(&request.extensions);
    let host =
        request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let location = format!("http://{host}/{}/{}", request.input.bucket, form_encode(&request.input.key));
    let completion = Arc::new(Completion::new(request.input, request_id)?);

    // The flush to disk happens outside the transaction. If a part is replaced meanwhile, this is repeated.
    let (object, removed) = loop {
        let request = completion.clone();
        let (upload, parts) = b.db.call(move |tx| request.find_parts(tx)).await?;
        let content = completion.validate(&upload, &parts)?;
        let files: Vec<_> = parts.into_iter().map(|part| (part.file, part.content.size)).collect();
        b.blobs.sync(files.iter().map(|(name, _)| name.clone()).collect()).await?;
        let (request, backend) = (completion.clone(), b.clone());
        if let Some(committed) = b.db.call(move |tx| request.commit(tx, &backend, files, content)).await? {
            break committed;
        }
    };
    b.after_commit(removed).await;
    Ok(CompleteMultipartUploadOutput {
        bucket: Some(completion.bucket.clone()),
        key: Some(completion.key.clone()),
        location: Some(location),
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_crc64nvme: Some(object.content.checksum_header()),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    })
}

impl Completion {
    fn new(input: CompleteMultipartUploadInput, request_id: String) -> Result<Self, OperationError> {
        let others =
            [&input.checksum_crc32, &input.checksum_crc32c, &input.checksum_sha1, &input.checksum_sha256];
        if others.iter().any(|checksum| checksum.is_some()) {
            Err(s3_error!(NotImplemented, "The only supported checksum of an object is CRC64NVME."))?;
        }
        let parts =
            input.multipart_upload.and_then(|CompletedMultipartUpload { parts }| parts).unwrap_or_default();
        if parts.is_empty() {
            Err(s3_error!(MalformedXML, "You must specify at least one part"))?;
        }
        let requested = |part: s3s::dto::CompletedPart| {
            Some(RequestedPart {
                number: u32::try_from(part.part_number?).ok()?,
                etag: part.e_tag?.into_value(),
                checksum: part.checksum_crc64nvme,
            })
        };
        let parts: Option<Vec<_>> = parts.into_iter().map(requested).collect();
        Ok(Self {
            bucket: input.bucket,
            key: input.key,
            upload: input.upload_id,
            parts: parts
                .ok_or_else(|| s3_error!(MalformedXML, "A part lacks its PartNumber or its ETag."))?,
            checksum: input.checksum_crc64nvme,
            size: input.mpu_object_size,
            conditions: WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match },
            request_id,
        })
    }

    /// Returns the upload and its stored parts. Fails as [`WriteConditions::check`], or with `NoSuchUpload`,
    /// `InvalidPartOrder` or `InvalidPart`.
    fn find_parts(&self, tx: &Transaction<'_>) -> Result<(Upload, Vec<Part>), OperationError> {
        let upload = metadata::require_upload(tx, &self.bucket, &self.key, &self.upload)?;
        self.conditions.check(metadata::find_object(tx, &self.bucket, &self.key)?.as_ref())?;
        if !self.parts.is_sorted_by(|part, next| part.number < next.number) {
            Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ))?;
        }
        let stored = metadata::parts(tx, &upload.id, 0, u32::MAX)?;
        let mut stored: HashMap<_, _> = stored.into_iter().map(|part| (part.number, part)).collect();
        let mut find = |requested: &RequestedPart| {
            stored.remove(&requested.number).filter(|part| requested.matches(part)).ok_or_else(|| {
                s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag. (part {})",
                    requested.number
                )
            })
        };
        let parts = self.parts.iter().map(&mut find).collect::<Result<_, _>>()?;
        Ok((upload, parts))
    }

    /// Checks the parts against S3's limits and the request's size and checksum, and returns the object's CRC and
    /// size. Fails with `EntityTooSmall`, `InvalidRequest` or `BadDigest`.
    fn validate(&self, upload: &Upload, parts: &[Part]) -> Result<Crc64AndSize, OperationError> {
        let all_but_last = parts.split_last().map_or(parts, |(_, others)| others);
        if let Some(small) = all_but_last.iter().find(|part| part.content.size < MIN_PART_SIZE) {
            Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size (part {})",
                small.number
            ))?;
        }
        let content =
            parts.iter().fold(Crc64AndSize::default(), |content, part| content.concat(part.content));
        if self.size.is_some_and(|size| size != content.size.cast_signed()) {
            Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header does not match the object's {} bytes.",
                content.size
            ))?;
        }
        // As on AWS, the checksum is ignored if the upload was created without this algorithm.
        if upload.has_crc64nvme()
            && self.checksum.as_ref().is_some_and(|checksum| *checksum != content.checksum_header())
        {
            Err(s3_error!(BadDigest, "The CRC64NVME you specified did not match the calculated checksum."))?;
        }
        Ok(content)
    }

    /// Stores the object, removes the upload and queues the event, within `tx`. Returns the object and the blob
    /// files to remove after the commit; `None` if the parts' files differ from `files`.
    fn commit(
        &self,
        tx: &Transaction<'_>,
        backend: &Backend,
        files: Vec<(String, u64)>,
        content: Crc64AndSize,
    ) -> Result<Option<(metadata::Object, Vec<String>)>, OperationError> {
        let (upload, parts) = self.find_parts(tx)?;
        if !parts.iter().map(|part| &part.file).eq(files.iter().map(|(file, _)| file)) {
            return Ok(None);
        }
        let used: HashSet<_> = parts.into_iter().map(|part| part.file).collect();
        let mut removed = metadata::remove_upload(tx, &upload.id)?;
        removed.retain(|file| !used.contains(file));
        let new = NewObject {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            content,
            etag: content.multipart_etag(files.len()),
            headers: ObjectHeaders { no_checksum: !upload.has_crc64nvme(), ..upload.headers },
            files,
            conditions: self.conditions.clone(),
            event_name: "CompleteMultipartUpload",
            request_id: self.request_id.clone(),
        };
        let (object, replaced) = backend.store_object(tx, new)?;
        removed.extend(replaced);
        Ok(Some((object, removed)))
    }
}

impl Upload {
    fn has_crc64nvme(&self) -> bool {
        self.checksum_algorithm.as_deref() == Some(ChecksumAlgorithm::CRC64NVME)
    }
}

impl RequestedPart {
    fn matches(&self, part: &Part) -> bool {
        part.content.etag() == self.etag
            && self.checksum.as_ref().is_none_or(|checksum| *checksum == part.content.checksum_header())
    }
}

pub async fn abort(
    b: &Backend,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<AbortMultipartUploadOutput, OperationError> {
    let input = request.input;
    let files =
        b.db.call(move |tx| {
            let upload = metadata::require_upload(tx, &input.bucket, &input.key, &input.upload_id)?;
            Ok::<_, OperationError>(metadata::remove_upload(tx, &upload.id)?)
        })
        .await?;
    b.blobs.remove(files).await;
    Ok(AbortMultipartUploadOutput::default())
}

pub async fn list_uploads(
    b: &Backend,
    request: S3Request<ListMultipartUploadsInput>,
) -> Result<ListMultipartUploadsOutput, OperationError> {
    let input = request.input;
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        Err(s3_error!(NotImplemented, "A delimiter isn't supported in the listing of uploads."))?;
    }
    let max = page_size(input.max_uploads, "max-uploads")?;
    let encoding = KeyEncoding::new(input.encoding_type)?;
    let prefix = input.prefix.unwrap_or_default();
    let (bucket, after_key, after_id) =
        (input.bucket.clone(), input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
    let mut uploads =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            // Without an id the marker includes all uploads of its key: ids are ASCII and sort before `~`.
            let after_id = after_id.unwrap_or_else(|| if after_key.is_empty() { "" } else { "~" }.into());
            Ok::<_, OperationError>(metadata::uploads(tx, &bucket, (&after_key, &after_id))?)
        })
        .await?;
    uploads.retain(|upload| upload.key.starts_with(&prefix));
    let truncated = uploads.len() > max as usize;
    uploads.truncate(max as usize);
    let last =
        uploads.last().filter(|_| truncated).map(|upload| (encoding.encode(&upload.key), upload.id.clone()));
    let (next_key, next_id) = last.unzip();
    let upload = |upload: Upload| MultipartUpload {
        key: Some(encoding.encode(&upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(upload.created),
        checksum_type: checksum_type(upload.checksum_algorithm.as_deref()),
        checksum_algorithm: upload.checksum_algorithm.map(ChecksumAlgorithm::from),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..Default::default()
    };
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(encoding.encode(&prefix)),
        key_marker: input.key_marker.map(|key| encoding.encode(&key)),
        upload_id_marker: input.upload_id_marker,
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        max_uploads: Some(max.cast_signed()),
        is_truncated: Some(truncated),
        encoding_type: encoding.encoding_type(),
        uploads: Some(uploads.into_iter().map(upload).collect()),
        ..Default::default()
    })
}
