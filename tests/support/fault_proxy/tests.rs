//! The whole proxy before a small server, spoken to over a bare socket, so that no client hides what came.

use super::*;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// In bytes: more than any buffer on the way holds at once.
const LENGTH: usize = 3_000_000;

struct Scene {
    proxy: Arc<Proxy>,
    address: SocketAddr,
    /// The bodies that the server took whole: their length and first byte.
    arrived: Arc<Mutex<Vec<(usize, u8)>>>,
}

impl Scene {
    async fn new(rules: Value) -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let noted = arrived.clone();
        let take = async move |body: Bytes| {
            lock(&noted).push((body.len(), body.first().copied().unwrap_or_default()));
            ([("etag", "\"tag\"")], "0123456789")
        };
        let server = Router::new().fallback(take).layer(DefaultBodyLimit::disable());
        let upstream = listen(0).unwrap();
        let proxy = Arc::new(Proxy::new(&format!("http://{}", upstream.local_addr().unwrap())));
        tokio::spawn(async move { axum::serve(upstream, server).await });
        proxy.set_rules(Rules::new(serde_json::from_value(rules).unwrap()));
        let listener = listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, proxy.clone()));
        Self { proxy, address, arrived }
    }

    async fn with(fault: Value) -> Self {
        Self::new(json!([{ "call": "part", "total": 1, "fault": fault }])).await
    }

    /// Sends part 1; answers what comes back until the connection ends.
    async fn put(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let head = format!(
            "PUT /inputs/a.mp4?partNumber=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {LENGTH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![7; LENGTH]).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn arrived(&self) -> Vec<(usize, u8)> {
        lock(&self.arrived).clone()
    }

    /// Of part 1, the first try.
    fn told(&self, what: &str) -> Value {
        self.proxy.log.tell()["parts"]["1"][0][what].clone()
    }
}

#[tokio::test]
async fn without_rules_everything_passes() {
    let scene = Scene::new(json!([])).await;
    let answer = scene.put().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("0123456789"), "{answer}");
    assert_eq!(scene.arrived(), [(LENGTH, 7)]);
    assert_eq!((scene.told("received"), scene.told("outcome")), (json!(LENGTH), json!(200)));
}

#[tokio::test]
async fn a_refusal_takes_the_body_and_forwards_nothing() {
    for (fault, status, word) in [
        ("slow-down", "503", "<Code>SlowDown<"),
        ("internal-error", "500", "<Code>Inter"),
        ("expired", "403", "has expired"),
    ] {
        let scene = Scene::with(json!(fault)).await;
        let answer = scene.put().await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(word), "{answer}");
        assert_eq!(scene.arrived(), []);
        assert_eq!(scene.told("received"), LENGTH);
    }
}

#[tokio::test]
async fn a_lost_answer_is_none_though_all_is_done() {
    let scene = Scene::with(json!("lost")).await;
    assert_eq!(scene.put().await.unwrap(), "");
    assert_eq!(scene.arrived(), [(LENGTH, 7)]);
    assert_eq!(scene.told("outcome"), "cut");
}

#[tokio::test]
async fn a_truncated_answer_promises_more_than_comes() {
    let scene = Scene::with(json!("truncated")).await;
    let answer = scene.put().await.unwrap();
    assert!(answer.contains("content-length: 10\r\n") && answer.ends_with("\r\n01234"), "{answer}");
    assert_eq!(scene.arrived(), [(LENGTH, 7)]);
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_the_body() {
    let scene = Scene::with(json!({ "reset": 100_000 })).await;
    let error = scene.put().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    assert_eq!(scene.arrived(), []);
    let received = scene.told("received").as_u64().unwrap();
    assert!((100_000..400_000).contains(&received), "{received}");
}

#[tokio::test]
async fn a_flip_changes_one_byte() {
    let scene = Scene::with(json!("flip")).await;
    scene.put().await.unwrap();
    assert_eq!(scene.arrived(), [(LENGTH, 6)]);
}

#[tokio::test]
async fn headers_are_taken_away() {
    let scene = Scene::with(json!({ "without": ["ETag"] })).await;
    assert!(!scene.put().await.unwrap().contains("etag"));
    assert!(scene.put().await.unwrap().contains("etag"));
}

#[tokio::test]
async fn what_stalls_or_is_silent_has_no_end() {
    for (fault, least) in [(json!({ "stall": 100_000 }), 100_000), (json!("silence"), LENGTH)] {
        let scene = Scene::with(fault).await;
        let end = timeout(Duration::from_millis(500), scene.put()).await;
        assert!(end.is_err(), "{end:?}");
        assert!(scene.told("received").as_u64().unwrap() >= least as u64);
        assert_eq!(scene.arrived(), []);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_comes_back() {
    let scene = Scene::with(json!({ "dead": 0.4 })).await;
    assert!(scene.put().await.is_err());
    assert!(scene.put().await.is_err(), "still gone");
    sleep(Duration::from_millis(500)).await;
    assert!(scene.put().await.unwrap().starts_with("HTTP/1.1 200"));
}
