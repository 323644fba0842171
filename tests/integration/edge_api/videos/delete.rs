//! `DELETE /videos/{id}`: the video is hidden at once; an event has its upload, job, object and outputs deleted.

use crate::mediaconvert::fixture::encode;
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack::{self, job_ids, mediaconvert_client, s3_client};
use aws_sdk_mediaconvert::types::JobStatus;
use local::stack::Stack;
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;

/// Waits until nothing of a video is left in S3.
async fn wait_until_erased(stack: &Stack, key: &str) {
    let s3 = s3_client(stack);
    let is_left = async || {
        let media = s3.list_objects_v2().bucket("media").send().await.unwrap();
        let open = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
        s3.head_object().bucket("uploads").key(key).send().await.is_ok()
            || !media.contents().is_empty()
            || !open.uploads().is_empty()
    };
    while is_left().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn deleted_video_is_hidden_at_once_and_its_files_are_deleted() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.upload_file("notes.mp4", b"no video").await;
    let (id, key) = (upload["videoId"].as_str().unwrap(), upload["key"].as_str().unwrap());
    api.wait_for_final_status(id).await;
    for name in [
        "HLS/ID.m3u8",
        "HLS/ID_360_00001.ts",
        "MP4/ID_540.mp4",
        "Thumbnails/ID.0000000.jpg",
        "Storyboards/ID.0000010.jpg",
        "Storyboards/ID.jpg",
        "Storyboards/ID.vtt",
    ] {
        let put =
            s3_client(&stack).put_object().bucket("media").key(format!("assets/{}", name.replace("ID", id)));
        put.body(b"x".to_vec().into()).send().await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(api.delete(&format!("/videos/{id}")).await.0, StatusCode::NO_CONTENT);
        assert_problem(api.get(&format!("/videos/{id}")).await, "video_not_found");
        assert_eq!(api.get("/videos").await.1["videos"], json!([]));
    }
    wait_until_erased(&stack, key).await;
    assert_problem(api.patch(&format!("/videos/{id}"), json!({ "title": "x" })).await, "video_not_found");
    let again = json!({ "fileName": "a.mp4", "size": 5, "videoId": id });
    assert_problem(api.post("/uploads", again.to_string()).await, "video_exists");
    assert_problem(api.delete("/videos/unknown").await, "video_not_found");
    stack.stop().await;
}

#[tokio::test]
async fn open_upload_of_a_deleted_video_is_aborted() {
    let (stack, _data) = stack::start(&[("MAX_OPEN_UPLOADS", "1")]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.store_parts(b"hello", &json!({ "fileName": "a.mp4", "videoId": "v" })).await;
    assert_eq!(api.delete("/videos/v").await.0, StatusCode::NO_CONTENT);
    wait_until_erased(&stack, "inputs/v.mp4").await;
    assert_problem(api.complete(&upload, &json!({})).await, "upload_gone");
    api.open_upload(5, &json!({ "fileName": "b.mp4" })).await;
    stack.stop().await;
}

#[tokio::test]
async fn running_job_of_a_deleted_video_is_canceled() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let options = "-f lavfi -i testsrc2=s=1920x1080:r=60:d=60 -c:v libx264 -preset ultrafast";
    let video = encode(options, "mp4").await;
    let upload = api.upload_file("long.mp4", &video).await;
    let id = upload["videoId"].as_str().unwrap();
    while api.get(&format!("/videos/{id}")).await.1["status"] != "converting" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let jobs = job_ids(&stack).await;
    assert_eq!(api.delete(&format!("/videos/{id}")).await.0, StatusCode::NO_CONTENT);
    let client = mediaconvert_client(&stack);
    while client.get_job().id(&jobs[0]).send().await.unwrap().job.unwrap().status != Some(JobStatus::Canceled)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wait_until_erased(&stack, upload["key"].as_str().unwrap()).await;
    stack.stop().await;
}
