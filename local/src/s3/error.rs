//! Errors of S3 operations and of opening the endpoint.

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, s3_error};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// The error of an S3 operation.
#[derive(Debug, Error)]
pub enum OperationError {
    /// Sent to the client unchanged.
    #[error(transparent)]
    Refused(#[from] S3Error),
    /// Logged; the client receives `InternalError`.
    #[error("the S3 metadata can't be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// Logged; the client receives `InternalError`.
    #[error("the S3 blob files can't be used: {0}")]
    Disk(#[from] io::Error),
}

impl OperationError {
    /// Returns the error for the client. Internal errors are logged to `log`, and nowhere else: the thread's
    /// own subscriber is disabled during an operation (see `http`).
    pub fn into_s3_error(self, log: &tracing::Dispatch) -> S3Error {
        match self {
            Self::Refused(error) => error,
            Self::Database(_) | Self::Disk(_) => {
                tracing::dispatcher::with_default(
                    log,
                    || tracing::error!(error = %self, "S3 operation failed"),
                );
                s3_error!(InternalError, "We encountered an internal error. Please try again.")
            }
        }
    }
}

/// Returns an error with an S3 code that `s3s` doesn't know.
pub fn custom_error(code: &'static str, status: StatusCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// The error of opening the endpoint.
#[derive(Debug, Error)]
pub enum S3OpenError {
    /// The data folder can't be created, read or written.
    #[error("The data folder {} can't be used: {source}.", path.display())]
    DataDir { path: PathBuf, source: io::Error },
    /// The database can't be read or written.
    #[error("The database of stored objects can't be used: {0}.")]
    Database(#[from] rusqlite::Error),
    /// S3 doesn't allow this bucket name.
    #[error("\"{0}\" isn't a valid name for an S3 bucket.")]
    BucketName(String),
}
