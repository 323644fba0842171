//! The released edge under Lambda's rules, its S3 and MediaConvert being ours. Nothing but the test invokes it.

use super::http_payloads::{Asked, Form};
use crate::events::event_delivery::jobs;
use crate::support::api_client::token;
use crate::support::stack::{NOWHERE, options, sdk};
use local::stack::Stack;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use tests::lambda_runtime::{Function, InvocationResult, Lambda, Outcome};

pub const SECRET: &str = "a secret of at least thirty-two bytes";

pub struct House {
    pub stack: Stack,
    pub lambda: Lambda,
    pub dir: TempDir,
}

/// The folder of the unpacked zip.
pub fn task() -> PathBuf {
    std::env::var_os("GRELOUPIS_EDGE")
        .expect(
            "GRELOUPIS_EDGE must name a folder with the released edge and job.json: run `cargo xtask test`",
        )
        .into()
}

/// A good environment; `changes` come last, an empty value removes.
pub fn settings(stack: Option<&Stack>, dir: &TempDir, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let catalog = format!("sqlite:{}", dir.path().join("catalog.db").display());
    let given = [
        ("UPLOAD_BUCKET", "uploads"),
        ("DESTINATION_BUCKET", "media"),
        ("MEDIA_CONVERT_ROLE", "arn:aws:iam::000000000000:role/local"),
        ("CDN_BASE_URL", "https://cdn.example"),
        ("UPLOAD_TOKEN_SECRET", SECRET),
        ("AUTH_JWT_SECRET", SECRET),
        ("CATALOG", &*catalog),
        ("AWS_ENDPOINT_URL_S3", stack.map_or(NOWHERE, |stack| &stack.s3)),
        ("AWS_ENDPOINT_URL_MEDIACONVERT", stack.map_or(NOWHERE, |stack| &stack.mediaconvert)),
    ];
    let all =
        given.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)).chain(changes);
    all.filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

impl House {
    pub async fn new(changes: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Nobody listens there: the stack's own events shall not mix with the test's.
        let mut options = options(&dir.path().join("stack"), 0, &[]);
        options.edge = Some(NOWHERE.into());
        let stack = Stack::start(options).await.unwrap();
        let mut function = Function::new(task(), settings(Some(&stack), &dir, changes));
        function.log = Some(dir.path().join("log"));
        Self { stack, lambda: Lambda::new(function), dir }
    }

    pub async fn invoke(&self, event: &Value) -> Outcome {
        let InvocationResult { outcome, .. } = self.lambda.invoke(event.to_string().into()).await;
        outcome
    }

    /// The status and body of an HTTP request.
    pub async fn ask(&self, form: Form, asked: &Asked<'_>) -> (u64, Value) {
        let Outcome::Response(answer) = self.invoke(&form(asked)).await else {
            panic!("the function failed")
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let body = answer["body"].as_str().unwrap_or_default();
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    /// What there is: jobs, uploads under way, and how far the video `film` is.
    pub async fn done(&self) -> (usize, usize, String) {
        let settings = aws_sdk_s3::config::Builder::from(&sdk(&self.stack.s3)).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(settings);
        let uploads = s3.list_multipart_uploads().bucket("uploads").send().await.unwrap().uploads().len();
        let token = token(SECRET, "anna");
        let asked = Asked { method: "GET", path: "/videos/film", token: Some(&token), body: None };
        let (_, video) = self.ask(super::http_payloads::FORMS[0].1, &asked).await;
        let film = format!("{} {}", video["status"].as_str().unwrap_or("no video"), video["progress"]);
        (jobs(&self.stack).await.len(), uploads, film)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// As the table tells it: a status and a code, or the error's first words.
pub fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(answer) => {
            let answer: Value = serde_json::from_slice(answer).unwrap();
            let Some(status) = answer["statusCode"].as_u64() else { return format!("response {answer}") };
            let body = answer["body"].as_str().unwrap_or_default();
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
