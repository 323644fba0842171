//! Runs jobs: probes the input, plans, converts, probes the outputs, writes playlists, uploads everything to S3.

use super::collect::Collector;
use super::ffmpeg::{FfmpegProgress, WorkDir};
use super::job::{GroupReport, Job, JobProgress, Phase};
use super::job_error::JobError;
use super::materials::{AttemptError, ffmpeg_failed, ffmpeg_inputs, gather};
use super::plan::{Group, OutputFiles, Plan};
use super::playlists::{Track, dash, hls};
use super::settings::{GroupKind, IncludeExclude, OutputSelection, S3Uri, Settings};
use super::state::ServiceState;
use super::storage::StorageError;
use edge::clock::rfc3339;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use std::path::PathBuf;
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

impl Attempt<'_> {
    async fn run(&self) -> Result<Vec<GroupReport>, AttemptError> {
        let (settings, _) = Settings::parse(&self.job.settings).map_err(JobError::Settings)?;
        let input = settings.inputs.first().and_then(|input| S3Uri::parse_file(&input.file_input));
        let input = input.ok_or(JobError::Internal("The job has no input."))?;
        let started_ms = self.job.timing.submit_time * 1000;
        let materials = gather(self.service, &settings, rfc3339(started_ms), self.cancel).await?;
        let plan = Plan::new(&settings, &materials)?;

        let work_dir = WorkDir::create(self.service.work_dir.join(&self.job.id)).map_err(|error| {
            tracing::error!(%error, "work folder can't be created");
            JobError::Internal("The folder for the conversion can't be created.")
        })?;
        for (name, content) in &plan.files {
            tokio::fs::write(work_dir.path().join(name), content).await.map_err(|error| {
                tracing::error!(%error, "work folder can't be written");
                JobError::Internal("The folder for the conversion can't be written.")
            })?;
        }
        let inputs = ffmpeg_inputs(self.service, &plan.inputs, work_dir.path(), self.cancel).await?;
        self.report_progress(Phase::Transcoding, 0.0, 0);
        let declared = plan.duration;
        // Audio is padded to the declared end, so only frames tell how far the picture got.
        let seconds_of = |progress: FfmpegProgress| match plan.counted_rate {
            Some(rate) => progress.frames as f64 / rate.as_f64(),
            None => progress.seconds,
        };
        let on_progress = |progress: FfmpegProgress| {
            let duration = declared.unwrap_or(f64::INFINITY);
            self.report_progress(Phase::Transcoding, seconds_of(progress) / duration, progress.frames);
        };
        let mut converted = FfmpegProgress::default();
        // Captions alone need no conversion.
        if !plan.arguments.is_empty() {
            let ffmpeg = &self.service.ffmpeg;
            let result =
                ffmpeg.convert(&inputs, &plan.arguments, work_dir.path(), self.cancel, on_progress).await;
            converted = result.map_err(|error| ffmpeg_failed(error, &input))?;
        }
        if let Some(declared) = declared.filter(|_| plan.counted_rate.is_some() || plan.captures_only) {
            let max_missing = MAX_MISSING_S.max(declared * MAX_MISSING_SHARE);
            let found = seconds_of(converted);
            if found + max_missing < declared {
                return Err(JobError::Truncated { input, found, declared }.into());
            }
        }
        let collector = Collector {
            ffmpeg: &self.service.ffmpeg,
            cancel: self.cancel,
            folder: work_dir.path(),
            input: &input,
            started_ms,
        };
        self.upload_outputs(&plan, &collector, converted.frames).await
    }

    fn report_progress(&self, phase: Phase, share: f64, frames: u64) {
        // The clamp keeps the value in the range of the cast, which turns NaN into 0.
        let percent = (share * 100.0).clamp(0.0, 100.0) as u8;
        self.progress.send_replace(JobProgress { phase, percent, frames });
    }

    /// Uploads all outputs to S3, playlists after the files that they list, and returns the groups' reports.
    async fn upload_outputs(
        &self,
        plan: &Plan,
        collector: &Collector<'_>,
        frames: u64,
    ) -> Result<Vec<GroupReport>, AttemptError> {
        let (mut files, mut texts, mut masters, mut reports) = (vec![], vec![], vec![], vec![]);
        for group in &plan.groups {
            let mut collected = vec![];
            for output in &group.outputs {
                collected.push(collector.collect(group, output).await?);
            }
            let media = collected.iter().flat_map(|output| &output.tracks);
            // Captions are cut like the first video, or the first audio.
            let longest = media.max_by_key(|track| (track.has_video, track.segments.len()));
            let durations: Vec<f64> = longest
                .iter()
                .flat_map(|track| track.segments.iter().map(|segment| segment.seconds))
                .collect();
            for (output, collected) in group.outputs.iter().zip(&mut collected) {
                if let OutputFiles::Captions(planned) = &output.files {
                    *collected = collector.captions(group, output, planned, &durations).await?;
                }
            }
            let mut report = GroupReport { kind: group.settings.kind(), playlists: vec![], outputs: vec![] };
            let mut tracks = vec![];
            for output in collected {
                files.extend(output.files);
                if group.writes_playlists() {
                    texts.extend(output.texts);
                }
                tracks.extend(output.tracks);
                report.outputs.push(output.report);
            }
            for (text, uri) in group.playlists(&tracks) {
                report.playlists.push(uri.to_string());
                masters.push((text, uri));
            }
            reports.push(report);
        }
        // Outputs of equal settings share their files, and so do their names in DASH.
        files.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        files.dedup();
        self.put_files(files, frames).await?;
        for (text, uri) in texts.into_iter().chain(masters) {
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
}

impl Group {
    /// Whether the group has playlists, and not segments alone.
    fn writes_playlists(&self) -> bool {
        let hls = &self.settings.output_group_settings.hls_group_settings;
        self.settings.kind() != GroupKind::Hls
            || hls.output_selection == OutputSelection::ManifestsAndSegments
    }

    /// Returns the playlists of the whole group with their addresses.
    fn playlists(&self, tracks: &[Track]) -> Vec<(String, S3Uri)> {
        if !self.writes_playlists() {
            return vec![];
        }
        let settings = &self.settings.output_group_settings;
        let mut list = vec![];
        if self.has_hls() {
            let resolution = match self.settings.kind() {
                GroupKind::Hls => settings.hls_group_settings.stream_inf_resolution,
                _ => settings.cmaf_group_settings.stream_inf_resolution,
            };
            let options = hls::MasterOptions { omit_resolution: resolution == IncludeExclude::Exclude };
            list.push((hls::master_playlist(tracks, options), self.uri(".m3u8")));
        }
        if self.has_dash() {
            let (min_buffer, base_url) = match self.settings.kind() {
                GroupKind::DashIso => {
                    let dash = &settings.dash_iso_group_settings;
                    (dash.min_buffer_time, dash.base_url.clone())
                }
                _ => {
                    let cmaf = &settings.cmaf_group_settings;
                    (cmaf.min_buffer_time, cmaf.base_url.clone())
                }
            };
            let options = dash::MpdOptions { min_buffer_ms: min_buffer.unwrap_or(30_000), base_url };
            list.push((dash::mpd(tracks, &options), self.uri(".mpd")));
        }
        list
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
