//! `ListObjects` and `ListObjectsV2`.

use super::backend::Backend;
use super::buckets::owner;
use super::error::OperationError;
use super::listing::{self, Page, Query};
use super::metadata;
use super::params::{KeyEncoding, page_size};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3Request, s3_error};

/// Precedes the key in a continuation token, so that other text isn't taken for one.
const TOKEN_PREFIX: &str = "from:";

/// The parameters that both versions share.
struct Listing {
    bucket: String,
    prefix: String,
    delimiter: Option<String>,
    from: String,
    max: u32,
    encoding: KeyEncoding,
    with_owner: bool,
}

impl Listing {
    async fn page(&self, b: &Backend) -> Result<Page<metadata::Object>, OperationError> {
        let (bucket, prefix, delimiter) = (self.bucket.clone(), self.prefix.clone(), self.delimiter.clone());
        let (from, max) = (self.from.clone(), self.max as usize);
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            let query = Query { prefix: &prefix, delimiter: delimiter.as_deref(), from, max };
            listing::page(query, |from| {
                let found = metadata::seek_object(tx, &bucket, from)?;
                Ok::<_, OperationError>(found.map(|object| (object.key.clone(), object)))
            })
        })
        .await
    }

    fn objects(&self, b: &Backend, objects: Vec<metadata::Object>) -> Vec<Object> {
        let object = |object: metadata::Object| {
            let checksum = object.checksum();
            let class = object.headers.storage_class;
            Object {
                key: Some(self.encoding.encode(&object.key)),
                e_tag: Some(ETag::Strong(object.etag)),
                size: Some(object.content.size.cast_signed()),
                last_modified: Some(object.modified),
                owner: self.with_owner.then(|| owner(b)),
                storage_class: Some(class.map_or_else(
                    || ObjectStorageClass::from_static(ObjectStorageClass::STANDARD),
                    Into::into,
                )),
                checksum_type: checksum.as_ref().map(super::checksums::ObjectChecksum::checksum_type),
                checksum_algorithm: checksum
                    .map(|checksum| vec![ChecksumAlgorithm::from_static(checksum.algorithm.name())]),
                ..Default::default()
            }
        };
        objects.into_iter().map(object).collect()
    }

    fn prefixes(&self, prefixes: &[String]) -> Vec<CommonPrefix> {
        prefixes.iter().map(|p| CommonPrefix { prefix: Some(self.encoding.encode(p)) }).collect()
    }
}

pub async fn list(
    b: &Backend,
    request: S3Request<ListObjectsInput>,
) -> Result<ListObjectsOutput, OperationError> {
    let input = request.input;
    let marker = input.marker.unwrap_or_default();
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = not_empty(input.delimiter);
    let listing = Listing {
        from: listing::after_marker(&marker, &prefix, delimiter.as_deref()),
        bucket: input.bucket,
        prefix,
        delimiter,
        max: page_size(input.max_keys, "max-keys")?,
        encoding: KeyEncoding::new(input.encoding_type)?,
        with_owner: true,
    };
    let page = listing.page(b).await?;
    let encoding = &listing.encoding;
    // S3 names the next marker only with a delimiter; without one it is the last key.
    let truncated = page.next.is_some() && listing.delimiter.is_some();
    let last_key = page.objects.last().map(|object| &object.key);
    let next = last_key.max(page.prefixes.last()).filter(|_| truncated).map(|last| encoding.encode(last));
    Ok(ListObjectsOutput {
        name: Some(listing.bucket.clone()),
        prefix: Some(encoding.encode(&listing.prefix)),
        marker: Some(encoding.encode(&marker)),
        max_keys: Some(listing.max.cast_signed()),
        is_truncated: Some(page.next.is_some()),
        next_marker: next,
        common_prefixes: Some(listing.prefixes(&page.prefixes)),
        contents: Some(listing.objects(b, page.objects)),
        delimiter: listing.delimiter.as_ref().map(|delimiter| encoding.encode(delimiter)),
        encoding_type: encoding.encoding_type(),
        ..Default::default()
    })
}

pub async fn list_v2(
    b: &Backend,
    request: S3Request<ListObjectsV2Input>,
) -> Result<ListObjectsV2Output, OperationError> {
    let input = request.input;
    let listing = Listing {
        from: match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => token_key(token)?,
            (None, Some(key)) => listing::just_after(key),
            (None, None) => String::new(),
        },
        bucket: input.bucket,
        prefix: input.prefix.unwrap_or_default(),
        delimiter: not_empty(input.delimiter),
        max: page_size(input.max_keys, "max-keys")?,
        encoding: KeyEncoding::new(input.encoding_type)?,
        with_owner: input.fetch_owner.unwrap_or_default(),
    };
    let page = listing.page(b).await?;
    let encoding = &listing.encoding;
    Ok(ListObjectsV2Output {
        name: Some(listing.bucket.clone()),
        prefix: Some(encoding.encode(&listing.prefix)),
        max_keys: Some(listing.max.cast_signed()),
        key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|key| URL_SAFE_NO_PAD.encode(format!("{TOKEN_PREFIX}{key}"))),
        common_prefixes: Some(listing.prefixes(&page.prefixes)),
        contents: Some(listing.objects(b, page.objects)),
        delimiter: listing.delimiter.as_ref().map(|delimiter| encoding.encode(delimiter)),
        start_after: input.start_after.map(|key| encoding.encode(&key)),
        encoding_type: encoding.encoding_type(),
        ..Default::default()
    })
}

/// Returns the delimiter. S3 treats an empty one like none, and doesn't return it.
fn not_empty(delimiter: Option<String>) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty())
}

/// Decodes a continuation token into the first key of the page. Fails with `InvalidArgument`.
fn token_key(token: &str) -> Result<String, OperationError> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.as_deref().and_then(|text| text.strip_prefix(TOKEN_PREFIX)).map(str::to_owned);
    Ok(key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?)
}
