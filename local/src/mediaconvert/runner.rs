//! Runs jobs: probes the input, plans, converts, probes the outputs, writes playlists, uploads everything to S3.

use super::collect::Collector;
use super::ffmpeg::{FfmpegError, FfmpegProgress, WorkDir};
use super::job::{GroupReport, Job, JobProgress, Phase};
use super::job_error::JobError;
use super::materials::{AttemptError, ffmpeg_failed, ffmpeg_inputs, gather};
use super::plan::{OutputFiles, Plan};
use super::segment_uploader::{MAX_CONCURRENT_UPLOADS, SegmentUploader, UploadedRendition};
use super::settings::{S3Uri, Settings};
use super::state::ServiceState;
use super::stored_objects::{StoredObjects, remove_leftovers, remove_objects};
use edge::clock::rfc3339;
use futures_util::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Minimum time between two changes of a saved progress, and between two attempts to claim a job after a database
/// error.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum difference, in seconds and as a share of the declared duration, by which an input may be shorter
/// without counting as truncated. The larger one applies; declared durations aren't exact.
const MAX_MISSING_S: f64 = 2.0;
const MAX_MISSING_SHARE: f64 = 0.1;

/// Claims and runs jobs until the service shuts down.
pub async fn run_worker(service: Arc<ServiceState>) {
    while !service.shutdown.is_cancelled() {
        remove_leftovers(&service).await;
        match service.jobs.claim().await {
            Ok(Some(job)) => {
                // One notification may stand for several jobs.
                service.jobs_changed.notify_one();
                run(&service, job).await;
            }
            Ok(None) => {
                service.shutdown.run_until_cancelled(service.jobs_changed.notified()).await;
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
            save_progress(service, &job, progress_updates, &done),
        );
        let saved = match result {
            Ok(reports) => service.jobs.complete(&job.id, reports).await,
            Err(AttemptError::Failed(error)) => {
                remove_objects(service, &job.id).await;
                service.jobs.fail(&job.id, error).await
            }
            Err(AttemptError::Canceled) => Ok(()),
        };
        if let Err(error) = saved {
            tracing::error!(%error, job = job.id, "job result can't be saved; the job runs again at the next start");
        }
    }
    service.running.remove(&job.id);
}

/// Saves a job's progress when the percent has changed, at most once per [`PROGRESS_INTERVAL`]. An event is queued
/// when a phase starts, and then once per interval of the job.
async fn save_progress(
    service: &ServiceState,
    job: &Job,
    mut updates: watch::Receiver<JobProgress>,
    done: &CancellationToken,
) {
    let interval = job.status_update_interval();
    let interval = service.max_status_update_interval.map_or(interval, |max| interval.min(max));
    let (mut saved_percent, mut announced): (_, Option<(Phase, Instant)>) = (None, None);
    while let Some(Ok(())) = done.run_until_cancelled(updates.changed()).await {
        let progress = *updates.borrow_and_update();
        if saved_percent == Some(progress.job_percent()) {
            continue;
        }
        saved_percent = Some(progress.job_percent());
        let now = Instant::now();
        let is_due = announced.is_none_or(|(phase, at)| phase != progress.phase || now >= at + interval);
        if is_due {
            announced = Some((progress.phase, now));
        }
        if let Err(error) = service.jobs.progress(&job.id, progress, is_due).await {
            tracing::error!(%error, job = job.id, "job progress can't be saved");
        }
        done.run_until_cancelled(tokio::time::sleep_until(now + PROGRESS_INTERVAL)).await;
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
        let collector = Collector {
            ffmpeg: &self.service.ffmpeg,
            cancel: self.cancel,
            folder: work_dir.path(),
            input: &input,
            started_ms,
        };
        let objects = StoredObjects::open(self.service, &self.job.id, self.cancel).await?;
        let (mut converted, mut uploaded) = (FfmpegProgress::default(), BTreeMap::new());
        // Captions alone need no conversion.
        if !plan.arguments.is_empty() {
            let uploader = SegmentUploader::new(&plan, &objects, &collector).await;
            let stop = self.cancel.child_token();
            let (send, ended) = oneshot::channel();
            let converting = async {
                let ffmpeg = &self.service.ffmpeg;
                let result =
                    ffmpeg.convert(&inputs, &plan.arguments, work_dir.path(), &stop, on_progress).await;
                // The uploader may have failed, so that nobody receives it.
                let _ = send.send(result.is_ok());
                result
            };
            let uploading = async {
                let result = uploader.run(ended).await;
                if result.is_err() {
                    stop.cancel();
                }
                result
            };
            let (result, uploads) = tokio::join!(converting, uploading);
            // A failed upload cancels ffmpeg, so its error is the cause.
            if !matches!(result, Err(FfmpegError::Canceled)) {
                converted = result.map_err(|error| ffmpeg_failed(error, &input))?;
            }
            uploaded = uploads?;
            if self.cancel.is_cancelled() {
                return Err(AttemptError::Canceled);
            }
        }
        if let Some(declared) = declared.filter(|_| plan.counted_rate.is_some() || plan.captures_only) {
            let max_missing = MAX_MISSING_S.max(declared * MAX_MISSING_SHARE);
            let found = seconds_of(converted);
            if found + max_missing < declared {
                return Err(JobError::Truncated { input, found, declared }.into());
            }
        }
        let reports = self.upload_outputs(&plan, &collector, &objects, uploaded, converted.frames).await?;
        objects.remove_stale().await;
        Ok(reports)
    }

    fn report_progress(&self, phase: Phase, share: f64, frames: u64) {
        // The clamp keeps the value in the range of the cast, which turns NaN into 0.
        let percent = (share * 100.0).clamp(0.0, 100.0) as u8;
        self.progress.send_replace(JobProgress { phase, percent, frames });
    }

    /// Uploads the outputs that aren't uploaded yet, playlists after the files that they list, and returns the groups' reports.
    async fn upload_outputs(
        &self,
        plan: &Plan,
        collector: &Collector<'_>,
        objects: &StoredObjects<'_>,
        uploaded: BTreeMap<String, UploadedRendition>,
        frames: u64,
    ) -> Result<Vec<GroupReport>, AttemptError> {
        let (mut files, mut texts, mut masters, mut reports) = (vec![], vec![], vec![], vec![]);
        for group in &plan.groups {
            let mut collected = vec![];
            for output in &group.outputs {
                collected.push(collector.collect(group, output, &uploaded).await?);
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
        self.put_files(files, objects, frames).await?;
        for (text, uri) in texts.into_iter().chain(masters) {
            if self.cancel.is_cancelled() {
                return Err(AttemptError::Canceled);
            }
            objects.put_text(text, &uri).await?;
        }
        Ok(reports)
    }

    /// Uploads files. Uploads that have begun are finished also after an error or a cancellation, so that what is
    /// removed later is all there is.
    async fn put_files(
        &self,
        files: Vec<(PathBuf, S3Uri)>,
        objects: &StoredObjects<'_>,
        frames: u64,
    ) -> Result<(), AttemptError> {
        let count = files.len() as f64;
        let stop = self.cancel.child_token();
        let stopped = pin!(stop.cancelled());
        let puts = files.into_iter().map(async |(path, uri)| objects.put_file(&path, &uri).await);
        let mut done =
            stream::iter(puts).take_until(stopped).buffer_unordered(MAX_CONCURRENT_UPLOADS).enumerate();
        let mut outcome = Ok(());
        self.report_progress(Phase::Uploading, 0.0, frames);
        while let Some((finished, put)) = done.next().await {
            if let Err(error) = put {
                stop.cancel();
                outcome = Err(error.into());
            }
            self.report_progress(Phase::Uploading, (finished + 1) as f64 / count, frames);
        }
        if self.cancel.is_cancelled() { Err(AttemptError::Canceled) } else { outcome }
    }
}
