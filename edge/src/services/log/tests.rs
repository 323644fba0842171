//! The log lines of complete requests and events.

use super::capture::Captured;
use super::*;
use crate::config::{Config, Environment};
use crate::job::JobTemplate;
use crate::{Aws, Edge};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const TRACE: &str = "1-6745a3b1-0123456789abcdef01234567";
/// CRC64NVME of `123456789`.
const CHECKSUM: &str = "rosUhgp5mIg=";
const JWT_SECRET: &str = "jwt-secret-0123456789abcdef-0123";
const TOKEN_SECRET: &str = "token-secret-0123456789abcdef-01";
const AWS_SECRET: &str = "aws-secret-key";
const AWS_SESSION: &str = "aws-session-token";

/// A server that opens multipart uploads and fails every other request of S3 and MediaConvert.
async fn s3() -> String {
    let respond = async |method: Method, uri: axum::http::Uri| {
        if method == Method::POST && uri.query().is_some_and(|query| query.starts_with("uploads")) {
            let xml =
                "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
            xml.into_response()
        } else {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = axum::serve(listener, Router::new().fallback(respond));
    tokio::spawn(async move { server.await });
    url
}

fn sdk(url: &str) -> SdkConfig {
    let credentials = Credentials::new("AKID", AWS_SECRET, Some(AWS_SESSION.into()), None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build()
}

async fn edge(folder: &std::path::Path) -> Edge {
    let catalog = format!("sqlite:{}", folder.join("catalog.db").display());
    let config = Config::read(Environment::Lambda, |name| {
        Some(match name {
            "UPLOAD_BUCKET" => "uploads".into(),
            "DESTINATION_BUCKET" => "media".into(),
            "MEDIA_CONVERT_ROLE" => "arn:aws:iam::1:role/m".into(),
            "CDN_BASE_URL" => "https://cdn.example".into(),
            "UPLOAD_TOKEN_SECRET" => TOKEN_SECRET.into(),
            "AUTH_JWT_SECRET" => JWT_SECRET.into(),
            "CATALOG" => catalog.clone(),
            _ => return None,
        })
    });
    let sdk = sdk(&s3().await);
    let job = JobTemplate::parse(include_str!("../../../../job.json")).unwrap();
    Edge::new(
        config.unwrap(),
        job,
        &Aws { s3: &sdk, s3_path_style: true, mediaconvert: &sdk, dynamodb: &sdk },
    )
    .unwrap()
}

fn bearer() -> String {
    let claims = json!({ "sub": "anna", "exp": crate::clock::now_ms() / 1000 + 60 });
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    format!("Bearer {}", jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap())
}

async fn call(edge: &Edge, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", bearer())
        .header("x-amzn-trace-id", format!("Self=1-x;Root={TRACE};Sampled=1"))
        .body(Body::from(body.to_string()))
        .unwrap();
    let Ok(response) = edge.router().layer(from_fn(access)).oneshot(request).await;
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn trace_id_is_logged_but_no_token_url_or_secret() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Captured::start());
    let edge = edge(folder.path()).await;
    let open = json!({ "fileName": "My film.mp4", "size": 5, "checksums": [CHECKSUM] });
    let (status, opened) = call(&edge, "POST", "/uploads", &open).await;
    assert_eq!(status, StatusCode::CREATED, "{opened}");
    let token = opened["upload"].as_str().unwrap();
    let part = json!({ "partNumber": 1, "checksum": CHECKSUM });
    for (method, path, body, status) in [
        ("POST", format!("/api/uploads/{token}/parts"), json!({ "parts": [part] }), 200),
        ("POST", format!("/uploads/{token}/complete"), json!({ "checksum": CHECKSUM }), 502),
        ("GET", format!("/uploads/{token}"), json!({}), 502),
        ("GET", format!("/uploads/{token}x"), json!({}), 404),
        ("GET", format!("/videos?cursor={token}"), json!({}), 400),
        ("GET", format!("/nowhere/{token}"), json!({}), 404),
        ("PUT", format!("/uploads/{token}"), json!({}), 405),
        ("POST", "/events".into(), json!({}), 404),
    ] {
        assert_eq!(call(&edge, method, &path, &body).await.0, status, "{method} {path}");
    }
    let created = json!({ "source": "aws.s3", "detail-type": "Object Created",
        "detail": { "bucket": { "name": "uploads" }, "object": { "key": "inputs/v.mp4", "size": 5, "etag": "e" } } });
    let mut event = crate::event_request(&created);
    event.headers_mut().insert("x-amzn-trace-id", format!("Root={TRACE}").parse().unwrap());
    let Ok(response) = edge.router().layer(from_fn(access)).oneshot(event).await;
    assert!(response.status().is_server_error());

    let text = log.text();
    let bearer = bearer();
    let signed = opened["parts"][0]["url"].as_str().unwrap();
    let signature = signed.split_once("X-Amz-Signature=").unwrap().1;
    for secret in [
        token,
        "Bearer",
        bearer.rsplit_once('.').unwrap().1,
        "X-Amz-",
        signature,
        JWT_SECRET,
        TOKEN_SECRET,
        AWS_SECRET,
        AWS_SESSION,
        "My film",
    ] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
    let requests = log.lines_of("request");
    for (method, path, status, code) in [
        ("POST", json!("/uploads"), 201, Value::Null),
        ("POST", json!("/api/uploads/{upload}/parts"), 200, Value::Null),
        ("POST", json!("/uploads/{upload}/complete"), 502, json!("storage_unavailable")),
        ("GET", json!("/uploads/{upload}"), 404, json!("bad_upload")),
        ("GET", json!("/videos"), 400, json!("bad_request")),
        ("GET", Value::Null, 404, json!("not_found")),
    ] {
        let fits = |line: &&Value| {
            (&line["method"], &line["path"], &line["status"], &line["code"])
                == (&json!(method), &path, &json!(status), &code)
        };
        let line = requests.iter().find(fits);
        assert!(line.is_some_and(|line| line["took_ms"].is_u64()), "{method} {path} {status}:\n{text}");
    }
    let event = log.lines_of("event").pop().unwrap();
    assert_eq!((&event["outcome"], &event["code"]), (&json!("failed"), &json!("transcoder_unavailable")));
    for line in log.lines() {
        assert_eq!(line["span"]["trace_id"], TRACE, "{line}");
    }
}

#[tokio::test]
async fn event_line_has_its_kind() {
    let log = Captured::start();
    let router = Router::new().fallback(|| async { Extension(EventKind("objects")) }).layer(from_fn(access));
    let Ok(_) = router.oneshot(crate::event_request(&json!({}))).await;
    let line = log.lines_of("event").pop().unwrap();
    assert_eq!((&line["kind"], &line["outcome"]), (&json!("objects"), &json!("done")));
}

#[test]
fn invalid_trace_id_is_ignored() {
    let id = |value: &str| {
        let headers = HeaderMap::from_iter([("x-amzn-trace-id".parse().unwrap(), value.parse().unwrap())]);
        trace_id(&headers).map(str::to_owned)
    };
    assert_eq!(id(&format!("Root={TRACE};Parent=0123456789abcdef;Sampled=0")).as_deref(), Some(TRACE));
    for other in ["", "Root=", "Root=secret", "1-6745a3b1-0123456789abcdef01234567", "Root=1-6745a3b1-0"] {
        assert_eq!(id(other), None, "{other}");
    }
    assert_eq!(trace_id(&HeaderMap::new()), None);
}
