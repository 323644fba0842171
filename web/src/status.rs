//! Maps the statuses and codes of the storage and the edge to failures. Pure.

use crate::answers::Problem;
use std::borrow::Cow;
use uploader_core::error::{Failure, Kind, codes};

/// Of the storage's answer to a part: its HTTP status and body.
pub fn from_store(status: u16, body: &str) -> Failure {
    // `contains` would bring a search engine of two kilobytes along.
    let says = |code: &str| body.as_bytes().windows(code.len()).any(|word| word == code.as_bytes());
    let refused = "The storage refuses a part of the upload.";
    match status {
        0 => Failure::network(),
        400 if says("BadDigest") || says("XAmzContentChecksumMismatch") => Failure::damaged(),
        // S3 says 400 to a connection it tired of, and to temporary credentials that have run out.
        400 if says("RequestTimeout") || says("IncompleteBody") => Failure::network(),
        403 if says("RequestTimeTooSkewed") => {
            Failure::new(Kind::Clock, codes::CLOCKS_DIFFER, "The server's clock and the storage's differ.")
        }
        400 if says("ExpiredToken") => Failure::new(Kind::Expired, codes::STORAGE_REFUSED, refused),
        403 => Failure::new(Kind::Expired, codes::STORAGE_REFUSED, refused),
        404 => Failure::gone(),
        507 => Failure::new(Kind::NoSpace, codes::NO_SPACE, "The storage is full."),
        429 | 503 => Failure::new(Kind::Throttled, codes::THROTTLED, "The storage asks for fewer requests."),
        408 | 500.. => Failure::storage_unavailable(),
        _ => Failure::last(codes::STORAGE_REFUSED, refused),
    }
}

/// Of the edge's answer: its HTTP status and its body, empty where that is no error of the edge's own.
pub fn from_edge(status: u16, problem: Problem) -> Failure {
    let kind = match status {
        0 => return Failure::network(),
        401 => Kind::Expired,
        429 => Kind::Throttled,
        _ if is_gone(&problem.code) => Kind::Gone,
        // Asked to complete what isn't there as it was said to be.
        _ if problem.code == codes::PARTS_MISMATCH => Kind::Damaged,
        408 | 500.. => Kind::Server,
        _ if problem.retryable => Kind::Server,
        _ => Kind::Final,
    };
    let own_words = match kind {
        Kind::Final | Kind::Expired => (codes::REFUSED, "The server refuses the request."),
        _ => (codes::UNAVAILABLE, "The server has a passing failure."),
    };
    let either = |theirs: String, ours: &'static str| match theirs.is_empty() {
        true => Cow::Borrowed(ours),
        false => Cow::Owned(theirs),
    };
    Failure::new(kind, either(problem.code, own_words.0), either(problem.detail, own_words.1))
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
            (0, "", Kind::Network, "network"),
            (400, "<Error><Code>BadDigest</Code></Error>", Kind::Damaged, "checksum_mismatch"),
            (400, "<Error><Code>RequestTimeout</Code></Error>", Kind::Network, "network"),
            (400, "<Error><Code>ExpiredToken</Code></Error>", Kind::Expired, "storage_refused"),
            (400, "<Error><Code>InvalidRequest</Code></Error>", Kind::Final, "storage_refused"),
            (403, "", Kind::Expired, "storage_refused"),
            (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", Kind::Clock, "clocks_differ"),
            (404, "<Error><Code>NoSuchUpload</Code></Error>", Kind::Gone, "upload_gone"),
            (408, "", Kind::Server, "storage_unavailable"),
            (429, "", Kind::Throttled, "throttled"),
            (500, "", Kind::Server, "storage_unavailable"),
            (503, "<Error><Code>SlowDown</Code></Error>", Kind::Throttled, "throttled"),
            (507, "", Kind::NoSpace, "no_space"),
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
            (0, Problem::default(), Kind::Network, "network", Failure::network().sentence.clone()),
            (401, said("unauthorized", false), Kind::Expired, "unauthorized", "A sentence.".into()),
            (404, said("upload_gone", false), Kind::Gone, "upload_gone", "A sentence.".into()),
            (401, said("upload_expired", false), Kind::Expired, "upload_expired", "A sentence.".into()),
            (410, said("upload_expired", false), Kind::Gone, "upload_expired", "A sentence.".into()),
            (409, said("parts_mismatch", false), Kind::Damaged, "parts_mismatch", "A sentence.".into()),
            (403, said("forbidden", false), Kind::Final, "forbidden", "A sentence.".into()),
            (409, said("throttled", true), Kind::Server, "throttled", "A sentence.".into()),
            (
                429,
                Problem::default(),
                Kind::Throttled,
                "unavailable",
                "The server has a passing failure.".into(),
            ),
            (
                502,
                Problem::default(),
                Kind::Server,
                "unavailable",
                "The server has a passing failure.".into(),
            ),
            (418, Problem::default(), Kind::Final, "refused", "The server refuses the request.".into()),
        ] {
            let failure = from_edge(status, problem);
            assert_eq!((failure.kind, &*failure.code), (kind, code), "{status}");
            assert_eq!(failure.sentence, sentence, "{status}");
        }
    }
}
