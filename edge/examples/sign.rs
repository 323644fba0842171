//! Measures presigning: 10,000 parts with their checksums in calls of 100, each a complete API call (token, signatures,
//! JSON), compared with the SDK's presigner. Prints one line of JSON; times are the best of five rounds.
// Like a test, the measurement may panic.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout)]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;
use axum::Router;
use axum::body::Body;
use edge::config::{Config, Environment};
use edge::job::JobTemplate;
use edge::{Aws, Edge};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tower::ServiceExt;

const ROUNDS: usize = 5;
const CALLS: u32 = 100;
const PARTS: u32 = 100;
const CHECKSUM: &str = "rosUhgp5mIg=";
const PART_SIZE: u64 = 8 << 20;
/// Parts for the SDK's presigner, which is slower.
const SDK_PARTS: u32 = 2_000;
const OPENED: &str = "<InitiateMultipartUploadResult><UploadId>2~AbCdEfGhIjKlMnOpQrStUvWxYz0123456789</UploadId>\
                      </InitiateMultipartUploadResult>";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sdk = sdk(&store().await).await;
    let router = app(&sdk).router();
    let size = u64::from(CALLS * PARTS) * PART_SIZE;
    let open = json!({ "fileName": "a.mp4", "size": size, "contentType": "video/mp4" });
    let upload = call(&router, "/uploads", &open).await;
    let path = format!("/uploads/{}/parts", upload["upload"].as_str().expect("an upload is opened"));

    let (mut edge_time, mut sdk_time) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for index in 0..CALLS {
            let part = |number: u32| json!({ "partNumber": number, "checksum": CHECKSUM });
            let parts: Vec<Value> = (index * PARTS + 1..=(index + 1) * PARTS).map(part).collect();
            post(&router, &path, &json!({ "parts": parts })).await;
        }
        edge_time = edge_time.min(start.elapsed());
        sdk_time = sdk_time.min(sdk_presigner(&sdk).await);
    }
    let us = |time: Duration, parts: u32| time.as_secs_f64() * 1e6 / f64::from(parts);
    let (edge_us, sdk_us) = (us(edge_time, CALLS * PARTS), us(sdk_time, SDK_PARTS));
    println!(
        "{}",
        json!({
            "edge_us": edge_us,
            "sdk_us": sdk_us,
            "ratio": sdk_us / edge_us,
            "hundred_calls_of_100_ms": edge_time.as_secs_f64() * 1e3,
        })
    );
}

/// The time that the SDK's presigner takes.
async fn sdk_presigner(sdk: &SdkConfig) -> Duration {
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let start = Instant::now();
    for number in 1..=SDK_PARTS {
        let config = PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap();
        let part = client.upload_part().bucket("uploads").key("inputs/5f2c.mp4").upload_id("2~AbCdEfGhIjKl");
        let part = part.content_length(PART_SIZE.cast_signed()).checksum_crc64_nvme(CHECKSUM);
        part.part_number(i32::try_from(number).unwrap()).presigned(config).await.unwrap();
    }
    start.elapsed()
}

/// An S3 server that opens uploads. Presigning makes no call to it.
async fn store() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(|| async { OPENED })).await });
    url
}

async fn sdk(s3: &str) -> SdkConfig {
    // The session token of a Lambda's role has this length.
    let token = Some("IQoJb3JpZ2luX2VjEB4/".repeat(50));
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", token, None, "bench");
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .endpoint_url(s3)
        .load()
        .await
}

fn app(sdk: &SdkConfig) -> Edge {
    let config = Config::read(Environment::Loopback, |name| {
        let value = match name {
            "UPLOAD_BUCKET" => "uploads",
            "DESTINATION_BUCKET" => "media",
            "MEDIA_CONVERT_ROLE" => "arn:aws:iam::123456789012:role/media",
            "CDN_BASE_URL" => "https://cdn.example",
            "UPLOAD_TOKEN_SECRET" => "0123456789abcdef0123456789abcdef",
            "AUTH_MODE" => "none",
            "CATALOG" => "sqlite::memory:",
            _ => return None,
        };
        Some(value.into())
    });
    let job = JobTemplate::parse(include_str!("../../job.json")).unwrap();
    Edge::new(config.unwrap(), job, &Aws { s3: sdk, s3_path_style: true, mediaconvert: sdk, dynamodb: sdk })
        .unwrap()
}

async fn post(router: &Router, path: &str, body: &Value) -> Vec<u8> {
    let request = http::Request::post(path).body(Body::from(body.to_string())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response.into_body().collect().await.unwrap().to_bytes().into()
}

async fn call(router: &Router, path: &str, body: &Value) -> Value {
    serde_json::from_slice(&post(router, path, body).await).unwrap()
}
