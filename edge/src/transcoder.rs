//! MediaConvert: the only file that knows its SDK. Failures are classified here, once.

use crate::error::{ApiError, Service};
use crate::job::Source;
use crate::log;
use crate::store::reason;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_mediaconvert::Client;
use aws_sdk_mediaconvert::config::Builder;
use aws_sdk_mediaconvert::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_mediaconvert::types::{
    AspectRatio, Job, JobSettings, JobStatus, ProbeInputFile, ProbeResult, TrackType, VideoProperties,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;

/// The most pixels a side may have and still be believed.
const MAX_SIDE: u32 = 65_536;
/// How long one try of a call may take. Connections can die unheard while Lambda has frozen us.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Transcoder {
    client: Client,
    role: String,
    application: String,
    queue: Option<String>,
}

/// A job to be made.
pub struct NewJob<'a> {
    pub video_id: &'a str,
    /// The job's settings as the wire has them.
    pub settings: Value,
    /// The same token within a minute gives the same job; at most 64 ASCII characters.
    pub request_token: &'a str,
}

/// How a job stands.
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
    /// MediaConvert forgets jobs after three months.
    Gone,
}

/// How MediaConvert fails, as far as a caller decides by it.
#[derive(Debug)]
pub enum TranscoderError {
    /// It will say so every time: the file or the settings are at fault.
    Refused(String),
    Throttled,
    Unavailable(Service),
}

impl From<TranscoderError> for ApiError {
    fn from(error: TranscoderError) -> Self {
        match error {
            TranscoderError::Refused(why) => Self::TranscoderRefused(why),
            TranscoderError::Throttled => Self::Throttled("MediaConvert"),
            TranscoderError::Unavailable(service) => Self::Transcoder(service),
        }
    }
}

fn classify<E, R>(doing: &'static str) -> impl FnOnce(SdkError<E, R>) -> TranscoderError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    move |error| match error.code() {
        // The latter is what Probe says of a file that it can't make sense of.
        Some("BadRequestException" | "UnprocessableEntityException") => {
            TranscoderError::Refused(error.message().unwrap_or("MediaConvert refuses the request.").into())
        }
        // The file is gone; the job will say so, too.
        Some("NotFoundException") if doing == PROBE => {
            TranscoderError::Refused("There is no such file.".into())
        }
        Some("TooManyRequestsException") => TranscoderError::Throttled,
        Some(code) => TranscoderError::Unavailable(Service { doing, code: code.into() }),
        None => TranscoderError::Unavailable(Service { doing, code: reason(&error) }),
    }
}

const PROBE: &str = "Probe";

impl Transcoder {
    pub fn new(sdk: &SdkConfig, role: &str, application: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build();
        let client = Client::from_conf(Builder::from(sdk).timeout_config(timeouts).build());
        let queue = sdk.region().and_then(|region| default_queue(role, region.as_ref()));
        Self { client, role: role.into(), application: application.into(), queue }
    }

    /// Looks into a file (an `s3://` URL) before a job is made for it.
    pub async fn probe(&self, url: &str) -> Result<Source, TranscoderError> {
        let file = ProbeInputFile::builder().file_url(url).build();
        let answer = self.client.probe().input_files(file).send().await.map_err(classify(PROBE))?;
        Ok(answer.probe_results.unwrap_or_default().first().and_then(source).unwrap_or_else(Source::unknown))
    }

    /// Makes a job and hands back its id.
    pub async fn create_job(&self, job: NewJob<'_>) -> Result<String, TranscoderError> {
        const DOING: &str = "CreateJob";
        let settings = job.settings;
        let answer = self
            .client
            .create_job()
            .role(&self.role)
            .set_queue(self.queue.clone())
            .client_request_token(job.request_token)
            .user_metadata("videoId", job.video_id)
            .user_metadata("application", &self.application)
            // So that the log of the job's end leads back to what began it.
            .user_metadata("traceId", log::trace().unwrap_or_else(|| "none".into()))
            .tags("Application", &self.application)
            // Progress once in this many seconds; STATUS_UPDATE carries it. Each costs four writes (docs/scale.md).
            .status_update_interval("SECONDS_30".into())
            .settings(JobSettings::builder().build())
            .customize()
            // The SDK's settings can't be read from JSON: the real ones are put into the body before it is
            // signed, so that signature, retries and the answer stay the SDK's.
            .mutate_request(move |request| put_settings(request, &settings))
            .send()
            .await
            .map_err(classify(DOING))?;
        answer.job.and_then(|job| job.id).ok_or_else(|| {
            TranscoderError::Unavailable(Service { doing: DOING, code: "an answer without a job id".into() })
        })
    }

    /// The job that was made of this input (an `s3://` URL) with this token, if there is one.
    pub async fn find_job(
        &self,
        input: &str,
        request_token: &str,
    ) -> Result<Option<String>, TranscoderError> {
        let search = self.client.search_jobs().input_file(input).set_queue(self.queue.clone());
        let mut pages = search.into_paginator().send();
        while let Some(page) = pages.next().await {
            let jobs = page.map_err(classify("SearchJobs"))?.jobs.unwrap_or_default();
            let ours = |job: &Job| job.client_request_token.as_deref() == Some(request_token);
            if let Some(job) = jobs.into_iter().find(ours) {
                return Ok(job.id);
            }
        }
        Ok(None)
    }

    /// How a job stands, for when its events were lost.
    pub async fn job_state(&self, job_id: &str) -> Result<JobState, TranscoderError> {
        let job = match self.client.get_job().id(job_id).send().await {
            Ok(answer) => answer.job,
            Err(error) if error.code() == Some("NotFoundException") => return Ok(JobState::Gone),
            Err(error) => return Err(classify("GetJob")(error)),
        };
        let Some(job) = job else { return Ok(JobState::Gone) };
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

/// The queue that jobs go to, named because permissions are given by queue. It is in the role's account: a role of
/// another one can't be handed on.
fn default_queue(role: &str, region: &str) -> Option<String> {
    let mut words = role.split(':');
    let (partition, account) = (words.nth(1)?, words.nth(2)?);
    Some(format!("arn:{partition}:mediaconvert:{region}:{account}:queues/Default"))
}

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
    let is =
        |kind: TrackType| container.tracks().iter().filter(move |track| track.track_type() == Some(&kind));
    let video = is(TrackType::Video).next();
    let properties = video.and_then(|track| track.video_properties());
    let side = |side: Option<i32>| u32::try_from(side?).ok().filter(|side| (1..=MAX_SIDE).contains(side));
    let width = side(properties.and_then(|video| video.width())).map(|width| as_seen(width, properties));
    let height = side(properties.and_then(|video| video.height()));
    // A quarter turn, to either side, stands the picture up.
    let turned =
        properties.and_then(|video| video.rotation()).is_some_and(|degrees| degrees.rem_euclid(180) == 90);
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let seconds = container.duration().filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    Some(Source {
        // In range after the filter: a float's cast saturates.
        duration_ms: seconds.map(|seconds| (seconds * 1000.0).round() as u64),
        width,
        height,
        has_video: video.is_some(),
        has_audio: is(TrackType::Audio).next().is_some(),
    })
}

/// A width in square pixels. Some films store wide pictures in few: their pixels are wider than high.
fn as_seen(width: u32, properties: Option<&VideoProperties>) -> u32 {
    let read = |shape: Option<&AspectRatio>| {
        let (wide, high) =
            (u64::try_from(shape?.numerator()?).ok()?, u64::try_from(shape?.denominator()?).ok()?);
        (wide > 0 && high > 0).then_some((wide, high))
    };
    let container = properties.and_then(|video| read(video.sample_aspect_ratio()));
    let essence = || properties.and_then(|video| read(video.codec_metadata()?.sample_aspect_ratio()));
    let (wide, high) = container.or_else(essence).unwrap_or((1, 1));
    let seen = (u64::from(width) * wide + high / 2) / high;
    u32::try_from(seen).unwrap_or(MAX_SIDE).clamp(1, MAX_SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_mediaconvert::types::{CodecMetadata, Container, Track};

    fn seen(video: VideoProperties) -> (Option<u32>, Option<u32>) {
        let track = Track::builder().track_type(TrackType::Video).video_properties(video).build();
        let container = Container::builder().tracks(track).build();
        let source = source(&ProbeResult::builder().container(container).build()).unwrap();
        (source.width, source.height)
    }

    #[test]
    fn pixels_are_not_always_square() {
        let shape = |wide, high| AspectRatio::builder().numerator(wide).denominator(high).build();
        let film = || VideoProperties::builder().width(720).height(576);
        assert_eq!(seen(film().build()), (Some(720), Some(576)));
        assert_eq!(seen(film().sample_aspect_ratio(shape(64, 45)).build()), (Some(1024), Some(576)));
        let essence = CodecMetadata::builder().sample_aspect_ratio(shape(64, 45)).build();
        assert_eq!(seen(film().codec_metadata(essence).build()), (Some(1024), Some(576)));
        let upright = film().sample_aspect_ratio(shape(64, 45)).rotation(90).build();
        assert_eq!(seen(upright), (Some(576), Some(1024)));
        for odd in [shape(0, 1), shape(1, 0), shape(-4, 3)] {
            assert_eq!(seen(film().sample_aspect_ratio(odd).build()), (Some(720), Some(576)));
        }
        let wide = film().sample_aspect_ratio(shape(i32::MAX, 1)).build();
        assert_eq!(seen(wide), (Some(MAX_SIDE), Some(576)));
    }

    #[test]
    fn the_queue_is_the_roles_accounts() {
        let queue = default_queue("arn:aws-us-gov:iam::111122223333:role/a/b", "us-gov-west-1");
        let arn = "arn:aws-us-gov:mediaconvert:us-gov-west-1:111122223333:queues/Default";
        assert_eq!(queue.as_deref(), Some(arn));
        assert_eq!(default_queue("role", "us-east-1"), None);
    }
}
