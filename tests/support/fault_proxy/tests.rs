//! Tests of the whole proxy in front of a small server. The client is a bare socket, which hides nothing.

use super::*;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// More than all buffers on the way hold.
const BODY_LENGTH: usize = 3_000_000;

struct Fixture {
    proxy: Arc<Proxy>,
    address: SocketAddr,
    /// Length and first byte of each body that the server received completely.
    received: Arc<Mutex<Vec<(usize, u8)>>>,
}

impl Fixture {
    async fn new(rules: Value) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let bodies = received.clone();
        let receive = async move |body: Bytes| {
            lock(&bodies).push((body.len(), body.first().copied().unwrap_or_default()));
            ([("etag", "\"tag\"")], "0123456789")
        };
        let server = Router::new().fallback(receive).layer(DefaultBodyLimit::disable());
        let upstream = listen(0).unwrap();
        let proxy = Arc::new(Proxy::new(&format!("http://{}", upstream.local_addr().unwrap())));
        tokio::spawn(async move { axum::serve(upstream, server).await });
        proxy.set_rules(Rules::new(serde_json::from_value(rules).unwrap()));
        let listener = listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, proxy.clone()));
        Self { proxy, address, received }
    }

    async fn with_fault(fault: Value) -> Self {
        Self::new(json!([{ "call": "part", "maxTotal": 1, "fault": fault }])).await
    }

    /// Sends part 1; returns all that is received until the connection ends.
    async fn put(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let head = format!(
            "PUT /inputs/a.mp4?partNumber=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {BODY_LENGTH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![7; BODY_LENGTH]).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok(response)
    }

    fn received(&self) -> Vec<(usize, u8)> {
        lock(&self.received).clone()
    }

    /// A field of the log's record of part 1, attempt 1.
    fn first_attempt(&self, field: &str) -> Value {
        self.proxy.log.to_json()["parts"]["1"][0][field].clone()
    }
}

#[tokio::test]
async fn request_without_rule_passes_unchanged() {
    let fixture = Fixture::new(json!([])).await;
    let response = fixture.put().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("0123456789"), "{response}");
    assert_eq!(fixture.received(), [(BODY_LENGTH, 7)]);
    assert_eq!(
        (fixture.first_attempt("received"), fixture.first_attempt("outcome")),
        (json!(BODY_LENGTH), json!(200))
    );
}

#[tokio::test]
async fn error_response_consumes_the_body_and_forwards_nothing() {
    for (fault, status, text) in [
        ("slow-down", "503", "<Code>SlowDown<"),
        ("internal-error", "500", "<Code>Inter"),
        ("expired", "403", "has expired"),
    ] {
        let fixture = Fixture::with_fault(json!(fault)).await;
        let response = fixture.put().await.unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")) && response.contains(text), "{response}");
        assert_eq!(fixture.received(), []);
        assert_eq!(fixture.first_attempt("received"), BODY_LENGTH);
    }
}

#[tokio::test]
async fn html_error_has_the_status_and_no_error_document() {
    let fixture = Fixture::with_fault(json!({ "html": 413 })).await;
    let response = fixture.put().await.unwrap();
    assert!(response.starts_with("HTTP/1.1 413") && response.contains("text/html"), "{response}");
    assert_eq!(fixture.received(), []);
}

#[tokio::test]
async fn retry_after_is_sent_as_given_and_as_a_date() {
    let fixture = Fixture::with_fault(json!({ "retry-after": "soon" })).await;
    assert!(fixture.put().await.unwrap().contains("retry-after: soon\r\n"));
    let fixture = Fixture::with_fault(json!({ "retry-after-date": -60 })).await;
    let response = fixture.put().await.unwrap();
    assert!(response.contains("503") && response.contains(" GMT\r\n"), "{response}");
    assert_eq!(fixture.received(), []);
}

#[tokio::test]
async fn delayed_request_is_forwarded_later() {
    let fixture = Fixture::with_fault(json!({ "delay": 0.3 })).await;
    let end = timeout(Duration::from_millis(200), fixture.put()).await;
    assert!(end.is_err() && fixture.received().is_empty(), "{end:?}");
    assert!(fixture.put().await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn lost_response_closes_the_connection_after_forwarding() {
    let fixture = Fixture::with_fault(json!("lost-response")).await;
    assert_eq!(fixture.put().await.unwrap(), "");
    assert_eq!(fixture.received(), [(BODY_LENGTH, 7)]);
    assert_eq!(fixture.first_attempt("outcome"), "disconnected");
}

#[tokio::test]
async fn truncated_response_ends_before_its_content_length() {
    let fixture = Fixture::with_fault(json!("truncated")).await;
    let response = fixture.put().await.unwrap();
    assert!(response.contains("content-length: 10\r\n") && response.ends_with("\r\n01234"), "{response}");
    assert_eq!(fixture.received(), [(BODY_LENGTH, 7)]);
}

#[tokio::test]
async fn reset_closes_the_connection_in_the_middle_of_the_body() {
    let fixture = Fixture::with_fault(json!({ "reset": 100_000 })).await;
    let error = fixture.put().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    assert_eq!(fixture.received(), []);
    let received = fixture.first_attempt("received").as_u64().unwrap();
    assert!((100_000..400_000).contains(&received), "{received}");
}

#[tokio::test]
async fn flip_byte_changes_the_first_byte() {
    let fixture = Fixture::with_fault(json!("flip-byte")).await;
    fixture.put().await.unwrap();
    assert_eq!(fixture.received(), [(BODY_LENGTH, 6)]);
}

#[tokio::test]
async fn without_headers_removes_them_from_the_response() {
    let fixture = Fixture::with_fault(json!({ "without-headers": ["ETag"] })).await;
    assert!(!fixture.put().await.unwrap().contains("etag"));
    assert!(fixture.put().await.unwrap().contains("etag"));
}

#[tokio::test]
async fn stall_and_no_response_never_end() {
    for (fault, min_received) in [(json!({ "stall": 100_000 }), 100_000), (json!("no-response"), BODY_LENGTH)]
    {
        let fixture = Fixture::with_fault(fault).await;
        let end = timeout(Duration::from_millis(500), fixture.put()).await;
        assert!(end.is_err(), "{end:?}");
        assert!(fixture.first_attempt("received").as_u64().unwrap() >= min_received as u64);
        assert_eq!(fixture.received(), []);
    }
}

#[tokio::test]
async fn server_returns_after_its_downtime() {
    let fixture = Fixture::with_fault(json!({ "down": 0.4 })).await;
    assert!(fixture.put().await.is_err());
    assert!(fixture.put().await.is_err(), "still down");
    sleep(Duration::from_millis(500)).await;
    assert!(fixture.put().await.unwrap().starts_with("HTTP/1.1 200"));
}
