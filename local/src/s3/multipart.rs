//! Multipart upload operations, but for the completion.

use super::attributes::object_headers;
use super::backend::Backend;
use super::blobs::{NewBlob, received};
use super::checksums::{Algorithm, Checksums, DeclaredChecksum, with_checksums};
use super::digest::{ComputedChecksums, ExpectedChecksums};
use super::error::OperationError;
use super::metadata::{self, ObjectHeaders};
use super::params::{KeyEncoding, body_size, empty_body, page_size};
use super::upload_metadata::{self, Part, Upload};
use crate::random::random_hex;
use rusqlite::Transaction;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Owner, Part as DtoPart,
    StorageClass, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, s3_error};
use std::time::SystemTime;
use wire::MAX_PARTS;

pub async fn create(
    b: &Backend,
    request: S3Request<CreateMultipartUploadInput>,
) -> Result<CreateMultipartUploadOutput, OperationError> {
    let mut input = request.input;
    let checksum_type = input.checksum_type.as_ref().map(ChecksumType::as_str);
    let checksum = match input.checksum_algorithm {
        Some(name) => Some(DeclaredChecksum::new(Algorithm::from_name(name.as_str())?, checksum_type)?),
        None if checksum_type.is_some() => Err(s3_error!(
            InvalidRequest,
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        ))?,
        None => None,
    };
    let (id, headers) = (random_hex(32)?, object_headers!(input));
    let encryption = headers.server_side_encryption.clone();
    let (upload, bucket, key) = (id.clone(), input.bucket.clone(), input.key.clone());
    b.db.call(move |tx| upload_metadata::add_upload(tx, &upload, &bucket, &key, checksum, &headers)).await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: checksum.map(algorithm_dto),
        checksum_type: checksum.map(DeclaredChecksum::checksum_type),
        server_side_encryption: encryption.map(Into::into),
        ..Default::default()
    })
}

fn algorithm_dto(declared: DeclaredChecksum) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(declared.algorithm.name())
}

/// Fails with `InvalidArgument` outside of S3's part numbers.
pub fn part_number(number: i32) -> Result<u32, OperationError> {
    let number = u32::try_from(number).unwrap_or_default();
    if !(1..=MAX_PARTS).contains(&u64::from(number)) {
        Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
        ))?;
    }
    Ok(number)
}

/// Names a part that is going to be stored.
#[derive(Clone)]
pub struct NewPart {
    pub number: u32,
    pub bucket: String,
    pub key: String,
    pub upload: String,
}

impl NewPart {
    fn require_upload(&self, tx: &Transaction<'_>) -> Result<Upload, OperationError> {
        upload_metadata::require_upload(tx, &self.bucket, &self.key, &self.upload)
    }

    /// Returns the open upload. Call it before the body is read, so that a part without an upload is refused at
    /// once.
    pub async fn find_upload(&self, b: &Backend) -> Result<Upload, OperationError> {
        let part = self.clone();
        b.db.call(move |tx| part.require_upload(tx)).await
    }

    /// Stores the part's row, and removes the part that it replaces. Returns the time.
    pub async fn store(
        self,
        b: &Backend,
        blob: NewBlob,
        computed: ComputedChecksums,
    ) -> Result<Timestamp, OperationError> {
        let (replaced, modified) =
            b.db.call_without_sync(move |tx| {
                let upload = self.require_upload(tx)?;
                let part = Part {
                    number: self.number,
                    content: computed.content,
                    md5: Some(computed.md5),
                    checksums: computed.checksums,
                    file: blob.name().to_owned(),
                    modified: Timestamp::from(SystemTime::now()),
                };
                let replaced = upload_metadata::set_part(tx, &upload.id, &part)?;
                blob.persist();
                Ok::<_, OperationError>((replaced, part.modified))
            })
            .await?;
        b.blobs.remove(replaced.into_iter().collect()).await;
        Ok(modified)
    }
}

pub async fn upload_part(
    b: &Backend,
    request: S3Request<UploadPartInput>,
) -> Result<UploadPartOutput, OperationError> {
    let expected = ExpectedChecksums::from_request(&request);
    let size = body_size(request.input.content_length, &request.headers)?;
    let input = request.input;
    let part = NewPart {
        number: part_number(input.part_number)?,
        bucket: input.bucket,
        key: input.key,
        upload: input.upload_id,
    };
    let upload = part.find_upload(b).await?;
    if let Some(declared) = upload.checksum {
        expected.require(declared.algorithm)?;
    }
    let body = received(input.body.unwrap_or_else(empty_body));
    let (blob, computed) = b.blobs.store(body, size, expected.hasher(), &expected).await?;
    let (etag, checksums) = (computed.etag(), computed.object_checksum().into_checksums());
    part.store(b, blob, computed).await?;
    Ok(with_checksums!(
        UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            server_side_encryption: upload.headers.server_side_encryption.map(Into::into),
            ..Default::default()
        },
        &checksums
    ))
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
            let upload = upload_metadata::require_upload(tx, &bucket, &key, &id)?;
            // One more than a page, to find out whether there is a next page.
            let parts = upload_metadata::parts(tx, &upload.id, after, max + 1)?;
            Ok::<_, OperationError>((upload, parts))
        })
        .await?;
    let truncated = parts.len() > max as usize;
    parts.truncate(max as usize);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(input.part_number_marker.unwrap_or_default()),
        next_part_number_marker: parts.last().map(|part| part.number.cast_signed()),
        max_parts: Some(max.cast_signed()),
        is_truncated: Some(truncated),
        checksum_type: upload.checksum.map(DeclaredChecksum::checksum_type),
        checksum_algorithm: upload.checksum.map(algorithm_dto),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        storage_class: Some(upload_class(&upload.headers)),
        parts: Some(parts.into_iter().map(|part| listed_part(part, upload.checksum)).collect()),
        ..Default::default()
    })
}

fn upload_class(headers: &ObjectHeaders) -> StorageClass {
    let standard = || StorageClass::from_static(StorageClass::STANDARD);
    headers.storage_class.clone().map_or_else(standard, Into::into)
}

fn listed_part(part: Part, declared: Option<DeclaredChecksum>) -> DtoPart {
    let checksum = declared.and_then(|declared| {
        let value = part.checksums.get(declared.algorithm)?.clone();
        Some(Checksums::from([(declared.algorithm, Some(value))]))
    });
    with_checksums!(
        DtoPart {
            part_number: Some(part.number.cast_signed()),
            size: Some(part.content.size.cast_signed()),
            e_tag: Some(ETag::Strong(part.etag())),
            last_modified: Some(part.modified),
        },
        &checksum.unwrap_or_default()
    )
}

pub async fn abort(
    b: &Backend,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<AbortMultipartUploadOutput, OperationError> {
    let input = request.input;
    let files =
        b.db.call(move |tx| {
            let upload = upload_metadata::require_upload(tx, &input.bucket, &input.key, &input.upload_id)?;
            Ok::<_, OperationError>(upload_metadata::remove_upload(tx, &upload.id)?)
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
            Ok::<_, OperationError>(upload_metadata::uploads(tx, &bucket, (&after_key, &after_id))?)
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
        checksum_type: upload.checksum.map(DeclaredChecksum::checksum_type),
        checksum_algorithm: upload.checksum.map(algorithm_dto),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        storage_class: Some(upload_class(&upload.headers)),
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
