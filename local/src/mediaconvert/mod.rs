//! MediaConvert on one machine: the service's HTTP API, its jobs in SQLite, run by ffmpeg, their events put
//! into the outbox. Reads and writes S3 through its API like any other client. Knows nothing of the edge.
//!
//! A job's way: [`request`] checks it, [`jobs`] keeps it, [`runner`] takes it, [`plan`] thinks it through,
//! [`ffmpeg`] runs it, [`storage`] puts what came out to S3, [`job`] tells of it.

mod api;
mod encode;
mod error;
mod ffmpeg;
mod hls;
mod job;
mod job_error;
mod jobs;
mod plan;
mod probe;
mod request;
mod runner;
mod scaling;
mod settings;
mod sigv4;
mod source;
mod storage;
mod validate;

use crate::db::Db;
use crate::outbox::Outbox;
use jobs::Jobs;
use runner::Running;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use storage::Store;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many jobs run at once. One ffmpeg keeps all cores busy; a second would only make both late.
const JOBS: usize = 1;
/// How many files are looked into at once.
const LOOKS: usize = 4;

pub struct MediaConvertConfig {
    /// Where ffmpeg writes while jobs run. It belongs to this service alone: it is emptied at the start.
    pub work_dir: PathBuf,
    pub db: Db,
    pub outbox: Outbox,
    /// Must reach inputs and destinations; its addresses must be plain HTTP and reachable for ffmpeg.
    pub s3: aws_sdk_s3::Client,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    /// Where this API will be served; what `DescribeEndpoints` answers.
    pub endpoint: String,
}

/// The running service. Dropping it ends everything at once, as a kill would; `shutdown` ends it in order.
pub struct MediaConvert {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

/// What API and workers share.
struct Shared {
    jobs: Jobs,
    store: Store,
    tools: ffmpeg::Tools,
    keys: sigv4::Keys,
    endpoint: String,
    work_dir: PathBuf,
    /// There is a job to be taken.
    news: Notify,
    running: Running,
    looks: Semaphore,
    /// The service ends.
    stop: CancellationToken,
}

/// Starts the service: jobs that an earlier process left waiting or half done run now, so S3 must answer
/// already or soon.
///
/// # Errors
/// When ffmpeg is missing, the work folder can't be written, or the database can't be used.
pub async fn open(config: MediaConvertConfig) -> Result<MediaConvert, OpenError> {
    let tools = ffmpeg::Tools::find().await.map_err(OpenError::Missing)?;
    match tokio::fs::remove_dir_all(&config.work_dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(OpenError::WorkDir(error)),
        _ => tokio::fs::create_dir_all(&config.work_dir).await.map_err(OpenError::WorkDir)?,
    }
    let jobs =
        Jobs::open(config.db, config.outbox, config.region.clone()).await.map_err(OpenError::Database)?;
    let shared = Arc::new(Shared {
        jobs,
        store: Store(config.s3),
        tools,
        keys: sigv4::Keys {
            access_key: config.access_key,
            secret_key: config.secret_key,
            region: config.region,
        },
        endpoint: config.endpoint,
        work_dir: config.work_dir,
        news: Notify::new(),
        running: Running::default(),
        looks: Semaphore::new(LOOKS),
        stop: CancellationToken::new(),
    });
    let workers = (0..JOBS).map(|_| runner::work(shared.clone())).collect();
    Ok(MediaConvert { shared, workers })
}

impl MediaConvert {
    /// The API, at the paths that AWS has it. Every call must be signed.
    pub fn router(&self) -> axum::Router {
        api::router(self.shared.clone())
    }

    /// Ends the running conversions; they begin again at the next start. Returns once no ffmpeg is left. Call
    /// it before S3 goes away, or jobs end with an error because their files can't be reached.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a MediaConvert worker died");
            }
        }
    }
}

/// Why the service can't start.
#[derive(Debug)]
pub enum OpenError {
    /// The name of the program.
    Missing(&'static str),
    WorkDir(std::io::Error),
    Database(jobs::Broken),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(program) => write!(
                f,
                "{program} is missing, which converts videos; install it with `apt-get install ffmpeg` (on a Mac: \
                 `brew install ffmpeg`)"
            ),
            Self::WorkDir(error) => write!(f, "the folder for running conversions can't be written: {error}"),
            Self::Database(error) => write!(f, "the table of conversion jobs can't be used: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
