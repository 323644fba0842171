//! MediaConvert's adapter: the only user of its SDK. Classifies its failures.

use super::{ServiceError, log, transport_error};
use crate::job::Source;
use aws_sdk_mediaconvert::Client;
use aws_sdk_mediaconvert::config::Builder;
use aws_sdk_mediaconvert::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_mediaconvert::types::{
    AspectRatio, Job, JobSettings, JobStatus, ProbeInputFile, ProbeResult, TrackType, VideoProperties,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;

/// The largest plausible side of a picture, in pixels.
const MAX_SIDE: u32 = 65_536;
/// For one attempt of a call: a connection may be dead after Lambda froze the process.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Each update of a job's progress costs four writes (docs/scale.md).
const STATUS_UPDATE_INTERVAL: &str = "SECONDS_30";
const CREATE_JOB: &str = "CreateJob";
const PROBE: &str = "Probe";

pub struct Transcoder {
    client: Client,
    role: String,
    application: String,
    queue: Option<String>,
}

/// A job to create.
pub struct NewJob<'a> {
    pub video_id: &'a str,
    /// The job's settings, with the names of MediaConvert's API.
    pub settings: Value,
    /// Makes repetitions within a minute return the same job; at most 64 ASCII characters.
    pub request_token: &'a str,
}

/// A job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// 0–100.
    Running(u8),
    Complete,
    Error {
        code: String,
        message: String,
    },
    Canceled,
    /// MediaConvert deletes jobs after three months.
    NotFound,
}

/// MediaConvert's failures, by what a caller does about them.
#[derive(Debug, thiserror::Error)]
pub enum TranscoderError {
    /// Permanent: the file or the settings are at fault.
    #[error("MediaConvert refuses: {0}")]
    Refused(String),
    #[error("MediaConvert throttles")]
    Throttled,
    #[error("MediaConvert is unavailable: {0}")]
    Unavailable(#[from] ServiceError),
}

fn classify<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> TranscoderError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    move |error| match error.code() {
        // IAM is eventually consistent: a new role can be assumed some seconds later.
        Some(code @ "BadRequestException")
            if error.message().is_some_and(|message| message.to_ascii_lowercase().contains("assume")) =>
        {
            TranscoderError::Unavailable(ServiceError::new(
                operation,
                format!("{code}: the role can't be assumed"),
            ))
        }
        // Probe answers UnprocessableEntityException for an unreadable file.
        Some("BadRequestException" | "UnprocessableEntityException") => {
            TranscoderError::Refused(error.message().unwrap_or("MediaConvert refuses the request.").into())
        }
        // The file was removed; the job fails with the same reason.
        Some("NotFoundException") if operation == PROBE => {
            TranscoderError::Refused("There is no such file.".into())
        }
        Some("TooManyRequestsException") => TranscoderError::Throttled,
        Some(code) => TranscoderError::Unavailable(ServiceError::new(operation, code)),
        None => TranscoderError::Unavailable(ServiceError::new(operation, transport_error(&error))),
    }
}

impl Transcoder {
    pub fn new(sdk: &SdkConfig, role: &str, application: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let client = Client::from_conf(Builder::from(sdk).timeout_config(timeouts).build());
        let queue = sdk.region().and_then(|region| default_queue(role, region.as_ref()));
        Self { client, role: role.into(), application: application.into(), queue }
    }

    /// Determines size, duration and tracks of a file (an `s3://` URL).
    pub async fn probe(&self, url: &str) -> Result<Source, TranscoderError> {
        let file = ProbeInputFile::builder().file_url(url).build();
        let response = self.client.probe().input_files(file).send().await.map_err(classify(PROBE))?;
        Ok(response
            .probe_results
            .unwrap_or_default()
            .first()
            .and_then(source)
            .unwrap_or_else(Source::unknown))
    }

    /// Creates a job and returns its id.
    pub async fn create_job(&self, job: NewJob<'_>) -> Result<String, TranscoderError> {
        let settings = job.settings;
        let response = self
            .client
            .create_job()
            .role(&self.role)
            .set_queue(self.queue.clone())
            .client_request_token(job.request_token)
            .user_metadata("videoId", job.video_id)
            .user_metadata("application", &self.application)
            // Links the log lines of the job's events to the trace that started it.
            .user_metadata("traceId", log::trace().unwrap_or_else(|| "none".into()))
            .tags("Application", &self.application)
            .status_update_interval(STATUS_UPDATE_INTERVAL.into())
            .settings(JobSettings::builder().build())
            .customize()
            // The SDK's settings can't be deserialized from JSON, so the body is edited before it is signed. Signature,
            // retries and response remain the SDK's.
            .mutate_request(move |request| put_settings(request, &settings))
            .send()
            .await
            .map_err(classify(CREATE_JOB))?;
        let id = response.job.and_then(|job| job.id);
        Ok(id.ok_or_else(|| ServiceError::new(CREATE_JOB, "a response without a job id"))?)
    }

    /// The id of the job with this input (an `s3://` URL) and request token, if there is one.
    pub async fn find_job(
        &self,
        input: &str,
        request_token: &str,
    ) -> Result<Option<String>, TranscoderError> {
        let search = self.client.search_jobs().input_file(input).set_queue(self.queue.clone());
        let mut pages = search.into_paginator().send();
        while let Some(page) = pages.next().await {
            let jobs = page.map_err(classify("SearchJobs"))?.jobs.unwrap_or_default();
            let matches = |job: &Job| job.client_request_token.as_deref() == Some(request_token);
            if let Some(job) = jobs.into_iter().find(matches) {
                return Ok(job.id);
            }
        }
        Ok(None)
    }

    /// Cancels a job. One that has ended, or that MediaConvert no longer knows, is left alone.
    pub async fn cancel_job(&self, job_id: &str) -> Result<(), TranscoderError> {
        match self.client.cancel_job().id(job_id).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.code(),
                    Some("NotFoundException" | "ConflictException" | "BadRequestException")
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(classify("CancelJob")(error)),
        }
    }

    /// A job's current state, for when its events were lost.
    pub async fn job_state(&self, job_id: &str) -> Result<JobState, TranscoderError> {
        let job = match self.client.get_job().id(job_id).send().await {
            Ok(response) => response.job,
            Err(error) if error.code() == Some("NotFoundException") => return Ok(JobState::NotFound),
            Err(error) => return Err(classify("GetJob")(error)),
        };
        let Some(job) = job else { return Ok(JobState::NotFound) };
        Ok(match job.status {
            Some(JobStatus::Complete) => JobState::Complete,
            Some(JobStatus::Canceled) => JobState::Canceled,
            Some(JobStatus::Error) => JobState::Error {
                code: job.error_code.map_or_else(|| "unknown".into(), |code| code.to_string()),
                message: job.error_message.unwrap_or_default(),
            },
            _ => JobState::Running(
                job.job_percent_complete.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(0).min(100),
            ),
        })
    }
}

/// ARN of the default queue in the role's account (a role of another account can't be passed). Named explicitly because
/// permissions are granted by queue.
fn default_queue(role: &str, region: &str) -> Option<String> {
    let mut fields = role.split(':');
    let (partition, account) = (fields.nth(1)?, fields.nth(2)?);
    Some(format!("arn:{partition}:mediaconvert:{region}:{account}:queues/Default"))
}

/// Replaces the settings in a request's body.
fn put_settings(request: &mut HttpRequest, settings: &Value) {
    let bytes = request.body().bytes().unwrap_or_default();
    let Ok(Value::Object(mut body)) = serde_json::from_slice(bytes) else { return };
    body.insert("settings".into(), settings.clone());
    let text = Value::Object(body).to_string();
    request.headers_mut().insert("content-length", text.len().to_string());
    *request.body_mut() = SdkBody::from(text);
}

fn source(probe: &ProbeResult) -> Option<Source> {
    let container = probe.container()?;
    let tracks =
        |kind: TrackType| container.tracks().iter().filter(move |track| track.track_type() == Some(&kind));
    let video = tracks(TrackType::Video).next();
    let properties = video.and_then(|track| track.video_properties());
    let side = |side: Option<i32>| u32::try_from(side?).ok().filter(|side| (1..=MAX_SIDE).contains(side));
    let width =
        side(properties.and_then(|video| video.width())).map(|width| square_pixel_width(width, properties));
    let height = side(properties.and_then(|video| video.height()));
    // Rotation by 90 or 270 degrees swaps the sides.
    let is_rotated =
        properties.and_then(|video| video.rotation()).is_some_and(|degrees| degrees.rem_euclid(180) == 90);
    let (width, height) = if is_rotated { (height, width) } else { (width, height) };
    let seconds = container.duration().filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    Some(Source {
        // Positive after the filter; the cast saturates.
        duration_ms: seconds.map(|seconds| (seconds * 1000.0).round() as u64),
        width,
        height,
        frame_rate: properties.and_then(frame_rate),
        has_video: video.is_some(),
        has_audio: tracks(TrackType::Audio).next().is_some(),
    })
}

/// In frames per second.
fn frame_rate(video: &VideoProperties) -> Option<f64> {
    let rate = video.frame_rate()?;
    let (numerator, denominator) = (f64::from(rate.numerator()?), f64::from(rate.denominator()?));
    Some(numerator / denominator).filter(|rate| rate.is_finite() && *rate > 0.0)
}

/// The displayed width: `width` times the sample aspect ratio, of the container or else of the codec.
fn square_pixel_width(width: u32, properties: Option<&VideoProperties>) -> u32 {
    let read = |ratio: Option<&AspectRatio>| {
        let (numerator, denominator) =
            (u64::try_from(ratio?.numerator()?).ok()?, u64::try_from(ratio?.denominator()?).ok()?);
        (numerator > 0 && denominator > 0).then_some((numerator, denominator))
    };
    let container = properties.and_then(|video| read(video.sample_aspect_ratio()));
    let codec = || properties.and_then(|video| read(video.codec_metadata()?.sample_aspect_ratio()));
    let (numerator, denominator) = container.or_else(codec).unwrap_or((1, 1));
    let displayed = (u64::from(width) * numerator + denominator / 2) / denominator;
    u32::try_from(displayed).unwrap_or(MAX_SIDE).clamp(1, MAX_SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_mediaconvert::types::{CodecMetadata, Container, Track};

    fn displayed(video: VideoProperties) -> (Option<u32>, Option<u32>) {
        let track = Track::builder().track_type(TrackType::Video).video_properties(video).build();
        let container = Container::builder().tracks(track).build();
        let source = source(&ProbeResult::builder().container(container).build()).unwrap();
        (source.width, source.height)
    }

    #[test]
    fn sample_aspect_ratio_changes_the_width() {
        let ratio = |num, den| AspectRatio::builder().numerator(num).denominator(den).build();
        let film = || VideoProperties::builder().width(720).height(576);
        assert_eq!(displayed(film().build()), (Some(720), Some(576)));
        assert_eq!(displayed(film().sample_aspect_ratio(ratio(64, 45)).build()), (Some(1024), Some(576)));
        let codec = CodecMetadata::builder().sample_aspect_ratio(ratio(64, 45)).build();
        assert_eq!(displayed(film().codec_metadata(codec).build()), (Some(1024), Some(576)));
        let upright = film().sample_aspect_ratio(ratio(64, 45)).rotation(90).build();
        assert_eq!(displayed(upright), (Some(576), Some(1024)));
        for odd in [ratio(0, 1), ratio(1, 0), ratio(-4, 3)] {
            assert_eq!(displayed(film().sample_aspect_ratio(odd).build()), (Some(720), Some(576)));
        }
        let wide = film().sample_aspect_ratio(ratio(i32::MAX, 1)).build();
        assert_eq!(displayed(wide), (Some(MAX_SIDE), Some(576)));
    }

    #[test]
    fn queue_is_in_the_roles_account() {
        let queue = default_queue("arn:aws-us-gov:iam::111122223333:role/a/b", "us-gov-west-1");
        let arn = "arn:aws-us-gov:mediaconvert:us-gov-west-1:111122223333:queues/Default";
        assert_eq!(queue.as_deref(), Some(arn));
        assert_eq!(default_queue("role", "us-east-1"), None);
    }
}
