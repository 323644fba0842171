//! Runs jobs: probes the input, plans, converts, probes the outputs, writes playlists, uploads everything to S3.

use super::ffmpeg::{FfmpegError, FfmpegProgress, PresignedUrl, WorkDir};
use super::hls;
use super::job::{GroupReport, Job, JobProgress, OutputReport, Phase};
use super::job_error::JobError;
use super::plan::{Group, Output, OutputFiles, Plan};
use super::probe::has_mp4_signature;
use super::settings::{GroupKind, S3Uri, Settings};
use super::source::{Source, TrackKind};
use super::state::ServiceState;
use super::storage::StorageError;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Minimum time between two progress events, and between two attempts to claim a job after a database error.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of concurrent uploads to S3.
const MAX_CONCURRENT_UPLOADS: usize = 4;
/// Maximum difference, in seconds and as a share of the declared duration, by which an input may be shorter
/// without counting as truncated. The larger one applies; declared durations aren't exact.
const MAX_MISSING_S: f64 = 2.0;
const MAX_MISSING_SHARE: f64 = 0.1;

/// The reason why an attempt has no result.
enum AttemptError {
    /// The job was canceled, or the service is shutting down.
    Canceled,
    Failed(JobError),
}

impl From<JobError> for AttemptError {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

/// Claims and runs jobs until the service shuts down.
pub async fn run_worker(service: Arc<ServiceState>) {
    while !service.shutdown.is_cancelled() {
        match service.jobs.claim().await {
            Ok(Some(job)) => run(&service, job).await,
            Ok(None) => {
                service.shutdown.run_until_cancelled(service.job_submitted.notified()).await;
            }
            Err(error) => {
                tracing::error!(%error, "job table unavailable");
                service.shutdown.run_until_cancelled(tokio::time::sleep(PROGRESS_INTERVAL)).await;
            }
        }
    }
}

async fn run(service: &ServiceState, job: Job) {
    let cancel = service.shutdown.child_token();
    service.running.insert(&job.id, cancel.clone());
    // A `CancelJob` between `claim` and `insert` found no token to cancel.
    let is_active = matches!(service.jobs.get(job.id.clone()).await, Ok(Some(job)) if !job.status.is_final());
    if is_active {
        let (progress, progress_updates) =
            watch::channel(JobProgress { phase: Phase::Probing, percent: 0, frames: 0 });
        let attempt = Attempt { service, job: &job, cancel: &cancel, progress };
        let done = CancellationToken::new();
        let (result, ()) = tokio::join!(
            async {
                let result = attempt.run().await;
                done.cancel();
                // At shutdown S3 may stop first, so an error may be a consequence of the cancellation.
                if cancel.is_cancelled() { Err(AttemptError::Canceled) } else { result }
            },
            save_progress(service, &job.id, progress_updates, &done),
        );
        let saved = match result {
            Ok(reports) => service.jobs.complete(&job.id, reports).await,
            Err(AttemptError::Failed(error)) => service.jobs.fail(&job.id, error).await,
            Err(AttemptError::Canceled) => Ok(()),
        };
        if let Err(error) = saved {
            tracing::error!(%error, job = job.id, "job result can't be saved; the job runs again at the next start");
        }
    }
    service.running.remove(&job.id);
}

/// Saves a job's progress and queues its event when the percent has changed, at most once per
/// [`PROGRESS_INTERVAL`].
async fn save_progress(
    service: &ServiceState,
    id: &str,
    mut updates: watch::Receiver<JobProgress>,
    done: &CancellationToken,
) {
    let mut saved_percent = None;
    while let Some(Ok(())) = done.run_until_cancelled(updates.changed()).await {
        let progress = *updates.borrow_and_update();
        if saved_percent == Some(progress.job_percent()) {
            continue;
        }
        saved_percent = Some(progress.job_percent());
        if let Err(error) = service.jobs.progress(id, progress).await {
            tracing::error!(%error, job = id, "job progress can't be saved");
        }
        let next = Instant::now() + PROGRESS_INTERVAL;
        done.run_until_cancelled(tokio::time::sleep_until(next)).await;
    }
}

/// One attempt to run a job.
struct Attempt<'a> {
    service: &'a ServiceState,
    job: &'a Job,
    cancel: &'a CancellationToken,
    progress: watch::Sender<JobProgress>,
}

/// The local files of an output with their destinations, and its report.
struct CollectedOutput {
    /// Segments, MP4 files and pictures; uploaded before the playlists that list them.
    files: Vec<(PathBuf, S3Uri)>,
    playlist: Option<(String, S3Uri)>,
    variant: Option<hls::Variant>,
    report: OutputReport,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<Vec<GroupReport>, AttemptError> {
        let settings = Settings::parse(&self.job.settings).map_err(JobError::Settings)?;
        let input = settings.inputs.first().and_then(|input| S3Uri::parse(&input.file_input));
        let input = input.ok_or(JobError::Internal("The job has no input."))?;
        let (url, source) = self.probe_input(&input).await?;
        let plan = Plan::new(&settings, &source, self.service.ffmpeg.tone_mapping)?;

        let work_dir = WorkDir::create(self.service.work_dir.join(&self.job.id)).map_err(|error| {
            tracing::error!(%error, "work folder can't be created");
            JobError::Internal("The folder for the conversion can't be created.")
        })?;
        self.report_progress(Phase::Transcoding, 0.0, 0);
        let declared = source.video_end();
        // Audio is padded to the declared end, so only frames tell how far the picture got.
        let seconds_of = |progress: FfmpegProgress| match plan.counted_rate {
            Some(rate) => progress.frames as f64 / rate.as_f64(),
            None => progress.seconds,
        };
        let on_progress = |progress: FfmpegProgress| {
            let duration = declared.unwrap_or(f64::INFINITY);
            self.report_progress(Phase::Transcoding, seconds_of(progress) / duration, progress.frames);
        };
        let ffmpeg = &self.service.ffmpeg;
        let converted =
            ffmpeg.convert(&url, &plan.arguments, work_dir.path(), self.cancel, on_progress).await;
        let converted = converted.map_err(|error| ffmpeg_failed(error, &input))?;
        if let Some(declared) = declared {
            let max_missing = MAX_MISSING_S.max(declared * MAX_MISSING_SHARE);
            let found = seconds_of(converted);
            if found + max_missing < declared {
                return Err(JobError::Truncated { input, found, declared }.into());
            }
        }
        self.upload_outputs(&plan, work_dir.path(), converted.frames, &input).await
    }

    fn report_progress(&self, phase: Phase, share: f64, frames: u64) {
        // The clamp keeps the value in the range of the cast, which turns NaN into 0.
        let percent = (share * 100.0).clamp(0.0, 100.0) as u8;
        self.progress.send_replace(JobProgress { phase, percent, frames });
    }

    /// Returns the input's presigned URL and its tracks.
    async fn probe_input(&self, input: &S3Uri) -> Result<(PresignedUrl, Source), AttemptError> {
        let storage = &self.service.storage;
        let unreadable = |error| match error {
            StorageError::NotFound | StorageError::NoSuchBucket => JobError::InputNotFound(input.clone()),
            StorageError::Denied => JobError::InputDenied(input.clone()),
            StorageError::Failed | StorageError::File(_) => JobError::InputUnreadable(input.clone()),
        };
        let object =
            self.cancel.run_until_cancelled(storage.head(input)).await.ok_or(AttemptError::Canceled)?;
        if object.map_err(unreadable)?.size == 0 {
            return Err(JobError::NotMedia(input.clone()).into());
        }
        let url = storage.presign(input).await.map_err(unreadable)?;
        match self.service.ffmpeg.probe_url(&url, self.cancel).await {
            Ok(source) => Ok((url, source)),
            Err(FfmpegError::Unreadable) if has_mp4_signature(storage, input).await => {
                Err(JobError::Damaged(input.clone()).into())
            }
            Err(FfmpegError::Unreadable) => Err(JobError::NotMedia(input.clone()).into()),
            Err(error) => Err(ffmpeg_failed(error, input)),
        }
    }

    /// Uploads all outputs to S3, playlists after the files that they list, and returns the groups' reports.
    async fn upload_outputs(
        &self,
        plan: &Plan,
        folder: &Path,
        frames: u64,
        input: &S3Uri,
    ) -> Result<Vec<GroupReport>, AttemptError> {
        let (mut files, mut playlists, mut masters, mut reports) = (vec![], vec![], vec![], vec![]);
        for group in &plan.groups {
            let mut report = GroupReport { kind: group.kind, playlists: vec![], outputs: vec![] };
            let mut variants = vec![];
            for output in &group.outputs {
                let collected = self.collect(group, output, folder, input).await?;
                files.extend(collected.files);
                playlists.extend(collected.playlist);
                variants.extend(collected.variant);
                report.outputs.push(collected.report);
            }
            if group.kind == GroupKind::Hls {
                let uri = group.uri(".m3u8");
                report.playlists.push(uri.to_string());
                masters.push((hls::master_playlist(&variants), uri));
            }
            reports.push(report);
        }
        self.put_files(files, frames).await?;
        for (text, uri) in playlists.into_iter().chain(masters) {
            let put = self.cancel.run_until_cancelled(self.service.storage.put_text(text, &uri)).await;
            put.ok_or(AttemptError::Canceled)?.map_err(|error| put_failed(error, uri))?;
        }
        Ok(reports)
    }

    async fn put_files(&self, files: Vec<(PathBuf, S3Uri)>, frames: u64) -> Result<(), AttemptError> {
        let count = files.len() as f64;
        let puts: Vec<_> = files.into_iter().map(|(path, uri)| self.put_file(path, uri).boxed()).collect();
        let mut done = stream::iter(puts).buffer_unordered(MAX_CONCURRENT_UPLOADS).enumerate();
        self.report_progress(Phase::Uploading, 0.0, frames);
        while let Some((finished, put)) =
            self.cancel.run_until_cancelled(done.next()).await.ok_or(AttemptError::Canceled)?
        {
            put?;
            self.report_progress(Phase::Uploading, (finished + 1) as f64 / count, frames);
        }
        Ok(())
    }

    async fn put_file(&self, path: PathBuf, uri: S3Uri) -> Result<(), JobError> {
        self.service.storage.put_file(&path, &uri).await.map_err(|error| put_failed(error, uri))
    }

    /// Finds the files that ffmpeg wrote for one output, and their destinations.
    async fn collect(
        &self,
        group: &Group,
        output: &Output,
        folder: &Path,
        input: &S3Uri,
    ) -> Result<CollectedOutput, AttemptError> {
        let uri_with = |suffix: &str| group.uri(&format!("{}{suffix}", output.modifier));
        match &output.files {
            OutputFiles::File { local, extension } => {
                let (path, uri) = (folder.join(local), uri_with(&format!(".{extension}")));
                let probed = self.probe_output(&path, input).await?;
                let report = report(&uri, output, probed.duration.unwrap_or(0.0));
                Ok(CollectedOutput { files: vec![(path, uri)], playlist: None, variant: None, report })
            }
            OutputFiles::Frames { stem, extension } => {
                let mut files = vec![];
                loop {
                    let number = files.len();
                    let path = folder.join(format!("{stem}.{number:07}.jpg"));
                    if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
                        break;
                    }
                    files.push((path, uri_with(&format!(".{number:07}.{extension}"))));
                }
                let (_, last) = files.last().ok_or(JobError::NoPictures(input.clone()))?;
                let report = report(last, output, 0.0);
                Ok(CollectedOutput { files, playlist: None, variant: None, report })
            }
            OutputFiles::Playlist { local, has_audio } => {
                let playlist = tokio::fs::read_to_string(folder.join(local)).await.unwrap_or_default();
                let segments = hls::parse_segments(&playlist);
                let (mut files, mut names, mut bytes) = (vec![], vec![], vec![]);
                for (number, segment) in (1..).zip(&segments) {
                    let path = folder.join(&segment.file);
                    let uri = uri_with(&format!("_{number:05}.ts"));
                    bytes.push(tokio::fs::metadata(&path).await.map_or(0, |file| file.len()));
                    names.push(uri.key.rsplit('/').next().unwrap_or_default().to_owned());
                    files.push((path, uri));
                }
                let (first, _) = files.first().ok_or(JobError::NoPictures(input.clone()))?;
                let probed = self.probe_output(first, input).await?;
                let (profile, level) =
                    probed.video().map_or((None, None), |(_, v)| (v.profile.clone(), v.level));
                let (peak, average) = hls::bandwidth(&segments, &bytes);
                let uri = uri_with(".m3u8");
                let variant = hls::Variant {
                    name: uri.key.rsplit('/').next().unwrap_or_default().to_owned(),
                    peak,
                    average,
                    width: output.width,
                    height: output.height,
                    frame_rate: output.frame_rate.as_f64(),
                    codecs: hls::codecs(profile.as_deref(), level, *has_audio),
                };
                let report = report(&uri, output, segments.iter().map(|segment| segment.seconds).sum());
                let playlist = Some((hls::media_playlist(&segments, &names), uri));
                Ok(CollectedOutput { files, playlist, variant: Some(variant), report })
            }
        }
    }

    /// Probes an output. Fails with `NoPictures` if it has no video.
    async fn probe_output(&self, path: &Path, input: &S3Uri) -> Result<Source, AttemptError> {
        match self.service.ffmpeg.probe_file(path, self.cancel).await {
            Ok(source) if source.tracks.iter().any(|track| matches!(track.kind, TrackKind::Video(_))) => {
                Ok(source)
            }
            Ok(_) | Err(FfmpegError::Unreadable) => Err(JobError::NoPictures(input.clone()).into()),
            Err(error) => Err(ffmpeg_failed(error, input)),
        }
    }
}

impl Group {
    /// Returns the group's base with a suffix.
    fn uri(&self, suffix: &str) -> S3Uri {
        S3Uri { bucket: self.base.bucket.clone(), key: format!("{}{suffix}", self.base.key) }
    }
}

fn report(uri: &S3Uri, output: &Output, seconds: f64) -> OutputReport {
    // Durations are neither negative nor close to the limit of the cast.
    let duration_ms = (seconds * 1000.0).round() as u64;
    OutputReport { path: uri.to_string(), duration_ms, width: output.width, height: output.height }
}

fn ffmpeg_failed(error: FfmpegError, input: &S3Uri) -> AttemptError {
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

fn put_failed(error: StorageError, uri: S3Uri) -> JobError {
    match error {
        StorageError::Denied => JobError::OutputDenied(uri),
        StorageError::NoSuchBucket | StorageError::NotFound => JobError::OutputBucketMissing(uri),
        StorageError::Failed => JobError::OutputFailed(uri),
        StorageError::File(error) => {
            tracing::error!(%error, "output file can't be read");
            JobError::OutputFailed(uri)
        }
    }
}
