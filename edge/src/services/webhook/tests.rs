//! Deliveries to a receiver that follows a script.

use super::*;
use crate::config::{Config, Environment};
use crate::services::log::capture::Captured;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wire::VideoStatus;

const TRACE: &str = "1-6745a3b1-0123456789abcdef01234567";
const KEY: &str = "a secret of at least thirty-two bytes";
/// A path and query that must not be logged.
const HOOK: &str = "/hooks/path-token?key=query-token";

/// A video in this state.
pub fn video(id: &str, status: VideoStatus) -> Video {
    let url = |rest: &str| format!("https://cdn.example/assets/{rest}");
    let urls = wire::VideoUrls {
        storyboard: None,
        hls: url(&format!("HLS/{id}.m3u8")),
        mp4: ["540", "720", "1080"].map(|h| (h.into(), url(&format!("MP4/{id}_{h}.mp4")))).into(),
        thumbnails: vec![url(&format!("Thumbnails/{id}.0000000.jpg"))],
        poster: Some(url(&format!("Thumbnails/{id}.0000001.jpg"))),
    };
    let failed = status == VideoStatus::Failed;
    Video {
        video_id: id.into(),
        title: Some("A film".into()),
        status,
        progress: 100,
        size: 5,
        duration_ms: Some(20_400),
        width: Some(1920),
        height: Some(1080),
        urls: (status == VideoStatus::Ready).then_some(urls),
        error: failed.then(|| wire::VideoError { code: "1040".into(), message: "Not a \"video\".".into() }),
        created_at: "2026-11-23T18:53:20Z".into(),
        updated_at: "2026-11-23T18:54:20.25Z".into(),
    }
}

/// Its announcement.
pub fn announcement(id: &str, status: VideoStatus) -> Announcement {
    Announcement {
        video: video(id, status),
        owner: Some("anna".into()),
        key: Some(format!("inputs/{id}.mp4")),
        attempt: 0,
    }
}

/// The receiver's reaction to one request.
#[derive(Clone, Copy)]
enum Reaction {
    /// A response with this status and these header lines.
    Respond(u16, &'static str),
    /// 200 with an endless body.
    Endless,
    /// No response, on an open connection.
    Hang,
    /// No response, on a closed connection.
    Close,
}

struct Receiver {
    url: String,
    requests: UnboundedReceiver<String>,
}

impl Receiver {
    /// Follows the script, one connection for each reaction, and then stops listening.
    async fn start(script: &[Reaction]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{HOOK}", listener.local_addr().unwrap());
        let (sender, requests) = unbounded_channel();
        let script = script.to_vec();
        tokio::spawn(async move {
            let mut hanging = Vec::new();
            for reaction in script {
                let (mut connection, _) = listener.accept().await.unwrap();
                sender.send(request(&mut connection).await).unwrap();
                match reaction {
                    Reaction::Respond(status, headers) => {
                        let response = format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n");
                        connection.write_all(response.as_bytes()).await.unwrap();
                    }
                    Reaction::Endless => {
                        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                        // Ends when the client closes the connection.
                        while connection.write_all(&[b'x'; 65_536]).await.is_ok() {}
                    }
                    Reaction::Hang => hanging.push(connection),
                    Reaction::Close => {}
                }
            }
            drop(listener);
            if !hanging.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        Self { url, requests }
    }

    /// All requests so far.
    fn received(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn request(connection: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 4096];
        let length = connection.read(&mut bytes).await.unwrap();
        assert!(length > 0, "the request ends early: {text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                return text;
            }
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let lines = request.split("\r\n\r\n").next().unwrap().lines();
    lines.filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name).map(|(_, value)| value)
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A webhook of this style without delays between attempts.
fn webhook(url: &str, style: &str) -> Webhook {
    let config = Config::read(Environment::Lambda, |name| {
        Some(match name {
            "UPLOAD_BUCKET" => "uploads".into(),
            "DESTINATION_BUCKET" => "media".into(),
            "MEDIA_CONVERT_ROLE" => "arn:aws:iam::1:role/m".into(),
            "CDN_BASE_URL" => "https://cdn.example".into(),
            "CATALOG" => "sqlite:x".into(),
            "CALLBACK_URL" => url.into(),
            "CALLBACK_STYLE" => style.into(),
            "UPLOAD_TOKEN_SECRET" | "AUTH_JWT_SECRET" | "CALLBACK_SECRET" | "AWS_AUTH_KEY" => KEY.into(),
            _ => return None,
        })
    });
    let mut webhook = Webhook::new(&config.unwrap().conversion.callback.unwrap());
    webhook.retry_delays = [Duration::ZERO; 2];
    webhook.attempt_timeout = Duration::from_secs(60);
    webhook
}

/// Delivers a ready video; returns the receiver's requests and the outcome.
async fn deliver(script: &[Reaction]) -> (Vec<String>, Result<(), WebhookError>) {
    let mut receiver = Receiver::start(script).await;
    let webhook = webhook(&receiver.url, "standard");
    let outcome = webhook.deliver(&announcement("5f2c", VideoStatus::Ready), None).await;
    (receiver.received(), outcome)
}

#[tokio::test]
async fn delivery_is_a_signed_json_post() {
    let mut receiver = Receiver::start(&[Reaction::Respond(204, "")]).await;
    let webhook = webhook(&receiver.url, "standard");
    webhook.deliver(&announcement("5f2c", VideoStatus::Failed), Some(TRACE)).await.unwrap();
    let request = receiver.received().pop().unwrap();
    assert!(request.starts_with(&format!("POST {HOOK} HTTP/1.1\r\n")), "{request}");
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "webhook-id"), Some("video_5f2c_failed"));
    assert!(header(&request, "webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(header(&request, "x-amzn-trace-id"), Some(&*format!("Root={TRACE}")));
    assert_eq!(body(&request)["data"]["error"]["message"], "Not a \"video\".");
    assert!(!request.contains(KEY));
}

#[tokio::test]
async fn greloupis_style_delivers_ready_videos_only() {
    let mut receiver = Receiver::start(&[Reaction::Respond(200, "")]).await;
    let webhook = webhook(&receiver.url, "greloupis");
    for status in [VideoStatus::Failed, VideoStatus::Canceled, VideoStatus::Ready] {
        webhook.deliver(&announcement("5f2c", status), None).await.unwrap();
    }
    let [request] = &receiver.received()[..] else { panic!() };
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!((&body(request)["video_id"], &body(request)["aws_auth_key"]), (&json!("5f2c"), &json!(KEY)));
}

#[tokio::test]
async fn transient_failure_is_retried_with_the_same_id() {
    use Reaction::{Close, Respond};
    for failure in
        [Respond(500, ""), Respond(503, ""), Respond(408, ""), Respond(425, ""), Respond(429, ""), Close]
    {
        let (requests, outcome) = deliver(&[failure, failure, Respond(200, "")]).await;
        outcome.unwrap();
        assert_eq!(requests.len(), 3);
        assert_eq!(header(&requests[0], "webhook-id"), header(&requests[2], "webhook-id"));
        assert_eq!(body(&requests[0]), body(&requests[2]));
    }
}

#[tokio::test]
async fn delivery_fails_after_three_attempts() {
    let (requests, outcome) = deliver(&[Reaction::Respond(500, ""); 4]).await;
    assert_eq!(requests.len(), 3);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("500, attempt 3"), "{error}");
}

#[tokio::test]
async fn rejection_is_not_retried() {
    let elsewhere = "location: http://127.0.0.1:9/stolen\r\n";
    for (status, headers) in
        [(301, elsewhere), (302, elsewhere), (307, elsewhere), (400, ""), (401, ""), (404, ""), (410, "")]
    {
        let (requests, outcome) = deliver(&[Reaction::Respond(status, headers); 2]).await;
        assert_eq!(requests.len(), 1, "{status}");
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn endless_response_body_is_not_read() {
    let (requests, outcome) = deliver(&[Reaction::Endless]).await;
    outcome.unwrap();
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn missing_response_is_retried_after_a_timeout() {
    let mut receiver = Receiver::start(&[Reaction::Hang, Reaction::Hang, Reaction::Hang]).await;
    let mut webhook = webhook(&receiver.url, "standard");
    webhook.attempt_timeout = Duration::from_millis(200);
    let error = webhook.deliver(&announcement("5f2c", VideoStatus::Ready), None).await.unwrap_err();
    assert_eq!(receiver.received().len(), 3);
    assert!(error.to_string().contains("no response in time"), "{error}");
}

#[tokio::test]
async fn unreachable_receiver_is_an_error() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let webhook = webhook(&format!("http://{address}{HOOK}"), "standard");
    let error =
        webhook.deliver(&announcement("5f2c", VideoStatus::Ready), None).await.unwrap_err().to_string();
    assert!(error.contains("attempt 3") && error.contains("refused") && !error.contains("token"), "{error}");
}

#[test]
fn retry_after_is_followed_up_to_its_maximum() {
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(3600));
    assert_eq!(retry_delay(short, None), short);
    assert_eq!(retry_delay(short, Some(Duration::ZERO)), short);
    assert_eq!(retry_delay(short, Some(Duration::from_secs(3))), Duration::from_secs(3));
    assert_eq!(retry_delay(short, Some(long)), MAX_RETRY_AFTER);
    let retry_after = |value: &'static str| {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]);
        match Attempt::from_response(StatusCode::SERVICE_UNAVAILABLE, &headers).outcome {
            DeliveryOutcome::Retry(delay) => delay,
            DeliveryOutcome::Delivered | DeliveryOutcome::Rejected => panic!(),
        }
    };
    assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
    assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(retry_after("-1"), None);
}

#[tokio::test]
async fn attempts_are_logged_without_secrets() {
    let log = Captured::start();
    for style in ["standard", "greloupis"] {
        let receiver =
            Receiver::start(&[Reaction::Respond(503, ""), Reaction::Close, Reaction::Respond(200, "")]).await;
        webhook(&receiver.url, style)
            .deliver(&announcement("5f2c", VideoStatus::Ready), Some(TRACE))
            .await
            .unwrap();
        let down = webhook(&receiver.url, style);
        down.deliver(&announcement("5f2c", VideoStatus::Ready), None).await.unwrap_err();
    }
    let (text, failed) = (log.text(), log.lines_of("webhook not delivered"));
    let delivered = log.lines_of("webhook delivered");
    assert_eq!((failed.len(), delivered.len()), (2 * (2 + 3), 2), "{text}");
    assert_eq!((&failed[0]["attempt"], &failed[0]["status"]), (&json!(1), &json!(503)));
    assert!(failed[1]["reason"].is_string() && failed[1].get("status").is_none(), "{text}");
    assert_eq!((&delivered[0]["attempt"], &delivered[0]["video"]), (&json!(3), &json!("5f2c")));
    assert!(
        delivered[0]["took_ms"].is_u64()
            && delivered[0]["origin"].as_str().unwrap().starts_with("http://127.0.0.1:")
    );
    for secret in [KEY, "path-token", "query-token", "v1,"] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
}
