//! Deliveries to a receiver that does as its script says.

use super::*;
use crate::config::{Config, Place};
use crate::log::capture::Captured;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wire::VideoStatus;

const TRACE: &str = "1-6745a3b1-0123456789abcdef01234567";
const KEY: &str = "a secret of at least thirty-two bytes";
/// A path and query that no log may show.
const HOOK: &str = "/hooks/path-token?key=query-token";

/// A video as it is after such an end, or on its way there.
pub fn video(id: &str, status: VideoStatus) -> Video {
    let url = |rest: &str| format!("https://cdn.example/assets/{rest}");
    let urls = wire::VideoUrls {
        hls: url(&format!("HLS/{id}.m3u8")),
        mp4: ["540", "720", "1080"].map(|h| (h.into(), url(&format!("MP4/{id}_{h}.mp4")))).into(),
        thumbnails: vec![url(&format!("Thumbnails/{id}.0000000.jpg"))],
        poster: Some(url(&format!("Thumbnails/{id}.0000001.jpg"))),
    };
    let failed = status == VideoStatus::Failed;
    Video {
        video_id: id.into(),
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

/// What the receiver does with one connection.
#[derive(Clone, Copy)]
enum Does {
    Answer(u16, &'static str),
    /// 200, and then a body without an end.
    Endless,
    /// Reads, and never says a word.
    Hang,
    /// Reads, and goes.
    Close,
}

struct Receiver {
    url: String,
    requests: UnboundedReceiver<String>,
}

impl Receiver {
    /// Plays the script, a connection each; then nobody is there any more.
    async fn playing(script: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{HOOK}", listener.local_addr().unwrap());
        let (heard, requests) = unbounded_channel();
        let script = script.to_vec();
        tokio::spawn(async move {
            let mut hanging = Vec::new();
            for does in script {
                let (mut connection, _) = listener.accept().await.unwrap();
                heard.send(request(&mut connection).await).unwrap();
                match does {
                    Does::Answer(status, headers) => {
                        let answer = format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n");
                        connection.write_all(answer.as_bytes()).await.unwrap();
                    }
                    Does::Endless => {
                        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                        // Ends when the other side has gone.
                        while connection.write_all(&[b'x'; 65_536]).await.is_ok() {}
                    }
                    Does::Hang => hanging.push(connection),
                    Does::Close => {}
                }
            }
            drop(listener);
            if !hanging.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        Self { url, requests }
    }

    /// All that was heard.
    fn heard(&mut self) -> Vec<String> {
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

/// As configured by these, but impatient.
fn callback(url: &str, style: &str) -> Callback {
    let config = Config::read(Place::Lambda, |name| {
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
    let mut callback = Callback::new(&config.unwrap().conversion.callback.unwrap());
    callback.pauses = [Duration::ZERO; 2];
    callback.patience = Duration::from_secs(60);
    callback
}

/// Announces a ready video; what was heard of it, and how it ended.
async fn announce(script: &[Does]) -> (Vec<String>, Result<(), CallbackError>) {
    let mut receiver = Receiver::playing(script).await;
    let callback = callback(&receiver.url, "standard");
    let outcome = callback.announce(&video("5f2c", VideoStatus::Ready), None).await;
    (receiver.heard(), outcome)
}

#[tokio::test]
async fn what_is_sent_is_a_signed_post_of_json() {
    let mut receiver = Receiver::playing(&[Does::Answer(204, "")]).await;
    let callback = callback(&receiver.url, "standard");
    callback.announce(&video("5f2c", VideoStatus::Failed), Some(TRACE)).await.unwrap();
    let request = receiver.heard().pop().unwrap();
    assert!(request.starts_with(&format!("POST {HOOK} HTTP/1.1\r\n")), "{request}");
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "webhook-id"), Some("video_5f2c_failed"));
    assert!(header(&request, "webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(header(&request, "x-amzn-trace-id"), Some(&*format!("Root={TRACE}")));
    assert_eq!(body(&request)["data"]["error"]["message"], "Not a \"video\".");
    assert!(!request.contains(KEY));
}

#[tokio::test]
async fn the_original_site_hears_of_what_is_ready_and_of_nothing_else() {
    let mut receiver = Receiver::playing(&[Does::Answer(200, "")]).await;
    let callback = callback(&receiver.url, "greloupis");
    for status in [VideoStatus::Failed, VideoStatus::Canceled, VideoStatus::Ready] {
        callback.announce(&video("5f2c", status), None).await.unwrap();
    }
    let [request] = &receiver.heard()[..] else { panic!() };
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!((&body(request)["video_id"], &body(request)["aws_auth_key"]), (&json!("5f2c"), &json!(KEY)));
}

#[tokio::test]
async fn passing_troubles_are_tried_again_with_the_same_id() {
    use Does::{Answer, Close};
    for trouble in
        [Answer(500, ""), Answer(503, ""), Answer(408, ""), Answer(425, ""), Answer(429, ""), Close]
    {
        let (heard, outcome) = announce(&[trouble, trouble, Answer(200, "")]).await;
        outcome.unwrap();
        assert_eq!(heard.len(), 3);
        assert_eq!(header(&heard[0], "webhook-id"), header(&heard[2], "webhook-id"));
        assert_eq!(body(&heard[0]), body(&heard[2]));
    }
}

#[tokio::test]
async fn three_tries_are_all() {
    let (heard, outcome) = announce(&[Does::Answer(500, ""); 4]).await;
    assert_eq!(heard.len(), 3);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("500, try 3"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let elsewhere = "location: http://127.0.0.1:9/stolen\r\n";
    for (status, headers) in
        [(301, elsewhere), (302, elsewhere), (307, elsewhere), (400, ""), (401, ""), (404, ""), (410, "")]
    {
        let (heard, outcome) = announce(&[Does::Answer(status, headers); 2]).await;
        assert_eq!(heard.len(), 1, "{status}");
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_not_waited_for() {
    let (heard, outcome) = announce(&[Does::Endless]).await;
    outcome.unwrap();
    assert_eq!(heard.len(), 1);
}

#[tokio::test]
async fn one_that_says_nothing_is_tried_again() {
    let mut receiver = Receiver::playing(&[Does::Hang, Does::Hang, Does::Hang]).await;
    let mut callback = callback(&receiver.url, "standard");
    callback.patience = Duration::from_millis(200);
    let error = callback.announce(&video("5f2c", VideoStatus::Ready), None).await.unwrap_err();
    assert_eq!(receiver.heard().len(), 3);
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn one_that_is_down_is_an_error() {
    // The port was free a moment ago, and nobody listens there now.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let callback = callback(&format!("http://{address}{HOOK}"), "standard");
    let error = callback.announce(&video("5f2c", VideoStatus::Ready), None).await.unwrap_err().to_string();
    assert!(error.contains("try 3") && error.contains("refused") && !error.contains("token"), "{error}");
}

#[test]
fn a_receivers_wish_is_obeyed_within_reason() {
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(3600));
    assert_eq!(pause_for(short, None), short);
    assert_eq!(pause_for(short, Some(Duration::ZERO)), short);
    assert_eq!(pause_for(short, Some(Duration::from_secs(3))), Duration::from_secs(3));
    assert_eq!(pause_for(short, Some(long)), LONGEST_PAUSE);
    let asked = |value: &'static str| {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]);
        match Tried::answered(StatusCode::SERVICE_UNAVAILABLE, &headers).verdict {
            Verdict::NotNow(asked) => asked,
            Verdict::Taken | Verdict::Refused => panic!(),
        }
    };
    assert_eq!(asked("7"), Some(Duration::from_secs(7)));
    assert_eq!(asked("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(asked("-1"), None);
}

#[tokio::test]
async fn each_try_is_a_line_without_secrets() {
    let log = Captured::start();
    for style in ["standard", "greloupis"] {
        let receiver = Receiver::playing(&[Does::Answer(503, ""), Does::Close, Does::Answer(200, "")]).await;
        callback(&receiver.url, style)
            .announce(&video("5f2c", VideoStatus::Ready), Some(TRACE))
            .await
            .unwrap();
        let down = callback(&receiver.url, style);
        down.announce(&video("5f2c", VideoStatus::Ready), None).await.unwrap_err();
    }
    let (text, missed, taken) = (log.text(), log.of("callback not taken"), log.of("callback taken"));
    assert_eq!((missed.len(), taken.len()), (2 * (2 + 3), 2), "{text}");
    assert_eq!((&missed[0]["attempt"], &missed[0]["status"]), (&json!(1), &json!(503)));
    assert!(missed[1]["reason"].is_string() && missed[1].get("status").is_none(), "{text}");
    assert_eq!((&taken[0]["attempt"], &taken[0]["video"]), (&json!(3), &json!("5f2c")));
    assert!(
        taken[0]["took_ms"].is_u64() && taken[0]["to"].as_str().unwrap().starts_with("http://127.0.0.1:")
    );
    for secret in [KEY, "path-token", "query-token", "v1,"] {
        assert!(!text.contains(secret), "{secret} stands in the log:\n{text}");
    }
}
