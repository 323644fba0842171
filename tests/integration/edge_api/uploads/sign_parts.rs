//! `POST /uploads/{upload}/parts`: signs URLs of parts.

use super::{MIB, file, stack_and_later_edge};
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::crc64;

/// Requests these parts with one checksum.
fn request(numbers: impl IntoIterator<Item = u32>) -> Value {
    let part = |number| json!({ "partNumber": number, "checksum": crc64(b"any") });
    json!({ "parts": numbers.into_iter().map(part).collect::<Vec<_>>() })
}

#[tokio::test]
async fn part_numbers_outside_the_plan_are_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.open_upload(10_000 * 8 * MIB, &json!({ "fileName": "a.mp4" })).await;
    assert_eq!((&upload["partCount"], &upload["parts"]), (&json!(10_000), &json!([])));
    let path = format!("{}/parts", ApiClient::path_of(&upload));
    let sign = async |body: Value| api.post(&path, body.to_string()).await;
    for invalid in [request([]), request([0]), request([10_001]), request([1, 1]), request(1..=101)] {
        assert_problem(sign(invalid).await, "bad_part_numbers");
    }
    for invalid in [json!({ "parts": [{ "partNumber": -1 }] }), json!({ "partNumbers": [1] })] {
        assert_problem(sign(invalid).await, "bad_json");
    }
    let (_, signed) = sign(request(9_901..=10_000)).await;
    assert_eq!(signed["parts"].as_array().unwrap().len(), 100);
    assert_eq!(signed["parts"][99]["partNumber"], 10_000);
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    stack.stop().await;
}

#[tokio::test]
async fn part_without_a_valid_checksum_is_rejected_and_named() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.open_upload(20 * MIB, &json!({ "fileName": "a.mp4" })).await;
    let path = format!("{}/parts", ApiClient::path_of(&upload));
    for invalid in [json!(null), json!(""), json!("AAAA"), json!("rosUhgp5mIg"), json!("rosUhgp5mI\n=")] {
        let parts =
            json!([{ "partNumber": 1, "checksum": crc64(b"any") }, { "partNumber": 3, "checksum": invalid }]);
        let refused = api.post(&path, json!({ "parts": parts }).to_string()).await;
        assert!(refused.1["detail"].as_str().unwrap().contains("Part 3 "), "{}", refused.1);
        assert_problem(refused, "bad_checksum");
    }
    stack.stop().await;
}

#[tokio::test]
async fn signed_url_is_refused_with_other_bytes_another_length_or_without_its_checksum() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let file = file(9 * MIB);
    let upload = api.open_file(&file, &json!({ "fileName": "a.mp4" })).await;
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(file.chunks(8 * MIB)) {
        assert_eq!(part["headers"], json!({ "x-amz-checksum-crc64nvme": crc64(bytes) }));
        let refusal = async |part: &Value, bytes: &[u8]| {
            let response = api.send_part(part, bytes).await;
            let status = response.status().as_u16();
            let body = response.text().await.unwrap();
            let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
            (status, code.unwrap_or_default().0.to_owned())
        };
        let mut other = bytes.to_vec();
        other[100] ^= 1;
        assert_eq!(refusal(part, &other).await, (400, "BadDigest".into()), "other bytes");
        for length in [bytes.len() - 1, bytes.len() + 1] {
            let mut longer = bytes.to_vec();
            longer.resize(length, 0);
            assert_eq!(refusal(part, &longer).await, (403, "SignatureDoesNotMatch".into()), "another length");
            let header = json!({ "x-amz-checksum-crc64nvme": crc64(&longer) });
            let with_its_checksum = json!({ "url": part["url"], "headers": header });
            assert_eq!(refusal(&with_its_checksum, &longer).await.0, 403, "another length and its checksum");
        }
        let header = json!({ "x-amz-checksum-crc64nvme": crc64(&other) });
        let other_checksum = json!({ "url": part["url"], "headers": header });
        assert_eq!(refusal(&other_checksum, &other).await.0, 403, "other bytes and their checksum");
        let bare = json!({ "url": part["url"] });
        assert!(matches!(refusal(&bare, bytes).await.0, 400 | 403), "no checksum");
        api.put_part(part, bytes).await;
    }
    let (status, completed) = api.complete(&upload, &json!({ "checksum": crc64(&file) })).await;
    assert_eq!(status, StatusCode::OK, "{completed}");
    stack.stop().await;
}

#[tokio::test]
async fn expired_upload_is_rejected() {
    let (stack, _data, api, later) = stack_and_later_edge().await;
    let upload = api.open_upload(5, &json!({ "fileName": "a.mp4" })).await;
    let path = format!("{}/parts", ApiClient::path_of(&upload));
    assert_problem(later.post(&path, request([1]).to_string()).await, "upload_expired");
    stack.stop().await;
}
