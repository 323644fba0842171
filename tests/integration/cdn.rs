//! Delivery, judged by ffmpeg and by the requests that browsers make.

use crate::mediaconvert::fixture::{House, clip, look};
use std::path::Path;

/// ffmpeg as a player of what delivery serves, and a browser's requests.
#[tokio::test]
async fn delivery_serves_what_was_made() {
    let mut house = House::new().await;
    let input = house.put("inputs/ID.mp4", clip("320x240", 10, 7, true).await).await;
    let job = house.job(&input, "ID", "360,540").await;
    assert_eq!(house.end(&job).await["status"], "COMPLETE");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/cdn", listener.local_addr().unwrap());
    let router = axum::Router::new().nest("/cdn", local::cdn::router(house.s3.clone(), "media".into()));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let played = look(Path::new(&format!("{base}/assets/HLS/ID.m3u8")), &["codec_type", "height"]).await;
    let heights: Vec<_> =
        played.iter().filter(|stream| stream[0] == "video").map(|stream| stream[1].clone()).collect();
    assert_eq!(heights, ["360", "540"]);

    let film = house.bytes("assets/MP4/ID_540.mp4").await;
    let client = reqwest::Client::new();
    let film_url = format!("{base}/assets/MP4/ID_540.mp4");
    let get = async |range: &str| client.get(&film_url).header("range", range).send().await.unwrap();
    let part = get("bytes=100-199").await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 100-199/{}", film.len()).as_str());
    assert_eq!(part.headers()["content-type"], "video/mp4");
    assert_eq!(part.bytes().await.unwrap(), film[100..200]);
    let beyond = get(&format!("bytes={}-", film.len())).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{}", film.len()).as_str());

    let whole = client.get(&film_url).header("origin", "http://elsewhere.example").send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.headers()["access-control-allow-origin"], "*");
    assert!(whole.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let etag = whole.headers()["etag"].clone();
    assert_eq!(whole.bytes().await.unwrap(), film);
    let known = client.get(&film_url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!((known.status().as_u16(), known.bytes().await.unwrap().len()), (304, 0));
    let head = client.head(&film_url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], film.len().to_string().as_str());
    let list = client.get(format!("{base}/assets/HLS/ID.m3u8")).send().await.unwrap();
    assert!(!list.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(list.headers()["content-type"], "application/vnd.apple.mpegurl");

    for hidden in ["assets/none.mp4", "inputs/ID.mp4", "", "assets/../inputs/ID.mp4", "%2e%2e/uploads"] {
        let answer = client.get(format!("{base}/{hidden}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{hidden}");
    }
    assert_eq!(client.post(&film_url).send().await.unwrap().status(), 405);
    server.abort();
}
