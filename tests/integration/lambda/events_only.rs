//! The zip in place of the tutorial's two functions: their environment, their triggers, nothing else.

use super::fixture::{House, SECRET};
use crate::events::event_delivery::jobs;
use axum::Router;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The site's backend, as far as it listens.
async fn backend() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (heard, hears) = mpsc::unbounded_channel();
    let take = async move |body: String| {
        heard.send(serde_json::from_str(&body).unwrap()).unwrap();
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/video/aws", listener.local_addr().unwrap());
    let router = Router::new().route("/video/aws", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, hears)
}

fn put(key: &str) -> Value {
    let object = json!({ "key": key, "size": 5, "eTag": "e" });
    json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "uploads" }, "object": object } }] })
}

#[tokio::test]
async fn the_tutorials_environment_is_enough() {
    let (url, mut hears) = backend().await;
    let role = "arn:aws:iam::000000000000:role/local";
    let mut changes =
        vec![("DestinationBucket", "uploads"), ("MediaConvertRole", role), ("Application", "VOD")];
    changes.extend([("CALLBACK_URL", &*url), ("CALLBACK_STYLE", "greloupis"), ("AWS_AUTH_KEY", SECRET)]);
    let ours =
        ["UPLOAD_BUCKET", "DESTINATION_BUCKET", "MEDIA_CONVERT_ROLE", "CDN_BASE_URL", "UPLOAD_TOKEN_SECRET"];
    changes.extend(ours.iter().chain(&["AUTH_JWT_SECRET", "CATALOG"]).map(|name| (*name, "")));
    let house = House::new(&changes).await;

    assert_eq!(
        super::fixture::told(&house.invoke(&put("5f72999541bc583c4819d915.mp4")).await),
        "response null"
    );
    // As in the tutorial, outputs land in the very bucket that is watched.
    for output in ["assets/HLS/5f72.m3u8", "assets/MP4/5f72_540.mp4", "assets/Thumbnails/5f72.0000000.jpg"] {
        house.invoke(&put(output)).await;
    }
    let made = jobs(&house.stack).await;
    assert_eq!(made.len(), 1, "{}", house.log());

    let complete = json!({
        "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change",
        "detail": { "jobId": made[0], "status": "COMPLETE", "userMetadata": { "videoId": "5f72999541bc583c4819d915" } },
    });
    assert_eq!(super::fixture::told(&house.invoke(&complete).await), "response null");
    let said = hears.recv().await.unwrap();
    assert_eq!(said["video_id"], "5f72999541bc583c4819d915");
    assert_eq!(said["aws_auth_key"], SECRET);
    assert!(!house.log().contains(SECRET), "{}", house.log());

    // There is no HTTP API.
    let asked = super::http_payloads::Asked { method: "GET", path: "/api/videos", token: None, body: None };
    assert_eq!(house.ask(super::http_payloads::FORMS[0].1, &asked).await.0, 404);
    house.stack.stop().await;
}
