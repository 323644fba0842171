//! Events delivered repeatedly, late, for unknown videos, and while a service is down.

use crate::support::api_client::ApiClient;
use crate::support::event::job_event;
use crate::support::stack::{self, Services, UNREACHABLE, job_ids, s3_client};
use local::stack::Stack;
use serde_json::{Value, json};
use tower::Service;

/// The S3 notification of a stored object.
async fn notification_of(stack: &Stack, key: &str) -> Value {
    let head = s3_client(stack).head_object().bucket("uploads").key(key).send().await.unwrap();
    let object =
        json!({ "key": key, "size": head.content_length(), "eTag": head.e_tag().unwrap().trim_matches('"') });
    json!({ "Records": [{
        "eventSource": "aws:s3", "eventName": "ObjectCreated:CompleteMultipartUpload",
        "s3": { "bucket": { "name": "uploads" }, "object": object },
    }] })
}

#[tokio::test]
async fn repeated_events_of_one_object_give_one_job() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.upload_file("notes.mp4", b"no video").await;
    let (id, key) = (upload["videoId"].as_str().unwrap(), upload["key"].as_str().unwrap());
    let event = notification_of(&stack, key).await;
    for _ in 0..10 {
        stack.outbox.send(event.clone()).await.unwrap();
    }
    let video = api.wait_for_final_status(id).await;
    let jobs = job_ids(&stack).await;
    assert_eq!(jobs.len(), 1);
    // Late events of a finished job, and events of a job that isn't this video's.
    for (job, status) in [(&*jobs[0], "STATUS_UPDATE"), (&jobs[0], "CANCELED"), ("another", "COMPLETE")] {
        stack.outbox.send(job_event(job, id, status)).await.unwrap();
    }
    stack.outbox.send(job_event("x", "unknown", "ERROR")).await.unwrap();
    stack.outbox.send(json!({ "Event": "s3:TestEvent" })).await.unwrap();
    // Events are handled in order: once this video is finished, all earlier ones have been handled.
    let marker = api.upload_file("marker.mp4", b"marker").await;
    api.wait_for_final_status(marker["videoId"].as_str().unwrap()).await;
    assert_eq!(api.get(&format!("/videos/{id}")).await.1, video);
    assert_eq!(job_ids(&stack).await.len(), 2);
    stack.stop().await;
}

#[tokio::test]
async fn event_that_fails_returns_an_error_for_redelivery() {
    let data = tempfile::tempdir().unwrap();
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let services = Services { s3: UNREACHABLE, mediaconvert: UNREACHABLE, dynamodb: UNREACHABLE };
    let mut service = stack::app(&services, &catalog, stack::now_ms).lambda_service();

    let created = json!({
        "source": "aws.s3", "detail-type": "Object Created",
        "detail": { "bucket": { "name": "uploads" }, "object": { "key": "inputs/v.mp4", "size": 5, "etag": "e" } },
    });
    for _ in 0..2 {
        // The first failure releases its claim, so the second attempt fails for the same reason.
        let error = service.call(edge::event_request(&created)).await.expect_err("MediaConvert is down");
        assert!(error.to_string().contains("502"), "{error}");
    }
    let malformed = json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": {} });
    assert!(service.call(edge::event_request(&malformed)).await.is_err(), "goes to the dead-letter queue");
    let foreign = json!({ "source": "aws.s3", "detail-type": "Object Created",
        "detail": { "bucket": { "name": "another" }, "object": { "key": "inputs/v.mp4", "size": 5 } } });
    assert!(service.call(edge::event_request(&foreign)).await.is_ok(), "another bucket's event is ignored");
}
