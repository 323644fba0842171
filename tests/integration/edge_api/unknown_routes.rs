//! Paths and methods that the public API doesn't have.

use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;

#[tokio::test]
async fn events_sent_over_http_are_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let event = include_str!("../../fixtures/s3-notification.json");
    assert_problem(api.post("/events", event.into()).await, "not_found");
    let url = format!("{}/events", stack.page);
    let response = reqwest::Client::new().post(url).body(event).send().await.unwrap();
    assert!(response.status().is_client_error(), "{}", response.status());
    stack.stop().await;
}

#[tokio::test]
async fn unknown_path_or_method_is_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    assert_problem(api.get("/nothing").await, "not_found");
    assert_problem(api.post("/videos", "{}".into()).await, "method_not_allowed");
    stack.stop().await;
}
