//! One local service by itself, for other programs: S3, or MediaConvert with any S3 beside it.

use crate::db::Db;
use crate::mediaconvert::{self, MediaConvert, MediaConvertConfig};
use crate::outbox::{Handler, Outbox};
use crate::s3::{self, S3Config};
use crate::server::{self, ACCESS_KEY, REGION};
pub use crate::start_error::StartError;
use axum::Router;
use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Address and data folder of a service.
pub struct ServiceOptions {
    pub host: IpAddr,
    /// 0 selects a free port.
    pub port: u16,
    pub data: PathBuf,
}

/// An S3 that MediaConvert uses.
pub struct S3Endpoint {
    /// Plain HTTP, for ffmpeg.
    pub url: String,
    /// Access key and its secret; `None` for those of a local S3.
    pub credentials: Option<(String, String)>,
}

/// The running service. Dropping it aborts it; `stop` ends it in order.
pub struct Standalone {
    pub url: String,
    mediaconvert: Option<MediaConvert>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// The lock on the data folder.
    _lock: File,
}

/// The needs of every service before it starts.
struct Opened {
    lock: File,
    listener: TcpListener,
    url: String,
    secret_key: String,
    db: Db,
    outbox: Outbox,
}

impl Standalone {
    /// Starts S3 without a bucket; clients create theirs.
    pub async fn s3(options: ServiceOptions) -> Result<Self, StartError> {
        let opened = open(&options).await?;
        let service = s3::open(S3Config {
            root: options.data.join("s3"),
            db: opened.db.clone(),
            outbox: opened.outbox.clone(),
            access_key: ACCESS_KEY.into(),
            secret_key: opened.secret_key.clone(),
            region: REGION.into(),
            buckets: Vec::new(),
        })
        .await?;
        Ok(opened.serve(service.router(), None))
    }

    /// Starts MediaConvert, which reads and writes that S3.
    pub async fn mediaconvert(options: ServiceOptions, s3: S3Endpoint) -> Result<Self, StartError> {
        let opened = open(&options).await?;
        let (access_key, s3_secret) =
            s3.credentials.unwrap_or_else(|| (ACCESS_KEY.into(), opened.secret_key.clone()));
        let service = mediaconvert::open(MediaConvertConfig {
            work_dir: options.data.join("mediaconvert"),
            db: opened.db.clone(),
            outbox: opened.outbox.clone(),
            s3: server::s3_client(&server::sdk_config(&access_key, &s3_secret, &s3.url)),
            access_key: ACCESS_KEY.into(),
            secret_key: opened.secret_key.clone(),
            region: REGION.into(),
            endpoint: opened.url.clone(),
            max_status_update_interval: None,
        })
        .await?;
        Ok(opened.serve(service.router(), Some(service)))
    }

    /// Cancels running conversions (they are restarted at the next start) and waits for open requests.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(mediaconvert) = self.mediaconvert {
            mediaconvert.shutdown().await;
        }
        server::join(&mut self.tasks).await;
    }
}

async fn open(options: &ServiceOptions) -> Result<Opened, StartError> {
    let lock = server::lock_data_dir(&options.data)?;
    let secret_key = server::secret_key(options.host, &options.data)?;
    let (listener, url) = server::listen(options.host, options.port).await?;
    let db = Db::open(&options.data.join("local.db"))
        .map_err(|error| StartError::data_dir(&options.data, error))?;
    let outbox =
        Outbox::open(db.clone()).await.map_err(|error| StartError::data_dir(&options.data, error))?;
    Ok(Opened { lock, listener, url, secret_key, db, outbox })
}

impl Opened {
    fn serve(self, router: Router, mediaconvert: Option<MediaConvert>) -> Standalone {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(self.listener, router, stopped.clone()));
        // Nothing receives the events, and they must not fill the database.
        let discard: Handler = Arc::new(|_| Box::pin(async { Ok(()) }));
        tasks.spawn(server::run_until_stopped(stopped, self.outbox.deliver(discard)));
        Standalone { url: self.url, mediaconvert, tasks, stop, _lock: self.lock }
    }
}
