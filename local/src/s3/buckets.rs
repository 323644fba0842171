//! Operations on buckets: making and finding them, their CORS rules, their keys.

use super::cors;
use super::error::Failure;
use super::listing::{self, Query};
use super::metadata;
use super::notification::form_encoded;
use super::operations::Backend;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3Request, s3_error};

/// S3's most entries in one answer.
pub const LARGEST_PAGE: u32 = 1000;

pub async fn list(b: &Backend, _: S3Request<ListBucketsInput>) -> Result<ListBucketsOutput, Failure> {
    let buckets = b.db.call(metadata::buckets).await?;
    let bucket =
        |(name, created)| Bucket { name: Some(name), creation_date: Some(created), bucket_region: None };
    Ok(ListBucketsOutput {
        buckets: Some(buckets.into_iter().map(bucket).collect()),
        owner: Some(Owner { id: Some(b.owner.clone()), display_name: None }),
        ..Default::default()
    })
}

pub async fn head(b: &Backend, request: S3Request<HeadBucketInput>) -> Result<HeadBucketOutput, Failure> {
    b.db.call(move |tx| metadata::require_bucket(tx, &request.input.bucket)).await?;
    Ok(HeadBucketOutput { bucket_region: Some(b.region.clone()), ..Default::default() })
}

pub async fn create(
    b: &Backend,
    request: S3Request<CreateBucketInput>,
) -> Result<CreateBucketOutput, Failure> {
    let name = request.input.bucket;
    let location = Some(format!("/{name}"));
    let added = b.db.call(move |tx| metadata::add_bucket(tx, &name)).await?;
    // In its oldest region S3 lets the owner create a bucket again.
    if !added && b.region != "us-east-1" {
        Err(s3_error!(BucketAlreadyOwnedByYou, "The bucket exists already, and you own it."))?;
    }
    Ok(CreateBucketOutput { location })
}

pub async fn location(
    b: &Backend,
    request: S3Request<GetBucketLocationInput>,
) -> Result<GetBucketLocationOutput, Failure> {
    b.db.call(move |tx| metadata::require_bucket(tx, &request.input.bucket)).await?;
    // S3's oldest region is called by no name.
    let named = (b.region != "us-east-1").then(|| b.region.clone().into());
    Ok(GetBucketLocationOutput { location_constraint: named })
}

pub async fn get_cors(
    b: &Backend,
    request: S3Request<GetBucketCorsInput>,
) -> Result<GetBucketCorsOutput, Failure> {
    let bucket = request.input.bucket;
    let Some(rules) = b.cors.get(&bucket) else {
        b.db.call(move |tx| metadata::require_bucket(tx, &bucket)).await?;
        return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist").into());
    };
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.iter().map(cors::to_wire).collect()) })
}

pub async fn put_cors(
    b: &Backend,
    request: S3Request<PutBucketCorsInput>,
) -> Result<PutBucketCorsOutput, Failure> {
    let rules = cors::from_wire(request.input.cors_configuration.cors_rules)?;
    b.set_cors(request.input.bucket, Some(rules)).await?;
    Ok(PutBucketCorsOutput::default())
}

pub async fn delete_cors(
    b: &Backend,
    request: S3Request<DeleteBucketCorsInput>,
) -> Result<DeleteBucketCorsOutput, Failure> {
    b.set_cors(request.input.bucket, None).await?;
    Ok(DeleteBucketCorsOutput::default())
}

impl Backend {
    /// Replaces a bucket's CORS rules, on disk and for the next request.
    pub async fn set_cors(&self, bucket: String, rules: Option<Vec<cors::CorsRule>>) -> Result<(), Failure> {
        let json = rules.as_ref().map(serde_json::to_string).transpose().map_err(std::io::Error::other)?;
        let name = bucket.clone();
        self.db
            .call(move |tx| {
                metadata::require_bucket(tx, &name)?;
                Ok::<_, Failure>(metadata::set_cors(tx, &name, json.as_deref())?)
            })
            .await?;
        self.cors.set(bucket, rules);
        Ok(())
    }
}

pub async fn list_objects(
    b: &Backend,
    request: S3Request<ListObjectsV2Input>,
) -> Result<ListObjectsV2Output, Failure> {
    let input = request.input;
    let prefix = input.prefix.unwrap_or_default();
    let max = page_size(input.max_keys, "max-keys")?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => token_key(token)?,
        (None, Some(key)) => listing::just_after(key),
        (None, None) => String::new(),
    };
    let written = Written::new(input.encoding_type)?;
    let (bucket, delimiter, sought) = (input.bucket.clone(), input.delimiter.clone(), prefix.clone());
    let page =
        b.db.call(move |tx| {
            metadata::require_bucket(tx, &bucket)?;
            let query = Query { prefix: &sought, delimiter: delimiter.as_deref(), from, max: max as usize };
            listing::page(query, |from| {
                let found = metadata::seek_object(tx, &bucket, from)?;
                Ok::<_, Failure>(found.map(|object| (object.key.clone(), object)))
            })
        })
        .await?;

    let object = |object: metadata::Object| Object {
        key: Some(written.key(&object.key)),
        e_tag: Some(ETag::Strong(object.etag)),
        size: Some(object.sum.size.cast_signed()),
        last_modified: Some(object.modified),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        checksum_algorithm: Some(vec![ChecksumAlgorithm::from_static(ChecksumAlgorithm::CRC64NVME)]),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..Default::default()
    };
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(written.key(&prefix)),
        max_keys: Some(max.cast_signed()),
        key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|key| URL_SAFE_NO_PAD.encode(key)),
        contents: Some(page.objects.into_iter().map(object).collect()),
        common_prefixes: Some(
            page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(written.key(p)) }).collect(),
        ),
        delimiter: input.delimiter.map(|delimiter| written.key(&delimiter)),
        start_after: input.start_after.map(|key| written.key(&key)),
        encoding_type: written.encoding(),
        ..Default::default()
    })
}

/// How a listing writes its keys: as they are, or form-encoded, because XML can't hold every character.
pub struct Written {
    encoded: bool,
}

impl Written {
    pub fn new(encoding: Option<EncodingType>) -> Result<Self, Failure> {
        match encoding.as_ref().map(EncodingType::as_str) {
            None => Ok(Self { encoded: false }),
            Some(EncodingType::URL) => Ok(Self { encoded: true }),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"))?,
        }
    }

    pub fn key(&self, key: &str) -> String {
        if self.encoded { form_encoded(key) } else { key.to_owned() }
    }

    pub fn encoding(&self) -> Option<EncodingType> {
        self.encoded.then(|| EncodingType::from_static(EncodingType::URL))
    }
}

/// The size of a page: what was asked for, at most [`LARGEST_PAGE`]; `InvalidArgument` below 0.
pub fn page_size(asked: Option<i32>, name: &str) -> Result<u32, Failure> {
    match asked.map(u32::try_from) {
        None => Ok(LARGEST_PAGE),
        Some(Ok(asked)) => Ok(asked.min(LARGEST_PAGE)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "{name} must not be below 0."))?,
    }
}

fn token_key(token: &str) -> Result<String, Failure> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?)
}
