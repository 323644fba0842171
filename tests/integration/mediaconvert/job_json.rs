//! `job.json` and the documented settings against AWS's service model and this project's documented outputs.

use super::fixture::JOB_JSON;
use crate::support::python;

#[tokio::test]
async fn job_json_matches_the_service_model() {
    let mut command = python::script("job_json.py");
    command.arg(JOB_JSON);
    python::stdout(command).await;
}

#[tokio::test]
async fn bundled_model_matches_the_service_model() {
    let mut command = python::script("job_model.py");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/job/src/model.json"));
    python::stdout(command).await;
}

#[tokio::test]
async fn documented_settings_match_the_service_model() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mediaconvert.md");
    python::assert_passes("mediaconvert_settings.py", &[document]).await;
}
