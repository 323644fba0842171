//! What can go wrong inside, and what the client is told of it.

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, s3_error};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an operation fails.
#[derive(Debug)]
pub enum Failure {
    /// The client is told this, word for word.
    Refused(S3Error),
    /// Our own trouble: logged, and `InternalError` to the client.
    Database(rusqlite::Error),
    Disk(io::Error),
}

impl Failure {
    /// S3's answer. The trouble that is ours is logged here, and nowhere else.
    ///
    /// `log` is where to: around this call the thread's own is silenced (see `http`).
    pub fn into_answer(self, log: &tracing::Dispatch) -> S3Error {
        let trouble: &dyn fmt::Display = match &self {
            Self::Refused(_) => &"",
            Self::Database(error) => error,
            Self::Disk(error) => error,
        };
        let trouble = trouble.to_string();
        match self {
            Self::Refused(error) => error,
            Self::Database(_) | Self::Disk(_) => {
                tracing::dispatcher::with_default(log, || {
                    tracing::error!(trouble, "an S3 operation failed here")
                });
                s3_error!(InternalError, "We encountered an internal error. Please try again.")
            }
        }
    }
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// An error with a code of S3's that `s3s` doesn't know.
pub fn named_error(code: &'static str, status: StatusCode, words: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), words);
    error.set_status_code(status);
    error
}

/// Why the endpoint can't start.
#[derive(Debug)]
pub enum OpenError {
    /// The data folder can't be created, read or written.
    Folder { path: PathBuf, source: io::Error },
    /// The database can't be read or written.
    Database(rusqlite::Error),
    /// S3 has no buckets of such a name.
    BucketName(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, source } => {
                write!(f, "The data folder {} can't be used: {source}.", path.display())
            }
            Self::Database(source) => write!(f, "The database of stored objects can't be used: {source}."),
            Self::BucketName(name) => write!(f, "\"{name}\" isn't a valid name for an S3 bucket."),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
