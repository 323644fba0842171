//! What a browser on another origin may do, and what it is told.

use super::fixture::{House, KEY, PAGE, refusal};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use reqwest::{Method, Response};
use std::time::Duration;

async fn preflight(house: &House, bucket: &str, origin: &str, method: &str) -> Response {
    let request = reqwest::Client::new().request(Method::OPTIONS, format!("{}/{bucket}/{KEY}", house.url));
    let request = request.header("origin", origin).header("access-control-request-method", method);
    request.header("access-control-request-headers", "content-type").send().await.unwrap()
}

fn allowed(response: &Response) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn preflights() {
    let house = House::new().await;
    let answer = preflight(&house, "uploads", PAGE, "PUT").await;
    assert_eq!((answer.status().as_u16(), allowed(&answer)), (200, Some(PAGE)));
    let headers = answer.headers();
    assert_eq!(headers["access-control-allow-methods"], "PUT");
    assert_eq!(headers["access-control-allow-headers"], "content-type");
    assert_eq!(headers["access-control-max-age"], "3600");
    assert!(headers["vary"].to_str().unwrap().contains("Origin"));
    for (bucket, origin, method) in [
        ("uploads", "http://127.0.0.1:8081", "PUT"),
        ("uploads", PAGE, "DELETE"),
        ("media", PAGE, "PUT"),
        ("none", PAGE, "PUT"),
    ] {
        let answer = preflight(&house, bucket, origin, method).await;
        assert_eq!((answer.status().as_u16(), allowed(&answer)), (403, None), "{bucket} {origin} {method}");
        assert!(answer.text().await.unwrap().contains("<Code>AccessForbidden</Code>"));
    }
}

#[tokio::test]
async fn the_page_can_read_answers_and_refusals() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let put = house.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(1);
    let url = put.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    let send = |url: String, origin: &str| {
        reqwest::Client::new().put(url).header("origin", origin).body("film").send()
    };

    let stored = send(url.uri().to_owned(), PAGE).await.unwrap();
    assert_eq!((stored.status().as_u16(), allowed(&stored)), (200, Some(PAGE)));
    assert_eq!(stored.headers()["access-control-expose-headers"], "ETag, x-amz-checksum-crc64nvme");
    let refused = send(url.uri().replace("partNumber=1", "partNumber=2"), PAGE).await.unwrap();
    assert_eq!((refused.status().as_u16(), allowed(&refused)), (403, Some(PAGE)));
    let elsewhere = send(url.uri().to_owned(), "http://elsewhere").await.unwrap();
    assert_eq!((elsewhere.status().as_u16(), allowed(&elsewhere)), (200, None));
    assert!(elsewhere.headers()["vary"].to_str().unwrap().contains("Origin"));
}

#[tokio::test]
async fn rules_can_be_changed() {
    let house = House::new().await;
    house.s3.create_bucket().bucket("third").send().await.unwrap();
    assert_eq!(
        refusal(house.s3.get_bucket_cors().bucket("third").send().await),
        (404, "NoSuchCORSConfiguration".into())
    );
    let rule = CorsRule::builder()
        .allowed_origins("https://*.example.com")
        .allowed_methods("GET")
        .expose_headers("ETag");
    let rule = rule.allowed_headers("*").build().unwrap();
    let rules = CorsConfiguration::builder().cors_rules(rule.clone()).build().unwrap();
    house.s3.put_bucket_cors().bucket("third").cors_configuration(rules).send().await.unwrap();
    let answer = preflight(&house, "third", "https://a.example.com", "GET").await;
    assert_eq!(allowed(&answer), Some("https://a.example.com"));
    assert_eq!(house.s3.get_bucket_cors().bucket("third").send().await.unwrap().cors_rules(), [rule]);

    let house = house.killed_and_started().await;
    assert_eq!(preflight(&house, "third", "https://a.example.com", "GET").await.status(), 200);
    house.s3.delete_bucket_cors().bucket("third").send().await.unwrap();
    assert_eq!(preflight(&house, "third", "https://a.example.com", "GET").await.status(), 403);
}
