//! Pages of other origins at a stack that was started with `--allow-origin`: the requests of an upload and of a player.

use crate::support::api_client::ApiClient;
use crate::support::stack;
use local::stack::Stack;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response};
use serde_json::json;

const DEV_PAGE: &str = "http://localhost:5173";
const OTHER_PAGE: &str = "http://localhost:5174";

async fn start() -> (Stack, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut options = stack::options(data.path(), 0, &[("ALLOWED_ORIGINS", "https://a.example")]);
    options.allowed_origins = vec![DEV_PAGE.into()];
    (Stack::start(options).await.unwrap(), data)
}

async fn preflight(url: &str, origin: &str, method: &str, headers: &str) -> Response {
    let request = Client::new().request(Method::OPTIONS, url).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    request.header("access-control-request-headers", headers).send().await.unwrap()
}

fn allowed_origin(headers: &HeaderMap) -> Option<&str> {
    headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn upload_from_an_allowed_origin_passes_every_cors_check() {
    let (stack, _data) = start().await;
    let uploads = format!("{}/api/uploads", stack.page);
    let open = preflight(&uploads, DEV_PAGE, "POST", "authorization,content-type").await;
    assert_eq!(allowed_origin(open.headers()), Some(DEV_PAGE));
    let own_setting = preflight(&uploads, "https://a.example", "POST", "content-type").await;
    assert_eq!(
        allowed_origin(own_setting.headers()),
        Some("https://a.example"),
        "ALLOWED_ORIGINS counts, too"
    );

    let api = ApiClient::new(&stack.page);
    let bytes = [7; 1000];
    let upload = api.open_file(&bytes, &json!({ "fileName": "a.mp4" })).await;
    let part = &upload["parts"][0];
    let url = part["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/inputs/", stack.page)));
    let on_s3 = url.replace(&stack.page, &format!("{}/uploads", stack.s3));
    for url in [url, &on_s3] {
        let asked = preflight(url, DEV_PAGE, "PUT", "x-amz-checksum-crc64nvme").await;
        assert_eq!(
            (asked.status().as_u16(), allowed_origin(asked.headers())),
            (200, Some(DEV_PAGE)),
            "{url}"
        );
        assert_eq!(asked.headers()["access-control-allow-headers"], "x-amz-checksum-crc64nvme");
    }
    let mut put = Client::new().put(url).header("origin", DEV_PAGE).body(bytes.to_vec());
    for (name, value) in part["headers"].as_object().unwrap() {
        put = put.header(name, value.as_str().unwrap());
    }
    let stored = put.send().await.unwrap();
    assert_eq!((stored.status().as_u16(), allowed_origin(stored.headers())), (200, Some(DEV_PAGE)));
    stack.stop().await;
}

#[tokio::test]
async fn player_of_another_origin_may_request_ranges() {
    let (stack, _data) = start().await;
    let media = stack::s3_client(&stack).put_object().bucket("media").key("assets/MP4/v_540.mp4");
    media.body(b"0123456789".to_vec().into()).send().await.unwrap();
    let url = format!("{}/cdn/assets/MP4/v_540.mp4", stack.page);
    let asked = preflight(&url, DEV_PAGE, "GET", "range").await;
    assert_eq!((asked.status().as_u16(), allowed_origin(asked.headers())), (200, Some("*")));
    let request = Client::new().get(&url).header("origin", DEV_PAGE).header("range", "bytes=2-4");
    let range = request.send().await.unwrap();
    assert_eq!((range.status().as_u16(), allowed_origin(range.headers())), (206, Some("*")));
    assert!(range.headers()["access-control-expose-headers"].to_str().unwrap().contains("content-range"));
    assert_eq!(range.text().await.unwrap(), "234");
    stack.stop().await;
}

#[tokio::test]
async fn other_origin_is_refused_by_api_and_bucket() {
    let (stack, _data) = start().await;
    let open = preflight(&format!("{}/api/uploads", stack.page), OTHER_PAGE, "POST", "content-type").await;
    assert_eq!(allowed_origin(open.headers()), None);
    for base in [format!("{}/inputs", stack.page), format!("{}/uploads/inputs", stack.s3)] {
        let url = format!("{base}/v.mp4?partNumber=1");
        let asked = preflight(&url, OTHER_PAGE, "PUT", "x-amz-checksum-crc64nvme").await;
        assert_eq!((asked.status().as_u16(), allowed_origin(asked.headers())), (403, None), "{url}");
    }
    stack.stop().await;
}
