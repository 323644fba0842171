//! Starts that must not succeed: Lambda hears why, in one sentence, and the process ends.

use super::fixture::{SECRET, settings, task};
use serde_json::Value;
use std::path::Path;
use tests::lambda_runtime::Function;
use tests::lambda_runtime::environment::Environment;

/// What Lambda is told of a function that doesn't start.
async fn refusal(task: &Path, changes: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut function = Function::new(task, settings(None, &dir, changes));
    function.log = Some(dir.path().join("log"));
    let Err(failure) = Environment::start(&function).await else { panic!("it starts with {changes:?}") };
    assert_eq!(failure.exit_reason, "Runtime exited with error: exit status: 1");
    let posted: Value = serde_json::from_slice(&failure.posted_error.expect("an init error")).unwrap();
    assert_eq!(posted["errorType"], "Runtime.InitError");
    let sentence = posted["errorMessage"].as_str().unwrap().to_owned();
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("the edge can't start") && !log.contains("panicked"), "{log}");
    assert!(!sentence.contains('\n') && !(sentence.clone() + &log).contains(SECRET), "{sentence}\n{log}");
    sentence
}

#[tokio::test]
async fn a_missing_or_wrong_setting_is_named() {
    for (name, value, says) in [
        ("UPLOAD_BUCKET", "", "UPLOAD_BUCKET is missing"),
        ("DESTINATION_BUCKET", "uploads", "DESTINATION_BUCKET is the same as UPLOAD_BUCKET"),
        ("AUTH_MODE", "none", "AUTH_MODE is wrong"),
        ("UPLOAD_TOKEN_SECRET", "short", "UPLOAD_TOKEN_SECRET is wrong"),
        ("CATALOG", "sqlite:/nowhere/catalog.db", "CATALOG is wrong"),
        ("CATALOG", "postgres:x", "CATALOG is wrong"),
    ] {
        let sentence = refusal(&task(), &[(name, value)]).await;
        assert!(sentence.starts_with(says), "{sentence}");
    }
}

#[tokio::test]
async fn a_job_json_that_is_none_is_named() {
    for (content, says) in [
        (None, "job.json can't be read"),
        (Some("{ \"Inputs\": ["), "job.json"),
        (Some("[]"), "job.json"),
        (Some("{}"), "job.json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(task().join("bootstrap"), folder.path().join("bootstrap")).unwrap();
        if let Some(content) = content {
            std::fs::write(folder.path().join("job.json"), content).unwrap();
        }
        let sentence = refusal(folder.path(), &[]).await;
        assert!(sentence.contains(says), "{content:?}: {sentence}");
    }
}
