//! Queues, presets, job templates and tags, and the example of the document.

use super::fixture::{Fixture, clip};
use crate::support::python;

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

#[tokio::test]
async fn documented_example_runs() {
    let mut fixture = Fixture::new().await;
    fixture.put_input("film.mov", clip("160x90", 10, 1, true).await).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mediaconvert.md");
    let document = std::fs::read_to_string(path).unwrap();
    let example = document.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let code = example.replace("http://127.0.0.1:8082", &fixture.url) + "\nprint(job['Id'])\n";
    let job = python::stdout(python::code(&code)).await;
    let end = fixture.final_detail(job.trim()).await;
    assert_eq!(end["status"], "COMPLETE", "{end}");
    assert_eq!(
        fixture.output_keys().await,
        ["film/film.m3u8", "film/film_720.m3u8", "film/film_720_00001.ts"]
    );
}
