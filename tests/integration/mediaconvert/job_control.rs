//! Canceling jobs, and jobs interrupted by a restart.

use super::fixture::{Fixture, JOB_JSON, clip, rust_sdk};
use serde_json::json;

/// A one-minute video, which converts long enough to be canceled halfway.
async fn long_video() -> Vec<u8> {
    clip("640x360", 30, 60, false).await
}

#[tokio::test]
async fn running_and_waiting_job_are_canceled() {
    let mut fixture = Fixture::new().await;
    let long = fixture.put_input("inputs/long.mp4", long_video().await).await;
    let short = fixture.put_input("inputs/short.mp4", clip("320x240", 10, 1, false).await).await;
    let mut running = vec![];
    while running.len() < max_running_jobs() {
        let job = fixture.create_job(&long, "long", "540,1080").await;
        fixture.next_event_of(&job, &["STATUS_UPDATE"]).await;
        running.push(job);
    }
    let waiting = fixture.create_job(&long, "long", "540").await;
    let last = fixture.create_job(&short, "short", "360").await;
    assert_eq!(fixture.boto3(&["get", &waiting]).await["Status"], "SUBMITTED");
    fixture.aws_cli(&["cancel-job", "--id", &waiting]).await;
    for job in &running {
        fixture.aws_cli(&["cancel-job", "--id", job]).await;
    }
    fixture.aws_cli(&["cancel-job", "--id", &running[0]]).await;
    // They are canceled and stay so, and the last job runs.
    let mut ends = vec![];
    while ends.len() < running.len() + 2 {
        let detail = fixture.next_event().await["detail"].clone();
        if detail["status"] != "STATUS_UPDATE" && detail["status"] != "PROGRESSING" {
            ends.push((detail["jobId"].as_str().unwrap().to_owned(), detail["status"].clone()));
        }
    }
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    let end = |id: &String, status: &str| (id.clone(), json!(status));
    let canceled: Vec<_> = running.iter().chain([&waiting]).cloned().collect();
    let mut expected: Vec<_> = canceled.iter().map(|job| end(job, "CANCELED")).collect();
    expected.push(end(&last, "COMPLETE"));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(ends, expected);
    fixture.wait_for_keys(|keys| keys.iter().all(|key| key.contains("short"))).await;
    fixture.wait_for_empty_work_folder().await;

    let late = rust_sdk(&fixture.url).cancel_job().id(&last).send().await.unwrap_err().into_service_error();
    assert!(late.is_conflict_exception(), "{late:?}");
    let all: Vec<_> = canceled.iter().chain([&last]).map(String::as_str).collect();
    let by_status = fixture.boto3(&[&["pages"], &*all].concat()).await;
    assert_eq!(by_status["CANCELED"], json!(canceled.iter().rev().collect::<Vec<_>>()));
    assert_eq!(by_status["COMPLETE"], json!([last]));
}

/// The number of jobs that run at once, as documented.
fn max_running_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| (cores.get() / 4).max(2))
}

#[tokio::test]
async fn interrupted_job_is_run_again_after_a_restart() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/ID.mp4", clip("1280x720", 30, 12, false).await).await;
    let job = fixture.create_job(&input, "ID", "540,1080").await;
    fixture.next_event_of(&job, &["STATUS_UPDATE"]).await;
    let mut fixture = fixture.kill_and_restart().await;
    fixture.next_event_of(&job, &["PROGRESSING"]).await;
    let mut fixture = fixture.stop_and_restart().await;
    let end = fixture.final_detail(&job).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    assert!(fixture.boto3(&["get", &job]).await["RetryCount"].as_u64().is_some_and(|count| count >= 1));
    let again = fixture.boto3(&["create", JOB_JSON, &input, "ID", "360", "kept"]).await;
    fixture.final_detail(again.as_str().unwrap()).await;
    let fixture = fixture.stop_and_restart().await;
    assert_eq!(fixture.boto3(&["create", JOB_JSON, &input, "ID", "360", "kept"]).await, again);
}
