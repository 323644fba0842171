//! Parts that every server program shares: the locked data folder, credentials, sockets, and the end of tasks.

use crate::secrets;
use crate::start_error::StartError;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;
use axum::Router;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub const ACCESS_KEY: &str = "local";
/// A public value, so it is used on loopback only.
const LOOPBACK_SECRET: &str = "locallocal";
pub const REGION: &str = "us-east-1";
/// How long [`join`] waits for open requests.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Creates the data folder and locks it against other processes, until the file is dropped.
pub fn lock_data_dir(data: &Path) -> Result<File, StartError> {
    let path = data.join("lock");
    let lock = fs::create_dir_all(data)
        .and_then(|()| File::create(path))
        .map_err(|error| StartError::data_dir(data, error))?;
    lock.try_lock().map_err(|_| StartError::DataDirInUse(data.to_owned()))?;
    Ok(lock)
}

/// Returns the secret of [`ACCESS_KEY`]: a public one on loopback, else one that is kept in the data folder.
pub fn secret_key(host: IpAddr, data: &Path) -> Result<String, StartError> {
    if host.is_loopback() {
        return Ok(LOOPBACK_SECRET.into());
    }
    Ok(secrets::load_or_create(&data.join("s3-secret"))?)
}

/// Listens on `host` and `port`; 0 selects a free port. Returns the URL, too.
pub async fn listen(host: IpAddr, port: u16) -> Result<(TcpListener, String), StartError> {
    let address = SocketAddr::new(host, port);
    let listener =
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let address = listener.local_addr().map_err(StartError::LocalAddress)?;
    Ok((listener, format!("http://{address}")))
}

/// Returns the SDK configuration as on AWS, with another endpoint.
pub fn sdk_config(access_key: &str, secret_key: &str, endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            access_key, secret_key, None, None, "local",
        )))
        .endpoint_url(endpoint)
        // The local endpoints speak plain HTTP, and compiling TLS for the SDK takes a minute.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// Returns a client of a local S3, in path style.
pub fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

/// Serves HTTP until `stopped`, and answers the requests that are open then.
pub async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let served = axum::serve(listener, router).with_graceful_shutdown(wait_for_stop(stopped));
    if let Err(error) = served.await {
        tracing::error!(%error, "server failed");
    }
}

async fn wait_for_stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the servers were dropped.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

pub async fn run_until_stopped(stopped: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        () = wait_for_stop(stopped) => {}
    }
}

/// Waits until all tasks have ended.
pub async fn join(tasks: &mut JoinSet<()>) {
    let finish = async { while tasks.join_next().await.is_some() {} };
    // Limited, because browsers keep connections open.
    let _ = tokio::time::timeout(STOP_TIMEOUT, finish).await;
}
