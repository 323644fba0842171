//! Bucket operations: creation, deletion, existence, location, CORS configuration, ACL. Listings are in `listings`.

use super::backend::Backend;
use super::cors;
use super::error::OperationError;
use super::metadata;
use super::objects::require_object;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3Request, s3_error};

/// Buckets in one page, as in S3.
const MAX_BUCKETS: usize = 10_000;

pub async fn list(
    b: &Backend,
    request: S3Request<ListBucketsInput>,
) -> Result<ListBucketsOutput, OperationError> {
    let ListBucketsInput { bucket_region, continuation_token, max_buckets, prefix } = request.input;
    let max = max_buckets.map_or(Ok(MAX_BUCKETS), usize::try_from).unwrap_or_default();
    if !(1..=MAX_BUCKETS).contains(&max) {
        Err(s3_error!(
            InvalidArgument,
            "Argument max-buckets must be an integer between 1 and {MAX_BUCKETS}"
        ))?;
    }
    let after = continuation_token.as_deref().map(token_bucket).transpose()?;
    let is_listed = |name: &str| {
        after.as_deref().is_none_or(|after| name > after)
            && prefix.as_deref().is_none_or(|prefix| name.starts_with(prefix))
            && bucket_region.as_ref().is_none_or(|region| *region == b.region)
    };
    let mut buckets = b.db.call(metadata::buckets).await?;
    buckets.retain(|(name, _)| is_listed(name));
    let last =
        buckets.get(max - 1).filter(|_| buckets.len() > max).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
    let bucket =
        |(name, created)| Bucket { name: Some(name), creation_date: Some(created), bucket_region: None };
    Ok(ListBucketsOutput {
        buckets: Some(buckets.into_iter().take(max).map(bucket).collect()),
        continuation_token: last,
        owner: Some(owner(b)),
        prefix,
    })
}

/// Decodes a continuation token into the last bucket of the page before. Fails with `InvalidArgument`.
fn token_bucket(token: &str) -> Result<String, OperationError> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(name.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?)
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
    let constraint = request.input.create_bucket_configuration.and_then(|config| config.location_constraint);
    if let Some(constraint) = constraint.filter(|constraint| constraint.as_str() != b.region) {
        Err(s3_error!(
            IllegalLocationConstraintException,
            "The {} location constraint is incompatible for the region specific endpoint this request was sent to.",
            constraint.as_str()
        ))?;
    }
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

/// Deletes an empty bucket. Its open uploads are aborted.
pub async fn delete(
    b: &Backend,
    request: S3Request<DeleteBucketInput>,
) -> Result<DeleteBucketOutput, OperationError> {
    let (bucket, name) = (request.input.bucket.clone(), request.input.bucket);
    let files = b.db.call(move |tx| metadata::remove_bucket(tx, &name)).await?;
    b.cors.set(bucket, None);
    b.blobs.remove(files).await;
    Ok(DeleteBucketOutput {})
}

/// Returns that the bucket has no versions, and never had.
pub async fn versioning(
    b: &Backend,
    request: S3Request<GetBucketVersioningInput>,
) -> Result<GetBucketVersioningOutput, OperationError> {
    b.db.call(move |tx| metadata::require_bucket(tx, &request.input.bucket)).await?;
    Ok(GetBucketVersioningOutput::default())
}

pub async fn acl(
    b: &Backend,
    request: S3Request<GetBucketAclInput>,
) -> Result<GetBucketAclOutput, OperationError> {
    b.db.call(move |tx| metadata::require_bucket(tx, &request.input.bucket)).await?;
    Ok(GetBucketAclOutput { grants: Some(vec![owner_grant(b)]), owner: Some(owner(b)) })
}

pub async fn object_acl(
    b: &Backend,
    request: S3Request<GetObjectAclInput>,
) -> Result<GetObjectAclOutput, OperationError> {
    let input = request.input;
    b.db.call(move |tx| require_object(tx, &input.bucket, &input.key)).await?;
    Ok(GetObjectAclOutput { grants: Some(vec![owner_grant(b)]), owner: Some(owner(b)), ..Default::default() })
}

pub fn owner(b: &Backend) -> Owner {
    Owner { id: Some(b.owner.clone()), display_name: None }
}

/// The only grant: the owner may do everything, as in a bucket of S3 without ACLs.
fn owner_grant(b: &Backend) -> Grant {
    Grant {
        grantee: Some(Grantee {
            id: Some(b.owner.clone()),
            type_: Type::from_static(Type::CANONICAL_USER),
            display_name: None,
            email_address: None,
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}
