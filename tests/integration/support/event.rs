//! Events as AWS sends them, and direct calls of the edge's service.

use axum::body::Body;
use edge::LambdaService;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::Service;

#[derive(Clone, Copy, PartialEq)]
pub enum Source {
    S3Notification,
    EventBridge,
}

/// `ObjectCreated` for a key in the bucket for uploads.
pub fn object_created(key: &str, source: Source) -> Value {
    let etag = "0123456789abcdef0123456789abcdef-2";
    let bucket = json!({ "name": "uploads" });
    if source == Source::EventBridge {
        let object = json!({ "key": key, "size": 5, "etag": etag });
        return json!({ "source": "aws.s3", "detail-type": "Object Created",
            "detail": { "bucket": bucket, "object": object } });
    }
    let object = json!({ "key": key, "size": 5, "eTag": etag });
    json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:CompleteMultipartUpload",
        "s3": { "bucket": bucket, "object": object } }] })
}

/// A state change of a MediaConvert job.
pub fn job_event(job_id: &str, video_id: &str, status: &str) -> Value {
    json!({
        "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change",
        "detail": { "jobId": job_id, "status": status, "userMetadata": { "videoId": video_id },
                    "jobProgress": { "jobPercentComplete": 50 } },
    })
}

/// Invokes the edge with an event; whether it was handled.
pub async fn invoke(service: &LambdaService, event: &Value) -> bool {
    service.clone().call(edge::event_request(event)).await.is_ok()
}

/// Calls the edge's HTTP API without a network; returns the response's JSON.
pub async fn call(service: &LambdaService, method: &str, path: &str, body: Value) -> Value {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_string())).unwrap();
    let response = service.clone().call(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}
