//! Who may send what: signatures in headers and in URLs.

use super::fixture::{House, KEY, MIB, client, film, refusal};
use aws_sdk_s3::presigning::PresigningConfig;
use reqwest::{Response, StatusCode};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A URL that takes part 1 of `upload`, made so long ago.
async fn presigned(house: &House, upload: &str, ago: Duration) -> String {
    let timing =
        PresigningConfig::builder().start_time(SystemTime::now() - ago).expires_in(Duration::from_secs(60));
    let put = house.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(1);
    put.presigned(timing.build().unwrap()).await.unwrap().uri().to_owned()
}

async fn refused(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let text = response.text().await.unwrap();
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next());
    (status, code.unwrap_or(&text).to_owned())
}

#[tokio::test]
async fn a_presigned_url_takes_its_part_and_nothing_else() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let url = presigned(&house, &upload, Duration::ZERO).await;
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
        let answer = refused(put(&tampered).send().await.unwrap()).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, "SignatureDoesNotMatch".into()), "{tampered}");
    }
    let got = reqwest::get(&url).await.unwrap();
    assert_eq!(refused(got).await.0, 403, "for another method");
    let unsigned = put(&url).header("x-amz-checksum-crc64nvme", tests::crc64(b"film")).send().await.unwrap();
    assert_eq!(refused(unsigned).await, (StatusCode::FORBIDDEN, "AccessDenied".into()));
    assert_eq!(house.files(), [0, 1]);
}

#[tokio::test]
async fn an_expired_url_is_refused_and_the_refusal_arrives() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let url = presigned(&house, &upload, Duration::from_secs(61)).await;
    // Like a browser that writes for a while before it reads. So large a body fits in no buffer on the way.
    let body = film(20 * MIB, 6);
    let mut connection = house.begin_put(&url, body.len(), "Connection: close\r\n").await;
    connection.write_all(&body).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert_eq!(house.files(), [0, 0]);
}

#[tokio::test]
async fn without_the_key_nothing_goes() {
    let house = House::new().await;
    let anonymous = reqwest::get(format!("{}/uploads", house.url)).await.unwrap();
    assert_eq!(refused(anonymous).await, (StatusCode::FORBIDDEN, "AccessDenied".into()));
    let stranger = client(&house.url, "guessed").list_buckets().send().await;
    assert_eq!(refusal(stranger), (403, "SignatureDoesNotMatch".into()));
    let form = reqwest::Client::new().post(format!("{}/uploads", house.url));
    let form =
        form.header("content-type", "multipart/form-data; boundary=b").body("--b--").send().await.unwrap();
    assert_eq!(refused(form).await, (StatusCode::NOT_IMPLEMENTED, "NotImplemented".into()));
}
