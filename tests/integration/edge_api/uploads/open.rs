//! `POST /uploads`: opens an upload.

use super::MIB;
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::crc64;

#[tokio::test]
async fn invalid_request_is_rejected_with_its_code() {
    let (stack, _data) = stack::start(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let api = ApiClient::new(&stack.page);
    for (body, code) in [
        (request_with("size", json!(0)), "file_empty"),
        (request_with("size", json!(1001)), "file_too_large"),
        (request_with("size", json!(u64::MAX)), "file_too_large"),
        (request_with("size", json!(-1)), "bad_json"),
        (request_with("size", json!("5")), "bad_json"),
        (request_with("fileName", json!(null)), "bad_json"),
        (request_with("fileName", json!("x".repeat(5000))), "bad_request"),
        (request_with("partSize", json!(MIB)), "bad_request"),
        (request_with("partSize", json!(5 * MIB + 1)), "bad_request"),
        (request_with("videoId", json!("a/b")), "bad_video_id"),
        (request_with("videoId", json!("")), "bad_video_id"),
        // Its playlist would replace that of a rendition of the video `film`.
        (request_with("videoId", json!("film_360")), "bad_video_id"),
        (request_with("videoId", json!("x".repeat(65))), "bad_video_id"),
        (json!([1]), "bad_json"),
        (request_with("checksums", json!([null])), "bad_json"),
        (request_with("checksums", json!([""])), "bad_checksum"),
        (request_with("checksums", json!(["AAAA"])), "bad_checksum"),
        (request_with("checksums", json!([crc64(b"a"), crc64(b"b")])), "bad_checksum"),
    ] {
        assert_problem(api.post("/uploads", body.to_string()).await, code);
    }
    assert_problem(api.post("/uploads", "{".into()).await, "bad_json");
    assert_problem(api.post("/uploads", format!("\"{}\"", "x".repeat(10 * MIB))).await, "body_too_large");
    stack.stop().await;
}

#[tokio::test]
async fn unusual_file_name_or_content_type_is_accepted() {
    let (stack, _data) = stack::start(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let api = ApiClient::new(&stack.page);
    let names =
        ["a b+c%20#?.mp4", "\"quoted\" 'name'.mp4", "🎬 emoji.mp4", "../../etc/passwd", &"n".repeat(300)];
    for name in names {
        let request = request_with("fileName", json!(name));
        let (status, body) = api.post("/uploads", request.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{name}: {body}");
    }
    let request = request_with("contentType", json!("video/mp4\r\nx-evil: 1"));
    let (status, body) = api.post("/uploads", request.to_string()).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    stack.stop().await;
}

/// A valid request, but for one field.
fn request_with(field: &str, value: Value) -> Value {
    let mut request = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4" });
    request[field] = value;
    request
}

#[tokio::test]
async fn video_id_with_a_stored_object_is_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let request = json!({ "fileName": "a.mp4", "size": 5, "videoId": "mine" });
    // Opening the id again is allowed while nothing is stored; it aborts the earlier upload.
    let first = api.store_parts(b"later", &request).await;
    let second = api.store_parts(b"first", &request).await;
    assert_eq!(api.complete(&second, &json!({})).await.0, StatusCode::OK);
    assert_problem(api.complete(&first, &json!({})).await, "upload_gone");
    assert_eq!(api.get(&ApiClient::path_of(&first)).await.1["state"], "aborted");
    assert_problem(api.post("/uploads", request.to_string()).await, "video_exists");
    stack.stop().await;
}

#[tokio::test]
async fn video_id_opened_again_with_another_file_gives_one_object_and_one_job() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let first = api.store_parts(b"hello", &json!({ "fileName": "a.mp4", "videoId": "mine" })).await;
    let second = api.store_parts(b"no video", &json!({ "fileName": "b.mov", "videoId": "mine" })).await;
    assert_eq!(second["key"], first["key"]);
    let (status, completed) = api.complete(&second, &json!({})).await;
    assert_eq!((status, &completed["video"]["size"]), (StatusCode::OK, &json!(8)), "{completed}");
    assert_problem(api.complete(&first, &json!({})).await, "upload_gone");
    api.wait_for_final_status("mine").await;
    assert_eq!(stack::job_ids(&stack).await.len(), 1);
    assert_eq!(api.get("/videos/mine").await.1["size"], 8);
    stack.stop().await;
}

#[tokio::test]
async fn upload_started_over_aborts_its_predecessor_and_survives_its_abort() {
    let (stack, _data) = stack::start(&[("MAX_OPEN_UPLOADS", "1")]).await;
    let api = ApiClient::new(&stack.page);
    let request = json!({ "fileName": "a.mp4", "videoId": "mine" });
    let first = api.store_parts(b"hello", &request).await;
    let second = api.store_parts(b"hello", &request).await;
    let open = stack::s3_client(&stack).list_multipart_uploads().bucket("uploads").send().await.unwrap();
    assert_eq!(open.uploads().len(), 1, "each open video has one upload");
    assert_eq!(api.abort(&first).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get("/videos/mine").await.1["status"], "uploading");
    assert_problem(
        api.post("/uploads", request_with("videoId", json!(null)).to_string()).await,
        "too_many_uploads",
    );
    assert_eq!(api.complete(&second, &json!({})).await.0, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test]
async fn daily_limit_is_refused_with_its_code() {
    let (stack, _data) = stack::start(&[("MAX_VIDEOS_PER_DAY", "2"), ("MAX_BYTES_PER_DAY", "9")]).await;
    let api = ApiClient::new(&stack.page);
    assert_problem(
        api.post("/uploads", request_with("size", json!(10)).to_string()).await,
        "daily_limit_reached",
    );
    for size in [5, 4] {
        let (status, body) = api.post("/uploads", request_with("size", json!(size)).to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
    }
    assert_problem(
        api.post("/uploads", request_with("size", json!(1)).to_string()).await,
        "daily_limit_reached",
    );
    let open = stack::s3_client(&stack).list_multipart_uploads().bucket("uploads").send().await.unwrap();
    assert_eq!(open.uploads().len(), 2, "a refused upload is aborted");
    stack.stop().await;
}

#[tokio::test]
async fn upload_base_url_replaces_the_storage_origin_in_signed_urls() {
    let base = "https://site.example";
    let (stack, _data) = stack::start(&[("UPLOAD_BASE_URL", base)]).await;
    let api = ApiClient::new(&stack.page);
    let mut upload = api.open_file(b"bytes", &json!({ "fileName": "a.mp4" })).await;
    let signed = upload["parts"][0]["url"].as_str().unwrap().to_owned();
    let path = signed.strip_prefix(base).unwrap();
    assert!(path.starts_with("/inputs/"), "the path has no bucket name: {path}");
    // The page's server forwards the request to the bucket, with the signature unchanged.
    upload["parts"][0]["url"] = format!("{}{path}", stack.page).into();
    let mut tampered = upload["parts"][0].clone();
    tampered["url"] = format!("{}{}", stack.page, path.replace("partNumber=1", "partNumber=2")).into();
    assert_eq!(api.send_part(&tampered, b"bytes").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(api.send_part(&upload["parts"][0], b"byte").await.status(), StatusCode::FORBIDDEN);
    api.put_part(&upload["parts"][0], b"bytes").await;
    assert_eq!(api.complete(&upload, &json!({})).await.0, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test]
async fn first_parts_are_signed_where_the_plan_has_the_requested_part_size() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let sums = |count: u8| (0..count).map(|part| crc64(&[part])).collect::<Vec<_>>();
    let part_numbers = |upload: &Value| -> Vec<u64> {
        upload["parts"].as_array().unwrap().iter().map(|part| part["partNumber"].as_u64().unwrap()).collect()
    };
    let too_large = 10_000 * 5 * MIB + 1;
    for (size, part_size, count, signed) in [
        (100 * 8 * MIB, json!(null), 100, 100),
        (100 * 8 * MIB, json!(8 * MIB), 3, 3),
        (100 * 8 * MIB, json!(null), 0, 0),
        (2 * 5 * MIB, json!(5 * MIB), 2, 2),
        (too_large, json!(5 * MIB), 100, 0),
        (too_large, json!(6 * MIB), 100, 100),
    ] {
        let fields = json!({ "fileName": "a.mp4", "partSize": part_size, "checksums": sums(count) });
        let upload = api.open_upload(size, &fields).await;
        assert_eq!(part_numbers(&upload), (1..=signed).collect::<Vec<_>>(), "{size} {part_size}");
        for (part, sum) in upload["parts"].as_array().unwrap().iter().zip(sums(count)) {
            assert_eq!(part["headers"], json!({ "x-amz-checksum-crc64nvme": sum }));
        }
    }
    let mut request = json!({ "fileName": "a.mp4", "size": 1000 * 8 * MIB, "checksums": sums(101) });
    assert_problem(api.post("/uploads", request.to_string()).await, "bad_checksum");
    request["checksums"] = json!([]);
    assert_eq!(api.post("/uploads", request.to_string()).await.0, StatusCode::CREATED);
    stack.stop().await;
}

/// AWS WAF's common rule set refuses larger bodies, in bytes.
const WAF_BODY_LIMIT: usize = 8 * 1024;

#[test]
fn requests_of_the_largest_upload_fit_into_the_body_limit_of_aws_waf() {
    let checksum = crc64(b"any");
    let parts = |numbers: std::ops::RangeInclusive<u32>| {
        numbers
            .map(|part_number| wire::PartToSign { part_number, checksum: Some(checksum.clone()) })
            .collect()
    };
    let open = wire::OpenUpload {
        file_name: "\u{1f3ac}".repeat(63),
        size: wire::MAX_OBJECT_SIZE,
        content_type: "video/x-matroska".into(),
        last_modified: Some(u64::from(u32::MAX) * 1000),
        video_id: Some("v".repeat(64)),
        title: Some("\u{1f3ac}".repeat(wire::MAX_TITLE_LENGTH)),
        part_size: Some(wire::MAX_PART_SIZE),
        checksums: vec![checksum.clone(); wire::MAX_PARTS_PER_CALL],
    };
    let sign = (1..=100).map(|call| wire::SignParts { parts: parts(call * 100 - 99..=call * 100) });
    let complete = wire::CompleteUpload { checksum: Some(checksum.clone()) };
    let sizes = [serde_json::to_vec(&open), serde_json::to_vec(&complete)].into_iter();
    let sizes = sizes.chain(sign.map(|sign| serde_json::to_vec(&sign))).map(|body| body.unwrap().len());
    let largest = sizes.max().unwrap();
    assert!(largest < WAF_BODY_LIMIT, "{largest}");
}
