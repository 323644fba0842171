//! What no event has told is found: all events of this stack go nowhere, and only the reconciler looks.

use crate::edge_api::uploads::complete_errors::serve;
use crate::events::event_delivery::jobs;
use crate::events::event_stress::ask;
use crate::support::stack::{NOWHERE, Services, app, app_with, now, options, sdk};
use aws_sdk_mediaconvert::types::JobStatus;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use axum::Router;
use edge::Gate;
use http::StatusCode;
use local::stack::Stack;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::Service;

/// Whether all was well.
async fn reconcile(gate: &mut Gate) -> bool {
    let event =
        json!({ "source": "greloupis", "detail-type": "Reconcile", "detail": { "olderThanSeconds": 0 } });
    gate.call(edge::invocation(&event)).await.is_ok()
}

/// Stores a file as a browser does, but for the last word to the edge.
async fn store(gate: &mut Gate, s3: &aws_sdk_s3::Client, bytes: &'static [u8]) -> String {
    let open = json!({ "fileName": "a.mp4", "size": bytes.len(), "contentType": "video/mp4" });
    let opened = ask(gate, "POST", "/uploads", open).await;
    let key = opened["key"].as_str().unwrap();
    let uploads = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    let upload =
        uploads.uploads().iter().find(|upload| upload.key() == Some(key)).unwrap().upload_id().unwrap();
    let part = s3.upload_part().bucket("uploads").key(key).upload_id(upload).part_number(1);
    let etag = part.body(bytes.to_vec().into()).send().await.unwrap().e_tag.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket("uploads").key(key).upload_id(upload);
    complete.multipart_upload(parts).send().await.unwrap();
    opened["videoId"].as_str().unwrap().to_owned()
}

async fn video(gate: &mut Gate, id: &str) -> Value {
    ask(gate, "GET", &format!("/videos/{id}"), Value::Null).await
}

/// Waits until MediaConvert has given up on these.
async fn until_failed(stack: &Stack, jobs: &[String]) {
    let client = aws_sdk_mediaconvert::Client::new(&sdk(&stack.mediaconvert));
    for job in jobs {
        while client.get_job().id(job).send().await.unwrap().job.unwrap().status != Some(JobStatus::Error) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn s3(stack: &Stack) -> aws_sdk_s3::Client {
    let settings = aws_sdk_s3::config::Builder::from(&sdk(&stack.s3)).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(settings)
}

#[tokio::test]
async fn lost_events_are_made_good() {
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path(), 0, &[]);
    options.edge = Some(NOWHERE.into());
    let stack = Stack::start(options).await.unwrap();
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let services = Services { s3: &stack.s3, mediaconvert: &stack.mediaconvert, dynamodb: NOWHERE };
    let mut gate = app(&services, &catalog, now).gate();
    let s3 = s3(&stack);

    // Stored, and neither the page's last call nor S3's event has arrived.
    let id = store(&mut gate, &s3, b"no video at all").await;
    assert_eq!(video(&mut gate, &id).await["status"], "uploading");
    // Put there by somebody else.
    s3.put_object()
        .bucket("uploads")
        .key("inputs/foreign.mp4")
        .body(b"x".to_vec().into())
        .send()
        .await
        .unwrap();
    assert!(reconcile(&mut gate).await);
    assert_eq!(video(&mut gate, &id).await["status"], "converting");
    let made = jobs(&stack).await;
    assert_eq!(made.len(), 2);

    // The jobs end, and nobody hears of it.
    until_failed(&stack, &made).await;
    assert!(reconcile(&mut gate).await);
    let failed = video(&mut gate, &id).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(
        failed["error"]["code"].as_str().unwrap().parse::<u32>().is_ok(),
        "MediaConvert's number: {failed}"
    );
    // Once more finds nothing.
    assert!(reconcile(&mut gate).await);
    assert_eq!(video(&mut gate, &id).await, failed);
    assert_eq!(jobs(&stack).await.len(), 2);

    // An upload that is under way is nobody's business.
    let begun = ask(&mut gate, "POST", "/uploads", json!({ "fileName": "b.mp4", "size": 5 })).await;
    assert_eq!(video(&mut gate, begun["videoId"].as_str().unwrap()).await["status"], "uploading");
    assert!(reconcile(&mut gate).await);
    let open = video(&mut gate, begun["videoId"].as_str().unwrap()).await;
    assert_eq!(open["status"], "uploading", "an open upload has its seven days");
    stack.stop().await;
}

#[tokio::test]
async fn a_backend_that_is_down_is_asked_last_and_not_for_ever() {
    let data = tempfile::tempdir().unwrap();
    let mut options = options(data.path(), 0, &[]);
    options.edge = Some(NOWHERE.into());
    let stack = Stack::start(options).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let down = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let backend = serve(Router::new().fallback(down)).await;
    let services = Services { s3: &stack.s3, mediaconvert: &stack.mediaconvert, dynamodb: NOWHERE };
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let more = [("CALLBACK_URL", &*backend), ("CALLBACK_SECRET", "a secret of at least thirty-two bytes")];
    let mut gate = app_with(&services, &catalog, now, &more).gate();
    let s3 = s3(&stack);

    for _ in 0..2 {
        store(&mut gate, &s3, b"no video at all").await;
    }
    assert!(reconcile(&mut gate).await);
    until_failed(&stack, &jobs(&stack).await).await;
    assert!(!reconcile(&mut gate).await, "two ends, and nobody takes them");
    let late = store(&mut gate, &s3, b"no video either").await;
    asked.store(0, Ordering::SeqCst);
    assert!(!reconcile(&mut gate).await);
    assert_eq!(asked.load(Ordering::SeqCst), 3, "the tries of one end: the other waits for the next run");
    assert_eq!(video(&mut gate, &late).await["status"], "converting");
    stack.stop().await;
}
