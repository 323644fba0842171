//! The local CDN, with ffmpeg as the player, and with the requests that browsers send.

use crate::mediaconvert::fixture::{Fixture, clip, ffprobe_path};
use crate::support::http::serve;
use std::path::Path;

#[tokio::test]
async fn cdn_serves_outputs_with_ranges_validators_and_cors() {
    let mut fixture = Fixture::new().await;
    let input = fixture.put_input("inputs/ID.mp4", clip("320x240", 10, 7, true).await).await;
    let job = fixture.create_job(&input, "ID", "360,540").await;
    assert_eq!(fixture.final_detail(&job).await["status"], "COMPLETE");
    let router = axum::Router::new().nest("/cdn", local::cdn::router(fixture.s3.clone(), "media".into()));
    let base = format!("{}/cdn", serve(router).await);

    let streams =
        ffprobe_path(Path::new(&format!("{base}/assets/HLS/ID.m3u8")), &["codec_type", "height"]).await;
    let heights: Vec<_> =
        streams.iter().filter(|stream| stream[0] == "video").map(|stream| stream[1].clone()).collect();
    assert_eq!(heights, ["360", "540"]);

    let mp4 = fixture.output("assets/MP4/ID_540.mp4").await;
    let client = reqwest::Client::new();
    let mp4_url = format!("{base}/assets/MP4/ID_540.mp4");
    let get = async |range: &str| client.get(&mp4_url).header("range", range).send().await.unwrap();
    let range = get("bytes=100-199").await;
    assert_eq!(range.status(), 206);
    assert_eq!(range.headers()["content-range"], format!("bytes 100-199/{}", mp4.len()).as_str());
    assert_eq!(range.headers()["content-type"], "video/mp4");
    assert_eq!(range.bytes().await.unwrap(), mp4[100..200]);
    let past_end = get(&format!("bytes={}-", mp4.len())).await;
    assert_eq!(past_end.status(), 416);
    assert_eq!(past_end.headers()["content-range"], format!("bytes */{}", mp4.len()).as_str());

    let full = client.get(&mp4_url).header("origin", "http://elsewhere.example").send().await.unwrap();
    assert_eq!(full.status(), 200);
    assert_eq!(full.headers()["access-control-allow-origin"], "*");
    assert!(full.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let etag = full.headers()["etag"].clone();
    assert_eq!(full.bytes().await.unwrap(), mp4);
    let not_modified = client.get(&mp4_url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!((not_modified.status().as_u16(), not_modified.bytes().await.unwrap().len()), (304, 0));
    let head = client.head(&mp4_url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], mp4.len().to_string().as_str());
    let list = client.get(format!("{base}/assets/HLS/ID.m3u8")).send().await.unwrap();
    assert!(!list.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(list.headers()["content-type"], "application/vnd.apple.mpegurl");

    for path in ["assets/none.mp4", "inputs/ID.mp4", "", "assets/../inputs/ID.mp4", "%2e%2e/uploads"] {
        let response = client.get(format!("{base}/{path}")).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
    assert_eq!(client.post(&mp4_url).send().await.unwrap().status(), 405);
}
