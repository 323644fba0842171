//! Maps the statuses and codes of the storage and the edge to failures. Pure.

use crate::answers::Problem;
use std::borrow::Cow;
use uploader_core::error::{ErrorKind, UploadError, codes};

/// Of the storage's answer to a part: its HTTP status and body.
pub fn from_store(status: u16, body: &str) -> UploadError {
    // `contains` would bring a search engine of two kilobytes along.
    let says = |code: &str| body.as_bytes().windows(code.len()).any(|word| word == code.as_bytes());
    let refused = "The storage refuses a part of the upload.";
    match status {
        0 => UploadError::network(),
        400 if says("BadDigest") || says("XAmzContentChecksumMismatch") => UploadError::checksum_mismatch(),
        // S3 says 400 to a connection it tired of, and to temporary credentials that have run out.
        400 if says("RequestTimeout") || says("IncompleteBody") => UploadError::network(),
        403 if says("RequestTimeTooSkewed") => UploadError::new(
            ErrorKind::ClockSkew,
            codes::CLOCKS_DIFFER,
            "The server's clock and the storage's differ.",
        ),
        400 if says("ExpiredToken") => UploadError::new(ErrorKind::Expired, codes::STORAGE_REFUSED, refused),
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

/// Of the edge's answer: its HTTP status and its body, empty where that is no error of the edge's own.
pub fn from_edge(status: u16, problem: Problem) -> UploadError {
    let kind = match status {
        0 => return UploadError::network(),
        401 => ErrorKind::Expired,
        429 => ErrorKind::Throttled,
        _ if is_gone(&problem.code) => ErrorKind::UploadGone,
        // Asked to complete what isn't there as it was said to be.
        _ if problem.code == codes::PARTS_MISMATCH => ErrorKind::ChecksumMismatch,
        408 | 500.. => ErrorKind::Server,
        _ if problem.retryable => ErrorKind::Server,
        _ => ErrorKind::Permanent,
    };
    let own_words = match kind {
        ErrorKind::Permanent | ErrorKind::Expired => (codes::REFUSED, "The server refuses the request."),
        _ => (codes::UNAVAILABLE, "The server has a passing failure."),
    };
    let either = |theirs: String, ours: &'static str| match theirs.is_empty() {
        true => Cow::Borrowed(ours),
        false => Cow::Owned(theirs),
    };
    UploadError::new(kind, either(problem.code, own_words.0), either(problem.detail, own_words.1))
}

/// Codes of the edge's that mean: that upload is no more.
fn is_gone(code: &str) -> bool {
    matches!(code, codes::UPLOAD_GONE | "upload_expired" | "bad_upload")
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_storage() {
        for (status, body, kind, code) in [
            (0, "", ErrorKind::Network, "network"),
            (400, "<Error><Code>BadDigest</Code></Error>", ErrorKind::ChecksumMismatch, "checksum_mismatch"),
            (400, "<Error><Code>RequestTimeout</Code></Error>", ErrorKind::Network, "network"),
            (400, "<Error><Code>ExpiredToken</Code></Error>", ErrorKind::Expired, "storage_refused"),
            (400, "<Error><Code>InvalidRequest</Code></Error>", ErrorKind::Permanent, "storage_refused"),
            (403, "", ErrorKind::Expired, "storage_refused"),
            (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", ErrorKind::ClockSkew, "clocks_differ"),
            (404, "<Error><Code>NoSuchUpload</Code></Error>", ErrorKind::UploadGone, "upload_gone"),
            (408, "", ErrorKind::Server, "storage_unavailable"),
            (429, "", ErrorKind::Throttled, "throttled"),
            (500, "", ErrorKind::Server, "storage_unavailable"),
            (503, "<Error><Code>SlowDown</Code></Error>", ErrorKind::Throttled, "throttled"),
            (507, "", ErrorKind::StorageFull, "no_space"),
        ] {
            let failure = from_store(status, body);
            assert_eq!((failure.kind, &*failure.code), (kind, code), "{status} {body}");
        }
    }

    #[test]
    fn answers_of_the_edge() {
        let said =
            |code: &str, retryable| Problem { code: code.into(), detail: "A sentence.".into(), retryable };
        for (status, problem, kind, code, sentence) in [
            (0, Problem::default(), ErrorKind::Network, "network", UploadError::network().message.clone()),
            (401, said("unauthorized", false), ErrorKind::Expired, "unauthorized", "A sentence.".into()),
            (404, said("upload_gone", false), ErrorKind::UploadGone, "upload_gone", "A sentence.".into()),
            (401, said("upload_expired", false), ErrorKind::Expired, "upload_expired", "A sentence.".into()),
            (
                410,
                said("upload_expired", false),
                ErrorKind::UploadGone,
                "upload_expired",
                "A sentence.".into(),
            ),
            (
                409,
                said("parts_mismatch", false),
                ErrorKind::ChecksumMismatch,
                "parts_mismatch",
                "A sentence.".into(),
            ),
            (403, said("forbidden", false), ErrorKind::Permanent, "forbidden", "A sentence.".into()),
            (409, said("throttled", true), ErrorKind::Server, "throttled", "A sentence.".into()),
            (
                429,
                Problem::default(),
                ErrorKind::Throttled,
                "unavailable",
                "The server has a passing failure.".into(),
            ),
            (
                502,
                Problem::default(),
                ErrorKind::Server,
                "unavailable",
                "The server has a passing failure.".into(),
            ),
            (
                418,
                Problem::default(),
                ErrorKind::Permanent,
                "refused",
                "The server refuses the request.".into(),
            ),
        ] {
            let failure = from_edge(status, problem);
            assert_eq!((failure.kind, &*failure.code), (kind, code), "{status}");
            assert_eq!(failure.message, sentence, "{status}");
        }
    }
}
