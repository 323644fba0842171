//! Local stacks, each on its own ports and data folder, and edges with other services behind them.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use edge::config::{Config, Environment};
use edge::job::JobTemplate;
use edge::{Aws, Clock, Edge};
use local::stack::{Options, Stack};
use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// An address without a server.
pub const UNREACHABLE: &str = "http://127.0.0.1:9";

/// The token secret of edges outside of a stack.
pub const TOKEN_SECRET: &str = "a token secret of thirty-two bytes";

/// The addresses of an edge's AWS services.
pub struct Services<'a> {
    pub s3: &'a str,
    pub mediaconvert: &'a str,
    pub dynamodb: &'a str,
}

/// Starts a stack; `env` overrides settings of its edge.
pub async fn start(env: &[(&str, &str)]) -> (Stack, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(options(data.path(), 0, env)).await.unwrap();
    (stack, data)
}

/// Settings of an edge outside of a stack: no sign-in, no webhook.
pub fn edge_setting(name: &str, catalog: &str) -> Option<String> {
    Some(match name {
        "UPLOAD_BUCKET" => "uploads".into(),
        "DESTINATION_BUCKET" => "media".into(),
        "MEDIA_CONVERT_ROLE" => "arn:aws:iam::000000000000:role/local".into(),
        "CDN_BASE_URL" => "https://cdn.example".into(),
        "UPLOAD_TOKEN_SECRET" => TOKEN_SECRET.into(),
        "AUTH_MODE" => "none".into(),
        "CATALOG" => catalog.into(),
        "ALLOW_UNKNOWN_DURATION" => "yes".into(),
        _ => return None,
    })
}

/// An edge without sign-in in front of these services.
pub fn app(services: &Services<'_>, catalog: &str, clock: Clock) -> Edge {
    let settings = [("MAX_OPEN_UPLOADS", "1000"), ("OBJECT_OWNER", "local")];
    app_with_settings(services, catalog, clock, &settings)
}

/// The same with more settings.
pub fn app_with_settings(
    services: &Services<'_>,
    catalog: &str,
    clock: Clock,
    settings: &[(&str, &str)],
) -> Edge {
    let config = Config::read(Environment::Loopback, |name| {
        let given = settings.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| edge_setting(name, catalog))
    });
    let job = JobTemplate::parse(include_str!("../../../job.json")).unwrap();
    let (s3, mediaconvert, dynamodb) =
        (sdk_config(services.s3), sdk_config(services.mediaconvert), sdk_config(services.dynamodb));
    let aws = Aws { s3: &s3, s3_path_style: true, mediaconvert: &mediaconvert, dynamodb: &dynamodb };
    Edge::with_clock(config.unwrap(), job, &aws, clock).unwrap()
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Configuration of an AWS SDK client for a local service.
pub fn sdk_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "locallocal", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

/// Options of a stack; port 0 takes free ports.
pub fn options(data: &Path, port: u16, env: &[(&str, &str)]) -> Options {
    // The files of most tests are no videos.
    let defaults = [("ALLOW_UNKNOWN_DURATION", "yes")];
    let env: HashMap<String, String> =
        defaults.iter().chain(env).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Options {
        host: [127, 0, 0, 1].into(),
        port,
        data: data.into(),
        site: None,
        edge: None,
        allowed_origins: Vec::new(),
        job: include_str!("../../../job.json").into(),
        env: Box::new(move |name| env.get(name).cloned()),
    }
}

/// A stack whose own events reach no edge: tests send them.
pub async fn start_without_events(data: &Path) -> Stack {
    let mut options = options(data, 0, &[]);
    options.edge = Some(UNREACHABLE.into());
    Stack::start(options).await.unwrap()
}

/// An S3 client for a stack.
pub fn s3_client(stack: &Stack) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(&stack.s3)).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A MediaConvert client for a stack.
pub fn mediaconvert_client(stack: &Stack) -> aws_sdk_mediaconvert::Client {
    aws_sdk_mediaconvert::Client::new(&sdk_config(&stack.mediaconvert))
}

/// Ids of a stack's jobs.
pub async fn job_ids(stack: &Stack) -> Vec<String> {
    let mut pages = mediaconvert_client(stack).list_jobs().max_results(20).into_paginator().send();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        ids.extend(page.unwrap().jobs().iter().map(|job| job.id().unwrap().to_owned()));
    }
    ids
}
