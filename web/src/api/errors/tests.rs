use super::*;

#[test]
fn storage_status_maps_to_kind_and_code() {
    for (status, body, kind, code) in [
        (0, "", ErrorKind::Network, "network"),
        (400, "<Error><Code>BadDigest</Code></Error>", ErrorKind::ChecksumMismatch, "checksum_mismatch"),
        (400, "<Error><Code>InvalidDigest</Code></Error>", ErrorKind::ChecksumMismatch, "checksum_mismatch"),
        (400, "<Error><Code>RequestTimeout</Code></Error>", ErrorKind::Network, "network"),
        (400, "<Error><Code>ExpiredToken</Code></Error>", ErrorKind::Expired, "storage_refused"),
        (400, "<Error><Code>InvalidRequest</Code></Error>", ErrorKind::Permanent, "storage_refused"),
        (403, "", ErrorKind::Expired, "storage_refused"),
        (403, "<Error><Code>AccessDenied</Code></Error>", ErrorKind::Expired, "storage_refused"),
        (403, "<html>Blocked</html>", ErrorKind::Blocked, "blocked"),
        (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", ErrorKind::ClockSkew, "clocks_differ"),
        (404, "<Error><Code>NoSuchUpload</Code></Error>", ErrorKind::UploadGone, "upload_gone"),
        (413, "<html></html>", ErrorKind::Blocked, "blocked"),
        (408, "", ErrorKind::Server, "storage_unavailable"),
        (429, "", ErrorKind::Throttled, "throttled"),
        (500, "", ErrorKind::Server, "storage_unavailable"),
        (503, "<Error><Code>SlowDown</Code></Error>", ErrorKind::Throttled, "throttled"),
        (507, "", ErrorKind::StorageFull, "no_space"),
    ] {
        let error = from_storage(status, body, "https://store.test");
        assert_eq!((error.kind, &*error.code), (kind, code), "{status} {body}");
    }
}

#[test]
fn edge_problem_maps_to_kind_code_and_message() {
    let problem = |code: &str, retryable| ProblemBody {
        code: code.into(),
        detail: "A sentence.".into(),
        retryable,
        part_numbers: Vec::new(),
    };
    for (status, problem, kind) in [
        (401, problem("unauthorized", false), ErrorKind::Expired),
        (404, problem("upload_gone", false), ErrorKind::UploadGone),
        (401, problem("upload_expired", false), ErrorKind::Expired),
        (410, problem("upload_expired", false), ErrorKind::UploadGone),
        (409, problem("checksum_mismatch", false), ErrorKind::ChecksumMismatch),
        (403, problem("forbidden", false), ErrorKind::Permanent),
        (409, problem("throttled", true), ErrorKind::Server),
        (418, problem("refused", false), ErrorKind::Permanent),
    ] {
        let error = from_edge(status, Some(problem.clone()), "");
        assert_eq!(
            (error.kind, &*error.code, &*error.message),
            (kind, &*problem.code, "A sentence."),
            "{status}"
        );
    }
    let silent = ProblemBody { detail: String::new(), ..problem("forbidden", false) };
    assert_eq!(from_edge(403, Some(silent), "").message, "The server refuses the request.");
}

#[test]
fn reply_that_is_not_the_edges_maps_by_status() {
    for (status, kind, code) in [
        (401, ErrorKind::Blocked, "blocked"),
        (403, ErrorKind::Blocked, "blocked"),
        (404, ErrorKind::Blocked, "blocked"),
        (408, ErrorKind::Server, "unavailable"),
        (413, ErrorKind::Blocked, "blocked"),
        (429, ErrorKind::Throttled, "unavailable"),
        (502, ErrorKind::Server, "unavailable"),
    ] {
        let error = from_edge(status, None, "HTTP 404 from https://site.test");
        assert_eq!((error.kind, &*error.code), (kind, code), "{status}");
    }
    let response = "HTTP 404 with text/html from https://site.test/api";
    assert!(from_edge(404, None, response).message.contains(response));
}

#[test]
fn summary_has_status_media_type_and_url_without_query_fragment_and_token() {
    let media_type = || Some("text/html; charset=utf-8".into());
    for (url, shown) in [
        ("https://site.test/api/uploads", "https://site.test/api/uploads"),
        ("https://site.test/sign-in?next=secret#secret", "https://site.test/sign-in"),
        ("https://site.test/api/uploads/secret/parts", "https://site.test/api/uploads/…"),
        ("", ""),
    ] {
        assert_eq!(summary(200, media_type(), url), format!("HTTP 200 with text/html from {shown}"));
    }
    assert_eq!(summary(404, None, "https://site.test/#x"), "HTTP 404 from https://site.test/");
}

#[test]
fn retry_after_seconds_become_milliseconds() {
    for (header, ms) in
        [(None, 0), (Some("3"), 3_000), (Some(" 3 "), 3_000), (Some("soon"), 0), (Some("-1"), 0)]
    {
        assert_eq!(retry_after_ms(header, 0), ms, "{header:?}");
    }
    assert_eq!(retry_after_ms(Some("4294967295"), 0), u32::MAX);
}
