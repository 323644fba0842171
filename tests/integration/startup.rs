//! Start-up of a local stack: invalid configurations, and state that survives a restart.

use crate::support::api_client::ApiClient;
use crate::support::stack::{self, options};
use local::stack::Stack;
use serde_json::json;

/// Starts a stack that must fail; returns the error.
async fn start_error(options: local::stack::Options) -> String {
    Stack::start(options).await.err().expect("start-up fails").to_string()
}

#[tokio::test]
async fn unusable_folder_or_port_is_reported_in_one_sentence() {
    let (stack, data) = stack::start(&[]).await;
    let in_use = start_error(options(data.path(), 0, &[])).await;
    assert!(in_use.contains("in use by another server") && in_use.contains("--data"), "{in_use}");

    let other = tempfile::tempdir().unwrap();
    let port = stack.page.rsplit(':').next().unwrap().parse().unwrap();
    let busy = start_error(options(other.path(), port, &[])).await;
    assert!(busy.contains(&port.to_string()) && busy.contains("--port"), "{busy}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let not_a_folder = start_error(options(file.path(), 0, &[])).await;
    assert!(not_a_folder.contains("can't be used") && not_a_folder.contains("--data"), "{not_a_folder}");
    stack.stop().await;
}

#[tokio::test]
async fn host_other_than_loopback_requires_sign_in() {
    let data = tempfile::tempdir().unwrap();
    let mut network = options(data.path(), 0, &[]);
    network.host = [0, 0, 0, 0].into();
    network.env = Box::new(|name| (name == "CDN_BASE_URL").then(|| "http://192.0.2.1".into()));
    assert!(start_error(network).await.contains("AUTH_JWT_SECRET"));
    let mut open = options(data.path(), 0, &[("AUTH_MODE", "none"), ("CDN_BASE_URL", "http://192.0.2.1")]);
    open.host = [0, 0, 0, 0].into();
    assert!(start_error(open).await.contains("AUTH_MODE"));
}

#[tokio::test]
async fn destination_equal_to_the_upload_bucket_is_rejected() {
    let data = tempfile::tempdir().unwrap();
    let error = start_error(options(data.path(), 0, &[("DESTINATION_BUCKET", "uploads")])).await;
    assert!(error.contains("DESTINATION_BUCKET"), "{error}");
}

#[tokio::test]
async fn upload_continues_after_a_restart() {
    let (first, data) = stack::start(&[]).await;
    let api = ApiClient::new(&first.page);
    let fields =
        json!({ "fileName": "a.mp4", "partSize": 5 << 20, "checksums": [tests::crc64(&[7; 5 << 20])] });
    let upload = api.open_upload(6 << 20, &fields).await;
    let etag = api.put_part(&upload["parts"][0], &[7; 5 << 20]).await;
    // Dropped instead of stopped, so nothing is shut down in order.
    drop(first);

    let second = restart(data.path()).await;
    let api = ApiClient::new(&second.page);
    let path = ApiClient::path_of(&upload);
    let status = api.get(&path).await.1;
    assert_eq!(status["parts"][0]["etag"], etag, "{status}");
    assert_eq!(status["parts"].as_array().unwrap().len(), 1);
    let two = api.sign_part(&upload, 2, &[8; 1 << 20]).await;
    api.put_part(&two, &[8; 1 << 20]).await;
    let (status, completed) = api.complete(&upload, &json!({})).await;
    assert!(status.is_success(), "{completed}");
    second.stop().await;
}

/// Starts a stack on the folder of a dropped one, whose tasks hold it until they end.
async fn restart(data: &std::path::Path) -> Stack {
    loop {
        match Stack::start(options(data, 0, &[])).await {
            Ok(stack) => return stack,
            Err(error) => assert!(error.to_string().contains("in use"), "{error}"),
        }
        tokio::task::yield_now().await;
    }
}
