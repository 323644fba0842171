//! Maps statuses and bodies of the storage's and the edge's answers to errors.

use js_sys::Date;
use serde::Deserialize;
use std::borrow::Cow;
use uploader_core::error::{ErrorKind, UploadError, codes};

const UNAVAILABLE: &str = "The server has a passing failure.";

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
    /// With `parts_missing`.
    #[serde(default, rename = "partNumbers")]
    pub part_numbers: Vec<u32>,
}

/// `Retry-After` in milliseconds: seconds, or an HTTP date. 0 for none, for a date in the past, and for anything else.
pub fn retry_after_ms(header: Option<&str>, wall_ms: u64) -> u32 {
    let Some(value) = header.map(str::trim) else { return 0 };
    if let Ok(seconds) = value.parse::<u32>() {
        return seconds.saturating_mul(1_000);
    }
    // An HTTP date always names its time zone.
    let date_ms = if value.ends_with("GMT") { Date::parse(value) } else { f64::NAN };
    // A cast from float to integer saturates, and makes NaN 0.
    u32::try_from((date_ms as u64).saturating_sub(wall_ms)).unwrap_or(u32::MAX)
}

/// A response in a sentence: status, media type and URL, without what may be secret in it: the query and the upload's
/// token.
pub fn summary(status: u16, media_type: Option<String>, url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let url = path.split_once("/uploads/").map_or(path.into(), |(base, _)| format!("{base}/uploads/…"));
    match media_type.as_deref().and_then(|media_type| media_type.split(';').next()) {
        Some(media_type) => format!("HTTP {status} with {media_type} from {url}"),
        None => format!("HTTP {status} from {url}"),
    }
}

/// The storage's answer to a part; `origin` is the storage's.
pub fn from_storage(status: u16, body: &str, origin: &str) -> UploadError {
    let refused = "The storage refuses a part of the upload.";
    match (status, s3_code(body)) {
        (0, _) => UploadError::network(origin),
        // S3's words, and Garage's.
        (400, Some("BadDigest" | "XAmzContentChecksumMismatch" | "InvalidDigest")) => {
            UploadError::checksum_mismatch()
        }
        // S3 answers 400 to a connection it has given up on, and to temporary credentials that have expired.
        (400, Some("RequestTimeout" | "IncompleteBody")) => UploadError::network(origin),
        (403, Some("RequestTimeTooSkewed")) => UploadError::new(
            ErrorKind::ClockSkew,
            codes::CLOCKS_DIFFER,
            "The server's clock and the storage's differ.",
        ),
        (400, Some("ExpiredToken")) | (403, Some(_)) => {
            UploadError::new(ErrorKind::Expired, codes::STORAGE_REFUSED, refused)
        }
        (403, None) if body.is_empty() => {
            UploadError::new(ErrorKind::Expired, codes::STORAGE_REFUSED, refused)
        }
        (404, _) => UploadError::upload_gone(),
        (507, _) => UploadError::new(ErrorKind::StorageFull, codes::NO_SPACE, "The storage is full."),
        (429 | 503, _) => {
            UploadError::new(ErrorKind::Throttled, codes::THROTTLED, "The storage asks for fewer requests.")
        }
        (408 | 500.., _) => UploadError::storage_unavailable(),
        // S3 gives each refusal a code. A page in its place is no storage's.
        (_, None) => UploadError::blocked(&format!("HTTP {status} from {origin}")),
        (_, Some(_)) => UploadError::permanent(codes::STORAGE_REFUSED, refused),
    }
}

/// The code of a body such as `<Error><Code>SlowDown</Code>…`.
fn s3_code(body: &str) -> Option<&str> {
    body.split('<').find_map(|tag| tag.strip_prefix("Code>"))
}

/// The edge's answer; `problem` is `None` where the body is none of its own. `response` tells people which answer it
/// is.
pub fn from_edge(status: u16, problem: Option<ProblemBody>, response: &str) -> UploadError {
    let Some(problem) = problem else {
        return match status {
            408 | 425 | 500.. => UploadError::new(ErrorKind::Server, codes::UNAVAILABLE, UNAVAILABLE),
            429 => UploadError::new(ErrorKind::Throttled, codes::UNAVAILABLE, UNAVAILABLE),
            _ => UploadError::blocked(response),
        };
    };
    let kind = match status {
        401 => ErrorKind::Expired,
        429 => ErrorKind::Throttled,
        _ if is_gone(&problem.code) => ErrorKind::UploadGone,
        // The storage's parts aren't those that this page sent.
        _ if problem.code == codes::CHECKSUM_MISMATCH => ErrorKind::ChecksumMismatch,
        408 | 500.. => ErrorKind::Server,
        _ if problem.retryable => ErrorKind::Server,
        _ => ErrorKind::Permanent,
    };
    let message = match kind {
        ErrorKind::Permanent | ErrorKind::Expired => "The server refuses the request.",
        _ => UNAVAILABLE,
    };
    UploadError::new(kind, problem.code, or_default(problem.detail, message))
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
