use super::*;

#[test]
fn storage_status_maps_to_kind_and_code() {
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
        let error = from_storage(status, body);
        assert_eq!((error.kind, &*error.code), (kind, code), "{status} {body}");
    }
}

#[test]
fn edge_problem_maps_to_kind_code_and_message() {
    let problem =
        |code: &str, retryable| ProblemBody { code: code.into(), detail: "A sentence.".into(), retryable };
    let (passing, refused) = ("The server has a passing failure.", "The server refuses the request.");
    for (status, problem, kind, code, message) in [
        (401, problem("unauthorized", false), ErrorKind::Expired, "unauthorized", "A sentence."),
        (404, problem("upload_gone", false), ErrorKind::UploadGone, "upload_gone", "A sentence."),
        (401, problem("upload_expired", false), ErrorKind::Expired, "upload_expired", "A sentence."),
        (410, problem("upload_expired", false), ErrorKind::UploadGone, "upload_expired", "A sentence."),
        (409, problem("parts_mismatch", false), ErrorKind::ChecksumMismatch, "parts_mismatch", "A sentence."),
        (403, problem("forbidden", false), ErrorKind::Permanent, "forbidden", "A sentence."),
        (409, problem("throttled", true), ErrorKind::Server, "throttled", "A sentence."),
        (429, ProblemBody::default(), ErrorKind::Throttled, "unavailable", passing),
        (502, ProblemBody::default(), ErrorKind::Server, "unavailable", passing),
        (418, ProblemBody::default(), ErrorKind::Permanent, "refused", refused),
    ] {
        let error = from_edge(status, problem);
        assert_eq!((error.kind, &*error.code, &*error.message), (kind, code, message), "{status}");
    }
    assert_eq!(from_edge(0, ProblemBody::default()).code, "network");
}

#[test]
fn retry_after_seconds_become_milliseconds() {
    for (header, ms) in
        [(None, 0), (Some("3"), 3_000), (Some(" 3 "), 3_000), (Some("soon"), 0), (Some("-1"), 0)]
    {
        assert_eq!(retry_after_ms(header), ms, "{header:?}");
    }
    assert_eq!(retry_after_ms(Some("4294967295")), u32::MAX);
}
