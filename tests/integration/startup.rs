//! Starting and stopping the whole system: what is refused, what survives.

use crate::support::api_client::Api;
use crate::support::stack::{self, options};
use local::stack::Stack;
use serde_json::json;

async fn refusal(options: local::stack::Options) -> String {
    Stack::start(options).await.err().expect("a refusal")
}

#[tokio::test]
async fn a_folder_in_use_a_file_for_a_folder_and_a_busy_port_are_one_sentence_each() {
    let (stack, data) = stack::start(&[]).await;
    let twice = refusal(options(data.path(), 0, &[])).await;
    assert!(twice.contains("in use by another server") && twice.contains("--data"), "{twice}");

    let other = tempfile::tempdir().unwrap();
    let port = stack.page.rsplit(':').next().unwrap().parse().unwrap();
    let busy = refusal(options(other.path(), port, &[])).await;
    assert!(busy.contains(&port.to_string()) && busy.contains("--port"), "{busy}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let no_folder = refusal(options(file.path(), 0, &[])).await;
    assert!(no_folder.contains("can't be used") && no_folder.contains("--data"), "{no_folder}");
    stack.stop().await;
}

#[tokio::test]
async fn others_get_in_only_with_a_token() {
    let data = tempfile::tempdir().unwrap();
    let mut network = options(data.path(), 0, &[]);
    network.host = [0, 0, 0, 0].into();
    network.env = Box::new(|name| (name == "CDN_BASE_URL").then(|| "http://192.0.2.1".into()));
    assert!(refusal(network).await.contains("AUTH_JWT_SECRET"));
    let mut open = options(data.path(), 0, &[("AUTH_MODE", "none"), ("CDN_BASE_URL", "http://192.0.2.1")]);
    open.host = [0, 0, 0, 0].into();
    assert!(refusal(open).await.contains("AUTH_MODE"));
}

#[tokio::test]
async fn equal_buckets_would_loop() {
    let data = tempfile::tempdir().unwrap();
    let sentence = refusal(options(data.path(), 0, &[("DESTINATION_BUCKET", "uploads")])).await;
    assert!(sentence.contains("DESTINATION_BUCKET"), "{sentence}");
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let (first, data) = stack::start(&[]).await;
    let api = Api::new(&first.page);
    let upload = api.open(6 << 20, &json!({ "fileName": "a.mp4", "partSize": 5 << 20 })).await;
    let one = api.put(&upload["parts"][0], &[7; 5 << 20]).await;
    // Dropped, not stopped: nobody gets to say goodbye.
    drop(first);

    let second = restarted(data.path()).await;
    let api = Api::new(&second.page);
    let path = format!("/uploads/{}", upload["upload"].as_str().unwrap());
    let status = api.get(&path).await.1;
    assert_eq!(status["parts"][0]["etag"], one["etag"], "{status}");
    assert_eq!(status["parts"].as_array().unwrap().len(), 1);
    let signed = api.post(&format!("{path}/parts"), json!({ "partNumbers": [2] }).to_string()).await.1;
    let two = api.put(&signed["parts"][0], &[8; 1 << 20]).await;
    let (status, done) = api.complete(&upload, &json!({ "parts": [one, two] })).await;
    assert!(status.is_success(), "{done}");
    second.stop().await;
}

/// The dropped system's tasks end at their next step; until then its folder is taken.
async fn restarted(data: &std::path::Path) -> Stack {
    loop {
        match Stack::start(options(data, 0, &[])).await {
            Ok(stack) => return stack,
            Err(sentence) => assert!(sentence.contains("in use"), "{sentence}"),
        }
        tokio::task::yield_now().await;
    }
}
