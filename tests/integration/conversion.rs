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

/// The text that the CDN delivers, and its type.
async fn delivered_text(url: &str) -> (String, String) {
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.text().await.unwrap(), content_type)
}

#[tokio::test]
async fn converted_video_has_a_storyboard_and_a_poster_that_is_not_black() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    // Thumbnails are at 0, 4 and 8 s.
    let dark_start = "-f lavfi -i color=black:s=320x180:r=10:d=6 -f lavfi -i testsrc2=s=320x180:r=10:d=11 \
                      -filter_complex [0][1]concat -c:v libx264 -preset ultrafast";
    let upload = api.upload_file("dark.mp4", &encode(dark_start, "mp4").await).await;
    let id = upload["videoId"].as_str().unwrap();
    let video = api.wait_for_final_status(id).await;
    let urls = &video["urls"];
    assert_eq!(
        (&video["status"], urls["thumbnails"].as_array().unwrap().len()),
        (&json!("ready"), 3),
        "{video}"
    );
    assert_eq!(urls["poster"], urls["thumbnails"][2], "the third is the first that isn't black");

    let index = urls["storyboard"].as_str().unwrap_or_else(|| panic!("no storyboard: {video}"));
    assert!(index.ends_with(&format!("/assets/Storyboards/{id}.vtt")), "{index}");
    let (text, content_type) = delivered_text(index).await;
    assert_eq!(content_type, "text/vtt");
    let cues: Vec<&str> = text.lines().filter(|line| line.contains("-->")).collect();
    assert_eq!(cues.len(), 17, "one for each second: {text}");
    assert_eq!(cues[1], "00:00:01.000 --> 00:00:02.000");
    assert!(
        text.contains(&format!("\n{id}.jpg#xywh=160,90,160,90\n")),
        "the 12th is in the second row: {text}"
    );
    let image = reqwest::get(index.replace(".vtt", ".jpg")).await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/jpeg");
    let sheet = ffprobe(&image.bytes().await.unwrap(), "jpg", &["codec_name", "width", "height"]).await;
    assert_eq!(sheet, [["mjpeg", "1600", "180"]]);
    stack.stop().await;
}
