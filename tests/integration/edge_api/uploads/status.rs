//! `GET /uploads/{upload}`: state and stored parts of an upload.

use super::{MIB, file, stack_and_later_edge};
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;
use tests::crc64;

#[tokio::test]
async fn stored_parts_are_listed_until_the_upload_is_completed() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(11 * MIB + 7);
    let upload = api.open_file(&file, &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let path = ApiClient::path_of(&upload);
    let mut expected = Vec::new();
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(file.chunks(5 * MIB)) {
        let etag = api.put_part(part, bytes).await;
        expected.push(json!({ "partNumber": part["partNumber"], "size": bytes.len(), "etag": etag, "checksum": crc64(bytes) }));
    }
    let status = api.get(&path).await.1;
    assert_eq!((&status["state"], &status["parts"]), (&json!("open"), &json!(expected)));

    assert_eq!(api.complete(&upload, &json!({})).await.0, StatusCode::OK);
    assert_eq!(api.get(&path).await.1["state"], "completed");
    stack.stop().await;
}

#[tokio::test]
async fn completed_upload_is_found_after_its_expiry() {
    let (stack, _data, api, later) = stack_and_later_edge().await;
    let completed = api.upload_file("a.mp4", b"hello").await;
    let open = api.store_parts(b"hello", &json!({ "fileName": "a.mp4" })).await;
    assert_eq!(later.get(&ApiClient::path_of(&completed)).await.1["state"], "completed");
    assert_problem(later.get(&ApiClient::path_of(&open)).await, "upload_expired");
    for upload in [&completed, &open] {
        assert_eq!(later.abort(upload).await, StatusCode::NO_CONTENT);
        assert_ne!(api.get(&ApiClient::path_of(upload)).await.1["state"], "aborted", "nothing is touched");
    }
    stack.stop().await;
}
