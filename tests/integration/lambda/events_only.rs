//! The edge in events-only mode, in place of the AWS tutorial's two functions: their environment and triggers only.

use super::fixture::{Fixture, SECRET, describe};
use super::http_payloads::{HttpRequest, PAYLOAD_FORMATS};
use crate::support::http::serve;
use crate::support::stack::job_ids;
use axum::Router;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A backend that receives webhooks: its URL and their bodies.
async fn backend() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (sender, webhooks) = mpsc::unbounded_channel();
    let receive = async move |body: String| {
        sender.send(serde_json::from_str(&body).unwrap()).unwrap();
    };
    let url = serve(Router::new().route("/video/aws", axum::routing::post(receive))).await;
    (format!("{url}/video/aws"), webhooks)
}

fn object_put(key: &str) -> Value {
    let object = json!({ "key": key, "size": 5, "eTag": "e" });
    json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "uploads" }, "object": object } }] })
}

#[tokio::test]
async fn tutorial_environment_is_sufficient() {
    let (url, mut webhooks) = backend().await;
    let role = "arn:aws:iam::000000000000:role/local";
    let mut changes =
        vec![("DestinationBucket", "uploads"), ("MediaConvertRole", role), ("Application", "VOD")];
    changes.extend([("CALLBACK_URL", &*url), ("CALLBACK_STYLE", "greloupis"), ("AWS_AUTH_KEY", SECRET)]);
    let unset =
        ["UPLOAD_BUCKET", "DESTINATION_BUCKET", "MEDIA_CONVERT_ROLE", "CDN_BASE_URL", "UPLOAD_TOKEN_SECRET"];
    changes.extend(unset.iter().chain(&["AUTH_JWT_SECRET", "CATALOG"]).map(|name| (*name, "")));
    let fixture = Fixture::new(&changes).await;

    assert_eq!(describe(&fixture.invoke(&object_put("5f72999541bc583c4819d915.mp4")).await), "response null");
    // As in the tutorial, outputs are written to the watched bucket.
    for output in ["assets/HLS/5f72.m3u8", "assets/MP4/5f72_540.mp4", "assets/Thumbnails/5f72.0000000.jpg"] {
        fixture.invoke(&object_put(output)).await;
    }
    let jobs = job_ids(&fixture.stack).await;
    assert_eq!(jobs.len(), 1, "{}", fixture.log());

    let complete = json!({
        "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change",
        "detail": { "jobId": jobs[0], "status": "COMPLETE", "userMetadata": { "videoId": "5f72999541bc583c4819d915" } },
    });
    assert_eq!(describe(&fixture.invoke(&complete).await), "response null");
    let webhook = webhooks.recv().await.unwrap();
    assert_eq!(webhook["video_id"], "5f72999541bc583c4819d915");
    assert_eq!(webhook["aws_auth_key"], SECRET);
    assert!(!fixture.log().contains(SECRET), "{}", fixture.log());

    // There is no HTTP API.
    let request = HttpRequest { method: "GET", path: "/api/videos", token: None, body: None };
    assert_eq!(fixture.http(PAYLOAD_FORMATS[0].1, &request).await.0, 404);
    fixture.stack.stop().await;
}
