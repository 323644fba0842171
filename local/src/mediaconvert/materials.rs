//! Gathers what a job reads besides its settings: tracks of inputs and external audio, captions, images.

use super::captions;
use super::ffmpeg::{FfmpegError, FfmpegInput, PresignedUrl};
use super::job_error::JobError;
use super::plan::{Materials, PlanInput};
use super::probe::has_mp4_signature;
use super::settings::{S3Uri, Settings};
use super::source::Source;
use super::state::ServiceState;
use super::storage::StorageError;
use std::collections::BTreeMap;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Maximum size of a file of captions or an image, in bytes.
const MAX_FILE_SIZE: u64 = 20 << 20;

/// The reason why an attempt has no result.
pub enum AttemptError {
    /// The job was canceled, or the service is shutting down.
    Canceled,
    Failed(JobError),
}

impl From<JobError> for AttemptError {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

/// Probes the inputs and external audio files, and reads the captions.
pub async fn gather(
    service: &ServiceState,
    settings: &Settings,
    started_at: String,
    cancel: &CancellationToken,
) -> Result<Materials, AttemptError> {
    let mut probed: BTreeMap<S3Uri, Source> = BTreeMap::new();
    let mut materials =
        Materials { tone_mapping: service.ffmpeg.tone_mapping, started_at, ..Materials::default() };
    for input in &settings.inputs {
        let uri =
            S3Uri::parse_file(&input.file_input).ok_or(JobError::Internal("An input has no address."))?;
        let source = match probed.get(&uri) {
            Some(source) => source.clone(),
            None => probe(service, &uri, cancel).await?,
        };
        probed.insert(uri, source.clone());
        materials.sources.push(source);
        for selector in input.audio_selectors.values() {
            if let Some(uri) = selector.external_audio_file_input.as_deref().and_then(S3Uri::parse_file) {
                let source = probe(service, &uri, cancel).await?;
                materials.audio_files.insert(uri, source);
            }
        }
        for selector in input.caption_selectors.values() {
            let file = selector.source_settings.file_source_settings.as_ref();
            if let Some(uri) = file.and_then(|file| S3Uri::parse_file(&file.source_file)) {
                let bytes = read(service, &uri, cancel).await?;
                let cues = captions::parse(&bytes).ok_or_else(|| {
                    JobError::Settings(format!("The file {uri} has no captions in SRT or WebVTT."))
                })?;
                materials.captions.insert(uri, cues);
            }
        }
    }
    Ok(materials)
}

/// Returns ffmpeg's inputs; images are written to `folder` first.
pub async fn ffmpeg_inputs(
    service: &ServiceState,
    inputs: &[PlanInput],
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Vec<FfmpegInput>, AttemptError> {
    let mut list = vec![];
    for (index, input) in inputs.iter().enumerate() {
        list.push(match input {
            PlanInput::Media { uri, start, end } => {
                let url = service.storage.presign(uri).await.map_err(|error| unreadable(error, uri))?;
                FfmpegInput::Media { url, start: *start, end: *end }
            }
            PlanInput::Image { uri } => {
                let bytes = read(service, uri, cancel).await?;
                let name = format!("image{index}");
                tokio::fs::write(folder.join(&name), bytes).await.map_err(|error| {
                    tracing::error!(%error, "image can't be written");
                    JobError::Internal("The folder for the conversion can't be written.")
                })?;
                let is_bmp = uri.key.to_lowercase().ends_with(".bmp");
                FfmpegInput::Image { name, format: if is_bmp { "bmp_pipe" } else { "png_pipe" } }
            }
        });
    }
    Ok(list)
}

async fn probe(
    service: &ServiceState,
    input: &S3Uri,
    cancel: &CancellationToken,
) -> Result<Source, AttemptError> {
    let storage = &service.storage;
    let object = cancel.run_until_cancelled(storage.head(input)).await.ok_or(AttemptError::Canceled)?;
    if object.map_err(|error| unreadable(error, input))?.size == 0 {
        return Err(JobError::NotMedia(input.clone()).into());
    }
    let url: PresignedUrl = storage.presign(input).await.map_err(|error| unreadable(error, input))?;
    match service.ffmpeg.probe_url(&url, cancel).await {
        Ok(source) => Ok(source),
        Err(FfmpegError::Unreadable) if has_mp4_signature(storage, input).await => {
            Err(JobError::Damaged(input.clone()).into())
        }
        Err(FfmpegError::Unreadable) => Err(JobError::NotMedia(input.clone()).into()),
        Err(error) => Err(ffmpeg_failed(error, input)),
    }
}

/// Reads a small file.
async fn read(
    service: &ServiceState,
    uri: &S3Uri,
    cancel: &CancellationToken,
) -> Result<Vec<u8>, AttemptError> {
    let reading = async {
        let size = service.storage.head(uri).await?.size;
        if size == 0 || size > MAX_FILE_SIZE {
            return Ok(None);
        }
        service.storage.first_bytes(uri, MAX_FILE_SIZE).await.map(Some)
    };
    let read = cancel.run_until_cancelled(reading).await.ok_or(AttemptError::Canceled)?;
    let bytes = read.map_err(|error| unreadable(error, uri))?;
    let sentence = || JobError::Settings(format!("The file {uri} is empty, or larger than 20 MiB."));
    Ok(bytes.ok_or_else(sentence)?)
}

fn unreadable(error: StorageError, input: &S3Uri) -> JobError {
    match error {
        StorageError::NotFound | StorageError::NoSuchBucket => JobError::InputNotFound(input.clone()),
        StorageError::Denied => JobError::InputDenied(input.clone()),
        StorageError::Failed | StorageError::File(_) => JobError::InputUnreadable(input.clone()),
    }
}

pub fn ffmpeg_failed(error: FfmpegError, input: &S3Uri) -> AttemptError {
    let input = input.clone();
    match error {
        FfmpegError::Canceled => AttemptError::Canceled,
        FfmpegError::Unreadable => JobError::Damaged(input).into(),
        FfmpegError::NoDecoder => JobError::UnsupportedCodec(input).into(),
        FfmpegError::NoPictures => JobError::NoPictures(input).into(),
        FfmpegError::Failed | FfmpegError::Io(_) => {
            tracing::error!(%error, "conversion failed");
            JobError::Internal("The conversion stopped with an error.").into()
        }
    }
}
