//! `GET /videos`: the caller's videos, newest first.

use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use serde_json::json;

#[tokio::test]
async fn cursor_continues_after_the_last_page() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    for id in 0..5 {
        api.open_upload(5, &json!({ "fileName": "a.mp4", "videoId": format!("v{id}") })).await;
    }
    let (mut path, mut ids) = ("/videos?limit=2".to_owned(), Vec::new());
    loop {
        let page = api.get(&path).await.1;
        let videos = page["videos"].as_array().unwrap().iter();
        ids.extend(videos.map(|video| video["videoId"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/videos?limit=2&cursor={cursor}");
    }
    assert_eq!(ids, ["v4", "v3", "v2", "v1", "v0"]);
    stack.stop().await;
}

#[tokio::test]
async fn invalid_limit_or_cursor_is_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    for query in ["limit=0", "limit=101", "limit=x", "cursor=!"] {
        assert_problem(api.get(&format!("/videos?{query}")).await, "bad_request");
    }
    stack.stop().await;
}
