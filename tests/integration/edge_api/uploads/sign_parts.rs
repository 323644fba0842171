//! `POST /uploads/{upload}/parts`: signs URLs of parts.

use super::MIB;
use crate::support::api_client::{ApiClient, assert_problem};
use crate::support::stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn part_numbers_outside_the_plan_are_rejected() {
    let (stack, _data) = stack::start(&[]).await;
    let api = ApiClient::new(&stack.page);
    let upload = api.open_upload(10_000 * 8 * MIB, &json!({ "fileName": "a.mp4" })).await;
    assert_eq!(upload["partCount"], 10_000);
    let path = format!("{}/parts", ApiClient::path_of(&upload));
    let sign = |numbers: Value| api.post(&path, json!({ "partNumbers": numbers }).to_string());
    let invalid =
        [json!([]), json!([0]), json!([10_001]), json!([1, 1]), json!((1..=1_001).collect::<Vec<u32>>())];
    for numbers in invalid {
        assert_problem(sign(numbers).await, "bad_part_numbers");
    }
    assert_problem(sign(json!([-1])).await, "bad_json");
    let (_, signed) = sign(json!((9_001..=10_000).collect::<Vec<u32>>())).await;
    assert_eq!(signed["parts"].as_array().unwrap().len(), 1000);
    assert_eq!(signed["parts"][999]["partNumber"], 10_000);
    assert_eq!(api.abort(&upload).await, StatusCode::NO_CONTENT);
    stack.stop().await;
}
