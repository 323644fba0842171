//! Implements the `S3` trait of `s3s`: one line for each supported operation. `s3s` answers `NotImplemented`
//! to the others (versions, policies, lifecycle…), and `supported` refuses what it would mistake for another one.

use super::backend::Backend;
use super::error::OperationError;
use super::{buckets, completion, copies, listings, multipart, objects};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

impl Backend {
    fn respond<T>(&self, result: Result<T, OperationError>) -> S3Result<S3Response<T>> {
        result.map(S3Response::new).map_err(|error| error.into_s3_error(&self.log))
    }
}

/// Maps each operation of the trait to the function that implements it.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Backend {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.respond($function(self, request).await)
            })*

            async fn head_object(
                &self,
                request: S3Request<HeadObjectInput>,
            ) -> S3Result<S3Response<HeadObjectOutput>> {
                let mut tags = None;
                let mut response = self.respond(objects::head(self, request, &mut tags).await)?;
                // `HeadObjectOutput` has no member for it.
                if let Some(count) = tags {
                    response.headers.insert("x-amz-tagging-count", count.into());
                }
                Ok(response)
            }
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets::delete;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = buckets::acl;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = buckets::versioning;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = buckets::get_cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = buckets::put_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = buckets::delete_cors;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listings::list_v2;
    list_objects(ListObjectsInput) -> ListObjectsOutput = listings::list;

    put_object(PutObjectInput) -> PutObjectOutput = objects::put;
    get_object(GetObjectInput) -> GetObjectOutput = objects::get;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copies::copy;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = objects::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = objects::delete_many;

    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = buckets::object_acl;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = objects::get_tags;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = objects::put_tags;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = objects::delete_tags;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart::upload_part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copies::upload_part_copy;
    list_parts(ListPartsInput) -> ListPartsOutput = multipart::list_parts;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = completion::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = multipart::list_uploads;
}
