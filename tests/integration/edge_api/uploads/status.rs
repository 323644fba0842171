//! `GET /uploads/{upload}`: state and stored parts of an upload.

use super::{MIB, file};
use crate::support::api_client::ApiClient;
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn stored_parts_are_listed_until_the_upload_is_completed() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(11 * MIB + 7);
    let upload = api.open_upload(file.len(), &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let path = ApiClient::path_of(&upload);
    let mut parts = Vec::new();
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(file.chunks(5 * MIB)) {
        parts.push(api.put_part(part, bytes).await);
    }
    let status = api.get(&path).await.1;
    assert_eq!(status["state"], "open");
    assert_eq!(status["parts"][2]["size"], MIB + 7);
    assert_eq!(status["parts"][0]["etag"], parts[0]["etag"]);

    assert_eq!(api.complete(&upload, &json!({ "parts": parts })).await.0, StatusCode::OK);
    assert_eq!(api.get(&path).await.1["state"], "completed");
    stack.stop().await;
}
