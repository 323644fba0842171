//! Access to S3 for jobs: object metadata, presigned URLs for ffmpeg, and uploads of outputs.

use super::ffmpeg::PresignedUrl;
use super::settings::S3Uri;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use std::io;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// Lifetime of presigned URLs. ffmpeg reads the input during the whole conversion.
const INPUT_URL_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Size of a part, in bytes; larger files are uploaded in parts. 10,000 parts are 640 GB.
const PART_SIZE: u64 = 64 << 20;

#[derive(Clone)]
pub struct Storage(pub Client);

/// Metadata of an object.
pub struct ObjectInfo {
    /// In bytes.
    pub size: u64,
    pub etag: Option<String>,
    pub content_type: Option<String>,
    /// In seconds since 1970.
    pub modified: Option<i64>,
}

/// The error of an S3 call.
#[derive(Debug, Error)]
pub enum StorageError {
    #[error("the object doesn't exist")]
    NotFound,
    #[error("the bucket doesn't exist")]
    NoSuchBucket,
    #[error("access is denied")]
    Denied,
    /// S3 returned another error, or didn't respond; it is in the log.
    #[error("S3 failed")]
    Failed,
    /// A local file can't be read.
    #[error("the file can't be read: {0}")]
    File(#[from] io::Error),
}

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for StorageError {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        match (error.raw_response().map(|response| response.status().as_u16()), code) {
            (_, Some("NoSuchBucket")) => Self::NoSuchBucket,
            (Some(404), _) => Self::NotFound,
            (Some(401 | 403), _) => Self::Denied,
            (status, code) => {
                tracing::warn!(status, code, "S3 call failed");
                Self::Failed
            }
        }
    }
}

impl Storage {
    pub async fn head(&self, uri: &S3Uri) -> Result<ObjectInfo, StorageError> {
        let head = self.0.head_object().bucket(&uri.bucket).key(&uri.key).send().await?;
        Ok(ObjectInfo {
            size: head.content_length().unwrap_or(0).try_into().unwrap_or(0),
            etag: head.e_tag().map(str::to_owned),
            content_type: head.content_type().map(str::to_owned),
            modified: head.last_modified().map(|time| time.secs()),
        })
    }

    /// Returns the first `count` bytes of an object, or all if it is shorter; `count` must be at least 1.
    pub async fn first_bytes(&self, uri: &S3Uri, count: u64) -> Result<Vec<u8>, StorageError> {
        let range = format!("bytes=0-{}", count.saturating_sub(1));
        let object = self.0.get_object().bucket(&uri.bucket).key(&uri.key).range(range).send().await?;
        object.body.collect().await.map(|bytes| bytes.to_vec()).map_err(|_| StorageError::Failed)
    }

    /// Returns a presigned URL from which ffmpeg reads the object.
    pub async fn presign(&self, uri: &S3Uri) -> Result<PresignedUrl, StorageError> {
        let config = PresigningConfig::expires_in(INPUT_URL_TIMEOUT).map_err(|_| StorageError::Failed)?;
        let signed = self.0.get_object().bucket(&uri.bucket).key(&uri.key).presigned(config).await?;
        Ok(PresignedUrl(signed.uri().to_owned()))
    }

    pub async fn put_text(&self, text: String, uri: &S3Uri) -> Result<(), StorageError> {
        let content_type = content_type(&uri.key);
        let put = self.0.put_object().bucket(&uri.bucket).key(&uri.key).content_type(content_type);
        put.body(text.into_bytes().into()).send().await?;
        Ok(())
    }

    pub async fn delete(&self, uri: &S3Uri) -> Result<(), StorageError> {
        self.0.delete_object().bucket(&uri.bucket).key(&uri.key).send().await?;
        Ok(())
    }

    /// Uploads a file of any size. Only the upload of a large one is canceled.
    pub async fn put_file(
        &self,
        path: &Path,
        uri: &S3Uri,
        cancel: &CancellationToken,
    ) -> Result<(), StorageError> {
        let size = tokio::fs::metadata(path).await?.len();
        if size > PART_SIZE {
            return self.put_multipart(path, size, uri, cancel).await;
        }
        let content_type = content_type(&uri.key);
        let body = ByteStream::from_path(path).await.map_err(|_| StorageError::Failed)?;
        self.0
            .put_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .content_type(content_type)
            .body(body)
            .send()
            .await?;
        Ok(())
    }

    async fn put_multipart(
        &self,
        path: &Path,
        size: u64,
        uri: &S3Uri,
        cancel: &CancellationToken,
    ) -> Result<(), StorageError> {
        let content_type = content_type(&uri.key);
        let create =
            self.0.create_multipart_upload().bucket(&uri.bucket).key(&uri.key).content_type(content_type);
        let upload = create.send().await?.upload_id.ok_or(StorageError::Failed)?;
        let uploading = cancel.run_until_cancelled(self.upload_parts(path, size, uri, &upload));
        let outcome = uploading.await.unwrap_or(Err(StorageError::Failed));
        if outcome.is_err() {
            let abort = self.0.abort_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(upload);
            if let Err(error) = abort.send().await.map_err(StorageError::from) {
                tracing::warn!(%error, "output upload can't be aborted");
            }
        }
        outcome
    }

    async fn upload_parts(
        &self,
        path: &Path,
        size: u64,
        uri: &S3Uri,
        upload: &str,
    ) -> Result<(), StorageError> {
        let mut done = CompletedMultipartUpload::builder();
        for (number, start) in (1..).zip((0..size).step_by(PART_SIZE as usize)) {
            let length = Length::Exact(PART_SIZE.min(size - start));
            let body = ByteStream::read_from().path(path).offset(start).length(length).build().await;
            let part = self.0.upload_part().bucket(&uri.bucket).key(&uri.key).upload_id(upload);
            let sent = part.part_number(number).body(body.map_err(|_| StorageError::Failed)?).send().await?;
            let etag = sent.e_tag.unwrap_or_default();
            done = done.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
        }
        let complete = self.0.complete_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(upload);
        complete.multipart_upload(done.build()).send().await?;
        Ok(())
    }
}

/// Returns the media type for the extensions that outputs have.
fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("ts") => "video/mp2t",
        Some("mp4" | "cmfv") => "video/mp4",
        Some("cmfa") => "audio/mp4",
        Some("mov") => "video/quicktime",
        Some("webm") => "video/webm",
        Some("mpd") => "application/dash+xml",
        Some("vtt") => "text/vtt",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}
