//! Events on their way to the edge: doubled, early, for nobody, and while a service is down.

use crate::support::api_client::Api;
use crate::support::stack::{self, NOWHERE, Services, sdk};
use local::stack::Stack;
use serde_json::{Value, json};

pub async fn jobs(stack: &Stack) -> Vec<String> {
    let client = aws_sdk_mediaconvert::Client::new(&sdk(&stack.mediaconvert));
    let list = client.list_jobs().max_results(20).send().await.unwrap();
    list.jobs().iter().map(|job| job.id().unwrap().to_owned()).collect()
}

/// The notification of a stored object, as S3 would send it once more.
async fn again(stack: &Stack, key: &str) -> Value {
    let settings = aws_sdk_s3::config::Builder::from(&sdk(&stack.s3)).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(settings);
    let head = client.head_object().bucket("uploads").key(key).send().await.unwrap();
    let object =
        json!({ "key": key, "size": head.content_length(), "eTag": head.e_tag().unwrap().trim_matches('"') });
    json!({ "Records": [{
        "eventSource": "aws:s3", "eventName": "ObjectCreated:CompleteMultipartUpload",
        "s3": { "bucket": { "name": "uploads" }, "object": object },
    }] })
}

pub fn job_event(job: &str, video: &str, status: &str) -> Value {
    json!({
        "source": "aws.mediaconvert", "detail-type": "MediaConvert Job State Change",
        "detail": { "jobId": job, "status": status, "userMetadata": { "videoId": video },
                    "jobProgress": { "jobPercentComplete": 50 } },
    })
}

#[tokio::test]
async fn one_object_gives_one_job_however_often_it_is_told() {
    let (stack, _data) = stack::start(&[]).await;
    let api = Api::new(&stack.page);
    let upload = api.send_file("notes.mp4", b"no video").await;
    let (id, key) = (upload["videoId"].as_str().unwrap(), upload["key"].as_str().unwrap());
    let event = again(&stack, key).await;
    for _ in 0..10 {
        stack.outbox.send(event.clone()).await.unwrap();
    }
    let video = api.until_final(id).await;
    let job = jobs(&stack).await;
    assert_eq!(job.len(), 1);
    // Late news of a job that is over, and of one that never was this video's.
    for (job, status) in [(&*job[0], "STATUS_UPDATE"), (&job[0], "CANCELED"), ("another", "COMPLETE")] {
        stack.outbox.send(job_event(job, id, status)).await.unwrap();
    }
    stack.outbox.send(job_event("x", "nobody", "ERROR")).await.unwrap();
    stack.outbox.send(json!({ "Event": "s3:TestEvent" })).await.unwrap();
    // Events are taken in their order: when this one's video is there, all before it have been.
    let marker = api.send_file("marker.mp4", b"marker").await;
    api.until_final(marker["videoId"].as_str().unwrap()).await;
    assert_eq!(api.get(&format!("/videos/{id}")).await.1, video);
    assert_eq!(jobs(&stack).await.len(), 2);
    stack.stop().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_now_comes_again() {
    use tower::Service;
    let data = tempfile::tempdir().unwrap();
    let catalog = format!("sqlite:{}", data.path().join("catalog.db").display());
    let nowhere = Services { s3: NOWHERE, mediaconvert: NOWHERE, dynamodb: NOWHERE };
    let mut gate = stack::app(&nowhere, &catalog, stack::now).gate();

    let created = json!({
        "source": "aws.s3", "detail-type": "Object Created",
        "detail": { "bucket": { "name": "uploads" }, "object": { "key": "inputs/v.mp4", "size": 5, "etag": "e" } },
    });
    for _ in 0..2 {
        // The claim was given back: the second try fails as the first did, not because the first is "at work".
        let error = gate.call(edge::invocation(&created)).await.expect_err("MediaConvert is down");
        assert!(error.to_string().contains("502"), "{error}");
    }
    let broken = json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": {} });
    assert!(gate.call(edge::invocation(&broken)).await.is_err(), "a dead letter, not a success");
    let foreign = json!({ "source": "aws.s3", "detail-type": "Object Created",
        "detail": { "bucket": { "name": "another" }, "object": { "key": "inputs/v.mp4", "size": 5 } } });
    assert!(gate.call(edge::invocation(&foreign)).await.is_ok(), "nothing to do is no failure");
}
