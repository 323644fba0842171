//! The complete router: the origin secret, CORS and the cookies of private videos.

use crate::config::{Config, Environment};
use crate::job::JobTemplate;
use crate::{Aws, Edge};
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_types::SdkConfig;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::json;
use tower::{Service, ServiceExt};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ID: &str = "0123456789abcdef01234567";

/// An edge with a catalog in memory and no other service.
fn edge(settings: &[(&str, &str)]) -> Edge {
    let config = Config::read(Environment::Loopback, |name| {
        let set = settings.iter().find(|(set, _)| *set == name).map(|(_, value)| *value);
        let value = set.or_else(|| {
            Some(match name {
                "UPLOAD_BUCKET" => "uploads",
                "DESTINATION_BUCKET" => "media",
                "MEDIA_CONVERT_ROLE" => "arn:aws:iam::1:role/m",
                "CDN_BASE_URL" => "https://d1.cloudfront.net",
                "UPLOAD_TOKEN_SECRET" => SECRET,
                "AUTH_MODE" => "none",
                "CATALOG" => "sqlite::memory:",
                _ => return None,
            })
        });
        value.map(str::to_owned)
    });
    let sdk =
        SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(Region::new("eu-west-1"));
    let sdk = sdk.build();
    let job = JobTemplate::parse(include_str!("../../../../job.json")).unwrap();
    Edge::new(
        config.unwrap(),
        job,
        &Aws { s3: &sdk, s3_path_style: false, mediaconvert: &sdk, dynamodb: &sdk },
    )
    .unwrap()
}

async fn call(edge: &Edge, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    edge.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(edge: &Edge, headers: &[(&str, &str)]) -> StatusCode {
    call(edge, Method::GET, "/api/videos", headers).await.status()
}

#[tokio::test]
async fn request_without_the_origin_secret_is_refused() {
    let edge = edge(&[("ORIGIN_SECRET", SECRET), ("ALLOWED_ORIGINS", "https://a.example")]);
    let right = ("x-origin-secret", SECRET);
    assert_eq!(get(&edge, &[right]).await, StatusCode::OK);
    let long = format!("{SECRET}0");
    for wrong in [&[][..], &[("x-origin-secret", "")], &[("x-origin-secret", &long)], &[right, right]] {
        assert_eq!(get(&edge, wrong).await, StatusCode::FORBIDDEN, "{wrong:?}");
    }
    for wrong in [&SECRET[..31], &SECRET.to_uppercase()] {
        assert_eq!(get(&edge, &[("x-origin-secret", wrong)]).await, StatusCode::FORBIDDEN);
    }
    // Also unknown paths, wrong methods and preflights.
    for (method, path) in
        [(Method::GET, "/nothing"), (Method::PUT, "/videos"), (Method::OPTIONS, "/api/uploads")]
    {
        let origin = ("origin", "https://a.example");
        let response = call(&edge, method, path, &[origin, ("access-control-request-method", "POST")]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[header::CONTENT_TYPE], wire::PROBLEM_JSON);
        assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    // Events aren't HTTP requests.
    let event = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" });
    assert!(edge.lambda_service().call(crate::event_request(&event)).await.is_ok());
}

#[tokio::test]
async fn previous_origin_secret_is_accepted_too() {
    let previous = "fedcba9876543210fedcba9876543210";
    let edge = edge(&[("ORIGIN_SECRET", SECRET), ("ORIGIN_SECRET_PREVIOUS", previous)]);
    for (value, status) in
        [(SECRET, StatusCode::OK), (previous, StatusCode::OK), (&previous[1..], StatusCode::FORBIDDEN)]
    {
        assert_eq!(get(&edge, &[("x-origin-secret", value)]).await, status);
    }
}

#[tokio::test]
async fn origin_secret_is_optional() {
    assert_eq!(get(&edge(&[]), &[]).await, StatusCode::OK);
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap())
}

#[tokio::test]
async fn cors_allows_listed_origins_only() {
    let edge = edge(&[("ALLOWED_ORIGINS", "https://a.example, http://localhost:3000/")]);
    let preflight =
        [("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    for (origin, is_allowed) in [
        ("https://a.example", true),
        ("http://localhost:3000", true),
        ("http://a.example", false),
        ("https://a.example:444", false),
        ("https://b.a.example", false),
        ("https://a.example.evil", false),
        ("null", false),
        ("", false),
    ] {
        let origin_header = [("origin", origin)];
        let with_origin = if origin.is_empty() { &[][..] } else { &origin_header };
        let expected = is_allowed.then_some(origin);
        let preflighted =
            call(&edge, Method::OPTIONS, "/api/uploads", &[with_origin, &preflight[..]].concat()).await;
        assert_eq!(allowed(preflighted.headers()), expected, "the preflight of {origin:?}");
        // The page must be able to read errors, too.
        for (path, status) in
            [("/api/videos", 200), ("/api/videos/none", 404), ("/api/none", 404), ("/api/uploads", 405)]
        {
            let response = call(&edge, Method::GET, path, with_origin).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(allowed(response.headers()), expected, "{path} for {origin:?}");
            assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
            let vary: Vec<_> = response.headers().get_all(header::VARY).iter().collect();
            assert!(
                vary.iter().any(|vary| vary.to_str().unwrap().contains("origin")),
                "caches must separate origins"
            );
        }
    }
    let listed = [&[("origin", "https://a.example")], &preflight[..]].concat();
    let response = call(&edge, Method::OPTIONS, "/api/uploads", &listed).await;
    let headers = response.headers();
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST,PATCH,DELETE");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,content-type,if-none-match");
    assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "7200");
    let edge = self::edge(&[]);
    let response = call(&edge, Method::GET, "/api/videos", &[("origin", "https://a.example")]).await;
    assert_eq!(allowed(response.headers()), None, "no origin is listed");
}

#[tokio::test]
async fn private_video_has_cookies_when_it_is_ready() {
    let pem = include_str!("../../../../tests/fixtures/keys/rsa-one.pem");
    let settings =
        [("CDN_KEY_PAIR_ID", "K1"), ("CDN_PRIVATE_KEY", pem), ("ALLOWED_ORIGINS", "https://a.example")];
    let edge = edge(&settings);
    let path = format!("/api/videos/{ID}");
    let catalog = &edge.0.app.catalog;
    let limits = edge.0.app.config.owner_limits;
    let mut record = crate::services::catalog::VideoRecord::new(ID, "local", 1, 1_000);
    catalog.add(record.clone(), limits).await.unwrap();
    let cookies = |response: &Response| response.headers().get_all(header::SET_COOKIE).iter().count();
    let response = call(&edge, Method::GET, &path, &[]).await;
    assert_eq!((response.status(), cookies(&response)), (StatusCode::OK, 0), "not yet");

    catalog.delete_open(ID, None).await.unwrap();
    record.status = wire::VideoStatus::Ready;
    catalog.add(record, limits).await.unwrap();
    let response = call(&edge, Method::GET, &path, &[("origin", "https://a.example")]).await;
    // Four for each of the template's folders.
    assert_eq!((response.status(), cookies(&response)), (StatusCode::OK, 16));
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    let etag = response.headers()[header::ETAG].to_str().unwrap();
    let again = call(&edge, Method::GET, &path, &[("if-none-match", etag)]).await;
    assert_eq!((again.status(), cookies(&again)), (StatusCode::NOT_MODIFIED, 16));
    let list = call(&edge, Method::GET, "/api/videos", &[]).await;
    assert_eq!(cookies(&list), 0);
}

#[tokio::test]
async fn private_video_with_a_chosen_id_is_refused() {
    let pem = include_str!("../../../../tests/fixtures/keys/p256.pem");
    let edge = edge(&[("CDN_KEY_PAIR_ID", "K1"), ("CDN_PRIVATE_KEY", pem)]);
    let body = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4", "videoId": ID });
    let request = Request::post("/uploads").body(Body::from(body.to_string())).unwrap();
    let response = edge.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "bad_video_id");
    assert!(problem["detail"].as_str().unwrap().contains("leave videoId out"), "{problem}");
}
