//! S3: the only folder that knows its SDK. Failures are classified here, once.

mod sign;

use crate::error::{ApiError, Service};
use crate::key::INCOMING;
use crate::token::Session;
use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{ChecksumMode, CompletedMultipartUpload, CompletedPart as S3Part};
use sign::Signer;
use std::error::Error;
use std::time::Duration;
use wire::{CompletedPart, Part, StoredPart};

pub struct Store {
    client: Client,
    bucket: String,
    signer: Signer,
    /// Takes the place of S3's origin in part URLs.
    base_url: Option<String>,
}

/// An object as `HeadObject` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// CRC64NVME of the whole, where the store tells it.
    pub checksum: Option<String>,
}

/// An object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    /// Without its quotes.
    pub etag: String,
    pub size: u64,
    /// In milliseconds since 1970.
    pub modified_ms: u64,
}

/// How S3 fails, as far as a caller decides by it.
#[derive(Debug)]
pub enum StoreError {
    /// Completed, aborted or expired: there is no such multipart upload.
    NoSuchUpload,
    /// An object of that key exists, and none is overwritten.
    Exists,
    /// Another call is about to make an object of that key: perhaps this one's earlier try.
    Busy,
    /// Parts that S3 doesn't have, or not so.
    Parts(String),
    /// `x-amz-mp-object-size` isn't what the parts add up to.
    Size,
    Checksum,
    Throttled,
    Unavailable(Service),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchUpload => Self::UploadGone,
            StoreError::Exists => Self::VideoExists,
            StoreError::Busy => Self::Throttled("another completion of this upload is at work"),
            StoreError::Parts(code) => Self::PartsMismatch(format!("S3 refuses the list of parts: {code}.")),
            StoreError::Size => Self::SizeMismatch,
            StoreError::Checksum => Self::ChecksumMismatch,
            StoreError::Throttled => Self::Throttled("S3"),
            StoreError::Unavailable(service) => Self::Storage(service),
        }
    }
}

fn classify<E, R>(doing: &'static str) -> impl FnOnce(SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    move |error| match error.code() {
        Some("NoSuchUpload") => StoreError::NoSuchUpload,
        Some("PreconditionFailed") => StoreError::Exists,
        Some("ConditionalRequestConflict") => StoreError::Busy,
        Some(code @ ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall")) => {
            StoreError::Parts(code.into())
        }
        Some("InvalidRequest") if doing == COMPLETE => StoreError::Size,
        Some("BadDigest") => StoreError::Checksum,
        Some("SlowDown" | "ThrottlingException" | "RequestLimitExceeded") => StoreError::Throttled,
        Some(code) => StoreError::Unavailable(Service { doing, code: code.into() }),
        None => StoreError::Unavailable(Service { doing, code: reason(&error) }),
    }
}

/// Why there was no answer, without the request (a URL may be signed).
pub(crate) fn reason<E: Error + 'static, R: std::fmt::Debug>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ConstructionFailure(_) => "the request couldn't be built".into(),
        SdkError::TimeoutError(_) => "no answer in time".into(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => DisplayErrorContext(error).to_string(),
            None => "not reached".into(),
        },
        SdkError::ResponseError(_) => "an unreadable answer".into(),
        _ => "an unknown error".into(),
    }
}

const COMPLETE: &str = "CompleteMultipartUpload";
/// How long one try of a call may take. Connections can die unheard while Lambda has frozen us.
const PATIENCE: Duration = Duration::from_secs(20);
/// S3 may take minutes to put a huge object together; Lambda gives us five.
const COMPLETE_PATIENCE: Duration = Duration::from_secs(280);
const LIST: &str = "ListObjectsV2";

/// An ETag without its quotes, as events write it.
fn bare(etag: Option<String>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

impl Store {
    /// `path_style`: the bucket stands in the path of URLs, not in their host.
    pub fn new(sdk: &SdkConfig, bucket: &str, path_style: bool, base_url: Option<&str>) -> Self {
        let client = Client::from_conf(Self::settings(sdk, path_style));
        let signer = Signer::new(client.clone(), bucket, sdk.credentials_provider());
        Self { client, bucket: bucket.into(), signer, base_url: base_url.map(str::to_owned) }
    }

    /// The client's settings: no checksum of its own in signed URLs, since parts are sent bare and S3
    /// computes CRC64NVME anyway.
    fn settings(sdk: &SdkConfig, path_style: bool) -> aws_sdk_s3::Config {
        Builder::from(sdk)
            .force_path_style(path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // While S3 completes an upload it sends a space now and then; the SDK would take that for a stall, and
            // begin a second completion beside the first.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(patience(PATIENCE))
            .build()
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Opens a multipart upload and hands back S3's id of it.
    pub async fn open(&self, key: &str, content_type: &str) -> Result<String, StoreError> {
        const DOING: &str = "CreateMultipartUpload";
        let content_type =
            Some(content_type).filter(|kind| !kind.is_empty()).unwrap_or("application/octet-stream");
        let request =
            self.client.create_multipart_upload().bucket(&self.bucket).key(key).content_type(content_type);
        let opened = request.send().await.map_err(classify(DOING))?;
        opened.upload_id.ok_or_else(|| no_answer(DOING))
    }

    /// Signs a `PUT` for each of these parts. Makes no call to AWS, unless for credentials.
    pub async fn sign(&self, session: &Session, numbers: &[u32]) -> Result<Vec<Part>, StoreError> {
        let now = crate::clock::now_ms() / 1000;
        self.signer.sign(session, numbers, self.base_url.as_deref(), now).await
    }

    /// All parts that S3 has, whatever the number of pages.
    pub async fn parts(&self, session: &Session) -> Result<Vec<StoredPart>, StoreError> {
        const DOING: &str = "ListParts";
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
            for part in page.map_err(classify(DOING))?.parts.unwrap_or_default() {
                let number = part.part_number.and_then(|number| u32::try_from(number).ok());
                let size = part.size.and_then(|size| u64::try_from(size).ok());
                let (Some(part_number), Some(size), Some(etag)) = (number, size, part.e_tag) else {
                    return Err(no_answer(DOING));
                };
                parts.push(StoredPart { part_number, size, etag, checksum: part.checksum_crc64_nvme });
            }
        }
        Ok(parts)
    }

    /// Makes the object of its parts: only if they add up to the declared size, and never over another one.
    pub async fn complete(
        &self,
        session: &Session,
        parts: &[CompletedPart],
        checksum: Option<&str>,
    ) -> Result<Stored, StoreError> {
        let parts = parts.iter().map(|part| {
            let number = i32::try_from(part.part_number).unwrap_or(i32::MAX);
            S3Part::builder().part_number(number).e_tag(&part.etag).build()
        });
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&session.bucket)
            .key(&session.key)
            .upload_id(&session.s3_upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build())
            .mpu_object_size(i64::try_from(session.size).unwrap_or(i64::MAX))
            .if_none_match("*")
            .set_checksum_crc64_nvme(checksum.map(str::to_owned))
            .customize()
            .config_override(Builder::new().timeout_config(patience(COMPLETE_PATIENCE)))
            .send()
            .await
            .map_err(classify(COMPLETE))?;
        let etag = bare(answer.e_tag);
        Ok(Stored { size: session.size, etag, checksum: answer.checksum_crc64_nvme })
    }

    /// The object, if there is one.
    pub async fn head(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        const DOING: &str = "HeadObject";
        let request =
            self.client.head_object().bucket(&self.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        match request.send().await {
            Ok(head) => {
                let size = head.content_length.and_then(|size| u64::try_from(size).ok());
                let size = size.ok_or_else(|| no_answer(DOING))?;
                Ok(Some(Stored { size, etag: bare(head.e_tag), checksum: head.checksum_crc64_nvme }))
            }
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
            Err(error) => Err(classify(DOING)(error)),
        }
    }

    /// A page of what lies under `inputs/`, and where the next one begins.
    pub async fn incoming(&self, from: Option<String>) -> Result<(Vec<Listed>, Option<String>), StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(INCOMING);
        let page = list.set_continuation_token(from).send().await.map_err(classify(LIST))?;
        let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let modified = object.last_modified.and_then(|time| time.to_millis().ok());
            Some(Listed {
                key: object.key?,
                etag: bare(object.e_tag),
                size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                modified_ms: modified.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
            })
        });
        Ok((objects.collect(), page.next_continuation_token.filter(|_| page.is_truncated == Some(true))))
    }

    /// The keys in `bucket` that begin with `prefix`.
    pub async fn outputs(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut pages = self.client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let objects = page.map_err(classify(LIST))?.contents.unwrap_or_default();
            keys.extend(objects.into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// Throws away an upload and its parts. One that is gone already is fine.
    pub async fn abort(&self, key: &str, s3_upload: &str) -> Result<(), StoreError> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(s3_upload);
        match request.send().await.map_err(classify("AbortMultipartUpload")) {
            Ok(_) | Err(StoreError::NoSuchUpload) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes an object whose bytes turned out wrong.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key);
        request.send().await.map(drop).map_err(classify("DeleteObject"))
    }
}

fn patience(with_one_try: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(with_one_try).build()
}

fn no_answer(doing: &'static str) -> StoreError {
    unavailable(doing, "an answer that lacks what it must have")
}

fn unavailable(doing: &'static str, code: &str) -> StoreError {
    StoreError::Unavailable(Service { doing, code: code.into() })
}
