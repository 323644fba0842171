//! Bearer tokens and ownership.

use crate::support::api_client::{ApiClient, assert_problem, token};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;

const SECRET: &str = "a secret of at least thirty-two bytes";

#[tokio::test]
async fn uploads_and_videos_are_accessible_to_their_owner_only() {
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", SECRET)]).await;
    let anna = ApiClient::new(&stack.page).with_token(token(SECRET, "anna"));
    let bob = ApiClient::new(&stack.page).with_token(token(SECRET, "bob"));
    let upload = anna.open_upload(5, &json!({ "fileName": "a.mp4", "videoId": "taken" })).await;
    assert_problem(bob.get(&ApiClient::path_of(&upload)).await, "forbidden");
    assert_problem(bob.complete(&upload, &json!({})).await, "forbidden");
    assert_eq!(bob.abort(&upload).await, StatusCode::FORBIDDEN);
    assert_problem(bob.get("/videos/taken").await, "video_not_found");
    assert_eq!(bob.get("/videos").await.1["videos"], json!([]));
    let request = json!({ "fileName": "b.mp4", "size": 5, "videoId": "taken" });
    assert_problem(bob.post("/uploads", request.to_string()).await, "video_exists");
    stack.stop().await;
}

#[tokio::test]
async fn invalid_upload_token_is_rejected() {
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", SECRET)]).await;
    let anna = ApiClient::new(&stack.page).with_token(token(SECRET, "anna"));
    let upload = anna.open_upload(5, &json!({ "fileName": "a.mp4" })).await;
    let mut tampered = upload["upload"].as_str().unwrap().to_owned();
    let last = if tampered.pop() == Some('A') { 'B' } else { 'A' };
    tampered.push(last);
    for invalid in [tampered.as_str(), "x", "%00"] {
        assert_problem(anna.get(&format!("/uploads/{invalid}")).await, "bad_upload");
    }
    stack.stop().await;
}

#[tokio::test]
async fn missing_or_foreign_bearer_token_is_rejected() {
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", SECRET)]).await;
    let foreign = token("another secret of thirty-two bytes!", "anna");
    for api in [ApiClient::new(&stack.page), ApiClient::new(&stack.page).with_token(foreign)] {
        assert_problem(api.get("/videos").await, "unauthorized");
    }
    stack.stop().await;
}
