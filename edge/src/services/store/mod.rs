//! S3's adapter: the only user of its SDK. Classifies its failures.

mod content;
mod presign;

use crate::key::{CAPTIONS_PREFIX, INCOMING_PREFIX, unquote_etag};
use crate::services::{ServiceError, transport_error};
use crate::token::Session;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, Delete,
    ObjectIdentifier,
};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
pub use content::ObjectContent;
use presign::Presigner;
use std::error::Error;
use std::time::Duration;
use wire::{ChecksumKind, PartPlan, PartToSign, SignedPart, StoredPart};

pub struct Store {
    client: Client,
    bucket: String,
    presigner: Presigner,
    /// Replaces S3's origin in part URLs.
    base_url: Option<String>,
}

/// An object, as `HeadObject` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// CRC64NVME of the object, if the store returns it.
    pub checksum: Option<String>,
}

/// An object, as `ListObjectsV2` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    /// Without its quotes.
    pub etag: String,
    pub size: u64,
    /// In milliseconds since 1970.
    pub modified_ms: u64,
}

impl ListedObject {
    /// `None`: the response lacks the key.
    fn new(object: aws_sdk_s3::types::Object) -> Option<Self> {
        let modified = object.last_modified.and_then(|time| time.to_millis().ok());
        Some(Self {
            key: object.key?,
            etag: etag_or_empty(object.e_tag),
            size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            modified_ms: modified.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
        })
    }
}

/// S3's failures, by what a caller does about them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The multipart upload was completed, aborted or expired.
    #[error("no such multipart upload")]
    NoSuchUpload,
    /// An object with this key exists; none is overwritten.
    #[error("the object exists")]
    ObjectExists,
    /// Another call is creating or replacing an object with this key, perhaps an earlier attempt of this one.
    #[error("a concurrent call writes the object")]
    Conflict,
    /// A part was replaced or removed after it had been listed.
    #[error("the parts have changed since they were listed")]
    PartsChanged,
    /// The parts' sizes don't add up to `x-amz-mp-object-size`, or the store doesn't take parts of their size.
    #[error("the store refuses the parts' sizes")]
    SizeMismatch,
    #[error("the checksum differs from the declared one")]
    ChecksumMismatch,
    #[error("S3 throttles")]
    Throttled,
    #[error("S3 is unavailable: {0}")]
    Unavailable(#[from] ServiceError),
}

fn classify<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    move |error| match error.code() {
        Some("NoSuchUpload") => StoreError::NoSuchUpload,
        Some("PreconditionFailed") => StoreError::ObjectExists,
        Some("ConditionalRequestConflict") => StoreError::Conflict,
        Some("InvalidPart") => StoreError::PartsChanged,
        Some("InvalidRequest" | "EntityTooSmall" | "EntityTooLarge") if operation == COMPLETE => {
            StoreError::SizeMismatch
        }
        // Garage's word is InvalidDigest.
        Some("BadDigest" | "InvalidDigest") => StoreError::ChecksumMismatch,
        Some("SlowDown" | "ThrottlingException" | "RequestLimitExceeded") => StoreError::Throttled,
        Some(code) => StoreError::Unavailable(ServiceError::new(operation, code)),
        None => StoreError::Unavailable(ServiceError::new(operation, transport_error(&error))),
    }
}

/// For one attempt of a call: a connection may be dead after Lambda froze the process.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// S3 may take minutes to complete a huge object; the Lambda's own timeout is five minutes.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(280);
const COMPLETE: &str = "CompleteMultipartUpload";
/// Keys in one `DeleteObjects` request.
const MAX_DELETED_KEYS: usize = 1_000;
const LIST_OBJECTS: &str = "ListObjectsV2";

fn etag_or_empty(etag: Option<String>) -> String {
    etag.as_deref().map(unquote_etag).unwrap_or_default()
}

impl Store {
    /// `path_style`: the bucket's name is part of the URL's path instead of its host.
    pub fn new(sdk: &SdkConfig, bucket: &str, path_style: bool, base_url: Option<&str>) -> Self {
        let client = Client::from_conf(Self::client_config(sdk, path_style));
        let presigner = Presigner::new(client.clone(), bucket, sdk.credentials_provider());
        Self { client, bucket: bucket.into(), presigner, base_url: base_url.map(str::to_owned) }
    }

    /// The client's settings. The SDK adds no checksum of its own to requests.
    fn client_config(sdk: &SdkConfig, path_style: bool) -> aws_sdk_s3::Config {
        Builder::from(sdk)
            .force_path_style(path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // During a completion S3 sends spaces at long intervals. The SDK would treat that as a stalled stream and
            // start a second completion.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(attempt_timeout(ATTEMPT_TIMEOUT))
            .build()
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Creates a multipart upload and returns S3's upload id. With CRC64NVME, S3 then refuses parts without theirs.
    pub async fn create_multipart_upload(
        &self,
        key: &str,
        content_type: &str,
        checksum: ChecksumKind,
    ) -> Result<String, StoreError> {
        const OPERATION: &str = "CreateMultipartUpload";
        let content_type =
            Some(content_type).filter(|kind| !kind.is_empty()).unwrap_or("application/octet-stream");
        let mut request =
            self.client.create_multipart_upload().bucket(&self.bucket).key(key).content_type(content_type);
        if checksum == ChecksumKind::Crc64Nvme {
            request = request
                .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
                .checksum_type(ChecksumType::FullObject);
        }
        let response = request.send().await.map_err(classify(OPERATION))?;
        response.upload_id.ok_or_else(|| incomplete_response(OPERATION))
    }

    /// Presigns a `PUT` for each of these parts. Makes no call to AWS, except for credentials.
    pub async fn presign(
        &self,
        session: &Session,
        plan: &PartPlan,
        parts: &[PartToSign],
    ) -> Result<Vec<SignedPart>, StoreError> {
        let now = crate::clock::now_ms() / 1000;
        self.presigner.presign(session, plan, parts, self.base_url.as_deref(), now).await
    }

    /// All stored parts, from all pages.
    pub async fn list_parts(&self, session: &Session) -> Result<Vec<StoredPart>, StoreError> {
        const OPERATION: &str = "ListParts";
        let mut pages = self
            .client
            .list_parts()
            .bucket(&session.bucket)
            .key(&session.key)
            .upload_id(&session.s3_upload)
            .into_paginator()
            .send();
        let mut parts = Vec::new();
        while let Some(page) = pages.next().await {
            for part in page.map_err(classify(OPERATION))?.parts.unwrap_or_default() {
                let number = part.part_number.and_then(|number| u32::try_from(number).ok());
                let size = part.size.and_then(|size| u64::try_from(size).ok());
                let (Some(part_number), Some(size), Some(etag)) = (number, size, part.e_tag) else {
                    return Err(incomplete_response(OPERATION));
                };
                parts.push(StoredPart { part_number, size, etag, checksum: part.checksum_crc64_nvme });
            }
        }
        Ok(parts)
    }

    /// Creates the object from these parts, only if they add up to the declared size, no object has its key, and the
    /// object's CRC64NVME is `checksum` (if given). Captions replace those that have their key.
    pub async fn complete_multipart_upload(
        &self,
        session: &Session,
        parts: Vec<StoredPart>,
        checksum: Option<&str>,
    ) -> Result<ObjectInfo, StoreError> {
        let verifies = session.checksum == ChecksumKind::Crc64Nvme;
        let parts = parts.into_iter().map(|part| {
            CompletedPart::builder()
                .part_number(i32::try_from(part.part_number).unwrap_or(i32::MAX))
                .e_tag(part.etag)
                .set_checksum_crc64_nvme(part.checksum.filter(|_| verifies))
                .build()
        });
        let response = self
            .client
            .complete_multipart_upload()
            .bucket(&session.bucket)
            .key(&session.key)
            .upload_id(&session.s3_upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build())
            .mpu_object_size(i64::try_from(session.size).unwrap_or(i64::MAX))
            .set_if_none_match((!session.key.starts_with(CAPTIONS_PREFIX)).then(|| "*".into()))
            .set_checksum_type(verifies.then_some(ChecksumType::FullObject))
            .set_checksum_crc64_nvme(checksum.map(str::to_owned))
            .customize()
            .config_override(Builder::new().timeout_config(attempt_timeout(COMPLETE_TIMEOUT)))
            .send()
            .await
            .map_err(classify(COMPLETE))?;
        let etag = etag_or_empty(response.e_tag);
        Ok(ObjectInfo { size: session.size, etag, checksum: response.checksum_crc64_nvme })
    }

    /// The object with this key, if there is one.
    pub async fn head_object(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        const OPERATION: &str = "HeadObject";
        let request =
            self.client.head_object().bucket(&self.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        match request.send().await {
            Ok(head) => {
                let size = head.content_length.and_then(|size| u64::try_from(size).ok());
                let size = size.ok_or_else(|| incomplete_response(OPERATION))?;
                Ok(Some(ObjectInfo {
                    size,
                    etag: etag_or_empty(head.e_tag),
                    checksum: head.checksum_crc64_nvme,
                }))
            }
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
            Err(error) => Err(classify(OPERATION)(error)),
        }
    }

    /// A page of the objects under `inputs/`, and the continuation token of the next page.
    pub async fn list_incoming(
        &self,
        from: Option<String>,
    ) -> Result<(Vec<ListedObject>, Option<String>), StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(INCOMING_PREFIX);
        let page = list.set_continuation_token(from).send().await.map_err(classify(LIST_OBJECTS))?;
        let objects = page.contents.unwrap_or_default().into_iter().filter_map(ListedObject::new);
        Ok((objects.collect(), page.next_continuation_token.filter(|_| page.is_truncated == Some(true))))
    }

    /// All keys in `bucket` with this prefix.
    pub async fn list_keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let objects = self.list_objects(bucket, prefix).await?;
        Ok(objects.into_iter().map(|object| object.key).collect())
    }

    /// Aborts a multipart upload and deletes its parts. Succeeds if there is no such upload.
    pub async fn abort_multipart_upload(&self, key: &str, s3_upload: &str) -> Result<(), StoreError> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(s3_upload);
        match request.send().await.map_err(classify("AbortMultipartUpload")) {
            Ok(_) | Err(StoreError::NoSuchUpload) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes objects of `bucket`.
    pub async fn delete_objects(&self, bucket: &str, keys: &[String]) -> Result<(), StoreError> {
        const OPERATION: &str = "DeleteObjects";
        for keys in keys.chunks(MAX_DELETED_KEYS) {
            let ids = keys.iter().filter_map(|key| ObjectIdentifier::builder().key(key).build().ok());
            let delete = Delete::builder().set_objects(Some(ids.collect())).quiet(true).build();
            let delete = delete.map_err(|error| unavailable(OPERATION, &error.to_string()))?;
            let request = self.client.delete_objects().bucket(bucket).delete(delete);
            let deleted = request.send().await.map_err(classify(OPERATION))?;
            if let Some(error) = deleted.errors().first() {
                return Err(unavailable(OPERATION, error.code().unwrap_or("an object isn't deleted")));
            }
        }
        Ok(())
    }
}

fn attempt_timeout(timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(timeout).build()
}

fn incomplete_response(operation: &'static str) -> StoreError {
    unavailable(operation, "a response without a required field")
}

fn unavailable(operation: &'static str, code: &str) -> StoreError {
    ServiceError::new(operation, code).into()
}
