//! Queues, presets, job templates and tags.

use super::fixture::{Fixture, clip};

#[tokio::test]
async fn job_uses_queue_preset_and_template() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/a.mp4", clip("160x90", 10, 1, true).await).await;
    let job = fixture.boto3(&["resources", &input]).await;
    let end = fixture.final_detail(job.as_str().unwrap()).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    let keys = fixture.output_keys().await;
    assert_eq!(keys, ["r/a.m3u8", "r/a_270.m3u8", "r/a_270_00001.ts", "r/a_small.mp4"]);
    let listed = fixture.aws_cli(&["list-queues"]).await;
    assert_eq!(listed["Queues"][1]["Name"], "night");
}
