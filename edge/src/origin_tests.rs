//! Through the CDN or not, from a listed page or another: what the router as a whole says.

use crate::config::{Config, Place};
use crate::job::JobTemplate;
use crate::{App, Aws};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use serde_json::json;
use tower::{Service, ServiceExt};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ID: &str = "0123456789abcdef01234567";

/// An edge with nothing behind it but a catalog in memory.
fn app(settings: &[(&str, &str)]) -> App {
    let config = Config::read(Place::Loopback, |name| {
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
    let job = JobTemplate::parse(include_str!("../../job.json")).unwrap();
    App::new(
        config.unwrap(),
        job,
        &Aws { s3: &sdk, s3_path_style: false, mediaconvert: &sdk, dynamodb: &sdk },
    )
    .unwrap()
}

async fn ask(app: &App, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(app: &App, headers: &[(&str, &str)]) -> StatusCode {
    ask(app, Method::GET, "/api/videos", headers).await.status()
}

#[tokio::test]
async fn around_the_cdn_nobody_gets_in() {
    let app = app(&[("ORIGIN_SECRET", SECRET), ("ALLOWED_ORIGINS", "https://a.example")]);
    let right = ("x-origin-secret", SECRET);
    assert_eq!(get(&app, &[right]).await, StatusCode::OK);
    let long = format!("{SECRET}0");
    for wrong in [&[][..], &[("x-origin-secret", "")], &[("x-origin-secret", &long)], &[right, right]] {
        assert_eq!(get(&app, wrong).await, StatusCode::FORBIDDEN, "{wrong:?}");
    }
    for wrong in [&SECRET[..31], &SECRET.to_uppercase()] {
        assert_eq!(get(&app, &[("x-origin-secret", wrong)]).await, StatusCode::FORBIDDEN);
    }
    // Not even what exists, or what a preflight would be told.
    for (method, path) in
        [(Method::GET, "/nothing"), (Method::PUT, "/videos"), (Method::OPTIONS, "/api/uploads")]
    {
        let origin = ("origin", "https://a.example");
        let answer = ask(&app, method, path, &[origin, ("access-control-request-method", "POST")]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], wire::PROBLEM_JSON);
        assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    // Events aren't HTTP.
    let event = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" });
    assert!(app.gate().call(crate::invocation(&event)).await.is_ok());
}

#[tokio::test]
async fn without_a_secret_everybody_gets_in() {
    assert_eq!(get(&app(&[]), &[]).await, StatusCode::OK);
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap())
}

#[tokio::test]
async fn only_listed_origins_may_ask_and_read() {
    let app = app(&[("ALLOWED_ORIGINS", "https://a.example, http://localhost:3000/")]);
    let preflight =
        [("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    for (origin, may) in [
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
        let expected = may.then_some(origin);
        let asked = ask(&app, Method::OPTIONS, "/api/uploads", &[with_origin, &preflight[..]].concat()).await;
        assert_eq!(allowed(asked.headers()), expected, "the preflight of {origin:?}");
        // Whatever went wrong, the page must be able to read it.
        for (path, status) in
            [("/api/videos", 200), ("/api/videos/none", 404), ("/api/none", 404), ("/api/uploads", 405)]
        {
            let answer = ask(&app, Method::GET, path, with_origin).await;
            assert_eq!(answer.status().as_u16(), status, "{path}");
            assert_eq!(allowed(answer.headers()), expected, "{path} for {origin:?}");
            assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
            let vary: Vec<_> = answer.headers().get_all(header::VARY).iter().collect();
            assert!(
                vary.iter().any(|vary| vary.to_str().unwrap().contains("origin")),
                "caches tell them apart"
            );
        }
    }
    let listed = [&[("origin", "https://a.example")], &preflight[..]].concat();
    let asked = ask(&app, Method::OPTIONS, "/api/uploads", &listed).await;
    let headers = asked.headers();
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST,DELETE");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,content-type,if-none-match");
    assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "7200");
    let nobody = self::app(&[]);
    let answer = ask(&nobody, Method::GET, "/api/videos", &[("origin", "https://a.example")]).await;
    assert_eq!(allowed(answer.headers()), None, "none is listed");
}

#[tokio::test]
async fn a_private_video_brings_its_cookies_when_it_is_ready() {
    let pem = include_str!("../../tests/fixtures/keys/rsa-one.pem");
    let settings =
        [("CDN_KEY_PAIR_ID", "K1"), ("CDN_PRIVATE_KEY", pem), ("ALLOWED_ORIGINS", "https://a.example")];
    let app = app(&settings);
    let path = format!("/api/videos/{ID}");
    let mut entry = crate::catalog::Entry::new(ID, "local", 1, 1_000);
    app.catalog.add(entry.clone(), 9).await.unwrap();
    let cookies = |answer: &Response| answer.headers().get_all(header::SET_COOKIE).iter().count();
    let answer = ask(&app, Method::GET, &path, &[]).await;
    assert_eq!((answer.status(), cookies(&answer)), (StatusCode::OK, 0), "not yet");

    app.catalog.forget(ID).await.unwrap();
    entry.status = wire::VideoStatus::Ready;
    app.catalog.add(entry, 9).await.unwrap();
    let answer = ask(&app, Method::GET, &path, &[("origin", "https://a.example")]).await;
    // Three for each of the template's folders.
    assert_eq!((answer.status(), cookies(&answer)), (StatusCode::OK, 9));
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    let etag = answer.headers()[header::ETAG].to_str().unwrap();
    let again = ask(&app, Method::GET, &path, &[("if-none-match", etag)]).await;
    assert_eq!((again.status(), cookies(&again)), (StatusCode::NOT_MODIFIED, 9));
    let list = ask(&app, Method::GET, "/api/videos", &[]).await;
    assert_eq!(cookies(&list), 0);
}

#[tokio::test]
async fn private_videos_have_ids_made_here() {
    let pem = include_str!("../../tests/fixtures/keys/p256.pem");
    let app = app(&[("CDN_KEY_PAIR_ID", "K1"), ("CDN_PRIVATE_KEY", pem)]);
    let body = json!({ "fileName": "a.mp4", "size": 5, "contentType": "video/mp4", "videoId": ID });
    let request = Request::post("/uploads").body(Body::from(body.to_string())).unwrap();
    let answer = app.router().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "bad_video_id");
    assert!(problem["detail"].as_str().unwrap().contains("leave videoId out"), "{problem}");
}
