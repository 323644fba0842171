//! `CompleteMultipartUpload`. It copies no bytes: the parts' blob files become the object's.

use super::access::virtual_bucket;
use super::backend::{Backend, NewObject, RequestId};
use super::checksums::{
    Algorithm, Checksums, DeclaredChecksum, ObjectChecksum, take_checksums, with_checksums,
};
use super::conditions::WriteConditions;
use super::crc64::Crc64AndSize;
use super::digest::{Hasher, multipart_etag};
use super::error::OperationError;
use super::metadata::{self, Object, ObjectHeaders};
use super::notification::form_encode;
use super::upload_metadata::{self, Part, Upload};
use rusqlite::Transaction;
use s3s::dto::{
    ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload,
    CompletedPart, ETag,
};
use s3s::{S3Request, s3_error};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use wire::MIN_PART_SIZE;

/// A part as named in `CompleteMultipartUpload`.
struct RequestedPart {
    number: u32,
    etag: String,
    checksums: Checksums,
}

/// The state of an upload that is to be completed.
enum Found {
    Open(Upload, Vec<Part>),
    Completed(Object),
}

/// The parameters of `CompleteMultipartUpload`.
struct Completion {
    bucket: String,
    key: String,
    upload: String,
    parts: Vec<RequestedPart>,
    checksums: Checksums,
    checksum_type: Option<ChecksumType>,
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
    let bucket = match virtual_bucket(host) {
        Some(_) => String::new(),
        None => format!("{}/", request.input.bucket),
    };
    let location = format!("http://{host}/{bucket}{}", form_encode(&request.input.key));
    let completion = Arc::new(Completion::new(request.input, request_id)?);

    let object = completion.run(b).await?;
    // S3 computes CRC64NVME here even if the object doesn't keep it.
    let checksum = object.checksum().or_else(|| Some(object.crc64()));
    let checksum_type = checksum.as_ref().map(ObjectChecksum::checksum_type);
    let checksums = checksum.map(ObjectChecksum::into_checksums).unwrap_or_default();
    Ok(with_checksums!(
        CompleteMultipartUploadOutput {
            bucket: Some(completion.bucket.clone()),
            key: Some(completion.key.clone()),
            location: Some(location),
            e_tag: Some(ETag::Strong(object.etag)),
            server_side_encryption: object.headers.server_side_encryption.map(Into::into),
            checksum_type,
            ..Default::default()
        },
        &checksums
    ))
}

impl Completion {
    fn new(mut input: CompleteMultipartUploadInput, request_id: String) -> Result<Self, OperationError> {
        let checksums = take_checksums!(input);
        let parts =
            input.multipart_upload.and_then(|CompletedMultipartUpload { parts }| parts).unwrap_or_default();
        if parts.is_empty() {
            Err(s3_error!(MalformedXML, "You must specify at least one part"))?;
        }
        let requested = |mut part: CompletedPart| {
            Some(RequestedPart {
                number: u32::try_from(part.part_number?).ok()?,
                etag: part.e_tag?.into_value(),
                checksums: take_checksums!(part),
            })
        };
        let parts: Option<Vec<_>> = parts.into_iter().map(requested).collect();
        Ok(Self {
            bucket: input.bucket,
            key: input.key,
            upload: input.upload_id,
            parts: parts
                .ok_or_else(|| s3_error!(MalformedXML, "A part lacks its PartNumber or its ETag."))?,
            checksums,
            checksum_type: input.checksum_type,
            size: input.mpu_object_size,
            conditions: WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match },
            request_id,
        })
    }

    /// Stores the object. An identical completion of an upload that is complete already returns the same object.
    async fn run(self: &Arc<Self>, b: &Backend) -> Result<Object, OperationError> {
        // The flush to disk happens outside the transaction. If a part is replaced meanwhile, this is repeated.
        loop {
            let request = self.clone();
            let found = b.db.call(move |tx| request.find(tx)).await?;
            let (upload, parts) = match found {
                Found::Completed(object) => return Ok(object),
                Found::Open(upload, parts) => (upload, parts),
            };
            let (content, checksum) = self.validate(&upload, &parts)?;
            let md5s: Option<Vec<_>> = parts.iter().map(|part| part.md5).collect();
            // Parts that an earlier version stored have no MD5.
            let etag = md5s.map_or_else(
                || format!("{}-{}", content.legacy_etag(), parts.len()),
                |md5s| multipart_etag(&md5s),
            );
            let files: Vec<_> = parts.into_iter().map(|part| (part.file, part.content.size)).collect();
            b.blobs.sync(files.iter().map(|(name, _)| name.clone()).collect()).await?;
            let (request, backend) = (self.clone(), b.clone());
            let committed =
                b.db.call(move |tx| request.commit(tx, &backend, files, (content, etag, checksum)));
            if let Some((object, removed)) = committed.await? {
                b.after_commit(removed).await;
                return Ok(object);
            }
        }
    }

    /// Identifies the request: its parts, checksums and size.
    fn digest(&self) -> String {
        let mut list: Vec<_> =
            self.parts.iter().map(|part| format!("{} {}", part.number, part.etag)).collect();
        list.extend(self.checksums.iter().map(|(algorithm, given)| format!("{} {given}", algorithm.name())));
        list.extend(self.size.map(|size| format!("size {size}")));
        let mut hasher = Hasher::new(|algorithm| algorithm == Algorithm::Sha256);
        hasher.update(list.join("\n").as_bytes());
        hasher.finish().checksums.get(Algorithm::Sha256).cloned().unwrap_or_default()
    }

    /// Returns the upload with its stored parts, or the object that this completion has created before.
    fn find(&self, tx: &Transaction<'_>) -> Result<Found, OperationError> {
        let (place, digest) = ((self.bucket.as_str(), self.key.as_str()), self.digest());
        match upload_metadata::find_completed(tx, place, &self.upload, &digest)? {
            Some(object) => Ok(Found::Completed(object)),
            None => self.find_parts(tx).map(|(upload, parts)| Found::Open(upload, parts)),
        }
    }

    /// Returns the upload and its stored parts. Fails as [`WriteConditions::check`], or with `NoSuchUpload`,
    /// `InvalidPartOrder` or `InvalidPart`.
    fn find_parts(&self, tx: &Transaction<'_>) -> Result<(Upload, Vec<Part>), OperationError> {
        let upload = upload_metadata::require_upload(tx, &self.bucket, &self.key, &self.upload)?;
        self.conditions.check(metadata::find_object(tx, &self.bucket, &self.key)?.as_ref())?;
        if !self.parts.is_sorted_by(|part, next| part.number < next.number) {
            Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ))?;
        }
        let stored = upload_metadata::parts(tx, &upload.id, 0, u32::MAX)?;
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

    /// Checks the parts against S3's limits and the request's size and checksums, and returns the object's CRC,
    /// size and checksum. Fails with `EntityTooSmall`, `InvalidRequest` or `BadDigest`.
    fn validate(
        &self,
        upload: &Upload,
        parts: &[Part],
    ) -> Result<(Crc64AndSize, Option<ObjectChecksum>), OperationError> {
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
        let Some(declared) = upload.checksum else {
            // As on AWS, a checksum is ignored if the upload was created without one.
            return Ok((content, None));
        };
        let checksum = match declared.algorithm {
            Algorithm::Crc64Nvme => {
                Some(ObjectChecksum { algorithm: declared.algorithm, value: content.checksum_header() })
            }
            _ => declared.of_parts(parts.iter().map(|part| (&part.checksums, part.content.size))),
        };
        self.check_checksum(declared, checksum.as_ref())?;
        Ok((content, checksum))
    }

    /// Compares the request's checksums with that of the object.
    fn check_checksum(
        &self,
        declared: DeclaredChecksum,
        computed: Option<&ObjectChecksum>,
    ) -> Result<(), OperationError> {
        let expected_type = declared.checksum_type();
        if self.checksum_type.as_ref().is_some_and(|given| *given != expected_type) {
            Err(s3_error!(
                InvalidRequest,
                "The upload was created with the checksum type {}.",
                expected_type.as_str()
            ))?;
        }
        if !declared.full_object
            && let Some(part) =
                self.parts.iter().find(|part| part.checksums.get(declared.algorithm).is_none())
        {
            Err(s3_error!(
                InvalidRequest,
                "The upload was created using a {0} checksum. The complete request must include the checksum for each part. It was missing for part {1} in the request.",
                declared.algorithm.name().to_lowercase(),
                part.number
            ))?;
        }
        for (algorithm, given) in self.checksums.iter() {
            if algorithm != declared.algorithm {
                Err(s3_error!(
                    InvalidRequest,
                    "The upload was created with {} checksums, and the request has one of {}.",
                    declared.algorithm.name(),
                    algorithm.name()
                ))?;
            }
            // Clients may leave out the number of parts of a composite checksum.
            let matches = computed.is_some_and(|computed| {
                computed.value == *given || computed.value.split('-').next() == Some(given)
            });
            if !matches {
                Err(s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ))?;
            }
        }
        Ok(())
    }

    /// Stores the object, removes the upload and queues the event, within `tx`. Returns the object and the blob
    /// files to remove after the commit; `None` if the parts' files differ from `files`.
    fn commit(
        &self,
        tx: &Transaction<'_>,
        backend: &Backend,
        files: Vec<(String, u64)>,
        (content, etag, checksum): (Crc64AndSize, String, Option<ObjectChecksum>),
    ) -> Result<Option<(Object, Vec<String>)>, OperationError> {
        let (upload, parts) = self.find_parts(tx)?;
        if !parts.iter().map(|part| &part.file).eq(files.iter().map(|(file, _)| file)) {
            return Ok(None);
        }
        let used: HashSet<_> = parts.into_iter().map(|part| part.file).collect();
        let mut removed = upload_metadata::remove_upload(tx, &upload.id)?;
        removed.retain(|file| !used.contains(file));
        let new = NewObject {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            content,
            etag,
            headers: ObjectHeaders {
                no_checksum: checksum.is_none(),
                checksum: checksum.filter(|checksum| checksum.algorithm != Algorithm::Crc64Nvme),
                ..upload.headers
            },
            files,
            conditions: self.conditions.clone(),
            event_name: "CompleteMultipartUpload",
            request_id: self.request_id.clone(),
        };
        let (object, replaced) = backend.store_object(tx, new)?;
        upload_metadata::add_completed(tx, &upload.id, object.id, &self.digest())?;
        removed.extend(replaced);
        Ok(Some((object, removed)))
    }
}

impl RequestedPart {
    fn matches(&self, part: &Part) -> bool {
        part.etag() == self.etag
            && self.checksums.iter().all(|(algorithm, given)| part.checksums.get(algorithm) == Some(given))
    }
}
