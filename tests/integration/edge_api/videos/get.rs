//! `GET /videos/{id}`: one video.

use crate::support::api_client::ApiClient;
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn matching_etag_returns_304() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    api.open_upload(5, &json!({ "fileName": "a.mp4", "videoId": "v" })).await;
    let url = format!("{}/api/videos/v", stack.page);
    let first = reqwest::get(&url).await.unwrap();
    let etag = first.headers()["etag"].clone();
    let second = reqwest::Client::new().get(&url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    stack.stop().await;
}
