//! SigV4 signatures, in headers and in presigned URLs.

use super::fixture::{Fixture, KEY, MIB, client, error_of, random_bytes};
use aws_sdk_s3::presigning::PresigningConfig;
use reqwest::{Response, StatusCode};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A presigned URL of part 1, signed `ago` in the past.
async fn presigned(fixture: &Fixture, upload: &str, ago: Duration) -> String {
    let timing =
        PresigningConfig::builder().start_time(SystemTime::now() - ago).expires_in(Duration::from_secs(60));
    let put = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(1);
    put.presigned(timing.build().unwrap()).await.unwrap().uri().to_owned()
}

/// A presigned URL of part 1 that signs the body's checksum and length.
async fn presigned_for_bytes(fixture: &Fixture, upload: &str, bytes: &[u8]) -> String {
    let put = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(1);
    let put = put.checksum_crc64_nvme(tests::crc64(bytes)).customize();
    let length = bytes.len().to_string();
    let put = put
        .mutate_request(move |request| drop(request.headers_mut().insert("content-length", length.clone())));
    let timing = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    put.presigned(timing).await.unwrap().uri().to_owned()
}

/// Status and S3 error code of a response.
async fn error_response(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let text = response.text().await.unwrap();
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
    (status, code.unwrap_or(&text).to_owned())
}

#[tokio::test]
async fn presigned_url_is_valid_for_its_part_only() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let url = presigned(&fixture, &upload, Duration::ZERO).await;
    let put = |url: &str| reqwest::Client::new().put(url).body("film");

    let stored = put(&url).send().await.unwrap();
    assert_eq!(stored.status(), 200);
    assert_eq!(stored.headers()["x-amz-checksum-crc64nvme"], tests::crc64(b"film"));

    let (rest, signature) = url.split_once("X-Amz-Signature=").unwrap();
    let flipped = if signature.starts_with('0') { "1" } else { "0" };
    let tampered = [
        format!("{rest}X-Amz-Signature={flipped}{}", &signature[1..]),
        url.replace("partNumber=1", "partNumber=2"),
        url.replace("film.mp4", "other.mp4"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        url.replace("127.0.0.1", "localhost"),
    ];
    for tampered in tampered {
        assert_ne!(tampered, url);
        let response = error_response(put(&tampered).send().await.unwrap()).await;
        assert_eq!(response, (StatusCode::FORBIDDEN, "SignatureDoesNotMatch".into()), "{tampered}");
    }
    let got = reqwest::get(&url).await.unwrap();
    assert_eq!(error_response(got).await.0, 403, "for another method");
    let unsigned = put(&url).header("x-amz-checksum-crc64nvme", tests::crc64(b"film")).send().await.unwrap();
    assert_eq!(error_response(unsigned).await, (StatusCode::FORBIDDEN, "AccessDenied".into()));
    assert_eq!(fixture.file_counts(), [0, 1]);
}

#[tokio::test]
async fn url_with_signed_checksum_and_length_is_valid_for_its_bytes_only() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_verified_upload(KEY).await;
    let url = presigned_for_bytes(&fixture, &upload, b"film").await;
    assert!(url.contains("content-length%3Bhost%3Bx-amz-checksum-crc64nvme"), "{url}");
    let (right, other) = (tests::crc64(b"film"), tests::crc64(b"life"));
    let cases = [
        ("film", None, 403, ""),
        ("film", Some(&other), 403, "SignatureDoesNotMatch"),
        ("life", Some(&other), 403, "SignatureDoesNotMatch"),
        ("films", Some(&right), 403, "SignatureDoesNotMatch"),
        ("fil", Some(&right), 403, "SignatureDoesNotMatch"),
        ("", Some(&right), 403, "SignatureDoesNotMatch"),
        ("life", Some(&right), 400, "BadDigest"),
    ];
    for (body, checksum, status, code) in cases {
        let mut put = reqwest::Client::new().put(&url).body(body);
        if let Some(checksum) = checksum {
            put = put.header("x-amz-checksum-crc64nvme", checksum);
        }
        let response = error_response(put.send().await.unwrap()).await;
        assert_eq!(response.0.as_u16(), status, "{body} {checksum:?}: {response:?}");
        assert!(response.1.contains(code), "{body} {checksum:?}: {response:?}");
    }
    assert_eq!(fixture.file_counts(), [0, 0]);
    let put = reqwest::Client::new().put(&url).header("x-amz-checksum-crc64nvme", right).body("film");
    assert_eq!(put.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn expired_url_is_rejected_with_a_readable_response() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let url = presigned(&fixture, &upload, Duration::from_secs(61)).await;
    // Like a browser, writes the whole body before reading; it is larger than all buffers on the way.
    let body = random_bytes(20 * MIB, 6);
    let mut connection = fixture.send_put_head(&url, body.len(), "Connection: close\r\n").await;
    connection.write_all(&body).await.unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 403 ") && response.contains("<Code>AccessDenied</Code>"),
        "{response}"
    );
    assert_eq!(fixture.file_counts(), [0, 0]);
}

#[tokio::test]
async fn request_without_a_valid_key_is_rejected() {
    let fixture = Fixture::new().await;
    let anonymous = reqwest::get(format!("{}/uploads", fixture.url)).await.unwrap();
    assert_eq!(error_response(anonymous).await, (StatusCode::FORBIDDEN, "AccessDenied".into()));
    let wrong_key = client(&fixture.url, "guessed").list_buckets().send().await;
    assert_eq!(error_of(wrong_key), (403, "SignatureDoesNotMatch".into()));
    let form = reqwest::Client::new().post(format!("{}/uploads", fixture.url));
    let form =
        form.header("content-type", "multipart/form-data; boundary=b").body("--b--").send().await.unwrap();
    assert_eq!(error_response(form).await, (StatusCode::NOT_IMPLEMENTED, "NotImplemented".into()));
}
