//! From a completed upload to the video's final status.

use crate::mediaconvert::fixture::{encode, ffprobe};
use crate::support::api_client::ApiClient;
use crate::support::stack;
use serde_json::json;

#[tokio::test]
async fn file_without_video_fails_with_mediaconverts_code_and_message() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.upload_file("notes.mp4", b"This is no video at all.").await;
    let video = api.wait_for_final_status(upload["videoId"].as_str().unwrap()).await;
    assert_eq!(video["status"], "failed", "{video}");
    let code = video["error"]["code"].as_str().unwrap();
    assert!(code.parse::<u32>().is_ok(), "MediaConvert's code: {video}");
    assert!(video["error"]["message"].as_str().unwrap().len() > 20, "{video}");
    assert!(!video.to_string().contains("X-Amz"), "no signed URL in an error: {video}");
    let list = api.get("/videos").await.1;
    assert_eq!(list["videos"][0]["videoId"], upload["videoId"]);
    stack.stop().await;
}

#[tokio::test]
async fn video_with_non_square_pixels_keeps_its_aspect_ratio() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let wide = encode("-f lavfi -i testsrc2=s=720x576:r=10:d=1 -c:v mpeg2video -aspect 16:9", "mpg").await;
    let upload = api.upload_file("wide.mpg", &wide).await;
    let video = api.wait_for_final_status(upload["videoId"].as_str().unwrap()).await;
    assert_eq!((&video["status"], &video["width"]), (&json!("ready"), &json!(1024)), "{video}");
    let url = video["urls"]["mp4"]["540"].as_str().unwrap();
    let mp4 = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    let streams = ffprobe(&mp4, "mp4", &["width", "height", "sample_aspect_ratio"]).await;
    assert_eq!(streams[0], ["960", "540", "1:1"]);
    stack.stop().await;
}
