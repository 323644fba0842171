//! What jobs need of S3: looking at an object, signing it for ffmpeg, and putting files there.

use super::ffmpeg::SignedUrl;
use super::settings::S3Uri;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use std::path::Path;
use std::time::Duration;

/// A conversion reads its input until its end, so the address lives as long as the slowest may take.
const URL_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Larger files go in parts of this size, in bytes: 10,000 of them are 640 GB.
const PART: u64 = 64 << 20;

#[derive(Clone)]
pub struct Store(pub Client);

/// What S3 says about an object.
pub struct Head {
    /// In bytes.
    pub size: u64,
    pub etag: Option<String>,
    pub content_type: Option<String>,
    /// In seconds since 1970.
    pub modified: Option<i64>,
}

/// Why S3 didn't do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    NotFound,
    NoBucket,
    Denied,
    Other,
}

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for StoreError {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        match (error.raw_response().map(|answer| answer.status().as_u16()), code) {
            (_, Some("NoSuchBucket")) => Self::NoBucket,
            (Some(404), _) => Self::NotFound,
            (Some(401 | 403), _) => Self::Denied,
            (status, code) => {
                tracing::warn!(status, code, "S3 refuses or can't be reached");
                Self::Other
            }
        }
    }
}

impl Store {
    pub async fn head(&self, uri: &S3Uri) -> Result<Head, StoreError> {
        let head = self.0.head_object().bucket(&uri.bucket).key(&uri.key).send().await?;
        Ok(Head {
            size: head.content_length().unwrap_or(0).try_into().unwrap_or(0),
            etag: head.e_tag().map(str::to_owned),
            content_type: head.content_type().map(str::to_owned),
            modified: head.last_modified().map(|time| time.secs()),
        })
    }

    /// The first bytes of an object, at most `count` of them, at least one asked for.
    pub async fn beginning(&self, uri: &S3Uri, count: u64) -> Result<Vec<u8>, StoreError> {
        let range = format!("bytes=0-{}", count.saturating_sub(1));
        let object = self.0.get_object().bucket(&uri.bucket).key(&uri.key).range(range).send().await?;
        object.body.collect().await.map(|bytes| bytes.to_vec()).map_err(|_| StoreError::Other)
    }

    /// An address from which ffmpeg can read the object.
    pub async fn sign(&self, uri: &S3Uri) -> Result<SignedUrl, StoreError> {
        let life = PresigningConfig::expires_in(URL_LIFE).map_err(|_| StoreError::Other)?;
        let signed = self.0.get_object().bucket(&uri.bucket).key(&uri.key).presigned(life).await?;
        Ok(SignedUrl(signed.uri().to_owned()))
    }

    pub async fn put_text(&self, text: String, uri: &S3Uri) -> Result<(), StoreError> {
        let kind = content_type(&uri.key);
        let put = self.0.put_object().bucket(&uri.bucket).key(&uri.key).content_type(kind);
        put.body(text.into_bytes().into()).send().await?;
        Ok(())
    }

    /// Puts a file there, whatever its size.
    pub async fn put_file(&self, path: &Path, uri: &S3Uri) -> Result<(), StoreError> {
        let size = tokio::fs::metadata(path).await.map_err(|_| StoreError::Other)?.len();
        if size > PART {
            return self.put_parts(path, size, uri).await;
        }
        let kind = content_type(&uri.key);
        let body = ByteStream::from_path(path).await.map_err(|_| StoreError::Other)?;
        self.0.put_object().bucket(&uri.bucket).key(&uri.key).content_type(kind).body(body).send().await?;
        Ok(())
    }

    async fn put_parts(&self, path: &Path, size: u64, uri: &S3Uri) -> Result<(), StoreError> {
        let kind = content_type(&uri.key);
        let open = self.0.create_multipart_upload().bucket(&uri.bucket).key(&uri.key).content_type(kind);
        let upload = open.send().await?.upload_id.ok_or(StoreError::Other)?;
        let outcome = self.send_parts(path, size, uri, &upload).await;
        if outcome.is_err() {
            let abort = self.0.abort_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(upload);
            if let Err(error) = abort.send().await.map_err(StoreError::from) {
                tracing::warn!(?error, "an output's upload can't be aborted");
            }
        }
        outcome
    }

    async fn send_parts(&self, path: &Path, size: u64, uri: &S3Uri, upload: &str) -> Result<(), StoreError> {
        let mut done = CompletedMultipartUpload::builder();
        for (number, start) in (1..).zip((0..size).step_by(PART as usize)) {
            let length = Length::Exact(PART.min(size - start));
            let body = ByteStream::read_from().path(path).offset(start).length(length).build().await;
            let part = self.0.upload_part().bucket(&uri.bucket).key(&uri.key).upload_id(upload);
            let sent = part.part_number(number).body(body.map_err(|_| StoreError::Other)?).send().await?;
            let etag = sent.e_tag.unwrap_or_default();
            done = done.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
        }
        let complete = self.0.complete_multipart_upload().bucket(&uri.bucket).key(&uri.key).upload_id(upload);
        complete.multipart_upload(done.build()).send().await?;
        Ok(())
    }
}

/// By a name's extension; outputs have no others.
fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("ts") => "video/mp2t",
        Some("mp4") => "video/mp4",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}
