//! Invalid settings: the process reports one sentence to Lambda as its init error, and exits.

use super::fixture::{SECRET, settings, task_root};
use serde_json::Value;
use std::path::Path;
use tests::lambda_runtime::Function;
use tests::lambda_runtime::environment::Environment;

/// Starts the edge with settings that must be rejected; returns the init error's message.
async fn init_error(task_root: &Path, changes: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut function = Function::new(task_root, settings(None, &dir, changes));
    function.log = Some(dir.path().join("log"));
    let Err(failure) = Environment::start(&function).await else {
        panic!("the edge starts with {changes:?}")
    };
    assert_eq!(failure.exit_reason, "Runtime exited with error: exit status: 1");
    let posted: Value = serde_json::from_slice(&failure.posted_error.expect("an init error")).unwrap();
    assert_eq!(posted["errorType"], "Runtime.InitError");
    let message = posted["errorMessage"].as_str().unwrap().to_owned();
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("the edge can't start") && !log.contains("panicked"), "{log}");
    assert!(!message.contains('\n') && !(message.clone() + &log).contains(SECRET), "{message}\n{log}");
    message
}

#[tokio::test]
async fn missing_or_invalid_setting_is_named() {
    for (name, value, expected) in [
        ("UPLOAD_BUCKET", "", "UPLOAD_BUCKET is missing"),
        ("DESTINATION_BUCKET", "uploads", "DESTINATION_BUCKET is the same as UPLOAD_BUCKET"),
        ("AUTH_MODE", "none", "AUTH_MODE is wrong"),
        ("UPLOAD_TOKEN_SECRET", "short", "UPLOAD_TOKEN_SECRET is wrong"),
        ("CATALOG", "sqlite:/nowhere/catalog.db", "CATALOG is wrong"),
        ("CATALOG", "postgres:x", "CATALOG is wrong"),
    ] {
        let message = init_error(&task_root(), &[(name, value)]).await;
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test]
async fn invalid_job_json_is_named() {
    for (content, expected) in [
        (None, "job.json can't be read"),
        (Some("{ \"Inputs\": ["), "job.json"),
        (Some("[]"), "job.json"),
        (Some("{}"), "job.json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(task_root().join("bootstrap"), folder.path().join("bootstrap")).unwrap();
        if let Some(content) = content {
            std::fs::write(folder.path().join("job.json"), content).unwrap();
        }
        let message = init_error(folder.path(), &[]).await;
        assert!(message.contains(expected), "{content:?}: {message}");
    }
}
