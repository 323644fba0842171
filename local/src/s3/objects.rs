//! Operations on single objects.

use super::blobs::Piece;
use super::checksums::{Claims, Sum};
use super::conditions::{ReadConditions, WriteConditions};
use super::error::Failure;
use super::http::RequestId;
use super::metadata::{self, Head};
use super::notification::Created;
use super::operations::Backend;
use crate::outbox::Outbox;
use rusqlite::Transaction;
use s3s::dto::*;
use s3s::{S3Request, s3_error};
use std::fs::File;
use std::io;
use wire::MAX_PART_SIZE;

/// S3's most keys in one `DeleteObjects`.
const MOST_DELETED: usize = 1000;

/// The headers to keep of a request that creates an object.
macro_rules! head_of {
    ($input:expr) => {
        $crate::s3::metadata::Head {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $crate::s3::objects::stored_encoding($input.content_encoding.take()),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
        }
    };
}
pub(super) use head_of;

/// `aws-chunked` is how the body travelled, not what it is.
pub fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<_> = encoding.split(',').map(str::trim).filter(|one| *one != "aws-chunked").collect();
    Some(kept.join(",")).filter(|kept| !kept.is_empty())
}

/// An object about to be stored, in whole files.
pub struct NewObject {
    pub bucket: String,
    pub key: String,
    pub sum: Sum,
    pub etag: String,
    pub head: Head,
    pub files: Vec<(String, u64)>,
    pub conditions: WriteConditions,
    /// How, as events tell it.
    pub how: &'static str,
    pub request_id: String,
}

impl Backend {
    /// Puts the object, in place of an earlier one, together with its event. Returns its row, and the files
    /// to remove once this is committed.
    pub fn store(
        &self,
        tx: &Transaction<'_>,
        new: NewObject,
    ) -> Result<(metadata::Object, Vec<String>), Failure> {
        metadata::require_bucket(tx, &new.bucket)?;
        let earlier = metadata::find_object(tx, &new.bucket, &new.key)?;
        new.conditions.check(earlier.as_ref())?;
        let replaced = match earlier {
            Some(earlier) => metadata::remove_object(tx, earlier.id)?,
            None => Vec::new(),
        };
        let object =
            metadata::add_object(tx, &new.bucket, &new.key, (new.sum, new.etag, new.head), &new.files)?;
        if self.announced.get(&new.bucket).is_some_and(|prefix| new.key.starts_with(prefix)) {
            let created = Created {
                how: new.how,
                time: &rfc3339(&object.modified)?,
                region: &self.region,
                principal: &self.owner,
                request_id: &new.request_id,
                bucket: &new.bucket,
                key: &new.key,
                size: object.sum.size,
                etag: &object.etag,
                sequence: object.id,
            };
            Outbox::put(tx, &created.notification())?;
        }
        Ok((object, replaced))
    }

    /// What follows the commit of [`Backend::store`].
    pub async fn stored(&self, replaced: Vec<String>) {
        self.outbox.wake();
        self.chunks.remove(replaced).await;
    }
}

pub async fn put(b: &Backend, request: S3Request<PutObjectInput>) -> Result<PutObjectOutput, Failure> {
    let (claims, request_id) = (Claims::of(&request), RequestId::of(&request.extensions));
    let mut input = request.input;
    let size = body_size(input.content_length)?;
    let bucket = input.bucket.clone();
    b.db.call(move |tx| metadata::require_bucket(tx, &bucket)).await?;
    let (chunk, digests) = b.chunks.store(input.body.take().unwrap_or_else(empty), size, claims).await?;
    b.chunks.sync(vec![chunk.name().to_owned()]).await?;

    let new = NewObject {
        sum: digests.sum,
        etag: digests.sum.etag(),
        head: head_of!(input),
        files: vec![(chunk.name().to_owned(), size)],
        bucket: input.bucket,
        key: input.key,
        conditions: WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match },
        how: "Put",
        request_id,
    };
    let backend = b.clone();
    let (object, replaced) =
        b.db.call(move |tx| {
            let stored = backend.store(tx, new)?;
            chunk.keep();
            Ok::<_, Failure>(stored)
        })
        .await?;
    b.stored(replaced).await;
    Ok(PutObjectOutput {
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_crc32: digests.checksums.checksum_crc32,
        checksum_crc32c: digests.checksums.checksum_crc32c,
        checksum_crc64nvme: digests.checksums.checksum_crc64nvme,
        checksum_sha1: digests.checksums.checksum_sha1,
        checksum_sha256: digests.checksums.checksum_sha256,
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    })
}

/// The answer's fields that `GetObject` and `HeadObject` share.
macro_rules! described {
    ($output:ident, $found:expr, $input:expr) => {{
        let (object, whole) = ($found.object, $found.content_range.is_none());
        // S3 tells the checksum of the whole object to those who ask for it and get the whole object.
        let told =
            whole && $input.checksum_mode.as_ref().is_some_and(|m| m.as_str() == ChecksumMode::ENABLED);
        $output {
            accept_ranges: Some("bytes".into()),
            content_length: Some($found.size.cast_signed()),
            content_range: $found.content_range,
            content_type: Some(object.head.content_type.unwrap_or_else(|| "binary/octet-stream".into())),
            cache_control: object.head.cache_control,
            content_disposition: object.head.content_disposition,
            content_encoding: object.head.content_encoding,
            content_language: object.head.content_language,
            expires: object.head.expires,
            metadata: object.head.metadata,
            last_modified: Some(object.modified),
            checksum_crc64nvme: told.then(|| object.sum.checksum()),
            checksum_type: told.then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            e_tag: Some(ETag::Strong(object.etag)),
            ..Default::default()
        }
    }};
}

/// A request to read, whether the bytes are wanted or not.
struct Read {
    bucket: String,
    key: String,
    range: Option<Range>,
    conditions: ReadConditions,
    bytes: bool,
}

struct Found {
    object: metadata::Object,
    /// Of what is sent, in bytes.
    size: u64,
    content_range: Option<String>,
    pieces: Vec<Piece>,
    /// The first piece's file, opened while it can't be removed.
    first: Option<File>,
}

macro_rules! read_of {
    ($input:expr, $bytes:expr) => {{
        if $input.part_number.is_some() {
            Err(s3_error!(NotImplemented, "Objects here are read by Range, not by partNumber."))?;
        }
        if $input.version_id.is_some() {
            Err(s3_error!(NotImplemented, "Buckets here have no versions."))?;
        }
        Read {
            bucket: $input.bucket.clone(),
            key: $input.key.clone(),
            range: $input.range,
            conditions: ReadConditions {
                if_match: $input.if_match.clone(),
                if_none_match: $input.if_none_match.clone(),
                if_modified_since: $input.if_modified_since.clone(),
                if_unmodified_since: $input.if_unmodified_since.clone(),
            },
            bytes: $bytes,
        }
    }};
}

async fn find(b: &Backend, read: Read) -> Result<Found, Failure> {
    let chunks = b.chunks.clone();
    b.db.call(move |tx| {
        let object = require_object(tx, &read.bucket, &read.key)?;
        read.conditions.check(&object.etag, &object.modified)?;
        let size = object.sum.size;
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
        let sent = bytes.end - bytes.start;
        let pieces = if read.bytes { metadata::pieces(tx, object.id, bytes)? } else { Vec::new() };
        let first = pieces.first().map(|piece| chunks.open_file(piece)).transpose()?;
        Ok(Found { object, size: sent, content_range, pieces, first })
    })
    .await
}

pub async fn get(b: &Backend, request: S3Request<GetObjectInput>) -> Result<GetObjectOutput, Failure> {
    let input = request.input;
    let mut found = find(b, read_of!(input, true)).await?;
    let body = match found.first.take() {
        Some(first) => StreamingBlob::wrap(b.chunks.read(first, std::mem::take(&mut found.pieces))),
        None => empty(),
    };
    Ok(GetObjectOutput { body: Some(body), ..described!(GetObjectOutput, found, input) })
}

pub async fn head(b: &Backend, request: S3Request<HeadObjectInput>) -> Result<HeadObjectOutput, Failure> {
    let input = request.input;
    let found = find(b, read_of!(input, false)).await?;
    Ok(described!(HeadObjectOutput, found, input))
}

/// Copies without copying: the new object is made of hard links to the files of the old one.
pub async fn copy(b: &Backend, request: S3Request<CopyObjectInput>) -> Result<CopyObjectOutput, Failure> {
    let request_id = RequestId::of(&request.extensions);
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
    let head = (directive == Some(MetadataDirective::REPLACE)).then(|| head_of!(input));
    let (bucket, key, backend) = (input.bucket, input.key, b.clone());
    let (object, replaced) =
        b.db.call(move |tx| {
            let source = require_object(tx, &from_bucket, &from_key)?;
            match conditions.check(&source.etag, &source.modified) {
                // A copy that must not happen is refused, not unchanged.
                Err(Failure::Refused(error)) if error.code() == &s3s::S3ErrorCode::NotModified => {
                    Err(s3_error!(
                        PreconditionFailed,
                        "The source does not meet the conditions of the copy."
                    ))?;
                }
                checked => checked?,
            }
            let pieces = metadata::pieces(tx, source.id, 0..source.sum.size)?;
            let links: Vec<_> =
                pieces.iter().map(|piece| backend.chunks.link(&piece.file)).collect::<io::Result<_>>()?;
            let new = NewObject {
                sum: source.sum,
                etag: source.sum.etag(),
                head: head.unwrap_or(source.head),
                files: links.iter().zip(&pieces).map(|(link, p)| (link.name().to_owned(), p.size)).collect(),
                bucket,
                key,
                conditions: WriteConditions::default(),
                how: "Copy",
                request_id,
            };
            let stored = backend.store(tx, new)?;
            for link in links {
                link.keep();
            }
            Ok::<_, Failure>(stored)
        })
        .await?;
    b.stored(replaced).await;
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified),
        checksum_crc64nvme: Some(object.sum.checksum()),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    };
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
}

pub async fn delete(
    b: &Backend,
    request: S3Request<DeleteObjectInput>,
) -> Result<DeleteObjectOutput, Failure> {
    remove(b, request.input.bucket, vec![request.input.key]).await?;
    Ok(DeleteObjectOutput::default())
}

pub async fn delete_many(
    b: &Backend,
    request: S3Request<DeleteObjectsInput>,
) -> Result<DeleteObjectsOutput, Failure> {
    let Delete { objects, quiet } = request.input.delete;
    if objects.is_empty() || objects.len() > MOST_DELETED {
        Err(s3_error!(MalformedXML, "One request deletes 1 to {MOST_DELETED} objects."))?;
    }
    let keys: Vec<_> = objects.into_iter().map(|object| object.key).collect();
    remove(b, request.input.bucket, keys.clone()).await?;
    let deleted = keys.into_iter().map(|key| DeletedObject { key: Some(key), ..Default::default() });
    let told = !quiet.unwrap_or_default();
    Ok(DeleteObjectsOutput { deleted: told.then(|| deleted.collect()), ..Default::default() })
}

/// Removes the objects that exist; the others are as gone as was asked for.
async fn remove(b: &Backend, bucket: String, keys: Vec<String>) -> Result<(), Failure> {
    let files =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            let mut files = Vec::new();
            for key in keys {
                if let Some(object) = metadata::find_object(tx, &bucket, &key)? {
                    files.extend(metadata::remove_object(tx, object.id)?);
                }
            }
            Ok::<_, Failure>(files)
        })
        .await?;
    b.chunks.remove(files).await;
    Ok(())
}

fn require_object(tx: &Transaction<'_>, bucket: &str, key: &str) -> Result<metadata::Object, Failure> {
    metadata::require_bucket(tx, bucket)?;
    let found = metadata::find_object(tx, bucket, key)?;
    Ok(found.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?)
}

/// The declared size of an object's or a part's body, in bytes: S3 takes at most 5 GiB at once.
pub fn body_size(declared: Option<i64>) -> Result<u64, Failure> {
    let Some(size) = declared.and_then(|size| u64::try_from(size).ok()) else {
        Err(s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."))?
    };
    if size > MAX_PART_SIZE {
        Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"))?;
    }
    Ok(size)
}

pub fn empty() -> StreamingBlob {
    s3s::Body::empty().into()
}

fn unsatisfiable(size: u64) -> s3s::S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = http::HeaderMap::new();
    if let Ok(value) = http::HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(http::header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

fn rfc3339(time: &Timestamp) -> Result<String, Failure> {
    let mut text = Vec::new();
    time.format(TimestampFormat::DateTime, &mut text).map_err(io::Error::other)?;
    Ok(String::from_utf8(text).map_err(io::Error::other)?)
}
