//! Whole systems for tests, each on ports and a folder of its own.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use edge::config::{Config, Place};
use edge::job::JobTemplate;
use edge::{App, Aws, Clock};
use local::stack::{Options, Stack};
use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Nobody listens there.
pub const NOWHERE: &str = "http://127.0.0.1:9";

/// Where an edge of a test's own finds AWS.
pub struct Services<'a> {
    pub s3: &'a str,
    pub mediaconvert: &'a str,
    pub dynamodb: &'a str,
}

/// Starts one with these settings of the edge in place of the local ones.
pub async fn start(env: &[(&str, &str)]) -> (Stack, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let stack = Stack::start(options(data.path(), 0, env)).await.unwrap();
    (stack, data)
}

/// The settings of an edge that isn't a stack's own: everybody may call it, and nobody is told of anything.
pub fn setting(name: &str, catalog: &str) -> Option<String> {
    Some(match name {
        "UPLOAD_BUCKET" => "uploads".into(),
        "DESTINATION_BUCKET" => "media".into(),
        "MEDIA_CONVERT_ROLE" => "arn:aws:iam::000000000000:role/local".into(),
        "CDN_BASE_URL" => "https://cdn.example".into(),
        "UPLOAD_TOKEN_SECRET" => "x".repeat(32),
        "AUTH_MODE" => "none".into(),
        "CATALOG" => catalog.into(),
        _ => return None,
    })
}

/// An edge that everybody may call, before these services.
pub fn app(services: &Services<'_>, catalog: &str, clock: Clock) -> App {
    app_with(services, catalog, clock, &[("MAX_OPEN_UPLOADS", "1000")])
}

/// The same with more settings.
pub fn app_with(services: &Services<'_>, catalog: &str, clock: Clock, more: &[(&str, &str)]) -> App {
    let config = Config::read(Place::Loopback, |name| {
        let more = more.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        more.or_else(|| setting(name, catalog))
    });
    let job = JobTemplate::parse(include_str!("../../../job.json")).unwrap();
    let (s3, mediaconvert, dynamodb) = (sdk(services.s3), sdk(services.mediaconvert), sdk(services.dynamodb));
    let aws = Aws { s3: &s3, s3_path_style: true, mediaconvert: &mediaconvert, dynamodb: &dynamodb };
    App::with_clock(config.unwrap(), job, &aws, clock).unwrap()
}

/// In milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

pub fn sdk(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "locallocal", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

pub fn options(data: &Path, port: u16, env: &[(&str, &str)]) -> Options {
    let env: HashMap<String, String> =
        env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Options {
        host: [127, 0, 0, 1].into(),
        port,
        data: data.into(),
        site: None,
        edge: None,
        job: include_str!("../../../job.json").into(),
        env: Box::new(move |name| env.get(name).cloned()),
    }
}
