//! Maps statuses and bodies of the storage's and the edge's answers to errors.

use serde::Deserialize;
use std::borrow::Cow;
use uploader_core::error::{ErrorKind, UploadError, codes};

/// A problem+json body as far as it is read. `code` is text, as a code that this version doesn't know must not make the
/// body unreadable.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ProblemBody {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub retryable: bool,
}

/// `Retry-After` in milliseconds; 0 for none. Dates are ignored.
pub fn retry_after_ms(header: Option<&str>) -> u32 {
    let seconds = header.and_then(|value| value.trim().parse::<u32>().ok());
    seconds.unwrap_or(0).saturating_mul(1_000)
}

/// The storage's answer to a part.
pub fn from_storage(status: u16, body: &str) -> UploadError {
    let refused = "The storage refuses a part of the upload.";
    match status {
        0 => UploadError::network(),
        400 if body.contains("BadDigest") || body.contains("XAmzContentChecksumMismatch") => {
            UploadError::checksum_mismatch()
        }
        // S3 answers 400 to a connection it has given up on, and to temporary credentials that have expired.
        400 if body.contains("RequestTimeout") || body.contains("IncompleteBody") => UploadError::network(),
        403 if body.contains("RequestTimeTooSkewed") => UploadError::new(
            ErrorKind::ClockSkew,
            codes::CLOCKS_DIFFER,
            "The server's clock and the storage's differ.",
        ),
        400 if body.contains("ExpiredToken") => {
            UploadError::new(ErrorKind::Expired, codes::STORAGE_REFUSED, refused)
        }
        403 => UploadError::new(ErrorKind::Expired, codes::STORAGE_REFUSED, refused),
        404 => UploadError::upload_gone(),
        507 => UploadError::new(ErrorKind::StorageFull, codes::NO_SPACE, "The storage is full."),
        429 | 503 => {
            UploadError::new(ErrorKind::Throttled, codes::THROTTLED, "The storage asks for fewer requests.")
        }
        408 | 500.. => UploadError::storage_unavailable(),
        _ => UploadError::permanent(codes::STORAGE_REFUSED, refused),
    }
}

/// The edge's answer; `problem` is empty where the body is none of its own.
pub fn from_edge(status: u16, problem: ProblemBody) -> UploadError {
    let kind = match status {
        0 => return UploadError::network(),
        401 => ErrorKind::Expired,
        429 => ErrorKind::Throttled,
        _ if is_gone(&problem.code) => ErrorKind::UploadGone,
        // The completion named parts that aren't stored as it says.
        _ if problem.code == codes::PARTS_MISMATCH => ErrorKind::ChecksumMismatch,
        408 | 500.. => ErrorKind::Server,
        _ if problem.retryable => ErrorKind::Server,
        _ => ErrorKind::Permanent,
    };
    let (code, message) = match kind {
        ErrorKind::Permanent | ErrorKind::Expired => (codes::REFUSED, "The server refuses the request."),
        _ => (codes::UNAVAILABLE, "The server has a passing failure."),
    };
    UploadError::new(kind, or_default(problem.code, code), or_default(problem.detail, message))
}

fn or_default(text: String, default: &'static str) -> Cow<'static, str> {
    if text.is_empty() { default.into() } else { text.into() }
}

/// Codes of the edge that mean that the upload no longer exists.
fn is_gone(code: &str) -> bool {
    matches!(code, codes::UPLOAD_GONE | "upload_expired" | "bad_upload")
}

#[cfg(test)]
mod tests;
