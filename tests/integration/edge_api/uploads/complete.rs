//! `POST /uploads/{upload}/complete`: makes the object of the stored parts.

use super::{MIB, file};
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;
use tests::crc64;

#[tokio::test]
async fn repeated_completion_returns_the_same_result() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(11 * MIB + 7);
    let fields = json!({ "fileName": "My + film # 1.MOV", "partSize": 5 * MIB });
    let upload = api.open_upload(file.len(), &fields).await;
    assert_eq!((upload["partCount"].as_u64(), upload["partSize"].as_u64()), (Some(3), Some(5 << 20)));
    assert_eq!(upload["checksum"], "CRC64NVME");
    let id = upload["videoId"].as_str().unwrap();
    assert_eq!(upload["key"], format!("inputs/{id}.mov"));
    let mut parts = Vec::new();
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(file.chunks(5 * MIB)) {
        parts.push(api.put_part(part, bytes).await);
    }

    let request = json!({ "parts": parts, "checksum": crc64(&file) });
    let (first_status, first) = api.complete(&upload, &request).await;
    let (second_status, second) = api.complete(&upload, &request).await;
    assert_eq!((first_status, second_status), (StatusCode::OK, StatusCode::OK), "{first} {second}");
    for field in ["videoId", "key", "size", "checksum"] {
        assert_eq!(first[field], second[field]);
    }
    assert_eq!(first["checksum"], crc64(&file));
    assert_eq!(api.get(&ApiClient::path_of(&upload)).await.1["state"], "completed");
    // A late abort doesn't undo a completed upload.
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&format!("/videos/{id}")).await.0, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test]
async fn part_list_that_differs_from_the_plan_is_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(6 * MIB);
    let upload = api.open_upload(file.len(), &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let one = api.put_part(&upload["parts"][0], &file[..5 * MIB]).await;
    let two = api.put_part(&upload["parts"][1], &file[5 * MIB..]).await;
    let wrong_etag = json!({ "partNumber": 2, "etag": "\"00000000000000000000000000000000\"" });
    for (parts, code) in [
        (json!([two, one]), "parts_mismatch"),
        (json!([one]), "parts_mismatch"),
        (json!([one, one]), "parts_mismatch"),
        (json!([one, two, two]), "parts_mismatch"),
        (json!([]), "parts_mismatch"),
        (json!([one, wrong_etag]), "parts_mismatch"),
        (json!("parts"), "bad_json"),
    ] {
        assert_problem(api.complete(&upload, &json!({ "parts": parts })).await, code);
    }
    let (status, body) = api.complete(&upload, &json!({ "parts": [one, two] })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    stack.stop().await;
}

#[tokio::test]
async fn wrong_size_or_checksum_makes_no_object() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    for sent in [MIB - 1, MIB + 1] {
        let upload = api.open_upload(MIB, &json!({ "fileName": "a.mp4" })).await;
        let part = api.put_part(&upload["parts"][0], &file(sent)).await;
        assert_problem(api.complete(&upload, &json!({ "parts": [part] })).await, "size_mismatch");
        let id = upload["videoId"].as_str().unwrap();
        assert_eq!(api.get(&format!("/videos/{id}")).await.1["status"], "uploading");
    }
    let upload = api.open_upload(MIB, &json!({ "fileName": "a.mp4" })).await;
    let part = api.put_part(&upload["parts"][0], &file(MIB)).await;
    let request = json!({ "parts": [part], "checksum": crc64(b"other bytes") });
    assert_problem(api.complete(&upload, &request).await, "checksum_mismatch");
    stack.stop().await;
}
