//! The operations' way in: the trait of `s3s`, one line for each operation that exists. Those that don't
//! (versions, ACLs, tags, policies…) are answered `NotImplemented` by `s3s`.

use super::blobs::Chunks;
use super::cors::CorsRule;
use super::error::Failure;
use super::{buckets, multipart, objects};
use crate::db::Db;
use crate::outbox::Outbox;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What the operations work with.
#[derive(Clone)]
pub struct Backend {
    pub db: Db,
    pub chunks: Chunks,
    pub outbox: Outbox,
    pub region: String,
    /// The access key, which stands for the owner of everything.
    pub owner: String,
    /// By bucket, the prefix of keys whose creation is announced.
    pub announced: Arc<HashMap<String, String>>,
    pub cors: CorsTable,
    pub log: tracing::Dispatch,
}

/// The buckets' CORS rules, as every single answer needs them.
#[derive(Clone, Default)]
pub struct CorsTable(Arc<RwLock<HashMap<String, Arc<[CorsRule]>>>>);

impl CorsTable {
    /// A bucket's rules; `None` if it has no configuration.
    pub fn get(&self, bucket: &str) -> Option<Arc<[CorsRule]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }

    pub fn set(&self, bucket: String, rules: Option<Vec<CorsRule>>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match rules {
            Some(rules) => drop(table.insert(bucket, rules.into())),
            None => drop(table.remove(&bucket)),
        }
    }
}

impl Backend {
    fn answer<T>(&self, result: Result<T, Failure>) -> S3Result<S3Response<T>> {
        result.map(S3Response::new).map_err(|failure| failure.into_answer(&self.log))
    }
}

/// Each operation goes to the function that carries it out.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Backend {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.answer($function(self, request).await)
            })*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = buckets::get_cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = buckets::put_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = buckets::delete_cors;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = buckets::list_objects;

    put_object(PutObjectInput) -> PutObjectOutput = objects::put;
    get_object(GetObjectInput) -> GetObjectOutput = objects::get;
    head_object(HeadObjectInput) -> HeadObjectOutput = objects::head;
    copy_object(CopyObjectInput) -> CopyObjectOutput = objects::copy;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = objects::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = objects::delete_many;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart::put_part;
    list_parts(ListPartsInput) -> ListPartsOutput = multipart::list_parts;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = multipart::list_uploads;
}
