//! Bucket operations: creation, existence, location, CORS configuration, listing of objects.

use super::backend::Backend;
use super::cors;
use super::error::OperationError;
use super::listing::{self, Query};
use super::metadata;
use super::params::{KeyEncoding, page_size};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3Request, s3_error};

pub async fn list(b: &Backend, _: S3Request<ListBucketsInput>) -> Result<ListBucketsOutput, OperationError> {
    let buckets = b.db.call(metadata::buckets).await?;
    let bucket =
        |(name, created)| Bucket { name: Some(name), creation_date: Some(created), bucket_region: None };
    Ok(ListBucketsOutput {
        buckets: Some(buckets.into_iter().map(bucket).collect()),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        ..Default::default()
    })
}

pub async fn head(
    b: &Backend,
    request: S3Request<HeadBucketInput>,
) -> Result<HeadBucketOutput, OperationError> {
    b.db.call(move |tx| metadata::require_bucket(tx, &request.input.bucket)).await?;
    Ok(HeadBucketOutput { bucket_region: Some(b.region.clone()), ..Default::default() })
}

pub async fn create(
    b: &Backend,
    request: S3Request<CreateBucketInput>,
) -> Result<CreateBucketOutput, OperationError> {
    let name = request.input.bucket;
    let location = Some(format!("/{name}"));
    let added = b.db.call(move |tx| metadata::add_bucket(tx, &name)).await?;
    // In us-east-1 S3 accepts the creation of a bucket that the caller owns already.
    if !added && b.region != "us-east-1" {
        Err(s3_error!(BucketAlreadyOwnedByYou, "The bucket exists already, and you own it."))?;
    }
    Ok(CreateBucketOutput { location })
}

pub async fn location(
    b: &Backend,
    request: S3Request<GetBucketLocationInput>,
) -> Result<GetBucketLocationOutput, OperationError> {
    b.db.call(move |tx| metadata::require_bucket(tx, &request.input.bucket)).await?;
    // S3 returns an empty location for us-east-1.
    let location = (b.region != "us-east-1").then(|| b.region.clone().into());
    Ok(GetBucketLocationOutput { location_constraint: location })
}

pub async fn get_cors(
    b: &Backend,
    request: S3Request<GetBucketCorsInput>,
) -> Result<GetBucketCorsOutput, OperationError> {
    let bucket = request.input.bucket;
    let Some(rules) = b.cors.get(&bucket) else {
        b.db.call(move |tx| metadata::require_bucket(tx, &bucket)).await?;
        return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist").into());
    };
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.iter().map(cors::to_dto).collect()) })
}

pub async fn put_cors(
    b: &Backend,
    request: S3Request<PutBucketCorsInput>,
) -> Result<PutBucketCorsOutput, OperationError> {
    let rules = cors::from_dto(request.input.cors_configuration.cors_rules)?;
    b.set_cors(request.input.bucket, Some(rules)).await?;
    Ok(PutBucketCorsOutput::default())
}

pub async fn delete_cors(
    b: &Backend,
    request: S3Request<DeleteBucketCorsInput>,
) -> Result<DeleteBucketCorsOutput, OperationError> {
    b.set_cors(request.input.bucket, None).await?;
    Ok(DeleteBucketCorsOutput::default())
}

pub async fn list_objects(
    b: &Backend,
    request: S3Request<ListObjectsV2Input>,
) -> Result<ListObjectsV2Output, OperationError> {
    let input = request.input;
    let prefix = input.prefix.unwrap_or_default();
    let max = page_size(input.max_keys, "max-keys")?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => token_key(token)?,
        (None, Some(key)) => listing::just_after(key),
        (None, None) => String::new(),
    };
    let encoding = KeyEncoding::new(input.encoding_type)?;
    let (bucket, delimiter, query_prefix) = (input.bucket.clone(), input.delimiter.clone(), prefix.clone());
    let page =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            let query =
                Query { prefix: &query_prefix, delimiter: delimiter.as_deref(), from, max: max as usize };
            listing::page(query, |from| {
                let found = metadata::seek_object(tx, &bucket, from)?;
                Ok::<_, OperationError>(found.map(|object| (object.key.clone(), object)))
            })
        })
        .await?;

    let object = |object: metadata::Object| Object {
        key: Some(encoding.encode(&object.key)),
        e_tag: Some(ETag::Strong(object.etag)),
        size: Some(object.content.size.cast_signed()),
        last_modified: Some(object.modified),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        checksum_algorithm: Some(vec![ChecksumAlgorithm::from_static(ChecksumAlgorithm::CRC64NVME)]),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    };
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.encode(&prefix)),
        max_keys: Some(max.cast_signed()),
        key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|key| URL_SAFE_NO_PAD.encode(key)),
        contents: Some(page.objects.into_iter().map(object).collect()),
        common_prefixes: Some(
            page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(encoding.encode(p)) }).collect(),
        ),
        delimiter: input.delimiter.map(|delimiter| encoding.encode(&delimiter)),
        start_after: input.start_after.map(|key| encoding.encode(&key)),
        encoding_type: encoding.encoding_type(),
        ..Default::default()
    })
}

/// Decodes a continuation token into the first key of the page.
fn token_key(token: &str) -> Result<String, OperationError> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?)
}
