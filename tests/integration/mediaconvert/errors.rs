//! Jobs that fail, and requests that are rejected.

use super::fixture::{Fixture, JOB_JSON, clip, encode};
use serde_json::json;

/// Each error has MediaConvert's code and a message without signed URLs.
#[tokio::test]
async fn unconvertible_input_or_missing_bucket_ends_in_error() {
    let mut fixture = Fixture::new().await;
    let complete = encode(
        "-f lavfi -i testsrc2=s=320x240:r=10:d=20 -c:v libx264 -preset ultrafast -movflags +faststart",
        "mp4",
    )
    .await;
    let short = clip("320x240", 10, 3, false).await;
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let playlist =
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n";
    let cases = [
        ("text.mp4", b"Dear diary, this is no video.\n".repeat(99), 1010),
        ("empty.mp4", vec![], 1010),
        ("list.mp4", playlist.to_vec(), 1010),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n".to_vec(), 1010),
        ("song.m4a", encode("-f lavfi -i sine=d=2 -c:a aac", "m4a").await, 1020),
        ("no_moov.mp4", half(&short), 1075),
        ("truncated.mp4", half(&complete), 1076),
    ];
    for (name, bytes, code) in cases {
        let input = fixture.put_input(&format!("inputs/{name}"), bytes).await;
        assert_fails(&mut fixture, &input, "media", code).await;
    }
    assert_fails(&mut fixture, "s3://uploads/inputs/never-there.mp4", "media", 1404).await;
    assert_fails(&mut fixture, "s3://no-such-bucket/a.mp4", "media", 1404).await;
    let valid = fixture.put_input("inputs/valid.mp4", short).await;
    assert_fails(&mut fixture, &valid, "no-such-bucket", 1404).await;
    assert_eq!(fixture.output_keys().await, Vec::<String>::new());
    assert_eq!(fixture.work_files(), Vec::<std::path::PathBuf>::new());
}

/// Runs a job that must fail with this code.
async fn assert_fails(fixture: &mut Fixture, input: &str, bucket: &str, code: u32) {
    let job = fixture.boto3(&["create", JOB_JSON, input, "ID", "360", "", bucket]).await;
    let id = job.as_str().unwrap();
    let end = fixture.final_detail(id).await;
    assert_eq!((&end["status"], &end["errorCode"]), (&json!("ERROR"), &json!(code)), "{input}: {end}");
    let message = end["errorMessage"].as_str().unwrap();
    assert!(message.ends_with('.') && message.contains("s3://"), "{message}");
    assert!(!message.contains("X-Amz") && !message.contains("http"), "{message}");
    let job = fixture.boto3(&["get", id]).await;
    assert_eq!((&job["ErrorCode"], &job["ErrorMessage"]), (&json!(code), &end["errorMessage"]));
}

#[tokio::test]
async fn invalid_request_is_rejected_as_on_aws() {
    let mut fixture = Fixture::new().await;
    let jobs = fixture.boto3(&["invalid_requests", JOB_JSON]).await;
    for id in jobs.as_array().unwrap() {
        assert_eq!(fixture.final_detail(id.as_str().unwrap()).await["errorCode"], 1404);
    }
    let client = reqwest::Client::new();
    for path in ["/2017-08-29/jobs", "/2017-08-29/queues", "/"] {
        let response = client.get(format!("{}{path}", fixture.url)).send().await.unwrap();
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(response.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
        assert!(response.text().await.unwrap().starts_with("{\"message\":"));
    }
}
