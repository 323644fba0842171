//! A local MediaConvert: its HTTP API, jobs in SQLite, conversion by ffmpeg, events in the outbox. Reads and
//! writes S3 through its API.
//!
//! The path of a job: [`request`] validates it, [`jobs`] stores it, [`runner`] claims it, [`plan`] derives ffmpeg's
//! arguments, [`ffmpeg`] converts, [`segment_uploader`] uploads what is complete meanwhile, [`storage`] uploads the other
//! outputs, [`job`] formats its events.

mod api;
mod captions;
mod collect;
mod error;
mod ffmpeg;
mod group_playlists;
mod job;
mod job_error;
mod jobs;
mod materials;
mod plan;
mod playlists;
mod probe;
mod request;
mod resolve;
mod resource_api;
mod resources;
mod runner;
mod segment_uploader;
mod settings;
mod sigv4;
mod source;
mod state;
mod storage;
mod stored_objects;
mod system_presets;
mod tracks;

use crate::db::{Db, DbError};
use crate::outbox::Outbox;
use jobs::Jobs;
use resources::Resources;
use state::{RunningJobs, ServiceState};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use thiserror::Error;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Minimum number of jobs that run at once, so that a short one needn't wait for a long one.
const MIN_WORKERS: usize = 2;
/// Cores per further job. One ffmpeg seldom keeps more of them busy.
const CORES_PER_WORKER: usize = 4;
/// Maximum number of concurrent `Probe` calls.
const MAX_CONCURRENT_PROBES: usize = 4;

/// Configuration of the service.
pub struct MediaConvertConfig {
    /// Folder for the outputs of running jobs. It is emptied at the start.
    pub work_dir: PathBuf,
    pub db: Db,
    pub outbox: Outbox,
    /// A client with access to inputs and destinations. Its endpoint must be plain HTTP, for ffmpeg.
    pub s3: aws_sdk_s3::Client,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    /// URL of this API, as returned by `DescribeEndpoints`.
    pub endpoint: String,
    /// Upper limit of the time between two `STATUS_UPDATE` events of a job. Without one, it is the job's
    /// `StatusUpdateInterval`, 10 s or more.
    pub max_status_update_interval: Option<Duration>,
}

/// The running service. Dropping it aborts running conversions; `shutdown` ends them in order.
pub struct MediaConvert {
    state: Arc<ServiceState>,
    workers: JoinSet<()>,
}

/// Starts the service. Jobs that an earlier process didn't finish run at once, so S3 must be reachable soon.
///
/// # Errors
/// When ffmpeg is missing, the work folder can't be written, or the database can't be used.
pub async fn open(config: MediaConvertConfig) -> Result<MediaConvert, MediaConvertOpenError> {
    let ffmpeg = ffmpeg::Ffmpeg::find().await.map_err(MediaConvertOpenError::MissingProgram)?;
    match tokio::fs::remove_dir_all(&config.work_dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(MediaConvertOpenError::WorkDir(error));
        }
        _ => tokio::fs::create_dir_all(&config.work_dir).await.map_err(MediaConvertOpenError::WorkDir)?,
    }
    let jobs = Jobs::open(config.db.clone(), config.outbox, config.region.clone()).await?;
    let resources = Resources::open(config.db, config.region.clone()).await?;
    let state = Arc::new(ServiceState {
        jobs,
        resources,
        storage: Storage(config.s3),
        ffmpeg,
        key: sigv4::SigningKey {
            access_key: config.access_key,
            secret_key: config.secret_key,
            region: config.region,
        },
        endpoint: config.endpoint,
        max_status_update_interval: config.max_status_update_interval,
        work_dir: config.work_dir,
        jobs_changed: Notify::new(),
        created_objects: Mutex::new(()),
        running: RunningJobs::default(),
        probe_permits: Semaphore::new(MAX_CONCURRENT_PROBES),
        shutdown: CancellationToken::new(),
    });
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers = (cores / CORES_PER_WORKER).max(MIN_WORKERS);
    let workers = (0..workers).map(|_| runner::run_worker(state.clone())).collect();
    Ok(MediaConvert { state, workers })
}

impl MediaConvert {
    /// Returns the API at AWS's paths. Every call must be signed.
    pub fn router(&self) -> axum::Router {
        api::router(self.state.clone())
    }

    /// Cancels running conversions; they are restarted at the next start. Returns when no ffmpeg is running. Call
    /// it before S3 stops, otherwise jobs fail because their files can't be reached.
    pub async fn shutdown(mut self) {
        self.state.shutdown.cancel();
        while let Some(result) = self.workers.join_next().await {
            if let Err(error) = result {
                tracing::error!(%error, "MediaConvert worker panicked");
            }
        }
    }
}

/// The error of starting the service.
#[derive(Debug, Error)]
pub enum MediaConvertOpenError {
    /// With the name of the program.
    #[error(
        "{0} is missing, which converts videos; install it with `apt-get install ffmpeg` (on a Mac: `brew install \
         ffmpeg`)"
    )]
    MissingProgram(&'static str),
    #[error("the folder for running conversions can't be written: {0}")]
    WorkDir(#[source] std::io::Error),
    #[error("the table of conversion jobs can't be used: {0}")]
    Database(#[from] DbError),
}
