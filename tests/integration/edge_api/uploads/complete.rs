//! `POST /uploads/{upload}/complete`: makes the object of the stored parts.

use super::{MIB, file, stack_and_later_edge};
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack::{self, s3_client};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::crc64;

#[tokio::test]
async fn repeated_completion_returns_the_same_result() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(11 * MIB + 7);
    let fields = json!({ "fileName": "My + film # 1.MOV", "partSize": 5 * MIB });
    let upload = api.store_parts(&file, &fields).await;
    assert_eq!((upload["partCount"].as_u64(), upload["partSize"].as_u64()), (Some(3), Some(5 << 20)));
    assert_eq!(upload["checksum"], "CRC64NVME");
    let id = upload["videoId"].as_str().unwrap();
    assert_eq!(upload["key"], format!("inputs/{id}.mov"));

    let request = json!({ "checksum": crc64(&file) });
    let (first_status, first) = api.complete(&upload, &request).await;
    let (second_status, second) = api.complete(&upload, &request).await;
    assert_eq!((first_status, second_status), (StatusCode::OK, StatusCode::OK), "{first} {second}");
    for field in ["videoId", "key", "size", "checksum"] {
        assert_eq!(first[field], second[field]);
    }
    assert_eq!(first["checksum"], crc64(&file));
    assert_eq!(api.get(&ApiClient::path_of(&upload)).await.1["state"], "completed");
    // Another file's checksum isn't this object's.
    let other = json!({ "checksum": crc64(b"other bytes") });
    assert_problem(api.complete(&upload, &other).await, "upload_gone");
    // A late abort doesn't undo a completed upload.
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&format!("/videos/{id}")).await.0, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test]
async fn empty_body_completes_without_a_checksum_of_the_file() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    for body in ["", "{}"] {
        let upload = api.store_parts(b"hello", &json!({ "fileName": "a.mp4" })).await;
        let path = format!("{}/complete", ApiClient::path_of(&upload));
        for invalid in ["null", "[", "{\"checksum\": 1}"] {
            assert_problem(api.post(&path, invalid.into()).await, "bad_json");
        }
        let (status, completed) = api.post(&path, body.into()).await;
        assert_eq!(
            (status, &completed["checksum"]),
            (StatusCode::OK, &json!(crc64(b"hello"))),
            "{completed}"
        );
    }
    stack.stop().await;
}

#[tokio::test]
async fn missing_parts_and_parts_of_another_size_are_named() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(16 * MIB);
    let upload = api.open_file(&file, &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let parts: Vec<&[u8]> = file.chunks(5 * MIB).collect();
    let request = json!({ "checksum": crc64(&file) });
    let assert_missing = async |numbers: Value| {
        let (status, body) = api.complete(&upload, &request).await;
        assert_eq!((&body["partNumbers"], &body["retryable"]), (&numbers, &json!(false)), "{body}");
        assert_problem((status, body), "parts_missing");
    };
    assert_missing(json!([1, 2, 3, 4])).await;
    for number in [0, 3] {
        api.put_part(&upload["parts"][number], parts[number]).await;
    }
    assert_missing(json!([2, 3])).await;
    api.put_part(&upload["parts"][1], parts[1]).await;
    // Presigned URLs take no other length, so S3's own credentials store it.
    let s3 = s3_client(&stack);
    let key = upload["key"].as_str().unwrap();
    let uploads = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    let id = uploads.uploads().iter().find(|upload| upload.key() == Some(key)).unwrap().upload_id().unwrap();
    for (number, bytes) in [(3, &parts[2][1..]), (5, b"extra")] {
        let put = s3.upload_part().bucket("uploads").key(key).upload_id(id).part_number(number);
        put.checksum_crc64_nvme(crc64(bytes)).body(bytes.to_vec().into()).send().await.unwrap();
    }
    assert_missing(json!([3])).await;
    api.put_part(&upload["parts"][2], parts[2]).await;
    let (status, completed) = api.complete(&upload, &request).await;
    assert_eq!(status, StatusCode::OK, "{completed}");
    let stored = s3.get_object().bucket("uploads").key(key).send().await.unwrap();
    assert!(
        stored.body.collect().await.unwrap().into_bytes() == file,
        "the part outside the plan is not used"
    );
    stack.stop().await;
}

#[tokio::test]
async fn wrong_checksum_of_the_file_makes_no_object() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.store_parts(&file(MIB), &json!({ "fileName": "a.mp4" })).await;
    for invalid in ["", "rosUhgp5mIg", "rosUhgp5mIg==", "AAAA", "not base64!"] {
        assert_problem(api.complete(&upload, &json!({ "checksum": invalid })).await, "bad_checksum");
    }
    let request = json!({ "checksum": crc64(b"other bytes") });
    assert_problem(api.complete(&upload, &request).await, "checksum_mismatch");
    let id = upload["videoId"].as_str().unwrap();
    assert_eq!(api.get(&format!("/videos/{id}")).await.1["status"], "uploading");
    stack.stop().await;
}

#[tokio::test]
async fn upload_without_checksums_is_completed_by_its_sizes() {
    let (stack, _data) = stack::start(&[("UPLOAD_CHECKSUM", "none")]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(6 * MIB);
    // Checksums are ignored; their number is that of the parts to sign.
    let fields = json!({ "fileName": "a.mp4", "partSize": 5 * MIB, "checksums": ["", "?"] });
    let upload = api.open_upload(file.len(), &fields).await;
    assert_eq!((&upload["checksum"], upload["parts"].as_array().unwrap().len()), (&json!("none"), 2));
    assert!(upload["parts"][0].get("headers").is_none(), "{upload}");
    let path = format!("{}/parts", ApiClient::path_of(&upload));
    let (_, signed) = api.post(&path, json!({ "parts": [{ "partNumber": 2 }] }).to_string()).await;
    assert_eq!(api.send_part(&signed["parts"][0], b"another length").await.status(), StatusCode::FORBIDDEN);
    api.put_part(&signed["parts"][0], &file[5 * MIB..]).await;
    assert_problem(api.complete(&upload, &json!({})).await, "parts_missing");
    api.put_part(&upload["parts"][0], &file[..5 * MIB]).await;
    for _ in 0..2 {
        let (status, completed) = api.complete(&upload, &json!({ "checksum": crc64(b"ignored") })).await;
        assert_eq!((status, completed.get("checksum")), (StatusCode::OK, None), "{completed}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn completed_upload_is_found_after_its_expiry() {
    let (stack, _data, api, later) = stack_and_later_edge().await;
    let file = file(5 * MIB + 7);
    let fields = json!({ "fileName": "a.mp4", "partSize": 5 * MIB });
    let (open, completed) = (api.store_parts(&file, &fields).await, api.store_parts(&file, &fields).await);
    let request = json!({ "checksum": crc64(&file) });
    let (_, first) = api.complete(&completed, &request).await;
    assert_problem(
        later.complete(&completed, &json!({ "checksum": crc64(b"other") })).await,
        "upload_expired",
    );
    let (status, found) = later.complete(&completed, &request).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    for field in ["videoId", "key", "size", "checksum"] {
        assert_eq!(found[field], first[field]);
    }
    // An upload that is only open isn't completed after its expiry, although all its parts are stored.
    assert_problem(later.complete(&open, &request).await, "upload_expired");
    stack.stop().await;
}
