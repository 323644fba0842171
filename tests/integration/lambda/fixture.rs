//! The packaged edge in the Lambda runtime, with the local S3 and MediaConvert. Only the test invokes it.

use super::http_payloads::{HttpRequest, PAYLOAD_FORMATS, PayloadFormat};
use crate::support::api_client::token;
use crate::support::stack::{UNREACHABLE, job_ids, s3_client, start_without_events};
use local::stack::Stack;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use tests::lambda_runtime::{Function, InvocationResult, Lambda, Outcome};

pub const SECRET: &str = "a secret of at least thirty-two bytes";

/// The state that events can change.
pub struct State {
    pub jobs: usize,
    pub uploads: usize,
    pub film: String,
}

pub struct Fixture {
    pub stack: Stack,
    pub lambda: Lambda,
    pub dir: TempDir,
}

/// The folder of the unpacked zip.
pub fn task_root() -> PathBuf {
    std::env::var_os("GRELOUPIS_EDGE").expect("GRELOUPIS_EDGE: run by `cargo xtask test lambda`").into()
}

/// A valid environment; `changes` replace settings, an empty value removes one.
pub fn settings(stack: Option<&Stack>, dir: &TempDir, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let catalog = format!("sqlite:{}", dir.path().join("catalog.db").display());
    let defaults = [
        ("UPLOAD_BUCKET", "uploads"),
        ("DESTINATION_BUCKET", "media"),
        ("MEDIA_CONVERT_ROLE", "arn:aws:iam::000000000000:role/local"),
        ("CDN_BASE_URL", "https://cdn.example"),
        ("UPLOAD_TOKEN_SECRET", SECRET),
        ("AUTH_JWT_SECRET", SECRET),
        ("CATALOG", &*catalog),
        ("ALLOW_UNKNOWN_DURATION", "yes"),
        ("AWS_ENDPOINT_URL_S3", stack.map_or(UNREACHABLE, |stack| &stack.s3)),
        ("AWS_ENDPOINT_URL_MEDIACONVERT", stack.map_or(UNREACHABLE, |stack| &stack.mediaconvert)),
    ];
    let unchanged = defaults.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    unchanged
        .chain(changes)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

impl Fixture {
    pub async fn new(changes: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stack = start_without_events(&dir.path().join("stack")).await;
        let mut function = Function::new(task_root(), settings(Some(&stack), &dir, changes));
        function.log = Some(dir.path().join("log"));
        Self { stack, lambda: Lambda::new(function), dir }
    }

    pub async fn invoke(&self, event: &Value) -> Outcome {
        let InvocationResult { outcome, .. } = self.lambda.invoke(event.to_string().into()).await;
        outcome
    }

    /// Sends an HTTP request in this format; returns status and body.
    pub async fn http(&self, format: PayloadFormat, request: &HttpRequest<'_>) -> (u64, Value) {
        let Outcome::Response(payload) = self.invoke(&format(request)).await else {
            panic!("the function failed")
        };
        let response: Value = serde_json::from_slice(&payload).unwrap();
        let body = response["body"].as_str().unwrap_or_default();
        (response["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    /// The current jobs, open uploads, and status of the video `film`.
    pub async fn state(&self) -> State {
        let s3 = s3_client(&self.stack);
        let uploads = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap().uploads().len();
        let token = token(SECRET, "anna");
        let request = HttpRequest { method: "GET", path: "/videos/film", token: Some(&token), body: None };
        let (_, video) = self.http(PAYLOAD_FORMATS[0].1, &request).await;
        let film = format!("{} {}", video["status"].as_str().unwrap_or("no video"), video["progress"]);
        State { jobs: job_ids(&self.stack).await.len(), uploads, film }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// An outcome as the table in docs/lambda.md has it: status and code, or the error's message.
pub fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(payload) => {
            let response: Value = serde_json::from_slice(payload).unwrap();
            let Some(status) = response["statusCode"].as_u64() else { return format!("response {response}") };
            let body = response["body"].as_str().unwrap_or_default();
            let body: Value = serde_json::from_str(body).unwrap_or(json!(null));
            let code = body["code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
            format!("response {status}{code}")
        }
        Outcome::Error(error) => {
            let error: Value = serde_json::from_slice(error).unwrap();
            format!("error: {}", error["errorMessage"].as_str().unwrap())
        }
    }
}
