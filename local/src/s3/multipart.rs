//! Multipart uploads. Completing one copies nothing: its parts' files become the object's chunks.

use super::buckets::{Written, page_size};
use super::checksums::{Claims, Sum};
use super::conditions::WriteConditions;
use super::error::Failure;
use super::http::RequestId;
use super::metadata::{self, Part, Upload};
use super::objects::{NewObject, body_size, empty, head_of};
use super::operations::Backend;
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
) -> Result<CreateMultipartUploadOutput, Failure> {
    let mut input = request.input;
    let declared = input.checksum_algorithm.map(|algorithm| algorithm.as_str().to_owned());
    let kind = checksum_type(declared.as_deref());
    let asked = input.checksum_type.as_ref().map(ChecksumType::as_str);
    if asked.is_some() && asked != kind.as_ref().map(ChecksumType::as_str) {
        Err(s3_error!(
            NotImplemented,
            "Checksums here are FULL_OBJECT for CRC64NVME, and COMPOSITE for the other algorithms."
        ))?;
    }
    let (id, head) = (super::blobs::random_hex(32)?, head_of!(input));
    let (upload, bucket, key) = (id.clone(), input.bucket.clone(), input.key.clone());
    let algorithm = declared.clone();
    b.db.call(move |tx| metadata::add_upload(tx, &upload, &bucket, &key, algorithm.as_deref(), &head))
        .await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: declared.map(ChecksumAlgorithm::from),
        checksum_type: kind,
        ..Default::default()
    })
}

/// The only type of checksum that goes with a declared algorithm here.
fn checksum_type(declared: Option<&str>) -> Option<ChecksumType> {
    let kind = if declared? == ChecksumAlgorithm::CRC64NVME {
        ChecksumType::FULL_OBJECT
    } else {
        ChecksumType::COMPOSITE
    };
    Some(ChecksumType::from_static(kind))
}

pub async fn put_part(b: &Backend, request: S3Request<UploadPartInput>) -> Result<UploadPartOutput, Failure> {
    let claims = Claims::of(&request);
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
    // Before the body, so that a part of no upload is refused without taking it.
    let find_first = find.clone();
    b.db.call(move |tx| find_first(tx)).await?;
    let (chunk, digests) = b.chunks.store(input.body.unwrap_or_else(empty), size, claims).await?;

    let sum = digests.sum;
    let replaced =
        b.db.call_lazily(move |tx| {
            let upload = find(tx)?;
            let part = Part { number, sum, file: chunk.name().to_owned(), modified: Timestamp::default() };
            let replaced = metadata::put_part(tx, &upload.id, &part)?;
            chunk.keep();
            Ok::<_, Failure>(replaced)
        })
        .await?;
    b.chunks.remove(replaced.into_iter().collect()).await;
    Ok(UploadPartOutput {
        e_tag: Some(ETag::Strong(sum.etag())),
        checksum_crc32: digests.checksums.checksum_crc32,
        checksum_crc32c: digests.checksums.checksum_crc32c,
        checksum_crc64nvme: digests.checksums.checksum_crc64nvme,
        checksum_sha1: digests.checksums.checksum_sha1,
        checksum_sha256: digests.checksums.checksum_sha256,
        ..Default::default()
    })
}

pub async fn list_parts(b: &Backend, request: S3Request<ListPartsInput>) -> Result<ListPartsOutput, Failure> {
    let input = request.input;
    let max = page_size(input.max_parts, "max-parts")?;
    let after = u32::try_from(input.part_number_marker.unwrap_or_default())
        .map_err(|_| s3_error!(InvalidArgument, "part-number-marker must not be below 0."))?;
    let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
    let (upload, mut parts) =
        b.db.call(move |tx| {
            let upload = metadata::require_upload(tx, &bucket, &key, &id)?;
            // One more, to know whether there is more.
            let parts = metadata::parts(tx, &upload.id, after, max + 1)?;
            Ok::<_, Failure>((upload, parts))
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
        checksum_type: checksum_type(upload.declared.as_deref()),
        checksum_algorithm: upload.declared.map(ChecksumAlgorithm::from),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        parts: Some(parts.into_iter().map(listed).collect()),
        ..Default::default()
    })
}

fn listed(part: Part) -> s3s::dto::Part {
    s3s::dto::Part {
        part_number: Some(part.number.cast_signed()),
        size: Some(part.sum.size.cast_signed()),
        e_tag: Some(ETag::Strong(part.sum.etag())),
        checksum_crc64nvme: Some(part.sum.checksum()),
        last_modified: Some(part.modified),
        ..Default::default()
    }
}

/// A part as the completion names it.
struct Named {
    number: u32,
    etag: String,
    checksum: Option<String>,
}

/// What a completion asks for.
struct Completion {
    bucket: String,
    key: String,
    upload: String,
    parts: Vec<Named>,
    checksum: Option<String>,
    size: Option<i64>,
    conditions: WriteConditions,
    request_id: String,
}

pub async fn complete(
    b: &Backend,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Result<CompleteMultipartUploadOutput, Failure> {
    let request_id = RequestId::of(&request.extensions);
    let host =
        request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let location = format!(
        "http://{host}/{}/{}",
        request.input.bucket,
        super::notification::form_encoded(&request.input.key)
    );
    let completion = Arc::new(Completion::new(request.input, request_id)?);

    // Waiting for the disk has no place in a transaction; a part replaced meanwhile starts this anew.
    let (object, removed) = loop {
        let asked = completion.clone();
        let (upload, parts) = b.db.call(move |tx| asked.find(tx)).await?;
        let sum = completion.judge(&upload, &parts)?;
        let files: Vec<_> = parts.into_iter().map(|part| (part.file, part.sum.size)).collect();
        b.chunks.sync(files.iter().map(|(name, _)| name.clone()).collect()).await?;
        let (asked, backend) = (completion.clone(), b.clone());
        if let Some(done) = b.db.call(move |tx| asked.carry_out(tx, &backend, files, sum)).await? {
            break done;
        }
    };
    b.stored(removed).await;
    Ok(CompleteMultipartUploadOutput {
        bucket: Some(completion.bucket.clone()),
        key: Some(completion.key.clone()),
        location: Some(location),
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_crc64nvme: Some(object.sum.checksum()),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    })
}

impl Completion {
    fn new(input: CompleteMultipartUploadInput, request_id: String) -> Result<Self, Failure> {
        let others =
            [&input.checksum_crc32, &input.checksum_crc32c, &input.checksum_sha1, &input.checksum_sha256];
        if others.iter().any(|checksum| checksum.is_some()) {
            Err(s3_error!(NotImplemented, "An object's checksum here is CRC64NVME."))?;
        }
        let parts =
            input.multipart_upload.and_then(|CompletedMultipartUpload { parts }| parts).unwrap_or_default();
        if parts.is_empty() {
            Err(s3_error!(MalformedXML, "You must specify at least one part"))?;
        }
        let named = |part: s3s::dto::CompletedPart| {
            Some(Named {
                number: u32::try_from(part.part_number?).ok()?,
                etag: part.e_tag?.into_value(),
                checksum: part.checksum_crc64nvme,
            })
        };
        let parts: Option<Vec<_>> = parts.into_iter().map(named).collect();
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

    /// The upload and the parts as they are stored, if the object may be written and they are all there.
    fn find(&self, tx: &Transaction<'_>) -> Result<(Upload, Vec<Part>), Failure> {
        let upload = metadata::require_upload(tx, &self.bucket, &self.key, &self.upload)?;
        self.conditions.check(metadata::find_object(tx, &self.bucket, &self.key)?.as_ref())?;
        if !self.parts.is_sorted_by(|one, next| one.number < next.number) {
            Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ))?;
        }
        let stored = metadata::parts(tx, &upload.id, 0, u32::MAX)?;
        let mut stored: HashMap<_, _> = stored.into_iter().map(|part| (part.number, part)).collect();
        let mut find = |named: &Named| {
            stored.remove(&named.number).filter(|part| named.is(part)).ok_or_else(|| {
                s3_error!(
                    InvalidPart,
                    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag. (part {})",
                    named.number
                )
            })
        };
        let parts = self.parts.iter().map(&mut find).collect::<Result<_, _>>()?;
        Ok((upload, parts))
    }

    /// What the parts add up to, if S3's limits and the request's own words allow it.
    fn judge(&self, upload: &Upload, parts: &[Part]) -> Result<Sum, Failure> {
        let but_the_last = parts.split_last().map_or(parts, |(_, others)| others);
        if let Some(small) = but_the_last.iter().find(|part| part.sum.size < MIN_PART_SIZE) {
            Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size (part {})",
                small.number
            ))?;
        }
        let sum = parts.iter().fold(Sum::default(), |sum, part| sum.then(part.sum));
        if self.size.is_some_and(|size| size != sum.size.cast_signed()) {
            Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header does not match the object's {} bytes.",
                sum.size
            ))?;
        }
        // Like AWS: a checksum that the upload didn't declare is not looked at; the answer tells the right one.
        let declared = upload.declared.as_deref() == Some(ChecksumAlgorithm::CRC64NVME);
        if declared && self.checksum.as_ref().is_some_and(|checksum| *checksum != sum.checksum()) {
            Err(s3_error!(BadDigest, "The CRC64NVME you specified did not match the calculated checksum."))?;
        }
        Ok(sum)
    }

    /// Makes the object, ends the upload and tells of it; `None` if the parts aren't these `files` any more.
    /// Also returns the files to remove once this is committed.
    fn carry_out(
        &self,
        tx: &Transaction<'_>,
        backend: &Backend,
        files: Vec<(String, u64)>,
        sum: Sum,
    ) -> Result<Option<(metadata::Object, Vec<String>)>, Failure> {
        let (upload, parts) = self.find(tx)?;
        if !parts.iter().map(|part| &part.file).eq(files.iter().map(|(file, _)| file)) {
            return Ok(None);
        }
        let used: HashSet<_> = parts.into_iter().map(|part| part.file).collect();
        let mut removed = metadata::remove_upload(tx, &upload.id)?;
        removed.retain(|file| !used.contains(file));
        let new = NewObject {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            sum,
            etag: sum.multipart_etag(files.len()),
            head: upload.head,
            files,
            conditions: self.conditions.clone(),
            how: "CompleteMultipartUpload",
            request_id: self.request_id.clone(),
        };
        let (object, replaced) = backend.store(tx, new)?;
        removed.extend(replaced);
        Ok(Some((object, removed)))
    }
}

impl Named {
    fn is(&self, part: &Part) -> bool {
        part.sum.etag() == self.etag
            && self.checksum.as_ref().is_none_or(|checksum| *checksum == part.sum.checksum())
    }
}

pub async fn abort(
    b: &Backend,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<AbortMultipartUploadOutput, Failure> {
    let input = request.input;
    let files =
        b.db.call(move |tx| {
            let upload = metadata::require_upload(tx, &input.bucket, &input.key, &input.upload_id)?;
            Ok::<_, Failure>(metadata::remove_upload(tx, &upload.id)?)
        })
        .await?;
    b.chunks.remove(files).await;
    Ok(AbortMultipartUploadOutput::default())
}

pub async fn list_uploads(
    b: &Backend,
    request: S3Request<ListMultipartUploadsInput>,
) -> Result<ListMultipartUploadsOutput, Failure> {
    let input = request.input;
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        Err(s3_error!(NotImplemented, "Uploads here are listed without a delimiter."))?;
    }
    let max = page_size(input.max_uploads, "max-uploads")?;
    let written = Written::new(input.encoding_type)?;
    let prefix = input.prefix.unwrap_or_default();
    let (bucket, after_key, after_id) =
        (input.bucket.clone(), input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
    let mut uploads =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            // Without an id the marker stands for all the uploads of its key; ids are ASCII.
            let after_id = after_id.unwrap_or_else(|| if after_key.is_empty() { "" } else { "~" }.into());
            Ok::<_, Failure>(metadata::uploads(tx, &bucket, (&after_key, &after_id))?)
        })
        .await?;
    uploads.retain(|upload| upload.key.starts_with(&prefix));
    let truncated = uploads.len() > max as usize;
    uploads.truncate(max as usize);
    let last =
        uploads.last().filter(|_| truncated).map(|upload| (written.key(&upload.key), upload.id.clone()));
    let (next_key, next_id) = last.unzip();
    let upload = |upload: Upload| MultipartUpload {
        key: Some(written.key(&upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(upload.created),
        checksum_type: checksum_type(upload.declared.as_deref()),
        checksum_algorithm: upload.declared.map(ChecksumAlgorithm::from),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..Default::default()
    };
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(written.key(&prefix)),
        key_marker: input.key_marker.map(|key| written.key(&key)),
        upload_id_marker: input.upload_id_marker,
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        max_uploads: Some(max.cast_signed()),
        is_truncated: Some(truncated),
        encoding_type: written.encoding(),
        uploads: Some(uploads.into_iter().map(upload).collect()),
        ..Default::default()
    })
}
