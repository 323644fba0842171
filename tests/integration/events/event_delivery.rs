//! Events delivered repeatedly, late, wrapped, for unknown videos, and while a service is down.

use crate::mediaconvert::fixture::encode;
use crate::support::api_client::ApiClient;
use crate::support::event::{call, invoke, job_event};
use crate::support::stack::{self, Services, UNREACHABLE, job_ids, s3_client};
use http_body_util::BodyExt;
use local::stack::Stack;
use serde_json::{Value, json};
use tower::Service;

/// The S3 notification of a stored object.
async fn notification_of(stack: &Stack, key: &str) -> Value {
    let head = s3_client(stack).head_object().bucket("uploads").key(key).send().await.unwrap();
    let encoded = key.replace('+', "%2B").replace(' ', "+");
    let object = json!({ "key": encoded, "size": head.content_length(), "eTag": head.e_tag().unwrap().trim_matches('"') });
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

/// A stack, and an edge in front of its services that no event reaches by itself.
async fn edge_of(data: &std::path::Path, settings: &[(&str, &str)]) -> (Stack, edge::LambdaService) {
    let stack = stack::start_without_events(data).await;
    let services = Services { s3: &stack.s3, mediaconvert: &stack.mediaconvert, dynamodb: UNREACHABLE };
    let catalog = format!("sqlite:{}", data.join("catalog.db").display());
    let service = stack::app_with_settings(&services, &catalog, stack::now_ms, settings).lambda_service();
    (stack, service)
}

async fn put(stack: &Stack, key: &str, bytes: &'static [u8]) {
    let put = s3_client(stack).put_object().bucket("uploads").key(key);
    put.body(bytes.to_vec().into()).send().await.unwrap();
}

fn batch(bodies: &[String]) -> Value {
    let record = |(id, body): (usize, &String)| json!({ "eventSource": "aws:sqs", "messageId": id.to_string(), "body": body });
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

#[tokio::test]
async fn failed_messages_of_a_batch_are_reported_and_the_others_handled() {
    let data = tempfile::tempdir().unwrap();
    let (stack, mut service) = edge_of(data.path(), &[]).await;
    for key in ["inputs/a.mp4", "inputs/b.mp4"] {
        put(&stack, key, b"no video").await;
    }
    let created = async |key| notification_of(&stack, key).await;
    let in_sns = json!({ "Type": "Notification", "Message": created("inputs/b.mp4").await.to_string() });
    let bodies = [
        "no event".into(),
        created("inputs/a.mp4").await.to_string(),
        json!({ "source": "aws.ec2", "detail-type": "x" }).to_string(),
        in_sns.to_string(),
        json!({ "Event": "s3:TestEvent" }).to_string(),
    ];
    let response = service.call(edge::event_request(&batch(&bodies))).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let failures = json!([{ "itemIdentifier": "0" }, { "itemIdentifier": "2" }]);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({ "batchItemFailures": failures }));
    assert_eq!(job_ids(&stack).await.len(), 2);
    let all_failed = batch(&bodies[..1]);
    assert!(service.call(edge::event_request(&all_failed)).await.is_err());
    let unknown = json!({ "Records": [{ "eventSource": "aws:kinesis" }] });
    assert!(service.call(edge::event_request(&unknown)).await.is_err(), "not understood is no success");
    stack.stop().await;
}

#[tokio::test]
async fn object_of_another_tool_becomes_one_video_of_the_configured_owner() {
    let (stack, _data) = stack::start(&[("OBJECT_OWNER", "local")]).await;
    let api = ApiClient::new(&stack.page);
    let keys = ["inputs/sub folder/my film+1.mp4", "inputs/mine.mov"];
    let upload = api.upload_file("mine.mp4", b"no video").await;
    let id = upload["videoId"].as_str().unwrap();
    let conflicting = format!("inputs/{id}.mov");
    for key in keys.iter().copied().chain([&*conflicting]) {
        put(&stack, key, b"no video either").await;
        for _ in 0..3 {
            stack.outbox.send(notification_of(&stack, key).await).await.unwrap();
        }
    }
    put(&stack, "inputs/sub folder/", b"").await;
    api.wait_for_final_status(id).await;
    let videos = loop {
        let videos = api.get("/videos").await.1["videos"].as_array().unwrap().clone();
        if videos.len() == 4 && videos.iter().all(|video| video["status"] == "failed") {
            break videos;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let mut titles: Vec<_> = videos.iter().map(|video| video["title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    let mut expected = ["my film+1", "mine", "mine", id];
    expected.sort_unstable();
    assert_eq!(titles, expected);
    let marker = api.upload_file("marker.mp4", b"marker").await;
    api.wait_for_final_status(marker["videoId"].as_str().unwrap()).await;
    assert_eq!(job_ids(&stack).await.len(), 5, "one job for each object");
    stack.stop().await;
}

#[tokio::test]
async fn failed_video_is_converted_again_by_an_operators_event() {
    let data = tempfile::tempdir().unwrap();
    let (stack, service) =
        edge_of(data.path(), &[("OBJECT_OWNER", "local"), ("ALLOW_UNKNOWN_DURATION", "yes")]).await;
    put(&stack, "inputs/v.mp4", b"no video").await;
    assert!(invoke(&service, &notification_of(&stack, "inputs/v.mp4").await).await);
    let status = async || call(&service, "GET", "/videos/v", Value::Null).await["status"].clone();
    let again =
        json!({ "source": "greloupis", "detail-type": "Convert Again", "detail": { "videoId": "v" } });
    assert!(!invoke(&service, &again).await, "it hasn't failed");
    let first = job_ids(&stack).await.remove(0);
    assert!(invoke(&service, &job_event(&first, "v", "ERROR")).await);
    assert_eq!(status().await, "failed");
    assert!(invoke(&service, &again).await);
    assert_eq!(status().await, "converting");
    assert!(invoke(&service, &notification_of(&stack, "inputs/v.mp4").await).await, "repeated");
    assert!(invoke(&service, &job_event(&first, "v", "ERROR")).await, "late");
    assert_eq!((status().await, job_ids(&stack).await.len()), (json!("converting"), 2));
    stack.stop().await;
}

#[tokio::test]
async fn job_that_failed_for_the_service_is_repeated_a_few_times() {
    let data = tempfile::tempdir().unwrap();
    let (stack, service) =
        edge_of(data.path(), &[("OBJECT_OWNER", "local"), ("ALLOW_UNKNOWN_DURATION", "yes")]).await;
    put(&stack, "inputs/v.mp4", b"no video").await;
    assert!(invoke(&service, &notification_of(&stack, "inputs/v.mp4").await).await);
    let reconcile =
        json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": { "olderThanSeconds": 0 } });
    for attempt in 1..=4 {
        let jobs = job_ids(&stack).await;
        assert_eq!(jobs.len(), attempt);
        let video = call(&service, "GET", "/videos/v", Value::Null).await;
        assert_eq!(video["status"], "converting", "attempt {attempt}: {video}");
        // The newest job comes first.
        let mut failed = job_event(&jobs[0], "v", "ERROR");
        failed["detail"]["errorCode"] = json!(1999);
        for _ in 0..2 {
            assert!(invoke(&service, &failed).await);
        }
        assert!(invoke(&service, &reconcile).await);
    }
    assert_eq!(job_ids(&stack).await.len(), 4);
    let video = call(&service, "GET", "/videos/v", Value::Null).await;
    assert_eq!((&video["status"], &video["error"]["code"]), (&json!("failed"), &json!("1999")));
    stack.stop().await;
}

#[tokio::test]
async fn video_over_a_limit_of_sources_fails_without_a_job() {
    let limits = [
        ("MAX_DURATION", "2"),
        ("MAX_FRAME_RATE", "30"),
        ("ALLOW_UNKNOWN_DURATION", "no"),
        ("MAX_MINUTES_PER_DAY", "1"),
    ];
    let (stack, _data) = stack::start(&limits).await;
    let api = ApiClient::new(&stack.page);
    let clip = async |options: &str| {
        encode(&format!("-f lavfi -i testsrc2=s=64x64:{options} -c:v libx264"), "mp4").await
    };
    for (file, code) in [
        (clip("r=10:d=3").await, "duration_too_long"),
        (clip("r=60:d=1").await, "frame_rate_too_high"),
        (b"no video".to_vec(), "duration_unknown"),
    ] {
        let upload = api.upload_file("a.mp4", &file).await;
        let video = api.wait_for_final_status(upload["videoId"].as_str().unwrap()).await;
        assert_eq!((&video["status"], &video["error"]["code"]), (&json!("failed"), &json!(code)), "{video}");
    }
    assert!(job_ids(&stack).await.is_empty());
    stack.stop().await;
}
