//! The edge's HTTP API over real parts: our S3, our MediaConvert, SQLite; spoken to by a plain HTTP client.

pub mod uploads;

use crate::mediaconvert::fixture::{ffprobe, film};
use crate::support::api_client::{Api, token};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::crc64;

const MIB: usize = 1024 * 1024;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

/// Fails with the answer in sight.
fn assert_problem((status, body): (StatusCode, Value), code: &str) {
    assert_eq!(body["code"], code, "{status} {body}");
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(body["type"], format!("urn:greloupis:{code}"));
    assert!(body["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{body}");
}

#[tokio::test]
async fn a_file_goes_up_in_parts_and_completes_twice_alike() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let file = bytes(11 * MIB + 7);
    let upload = api.open(file.len(), &json!({ "fileName": "My + film # 1.MOV", "partSize": 5 * MIB })).await;
    assert_eq!((upload["partCount"].as_u64(), upload["partSize"].as_u64()), (Some(3), Some(5 << 20)));
    assert_eq!(upload["checksum"], "CRC64NVME");
    let id = upload["videoId"].as_str().unwrap();
    assert_eq!(upload["key"], format!("inputs/{id}.mov"));

    let mut parts = Vec::new();
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(file.chunks(5 * MIB)) {
        parts.push(api.put(part, bytes).await);
    }
    let status = api.get(&format!("/uploads/{}", upload["upload"].as_str().unwrap())).await.1;
    assert_eq!(status["state"], "open");
    assert_eq!(status["parts"][2]["size"], MIB + 7);
    assert_eq!(status["parts"][0]["etag"], parts[0]["etag"]);

    let list = json!({ "parts": parts, "checksum": crc64(&file) });
    let (first_status, first) = api.complete(&upload, &list).await;
    let (again_status, again) = api.complete(&upload, &list).await;
    assert_eq!((first_status, again_status), (StatusCode::OK, StatusCode::OK), "{first} {again}");
    for name in ["videoId", "key", "size", "checksum"] {
        assert_eq!(first[name], again[name]);
    }
    assert_eq!(first["checksum"], crc64(&file));
    assert_eq!(
        api.get(&format!("/uploads/{}", upload["upload"].as_str().unwrap())).await.1["state"],
        "completed"
    );
    // A finished upload is not undone by an abort that comes late.
    assert_eq!(api.delete(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&format!("/videos/{id}")).await.0, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test]
async fn what_is_no_video_ends_failed_with_a_code_and_a_sentence() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let upload = api.send_file("notes.mp4", b"This is no video at all.").await;
    let video = api.until_final(upload["videoId"].as_str().unwrap()).await;
    assert_eq!(video["status"], "failed", "{video}");
    assert!(
        video["error"]["code"].as_str().unwrap().parse::<u32>().is_ok(),
        "MediaConvert's number: {video}"
    );
    assert!(video["error"]["message"].as_str().unwrap().len() > 20, "{video}");
    assert!(!video.to_string().contains("X-Amz"), "no signed URL in an error: {video}");
    let list = api.get("/videos").await.1;
    assert_eq!(list["videos"][0]["videoId"], upload["videoId"]);
    stack.stop().await;
}

#[tokio::test]
async fn lists_at_completion_must_be_the_plan() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let file = bytes(6 * MIB);
    let upload = api.open(file.len(), &json!({ "fileName": "a.mp4", "partSize": 5 * MIB })).await;
    let one = api.put(&upload["parts"][0], &file[..5 * MIB]).await;
    let two = api.put(&upload["parts"][1], &file[5 * MIB..]).await;
    let wrong_etag = json!({ "partNumber": 2, "etag": "\"00000000000000000000000000000000\"" });
    for (parts, code) in [
        (json!([two, one]), "parts_mismatch"),
        (json!([one]), "parts_mismatch"),
        (json!([one, one]), "parts_mismatch"),
        (json!([one, two, two]), "parts_mismatch"),
        (json!([]), "parts_mismatch"),
        (json!([one, wrong_etag]), "parts_mismatch"),
        (json!("parts"), "bad_json"),
    ] {
        assert_problem(api.complete(&upload, &json!({ "parts": parts })).await, code);
    }
    let (status, body) = api.complete(&upload, &json!({ "parts": [one, two] })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    stack.stop().await;
}

#[tokio::test]
async fn more_or_less_than_declared_gives_no_object() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    for sent in [MIB - 1, MIB + 1] {
        let upload = api.open(MIB, &json!({ "fileName": "a.mp4" })).await;
        let part = api.put(&upload["parts"][0], &bytes(sent)).await;
        assert_problem(api.complete(&upload, &json!({ "parts": [part] })).await, "size_mismatch");
        let id = upload["videoId"].as_str().unwrap();
        assert_eq!(api.get(&format!("/videos/{id}")).await.1["status"], "uploading");
    }
    let upload = api.open(MIB, &json!({ "fileName": "a.mp4" })).await;
    let part = api.put(&upload["parts"][0], &bytes(MIB)).await;
    let list = json!({ "parts": [part], "checksum": crc64(b"other bytes") });
    assert_problem(api.complete(&upload, &list).await, "checksum_mismatch");
    stack.stop().await;
}

#[tokio::test]
async fn bad_openings_are_refused_each_with_its_code() {
    let (stack, _data) = stack::start(&[("MAX_UPLOAD_BYTES", "1000")]).await;
    let api = Api::new(&stack.page);
    let open = |body: Value| api.post("/uploads", body.to_string());
    let with = |name: &str, value: Value| {
        let mut body = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4" });
        body[name] = value;
        body
    };
    for (body, code) in [
        (with("size", json!(0)), "file_empty"),
        (with("size", json!(1001)), "file_too_large"),
        (with("size", json!(u64::MAX)), "file_too_large"),
        (with("size", json!(-1)), "bad_json"),
        (with("size", json!("5")), "bad_json"),
        (with("fileName", json!(null)), "bad_json"),
        (with("fileName", json!("x".repeat(5000))), "bad_request"),
        (with("partSize", json!(MIB)), "bad_request"),
        (with("partSize", json!(5 * MIB + 1)), "bad_request"),
        (with("videoId", json!("a/b")), "bad_video_id"),
        (with("videoId", json!("")), "bad_video_id"),
        (with("videoId", json!("x".repeat(65))), "bad_video_id"),
        (json!([1]), "bad_json"),
    ] {
        assert_problem(open(body).await, code);
    }
    assert_problem(api.post("/uploads", "{".into()).await, "bad_json");
    assert_problem(api.post("/uploads", format!("\"{}\"", "x".repeat(10 * MIB))).await, "body_too_large");
    for name in
        ["a b+c%20#?.mp4", "\"quoted\" 'name'.mp4", "🎬 emoji.mp4", "../../etc/passwd", &"n".repeat(300)]
    {
        let (status, body) = open(with("fileName", json!(name))).await;
        assert_eq!(status, StatusCode::CREATED, "{name}: {body}");
    }
    let (status, body) = open(with("contentType", json!("video/mp4\r\nx-evil: 1"))).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    stack.stop().await;
}

#[tokio::test]
async fn signing_takes_only_numbers_of_the_plan() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let upload = api.open(10_000 * 8 * MIB, &json!({ "fileName": "a.mp4" })).await;
    assert_eq!(upload["partCount"], 10_000);
    let path = format!("/uploads/{}/parts", upload["upload"].as_str().unwrap());
    let sign = |numbers: Value| api.post(&path, json!({ "partNumbers": numbers }).to_string());
    for bad in
        [json!([]), json!([0]), json!([10_001]), json!([1, 1]), json!((1..=1_001).collect::<Vec<u32>>())]
    {
        assert_problem(sign(bad).await, "bad_part_numbers");
    }
    assert_problem(sign(json!([-1])).await, "bad_json");
    let (_, signed) = sign(json!((9_001..=10_000).collect::<Vec<u32>>())).await;
    assert_eq!(signed["parts"].as_array().unwrap().len(), 1000);
    assert_eq!(signed["parts"][999]["partNumber"], 10_000);
    assert_eq!(api.delete(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.delete(&upload).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(path.trim_end_matches("/parts")).await.1["state"], "aborted");
    stack.stop().await;
}

#[tokio::test]
async fn tokens_bind_their_owner() {
    let secret = "a secret of at least thirty-two bytes";
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", secret)]).await;
    let (anna, bob) =
        (Api::new(&stack.page).with(token(secret, "anna")), Api::new(&stack.page).with(token(secret, "bob")));
    let upload = anna.open(5, &json!({ "fileName": "a.mp4", "videoId": "taken" })).await;
    let text = upload["upload"].as_str().unwrap();
    assert_problem(bob.get(&format!("/uploads/{text}")).await, "forbidden");
    assert_problem(bob.complete(&upload, &json!({ "parts": [] })).await, "forbidden");
    assert_eq!(bob.delete(&upload).await, StatusCode::FORBIDDEN);
    assert_problem(bob.get("/videos/taken").await, "video_not_found");
    assert_eq!(bob.get("/videos").await.1["videos"], json!([]));
    let body = json!({ "fileName": "b.mp4", "size": 5, "videoId": "taken" });
    assert_problem(bob.post("/uploads", body.to_string()).await, "video_exists");

    let mut tampered = text.to_owned();
    let last = if tampered.pop() == Some('A') { 'B' } else { 'A' };
    tampered.push(last);
    for bad in [tampered.as_str(), "x", "%00"] {
        assert_problem(anna.get(&format!("/uploads/{bad}")).await, "bad_upload");
    }
    for nobody in [
        Api::new(&stack.page),
        Api::new(&stack.page).with(token("another secret of thirty-two bytes!", "anna")),
    ] {
        assert_problem(nobody.get("/videos").await, "unauthorized");
    }
    stack.stop().await;
}

#[tokio::test]
async fn an_id_with_an_object_is_never_taken_again() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let open = json!({ "fileName": "a.mp4", "size": 5, "videoId": "mine" });
    // Started over while nothing is stored: allowed, and only one of the two can become the object.
    let first = api.open(5, &open).await;
    let second = api.open(5, &open).await;
    let part = api.put(&second["parts"][0], b"first").await;
    assert_eq!(api.complete(&second, &json!({ "parts": [part] })).await.0, StatusCode::OK);
    let part = api.put(&first["parts"][0], b"later").await;
    assert_problem(api.complete(&first, &json!({ "parts": [part] })).await, "video_exists");
    assert_problem(api.post("/uploads", open.to_string()).await, "video_exists");
    stack.stop().await;
}

#[tokio::test]
async fn events_cannot_be_sent_from_outside() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let event = include_str!("../fixtures/s3-notification.json");
    assert_problem(api.post("/events", event.into()).await, "not_found");
    let plain =
        reqwest::Client::new().post(format!("{}/events", stack.page)).body(event).send().await.unwrap();
    assert!(plain.status().is_client_error(), "{}", plain.status());
    assert_problem(api.get("/nothing").await, "not_found");
    assert_problem(api.post("/videos", "{}".into()).await, "method_not_allowed");
    stack.stop().await;
}

#[tokio::test]
async fn versions_spare_the_body() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    api.open(5, &json!({ "fileName": "a.mp4", "videoId": "v" })).await;
    let url = format!("{}/api/videos/v", stack.page);
    let first = reqwest::get(&url).await.unwrap();
    let etag = first.headers()["etag"].clone();
    let again = reqwest::Client::new().get(&url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    stack.stop().await;
}

#[tokio::test]
async fn lists_go_on_where_they_stopped() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    for id in 0..5 {
        api.open(5, &json!({ "fileName": "a.mp4", "videoId": format!("v{id}") })).await;
    }
    let (mut path, mut seen) = ("/videos?limit=2".to_owned(), Vec::new());
    loop {
        let page = api.get(&path).await.1;
        seen.extend(
            page["videos"].as_array().unwrap().iter().map(|v| v["videoId"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/videos?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["v4", "v3", "v2", "v1", "v0"]);
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=!"] {
        assert_problem(api.get(&format!("/videos?{bad}")).await, "bad_request");
    }
    stack.stop().await;
}

#[tokio::test]
async fn parts_can_go_through_the_pages_own_origin() {
    let base = "https://site.example";
    let (stack, _data) = stack::start(&[("UPLOAD_BASE_URL", base)]).await;
    let api = Api::new(&stack.page);
    let mut upload = api.open(5, &json!({ "fileName": "a.mp4" })).await;
    let signed = upload["parts"][0]["url"].as_str().unwrap().to_owned();
    let path = signed.strip_prefix(base).unwrap();
    assert!(path.starts_with("/inputs/"), "the bucket's name is gone: {path}");
    // What stands behind the site's origin hands it on to the bucket, with the signature as it came.
    upload["parts"][0]["url"] = format!("{}{path}", stack.page).into();
    let part = api.put(&upload["parts"][0], b"bytes").await;
    assert_eq!(api.complete(&upload, &json!({ "parts": [part] })).await.0, StatusCode::OK);
    let other = format!("{}{}", stack.page, path.replace("partNumber=1", "partNumber=2"));
    let refused = reqwest::Client::new().put(other).body("bytes").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    stack.stop().await;
}

#[tokio::test]
async fn a_film_of_oblong_pixels_keeps_its_shape() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let wide = film("-f lavfi -i testsrc2=s=720x576:r=10:d=1 -c:v mpeg2video -aspect 16:9", "mpg").await;
    let upload = api.send_file("wide.mpg", &wide).await;
    let video = api.until_final(upload["videoId"].as_str().unwrap()).await;
    assert_eq!((&video["status"], &video["width"]), (&json!("ready"), &json!(1024)), "{video}");
    let mp4 =
        reqwest::get(video["urls"]["mp4"]["540"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(
        ffprobe(&mp4, "mp4", &["width", "height", "sample_aspect_ratio"]).await[0],
        ["960", "540", "1:1"]
    );
    stack.stop().await;
}

#[tokio::test]
async fn starting_over_with_another_file_makes_one_object_and_one_job() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let first = api.open(5, &json!({ "fileName": "a.mp4", "videoId": "mine" })).await;
    let second = api.open(8, &json!({ "fileName": "b.mov", "videoId": "mine" })).await;
    assert_eq!(second["key"], first["key"]);
    let part = api.put(&second["parts"][0], b"no video").await;
    let (status, done) = api.complete(&second, &json!({ "parts": [part] })).await;
    assert_eq!((status, &done["video"]["size"]), (StatusCode::OK, &json!(8)), "{done}");
    let part = api.put(&first["parts"][0], b"hello").await;
    assert_problem(api.complete(&first, &json!({ "parts": [part] })).await, "video_exists");
    api.until_final("mine").await;
    assert_eq!(crate::events::event_delivery::jobs(&stack).await.len(), 1);
    assert_eq!(api.get("/videos/mine").await.1["size"], 8);
    stack.stop().await;
}
