//! `PATCH /videos/{id}`: the title.

use crate::support::api_client::{ApiClient, assert_problem, token};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::json;

const SECRET: &str = "a secret of at least thirty-two bytes";

#[tokio::test]
async fn title_is_the_files_name_until_it_is_changed() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let default = api.open_upload(5, &json!({ "fileName": "My film.mp4" })).await;
    let given = api.open_upload(5, &json!({ "fileName": "a.mp4", "title": " Given " })).await;
    let path = |upload: &serde_json::Value| format!("/videos/{}", upload["videoId"].as_str().unwrap());
    assert_eq!(api.get(&path(&default)).await.1["title"], "My film");
    assert_eq!(api.get(&path(&given)).await.1["title"], "Given");
    let (status, changed) = api.patch(&path(&given), json!({ "title": "Changed" })).await;
    assert_eq!((status, &changed["title"]), (StatusCode::OK, &json!("Changed")));
    assert_eq!(api.get(&path(&given)).await.1, changed);
    for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
        assert_problem(api.patch(&path(&given), json!({ "title": bad })).await, "bad_request");
        let request = json!({ "fileName": "a.mp4", "size": 5, "title": bad });
        assert_problem(api.post("/uploads", request.to_string()).await, "bad_request");
    }
    assert_problem(api.patch(&path(&given), json!({})).await, "bad_json");
    assert_problem(api.patch("/videos/unknown", json!({ "title": "x" })).await, "video_not_found");
    stack.stop().await;
}

#[tokio::test]
async fn video_of_another_owner_is_neither_changed_nor_deleted() {
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", SECRET)]).await;
    let anna = ApiClient::new(&stack.page).with_token(token(SECRET, "anna"));
    let bob = ApiClient::new(&stack.page).with_token(token(SECRET, "bob"));
    anna.open_upload(5, &json!({ "fileName": "a.mp4", "videoId": "v" })).await;
    assert_problem(bob.patch("/videos/v", json!({ "title": "Bob's" })).await, "video_not_found");
    assert_problem(bob.delete("/videos/v").await, "video_not_found");
    assert_eq!(anna.get("/videos/v").await.1["title"], "a");
    stack.stop().await;
}
