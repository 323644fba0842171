//! CORS: preflights, response headers, and the configuration of rules.

use super::fixture::{Fixture, KEY, PAGE, error_of};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use reqwest::{Method, Response};
use std::time::Duration;

async fn preflight(fixture: &Fixture, bucket: &str, origin: &str, method: &str) -> Response {
    let request = reqwest::Client::new().request(Method::OPTIONS, format!("{}/{bucket}/{KEY}", fixture.url));
    let request = request.header("origin", origin).header("access-control-request-method", method);
    request.header("access-control-request-headers", "x-amz-checksum-crc64nvme").send().await.unwrap()
}

fn allowed_origin(response: &Response) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn preflight_is_answered_by_the_buckets_rules() {
    let fixture = Fixture::new().await;
    let response = preflight(&fixture, "uploads", PAGE, "PUT").await;
    assert_eq!((response.status().as_u16(), allowed_origin(&response)), (200, Some(PAGE)));
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-methods"], "PUT");
    assert_eq!(headers["access-control-allow-headers"], "x-amz-checksum-crc64nvme");
    assert_eq!(headers["access-control-max-age"], "3600");
    assert!(headers["vary"].to_str().unwrap().contains("Origin"));
    for (bucket, origin, method) in [
        ("uploads", "http://127.0.0.1:8081", "PUT"),
        ("uploads", PAGE, "DELETE"),
        ("media", PAGE, "PUT"),
        ("none", PAGE, "PUT"),
    ] {
        let response = preflight(&fixture, bucket, origin, method).await;
        assert_eq!(
            (response.status().as_u16(), allowed_origin(&response)),
            (403, None),
            "{bucket} {origin} {method}"
        );
        assert!(response.text().await.unwrap().contains("<Code>AccessForbidden</Code>"));
    }
}

#[tokio::test]
async fn success_and_error_responses_have_cors_headers() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let put = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(1);
    let url = put.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    let send = |url: String, origin: &str| {
        reqwest::Client::new().put(url).header("origin", origin).body("film").send()
    };

    let stored = send(url.uri().to_owned(), PAGE).await.unwrap();
    assert_eq!((stored.status().as_u16(), allowed_origin(&stored)), (200, Some(PAGE)));
    assert_eq!(stored.headers()["access-control-expose-headers"], "Retry-After");
    let rejected = send(url.uri().replace("partNumber=1", "partNumber=2"), PAGE).await.unwrap();
    assert_eq!((rejected.status().as_u16(), allowed_origin(&rejected)), (403, Some(PAGE)));
    let elsewhere = send(url.uri().to_owned(), "http://elsewhere").await.unwrap();
    assert_eq!((elsewhere.status().as_u16(), allowed_origin(&elsewhere)), (200, None));
    assert!(elsewhere.headers()["vary"].to_str().unwrap().contains("Origin"));
}

#[tokio::test]
async fn cors_rules_are_changed_and_kept_after_a_restart() {
    let fixture = Fixture::new().await;
    fixture.s3.create_bucket().bucket("third").send().await.unwrap();
    assert_eq!(
        error_of(fixture.s3.get_bucket_cors().bucket("third").send().await),
        (404, "NoSuchCORSConfiguration".into())
    );
    let rule = CorsRule::builder()
        .allowed_origins("https://*.example.com")
        .allowed_methods("GET")
        .expose_headers("ETag");
    let rule = rule.allowed_headers("*").build().unwrap();
    let rules = CorsConfiguration::builder().cors_rules(rule.clone()).build().unwrap();
    fixture.s3.put_bucket_cors().bucket("third").cors_configuration(rules).send().await.unwrap();
    let response = preflight(&fixture, "third", "https://a.example.com", "GET").await;
    assert_eq!(allowed_origin(&response), Some("https://a.example.com"));
    assert_eq!(fixture.s3.get_bucket_cors().bucket("third").send().await.unwrap().cors_rules(), [rule]);

    let fixture = fixture.kill_and_restart().await;
    assert_eq!(preflight(&fixture, "third", "https://a.example.com", "GET").await.status(), 200);
    fixture.s3.delete_bucket_cors().bucket("third").send().await.unwrap();
    assert_eq!(preflight(&fixture, "third", "https://a.example.com", "GET").await.status(), 403);
}
