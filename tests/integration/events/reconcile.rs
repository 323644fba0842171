//! The reconciler repairs what lost events have left undone. No event of this stack reaches the edge.

use crate::support::event::{call, invoke};
use crate::support::http::serve;
use crate::support::stack::{
    Services, UNREACHABLE, app, app_with_settings, job_ids, mediaconvert_client, now_ms, s3_client,
    start_without_events,
};
use aws_sdk_mediaconvert::types::JobStatus;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use edge::LambdaService;
use http::StatusCode;
use local::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Runs the reconciler; whether it succeeded.
async fn reconcile(service: &LambdaService) -> bool {
    let event =
        json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": { "olderThanSeconds": 0 } });
    invoke(service, &event).await
}

/// Stores a file as a browser does, without the completion request to the edge.
async fn store(service: &LambdaService, s3: &aws_sdk_s3::Client, bytes: &'static [u8]) -> String {
    let open = json!({ "fileName": "a.mp4", "size": bytes.len(), "contentType": "video/mp4" });
    let opened = call(service, "POST", "/uploads", open).await;
    let key = opened["key"].as_str().unwrap();
    let uploads = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    let upload =
        uploads.uploads().iter().find(|upload| upload.key() == Some(key)).unwrap().upload_id().unwrap();
    let part = s3.upload_part().bucket("uploads").key(key).upload_id(upload).part_number(1);
    let checksum = tests::crc64(bytes);
    let part = part.checksum_crc64_nvme(&checksum).body(bytes.to_vec().into());
    let etag = part.send().await.unwrap().e_tag.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).checksum_crc64_nvme(checksum).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket("uploads").key(key).upload_id(upload);
    complete.multipart_upload(parts).send().await.unwrap();
    opened["videoId"].as_str().unwrap().to_owned()
}

async fn video(service: &LambdaService, id: &str) -> Value {
    call(service, "GET", &format!("/videos/{id}"), Value::Null).await
}

/// Waits until these jobs have failed.
async fn wait_until_failed(stack: &Stack, jobs: &[String]) {
    let client = mediaconvert_client(stack);
    for job in jobs {
        while client.get_job().id(job).send().await.unwrap().job.unwrap().status != Some(JobStatus::Error) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn lost_events_are_repaired() {
    let data = tempfile::tempdir().unwrap();
    let stack = start_without_events(data.path()).await;
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let aws = Services { s3: &stack.s3, mediaconvert: &stack.mediaconvert, dynamodb: UNREACHABLE };
    let service = app(&aws, &catalog, now_ms).lambda_service();
    let s3 = s3_client(&stack);

    // Stored, but neither the completion request nor S3's event has arrived.
    let id = store(&service, &s3, b"no video at all").await;
    assert_eq!(video(&service, &id).await["status"], "uploading");
    // An object that wasn't uploaded through the edge.
    s3.put_object()
        .bucket("uploads")
        .key("inputs/foreign.mp4")
        .body(b"x".to_vec().into())
        .send()
        .await
        .unwrap();
    assert!(reconcile(&service).await);
    assert_eq!(video(&service, &id).await["status"], "converting");
    let jobs = job_ids(&stack).await;
    assert_eq!(jobs.len(), 2);

    // The jobs end, and their events are lost.
    wait_until_failed(&stack, &jobs).await;
    assert!(reconcile(&service).await);
    let failed = video(&service, &id).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(
        failed["error"]["code"].as_str().unwrap().parse::<u32>().is_ok(),
        "MediaConvert's number: {failed}"
    );
    // A further run changes nothing.
    assert!(reconcile(&service).await);
    assert_eq!(video(&service, &id).await, failed);
    assert_eq!(job_ids(&stack).await.len(), 2);

    // An open upload is left alone.
    let opened = call(&service, "POST", "/uploads", json!({ "fileName": "b.mp4", "size": 5 })).await;
    assert_eq!(video(&service, opened["videoId"].as_str().unwrap()).await["status"], "uploading");
    assert!(reconcile(&service).await);
    let open = video(&service, opened["videoId"].as_str().unwrap()).await;
    assert_eq!(open["status"], "uploading", "an open upload may take seven days");
    stack.stop().await;
}

#[tokio::test]
async fn webhooks_to_a_failing_backend_come_last_and_are_limited() {
    let data = tempfile::tempdir().unwrap();
    let stack = start_without_events(data.path()).await;
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let fail = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let backend = serve(Router::new().fallback(fail)).await;
    let aws = Services { s3: &stack.s3, mediaconvert: &stack.mediaconvert, dynamodb: UNREACHABLE };
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let settings =
        [("CALLBACK_URL", &*backend), ("CALLBACK_SECRET", "a secret of at least thirty-two bytes")];
    let service = app_with_settings(&aws, &catalog, now_ms, &settings).lambda_service();
    let s3 = s3_client(&stack);

    for _ in 0..2 {
        store(&service, &s3, b"no video at all").await;
    }
    assert!(reconcile(&service).await);
    wait_until_failed(&stack, &job_ids(&stack).await).await;
    assert!(!reconcile(&service).await, "both webhooks fail");
    let late = store(&service, &s3, b"no video either").await;
    requests.store(0, Ordering::SeqCst);
    assert!(!reconcile(&service).await);
    assert_eq!(
        requests.load(Ordering::SeqCst),
        3,
        "the attempts of one webhook; the other waits for the next run"
    );
    assert_eq!(video(&service, &late).await["status"], "converting");
    stack.stop().await;
}

/// A MediaConvert with one job, whose state is throttled at first.
async fn throttling_mediaconvert(calls: Arc<AtomicUsize>) -> String {
    let probe = json!({ "probeResults": [{ "container": { "duration": 9.5, "tracks": [] } }] });
    let get_job = async move || {
        // The SDK makes three attempts.
        if calls.fetch_add(1, Ordering::SeqCst) < 3 {
            let error = [("x-amzn-errortype", "TooManyRequestsException")];
            return (StatusCode::TOO_MANY_REQUESTS, error, Json(json!({ "message": "Injected." })))
                .into_response();
        }
        Json(json!({ "job": { "id": "j", "role": "r", "settings": {}, "status": "PROGRESSING" } }))
            .into_response()
    };
    let router = Router::new()
        .route("/2017-08-29/probe", post(async move || Json(probe)))
        .route(
            "/2017-08-29/jobs",
            post(async || (StatusCode::CREATED, Json(json!({ "job": { "id": "j" } })))),
        )
        .route("/2017-08-29/jobs/j", get(get_job));
    serve(router).await
}

#[tokio::test]
async fn throttle_does_not_fail_a_run_and_a_running_job_is_checked_again_later() {
    let data = tempfile::tempdir().unwrap();
    let stack = start_without_events(data.path()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let mediaconvert = throttling_mediaconvert(calls.clone()).await;
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let aws = Services { s3: &stack.s3, mediaconvert: &mediaconvert, dynamodb: UNREACHABLE };
    let service = app(&aws, &catalog, now_ms).lambda_service();
    let id = store(&service, &s3_client(&stack), b"a video").await;
    assert!(reconcile(&service).await);
    let started = video(&service, &id).await;
    assert_eq!(started["status"], "converting", "{started}");
    assert!(reconcile(&service).await, "throttled");
    assert_eq!((video(&service, &id).await, calls.load(Ordering::SeqCst)), (started.clone(), 3));
    assert!(reconcile(&service).await);
    let checked = video(&service, &id).await;
    assert_ne!(checked["updatedAt"], started["updatedAt"], "stale later");
    assert_eq!(checked["status"], "converting");
    stack.stop().await;
}
