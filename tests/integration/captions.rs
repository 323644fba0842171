//! Captions: uploaded before and after the conversion, in the master playlist of their video.

use crate::mediaconvert::fixture::{clip, ffprobe};
use crate::support::api_client::{ApiClient, assert_problem, token};
use crate::support::stack::{self, s3_client};
use local::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const SRT: &str =
    "1\n00:00:00,500 --> 00:00:01,500\nGuten <i>Tag</i>\n\n2\n00:00:01,600 --> 00:00:02,000\nEnde\n";
const VTT: &str = "WEBVTT\n\n00:00.500 --> 00:01.500 align:left\nGood day\n";

/// Uploads captions of a video; returns the response of the completion.
async fn upload_captions(api: &ApiClient, video_id: &str, name: &str, text: &str) -> Value {
    let upload = api.store_parts(text.as_bytes(), &json!({ "fileName": name, "videoId": video_id })).await;
    let request = json!({ "checksum": tests::crc64(text.as_bytes()) });
    let (status, completed) = api.complete(&upload, &request).await;
    assert_eq!(status, StatusCode::OK, "{completed}");
    assert_eq!(api.complete(&upload, &request).await, (status, completed.clone()), "again");
    let listed = api.get(&ApiClient::path_of(&upload)).await.1;
    assert_eq!(listed["state"], "completed", "{listed}");
    completed
}

/// Uploads a short video and waits until it is ready; returns its id.
async fn ready_video(api: &ApiClient) -> String {
    let upload = api.upload_file("clip.mp4", &clip("320x180", 10, 2, false).await).await;
    let id = upload["videoId"].as_str().unwrap().to_owned();
    let video = api.wait_for_final_status(&id).await;
    assert_eq!(video["status"], "ready", "{video}");
    id
}

async fn text_of(url: &str) -> String {
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{url}");
    response.text().await.unwrap()
}

fn url(stack: &Stack, name: &str) -> String {
    format!("{}/cdn/assets/HLS/{name}", stack.page)
}

/// The entries of captions in a video's master playlist.
async fn entries(stack: &Stack, id: &str) -> Vec<String> {
    let master = text_of(&url(stack, &format!("{id}.m3u8"))).await;
    let entries = master.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=SUBTITLES"));
    entries.map(str::to_owned).collect()
}

/// The URI in an entry.
fn uri(entry: &str) -> &str {
    entry.split_once("URI=\"").unwrap().1.trim_end_matches('"')
}

/// Waits until the master playlist's entries are as they must be.
async fn wait_for_entries(stack: &Stack, id: &str, is_expected: impl Fn(&[String]) -> bool) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let entries = entries(stack, id).await;
        if is_expected(&entries) {
            return entries;
        }
        assert!(tokio::time::Instant::now() < deadline, "{entries:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The captions of an entry.
async fn captions_of(stack: &Stack, entry: &str) -> String {
    let playlist = text_of(&url(stack, uri(entry))).await;
    let file = playlist.lines().find(|line| line.ends_with(".vtt")).unwrap_or_else(|| panic!("{playlist}"));
    text_of(&url(stack, file)).await
}

#[tokio::test]
async fn captions_uploaded_before_the_conversion_are_there_when_the_video_is_ready() {
    let (stack, _data) = stack::start(&[("MAX_OPEN_UPLOADS", "1")]).await;
    let api = ApiClient::new(&stack.page);
    let video = clip("320x180", 10, 2, true).await;
    let fields = json!({ "fileName": "clip.mp4", "videoId": "film" });
    let upload = api.store_parts(&video, &fields).await;
    let before = api.get("/videos/film").await.1;
    let completed = upload_captions(&api, "film", "clip.de.srt", SRT).await;
    assert_eq!(completed["key"], "captions/film/de.srt");
    assert_eq!((&completed["videoId"], &completed["size"]), (&json!("film"), &json!(SRT.len())));
    assert_eq!(completed["video"], before, "the video is unchanged");
    // An upload of captions that is given up leaves the video's alone.
    let aborted = api.open_upload(5, &json!({ "fileName": "clip.fr.srt", "videoId": "film" })).await;
    assert_eq!(api.abort(&aborted).await, StatusCode::NO_CONTENT);
    assert_eq!(api.complete(&upload, &json!({})).await.0, StatusCode::OK);
    assert_eq!(api.wait_for_final_status("film").await["status"], "ready");

    let entries = entries(&stack, "film").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    for part in ["LANGUAGE=\"de\"", "NAME=\"German\"", "DEFAULT=NO", "AUTOSELECT=YES", "FORCED=NO"] {
        assert!(entries[0].contains(part), "{part}: {entries:?}");
    }
    let master = text_of(&url(&stack, "film.m3u8")).await;
    let variants: Vec<_> = master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF")).collect();
    assert!(!variants.is_empty() && variants.iter().all(|line| line.contains(",SUBTITLES=\"captions\"")));
    let captions = captions_of(&stack, &entries[0]).await;
    assert!(captions.contains("\n00:00:00.500 --> 00:00:01.500\nGuten <i>Tag</i>\n"), "{captions}");
    // Time 0 of the captions is the timestamp of the first frame.
    let segment = reqwest::get(url(&stack, "film_360_00001.ts")).await.unwrap().bytes().await.unwrap();
    let streams = ffprobe(&segment, "ts", &["codec_type", "start_pts"]).await;
    let video = streams.iter().find(|stream| stream[0] == "video").unwrap();
    assert!(
        captions.contains(&format!("X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{}\n", video[1])),
        "{captions}"
    );
    assert_eq!(ffprobe(captions.as_bytes(), "vtt", &["codec_name"]).await, [["webvtt"]]);
    for file in [uri(&entries[0]).to_owned(), uri(&entries[0]).replace(".m3u8", ".vtt")] {
        let response = reqwest::get(url(&stack, &file)).await.unwrap();
        let expected = if file.ends_with(".vtt") { "text/vtt" } else { "application/vnd.apple.mpegurl" };
        assert_eq!(response.headers()["content-type"], expected, "{file}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn captions_uploaded_after_the_conversion_are_added_and_replaced() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let id = ready_video(&api).await;
    assert_eq!(entries(&stack, &id).await, Vec::<String>::new());
    // At once: no event may undo what the other has done.
    tokio::join!(
        upload_captions(&api, &id, "clip_en-us.VTT", VTT),
        upload_captions(&api, &id, "clip.de.srt", SRT),
        upload_captions(&api, &id, "captions.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n?\n"),
    );
    let added = wait_for_entries(&stack, &id, |entries| entries.len() == 3).await;
    let names: Vec<_> = added.iter().map(|entry| entry.split("NAME=\"").nth(1).unwrap()).collect();
    for (name, expected) in names.iter().zip(["German\"", "English (US)\"", "Captions\""]) {
        assert!(name.starts_with(expected), "{names:?}");
    }
    assert!(captions_of(&stack, &added[1]).await.contains("\nGood day\n"));

    // A later file of the same language, and one that isn't captions.
    upload_captions(&api, &id, "other.de.srt", &SRT.replace("Guten", "Schönen")).await;
    upload_captions(&api, &id, "bad.fr.srt", "no captions").await;
    let replaced = wait_for_entries(&stack, &id, |entries| uri(&entries[0]) != uri(&added[0])).await;
    assert_eq!(replaced[1..], added[1..]);
    assert!(captions_of(&stack, &replaced[0]).await.contains("Schönen"));
    assert_eq!(api.get(&format!("/videos/{id}")).await.1["status"], "ready");
    // The files of the earlier version are deleted.
    let s3 = s3_client(&stack);
    let old = format!("assets/HLS/{}", uri(&added[0]));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while s3.head_object().bucket("media").key(&old).send().await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "{old} stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.stop().await;
}

#[tokio::test]
async fn captions_of_a_deleted_video_are_deleted() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let id = ready_video(&api).await;
    upload_captions(&api, &id, "clip.de.srt", SRT).await;
    wait_for_entries(&stack, &id, |entries| entries.len() == 1).await;
    let late = api.store_parts(SRT.as_bytes(), &json!({ "fileName": "late.fr.srt", "videoId": id })).await;
    assert_eq!(api.delete(&format!("/videos/{id}")).await.0, StatusCode::NO_CONTENT);
    assert_problem(api.complete(&late, &json!({})).await, "upload_gone");
    let s3 = s3_client(&stack);
    let is_left =
        async |bucket: &str| !s3.list_objects_v2().bucket(bucket).send().await.unwrap().contents().is_empty();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while is_left("media").await || is_left("uploads").await {
        assert!(tokio::time::Instant::now() < deadline, "files are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.stop().await;
}

#[tokio::test]
async fn captions_need_a_video_of_the_caller() {
    const SECRET: &str = "a secret of at least thirty-two bytes";
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", SECRET)]).await;
    let anna = ApiClient::new(&stack.page).with_token(token(SECRET, "anna"));
    let bob = ApiClient::new(&stack.page).with_token(token(SECRET, "bob"));
    anna.open_upload(5, &json!({ "fileName": "a.mp4", "videoId": "open" })).await;
    let failed = anna.upload_file("notes.mp4", b"no video").await;
    let failed = failed["videoId"].as_str().unwrap();
    assert_eq!(anna.wait_for_final_status(failed).await["status"], "failed");
    let open = |size: usize, video_id: Option<&str>| {
        json!({ "fileName": "a.de.vtt", "size": size, "videoId": video_id }).to_string()
    };
    assert_problem(bob.post("/uploads", open(5, Some("open"))).await, "video_not_found");
    for unknown in ["unknown", "a/b", failed] {
        assert_problem(anna.post("/uploads", open(5, Some(unknown))).await, "video_not_found");
    }
    let (status, problem) = anna.post("/uploads", open(5, None)).await;
    assert!(problem["detail"].as_str().unwrap().contains("videoId"), "{problem}");
    assert_problem((status, problem), "bad_video_id");
    assert_problem(anna.post("/uploads", open((5 << 20) + 1, Some("open"))).await, "file_too_large");
    assert_problem(anna.post("/uploads", open(0, Some("open"))).await, "file_empty");
    let opened = anna.open_upload(5 << 20, &json!({ "fileName": "a.de.vtt", "videoId": "open" })).await;
    assert_eq!((&opened["partCount"], &opened["videoId"]), (&json!(1), &json!("open")));
    assert_problem(bob.complete(&opened, &json!({})).await, "forbidden");
    stack.stop().await;
}
