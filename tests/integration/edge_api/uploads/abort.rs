//! `DELETE /uploads/{upload}`: aborts an upload.

use crate::support::api_client::ApiClient;
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn open_upload_is_aborted_and_repeated_abort_succeeds() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.open_upload(5, &json!({ "fileName": "a.mp4" })).await;
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&ApiClient::path_of(&upload)).await.1["state"], "aborted");
    stack.stop().await;
}

#[tokio::test]
async fn completed_upload_is_kept() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.upload_file("a.mp4", b"hello").await;
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&ApiClient::path_of(&upload)).await.1["state"], "completed");
    let path = format!("/videos/{}", upload["videoId"].as_str().unwrap());
    assert_eq!(api.get(&path).await.0, StatusCode::OK);
    stack.stop().await;
}
