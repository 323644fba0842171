//! Takes jobs one after the other and sees them through: look into the input, plan, convert, measure, write
//! playlists, put everything to S3. Decides nothing about what comes out: that is the plan's.

use super::Shared;
use super::ffmpeg::{Folder, Progress, Trouble};
use super::hls;
use super::job::{GroupReport, Job, OutputReport, Phase, Stage};
use super::job_error::Failure;
use super::plan::{Group, Made, Output, Plan};
use super::probe::looks_like_mp4;
use super::settings::{GroupKind, S3Uri, Settings};
use super::source::{Source, TrackKind};
use super::storage::StoreError;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often progress is told, at most.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How many files go to S3 at once.
const UPLOADS: usize = 4;
/// An input may end this much earlier than it says, in seconds and as a share, before it counts as cut off:
/// not every file is exact about itself.
const EARLY_END: (f64, f64) = (2.0, 0.1);

/// The jobs that run right now, so that they can be stopped.
#[derive(Default)]
pub struct Running(Mutex<HashMap<String, CancellationToken>>);

impl Running {
    pub fn stop(&self, id: &str) {
        if let Some(token) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            token.cancel();
        }
    }

    fn enter(&self, id: &str, token: CancellationToken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), token);
    }

    fn leave(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// Why a job didn't come to an end of its own.
enum Ended {
    /// Canceled, or the service ends.
    Stopped,
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Works until the service ends.
pub async fn work(shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        match shared.jobs.claim().await {
            Ok(Some(job)) => run(&shared, job).await,
            Ok(None) => {
                shared.stop.run_until_cancelled(shared.news.notified()).await;
            }
            Err(error) => {
                tracing::error!(%error, "the table of jobs can't be used");
                shared.stop.run_until_cancelled(tokio::time::sleep(TELL_EVERY)).await;
            }
        }
    }
}

async fn run(shared: &Shared, job: Job) {
    let stop = shared.stop.child_token();
    shared.running.enter(&job.id, stop.clone());
    // A cancellation that came between claim and enter found nothing to stop.
    let still_wanted =
        matches!(shared.jobs.get(job.id.clone()).await, Ok(Some(now)) if !now.status.is_final());
    if still_wanted {
        let (stages, told) = watch::channel(Stage { phase: Phase::Probing, percent: 0, frames: 0 });
        let attempt = Attempt { shared, job: &job, stop: &stop, stages };
        let telling = CancellationToken::new();
        let (ended, ()) = tokio::join!(
            async {
                let ended = attempt.run().await;
                telling.cancel();
                // When everything goes down together, S3 may have gone first.
                if stop.is_cancelled() { Err(Ended::Stopped) } else { ended }
            },
            tell(shared, &job.id, told, &telling),
        );
        let saved = match ended {
            Ok(reports) => shared.jobs.complete(&job.id, reports).await,
            Err(Ended::Failed(failure)) => shared.jobs.fail(&job.id, failure).await,
            Err(Ended::Stopped) => Ok(()),
        };
        if let Err(error) = saved {
            tracing::error!(%error, job = job.id, "a job's end can't be saved; it runs again at the next start");
        }
    }
    shared.running.leave(&job.id);
}

/// Saves and announces how far a job is, whenever its percent has changed, but not too often.
async fn tell(shared: &Shared, id: &str, mut stages: watch::Receiver<Stage>, done: &CancellationToken) {
    let mut told = None;
    while let Some(Ok(())) = done.run_until_cancelled(stages.changed()).await {
        let stage = *stages.borrow_and_update();
        if told == Some(stage.job_percent()) {
            continue;
        }
        told = Some(stage.job_percent());
        if let Err(error) = shared.jobs.progress(id, stage).await {
            tracing::error!(%error, job = id, "a job's progress can't be saved");
        }
        let next = Instant::now() + TELL_EVERY;
        done.run_until_cancelled(tokio::time::sleep_until(next)).await;
    }
}

/// One go at one job.
struct Attempt<'a> {
    shared: &'a Shared,
    job: &'a Job,
    stop: &'a CancellationToken,
    stages: watch::Sender<Stage>,
}

/// An output as it lies in the folder: the files and where each goes, and what it is.
struct Collected {
    /// Segments, films and pictures; then what lists them.
    files: Vec<(PathBuf, S3Uri)>,
    playlist: Option<(String, S3Uri)>,
    variant: Option<hls::Variant>,
    report: OutputReport,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<Vec<GroupReport>, Ended> {
        let settings = Settings::read(&self.job.settings).map_err(Failure::Settings)?;
        let input = settings.inputs.first().and_then(|input| S3Uri::parse(&input.file_input));
        let input = input.ok_or(Failure::Internal("The job has no input."))?;
        let (url, source) = self.look(&input).await?;
        let plan = Plan::new(&settings, &source, self.shared.tools.tone_mapping)?;

        let folder = Folder::create(self.shared.work_dir.join(&self.job.id))
            .map_err(|_| Failure::Internal("The folder for the conversion can't be made."))?;
        self.tell(Phase::Transcoding, 0.0, 0);
        // The picture's own length where it is known: captions may last longer.
        let promised = source.video().and_then(|(track, _)| track.duration).or(source.duration);
        let progress = |progress: Progress| {
            let whole = promised.unwrap_or(f64::INFINITY);
            self.tell(Phase::Transcoding, progress.seconds / whole, progress.frames);
        };
        let tools = &self.shared.tools;
        let came = tools.convert(&url, &plan.arguments, folder.path(), self.stop, progress).await;
        let came = came.map_err(|trouble| self.convert_failed(trouble, &input))?;
        if let Some(promised) = promised {
            let tolerated = EARLY_END.0.max(promised * EARLY_END.1);
            if came.seconds + tolerated < promised {
                return Err(Failure::Truncated { input, found: came.seconds, promised }.into());
            }
        }
        self.deliver(&plan, folder.path(), came.frames, &input).await
    }

    fn tell(&self, phase: Phase, share: f64, frames: u64) {
        // 0 to 100 by the clamp; not a number becomes 0.
        let percent = (share * 100.0).clamp(0.0, 100.0) as u8;
        self.stages.send_replace(Stage { phase, percent, frames });
    }

    /// The input's address for ffmpeg, and what is in it.
    async fn look(&self, input: &S3Uri) -> Result<(super::ffmpeg::SignedUrl, Source), Ended> {
        let store = &self.shared.store;
        let unreadable = |error| match error {
            StoreError::NotFound | StoreError::NoBucket => Failure::InputNotFound(input.clone()),
            StoreError::Denied => Failure::InputDenied(input.clone()),
            StoreError::Other => Failure::InputUnreadable(input.clone()),
        };
        let head = self.stop.run_until_cancelled(store.head(input)).await.ok_or(Ended::Stopped)?;
        if head.map_err(unreadable)?.size == 0 {
            return Err(Failure::NotMedia(input.clone()).into());
        }
        let url = store.sign(input).await.map_err(unreadable)?;
        match self.shared.tools.look(&url, self.stop).await {
            Ok(source) => Ok((url, source)),
            Err(Trouble::Unreadable) if looks_like_mp4(store, input).await => {
                Err(Failure::Broken(input.clone()).into())
            }
            Err(Trouble::Unreadable) => Err(Failure::NotMedia(input.clone()).into()),
            Err(trouble) => Err(self.convert_failed(trouble, input)),
        }
    }

    fn convert_failed(&self, trouble: Trouble, input: &S3Uri) -> Ended {
        let input = input.clone();
        match trouble {
            Trouble::Stopped => Ended::Stopped,
            Trouble::Unreadable => Failure::Broken(input).into(),
            Trouble::NoDecoder => Failure::UnsupportedCodec(input).into(),
            Trouble::NoPictures => Failure::NoPictures(input).into(),
            Trouble::Failed => Failure::Internal("The conversion stopped with an error.").into(),
        }
    }

    /// Puts everything to S3, what lists other files after them, and says what there is.
    async fn deliver(
        &self,
        plan: &Plan,
        folder: &Path,
        frames: u64,
        input: &S3Uri,
    ) -> Result<Vec<GroupReport>, Ended> {
        let (mut files, mut playlists, mut masters, mut reports) = (vec![], vec![], vec![], vec![]);
        for group in &plan.groups {
            let mut report = GroupReport { kind: group.kind, playlists: vec![], outputs: vec![] };
            let mut variants = vec![];
            for output in &group.outputs {
                let made = self.collect(group, output, folder, input).await?;
                files.extend(made.files);
                playlists.extend(made.playlist);
                variants.extend(made.variant);
                report.outputs.push(made.report);
            }
            if group.kind == GroupKind::Hls {
                let uri = group.name(".m3u8");
                report.playlists.push(uri.to_string());
                masters.push((hls::master(&variants), uri));
            }
            reports.push(report);
        }
        self.put_files(files, frames).await?;
        for (text, uri) in playlists.into_iter().chain(masters) {
            let put = self.stop.run_until_cancelled(self.shared.store.put_text(text, &uri)).await;
            put.ok_or(Ended::Stopped)?.map_err(|error| put_failed(error, uri))?;
        }
        Ok(reports)
    }

    async fn put_files(&self, files: Vec<(PathBuf, S3Uri)>, frames: u64) -> Result<(), Ended> {
        let count = files.len() as f64;
        let puts: Vec<_> = files.into_iter().map(|(path, uri)| self.put_file(path, uri).boxed()).collect();
        let mut done = stream::iter(puts).buffer_unordered(UPLOADS).enumerate();
        self.tell(Phase::Uploading, 0.0, frames);
        while let Some((before, put)) =
            self.stop.run_until_cancelled(done.next()).await.ok_or(Ended::Stopped)?
        {
            put?;
            self.tell(Phase::Uploading, (before + 1) as f64 / count, frames);
        }
        Ok(())
    }

    async fn put_file(&self, path: PathBuf, uri: S3Uri) -> Result<(), Failure> {
        self.shared.store.put_file(&path, &uri).await.map_err(|error| put_failed(error, uri))
    }

    /// Gathers what ffmpeg has left for one output.
    async fn collect(
        &self,
        group: &Group,
        output: &Output,
        folder: &Path,
        input: &S3Uri,
    ) -> Result<Collected, Ended> {
        let name = |end: &str| group.name(&format!("{}{end}", output.modifier));
        match &output.made {
            Made::File { local, extension } => {
                let (path, uri) = (folder.join(local), name(&format!(".{extension}")));
                let measured = self.measure(&path, input).await?;
                let report = report(&uri, output, measured.duration.unwrap_or(0.0));
                Ok(Collected { files: vec![(path, uri)], playlist: None, variant: None, report })
            }
            Made::Frames { stem, extension } => {
                let mut files = vec![];
                loop {
                    let number = files.len();
                    let path = folder.join(format!("{stem}.{number:07}.jpg"));
                    if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
                        break;
                    }
                    files.push((path, name(&format!(".{number:07}.{extension}"))));
                }
                let (_, last) = files.last().ok_or(Failure::NoPictures(input.clone()))?;
                let report = report(last, output, 0.0);
                Ok(Collected { files, playlist: None, variant: None, report })
            }
            Made::Playlist { local, sound } => {
                let made = tokio::fs::read_to_string(folder.join(local)).await.unwrap_or_default();
                let segments = hls::segments(&made);
                let (mut files, mut names, mut bytes) = (vec![], vec![], vec![]);
                for (number, segment) in (1..).zip(&segments) {
                    let path = folder.join(&segment.file);
                    let uri = name(&format!("_{number:05}.ts"));
                    bytes.push(tokio::fs::metadata(&path).await.map_or(0, |file| file.len()));
                    names.push(uri.key.rsplit('/').next().unwrap_or_default().to_owned());
                    files.push((path, uri));
                }
                let (first, _) = files.first().ok_or(Failure::NoPictures(input.clone()))?;
                let measured = self.measure(first, input).await?;
                let (profile, level) =
                    measured.video().map_or((None, None), |(_, v)| (v.profile.clone(), v.level));
                let (peak, average) = hls::bandwidth(&segments, &bytes);
                let uri = name(".m3u8");
                let variant = hls::Variant {
                    name: uri.key.rsplit('/').next().unwrap_or_default().to_owned(),
                    peak,
                    average,
                    width: output.width,
                    height: output.height,
                    frame_rate: output.frame_rate.as_f64(),
                    codecs: hls::codecs(profile.as_deref(), level, *sound),
                };
                let report = report(&uri, output, segments.iter().map(|segment| segment.seconds).sum());
                let playlist = Some((hls::media(&segments, &names), uri));
                Ok(Collected { files, playlist, variant: Some(variant), report })
            }
        }
    }

    async fn measure(&self, path: &Path, input: &S3Uri) -> Result<Source, Ended> {
        match self.shared.tools.measure(path, self.stop).await {
            Ok(source) if source.tracks.iter().any(|track| matches!(track.kind, TrackKind::Video(_))) => {
                Ok(source)
            }
            Ok(_) | Err(Trouble::Unreadable) => Err(Failure::NoPictures(input.clone()).into()),
            Err(trouble) => Err(self.convert_failed(trouble, input)),
        }
    }
}

impl Group {
    /// The group's base with that end.
    fn name(&self, end: &str) -> S3Uri {
        S3Uri { bucket: self.base.bucket.clone(), key: format!("{}{end}", self.base.key) }
    }
}

fn report(uri: &S3Uri, output: &Output, seconds: f64) -> OutputReport {
    // Not negative, and far below the largest number.
    let duration_ms = (seconds * 1000.0).round() as u64;
    OutputReport { path: uri.to_string(), duration_ms, width: output.width, height: output.height }
}

fn put_failed(error: StoreError, uri: S3Uri) -> Failure {
    match error {
        StoreError::Denied => Failure::OutputDenied(uri),
        StoreError::NoBucket | StoreError::NotFound => Failure::OutputBucketMissing(uri),
        StoreError::Other => Failure::OutputFailed(uri),
    }
}
