//! `POST /uploads`: opens an upload.

use super::MIB;
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn invalid_request_is_rejected_with_its_code() {
    let (stack, _data) = stack::start(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let api = ApiClient::new(&stack.page);
    for (body, code) in [
        (request_with("size", json!(0)), "file_empty"),
        (request_with("size", json!(1001)), "file_too_large"),
        (request_with("size", json!(u64::MAX)), "file_too_large"),
        (request_with("size", json!(-1)), "bad_json"),
        (request_with("size", json!("5")), "bad_json"),
        (request_with("fileName", json!(null)), "bad_json"),
        (request_with("fileName", json!("x".repeat(5000))), "bad_request"),
        (request_with("partSize", json!(MIB)), "bad_request"),
        (request_with("partSize", json!(5 * MIB + 1)), "bad_request"),
        (request_with("videoId", json!("a/b")), "bad_video_id"),
        (request_with("videoId", json!("")), "bad_video_id"),
        (request_with("videoId", json!("x".repeat(65))), "bad_video_id"),
        (json!([1]), "bad_json"),
    ] {
        assert_problem(api.post("/uploads", body.to_string()).await, code);
    }
    assert_problem(api.post("/uploads", "{".into()).await, "bad_json");
    assert_problem(api.post("/uploads", format!("\"{}\"", "x".repeat(10 * MIB))).await, "body_too_large");
    stack.stop().await;
}

#[tokio::test]
async fn unusual_file_name_or_content_type_is_accepted() {
    let (stack, _data) = stack::start(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let api = ApiClient::new(&stack.page);
    let names =
        ["a b+c%20#?.mp4", "\"quoted\" 'name'.mp4", "🎬 emoji.mp4", "../../etc/passwd", &"n".repeat(300)];
    for name in names {
        let request = request_with("fileName", json!(name));
        let (status, body) = api.post("/uploads", request.to_string()).await;
        assert_eq!(status, StatusCode::CREATED, "{name}: {body}");
    }
    let request = request_with("contentType", json!("video/mp4\r\nx-evil: 1"));
    let (status, body) = api.post("/uploads", request.to_string()).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    stack.stop().await;
}

/// A valid request, but for one field.
fn request_with(field: &str, value: Value) -> Value {
    let mut request = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4" });
    request[field] = value;
    request
}

#[tokio::test]
async fn video_id_with_a_stored_object_is_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let request = json!({ "fileName": "a.mp4", "size": 5, "videoId": "mine" });
    // Opening the id again is allowed while nothing is stored; only one of the two uploads can complete.
    let first = api.open_upload(5, &request).await;
    let second = api.open_upload(5, &request).await;
    let part = api.put_part(&second["parts"][0], b"first").await;
    assert_eq!(api.complete(&second, &json!({ "parts": [part] })).await.0, StatusCode::OK);
    let part = api.put_part(&first["parts"][0], b"later").await;
    assert_problem(api.complete(&first, &json!({ "parts": [part] })).await, "video_exists");
    assert_problem(api.post("/uploads", request.to_string()).await, "video_exists");
    stack.stop().await;
}

#[tokio::test]
async fn video_id_opened_again_with_another_file_gives_one_object_and_one_job() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let first = api.open_upload(5, &json!({ "fileName": "a.mp4", "videoId": "mine" })).await;
    let second = api.open_upload(8, &json!({ "fileName": "b.mov", "videoId": "mine" })).await;
    assert_eq!(second["key"], first["key"]);
    let part = api.put_part(&second["parts"][0], b"no video").await;
    let (status, completed) = api.complete(&second, &json!({ "parts": [part] })).await;
    assert_eq!((status, &completed["video"]["size"]), (StatusCode::OK, &json!(8)), "{completed}");
    let part = api.put_part(&first["parts"][0], b"hello").await;
    assert_problem(api.complete(&first, &json!({ "parts": [part] })).await, "video_exists");
    api.wait_for_final_status("mine").await;
    assert_eq!(stack::job_ids(&stack).await.len(), 1);
    assert_eq!(api.get("/videos/mine").await.1["size"], 8);
    stack.stop().await;
}

#[tokio::test]
async fn upload_base_url_replaces_the_storage_origin_in_signed_urls() {
    let base = "https://site.example";
    let (stack, _data) = stack::start(&[("UPLOAD_BASE_URL", base)]).await;
    let api = ApiClient::new(&stack.page);
    let mut upload = api.open_upload(5, &json!({ "fileName": "a.mp4" })).await;
    let signed = upload["parts"][0]["url"].as_str().unwrap().to_owned();
    let path = signed.strip_prefix(base).unwrap();
    assert!(path.starts_with("/inputs/"), "the path has no bucket name: {path}");
    // The page's server forwards the request to the bucket, with the signature unchanged.
    upload["parts"][0]["url"] = format!("{}{path}", stack.page).into();
    let part = api.put_part(&upload["parts"][0], b"bytes").await;
    assert_eq!(api.complete(&upload, &json!({ "parts": [part] })).await.0, StatusCode::OK);
    let tampered = format!("{}{}", stack.page, path.replace("partNumber=1", "partNumber=2"));
    let response = reqwest::Client::new().put(tampered).body("bytes").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    stack.stop().await;
}
