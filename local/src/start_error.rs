//! Errors of starting the stack. Each message says what to change.

use crate::mediaconvert::MediaConvertOpenError;
use crate::remote_edge::RemoteEdgeError;
use crate::s3::S3OpenError;
use crate::secrets::SecretError;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use thiserror::Error;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of starting the stack.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("The data folder {} can't be used ({source}); choose another with --data.", path.display())]
    DataDir { path: PathBuf, source: BoxError },
    #[error("The data folder {} is in use by another server; stop it or choose --data.", .0.display())]
    DataDirInUse(PathBuf),
    #[error("--port must be below 65534")]
    PortRange,
    #[error("{address} can't be listened on ({source}); choose another with --port.")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("a port has no address: {0}")]
    LocalAddress(#[source] io::Error),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    S3(#[from] S3OpenError),
    #[error(transparent)]
    MediaConvert(#[from] MediaConvertOpenError),
    #[error(transparent)]
    RemoteEdge(#[from] RemoteEdgeError),
    /// The edge refuses its configuration or job.json.
    #[error("{0}")]
    Edge(#[source] BoxError),
}

impl StartError {
    pub fn data_dir(path: &Path, source: impl Into<BoxError>) -> Self {
        Self::DataDir { path: path.to_owned(), source: source.into() }
    }
}
