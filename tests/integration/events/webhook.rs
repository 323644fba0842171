//! Webhooks, verified by independent receivers: the library `standardwebhooks`, and the original site's backend.

use crate::support::python;
use crate::support::stack::edge_setting;
use edge::config::{Config, Environment};
use edge::webhook::{Webhook, WebhookError};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// A receiver in Python; it verifies webhooks with its own secret.
struct Receiver {
    url: String,
    stdout: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Receiver {
    async fn start(style: &str, secret: &str) -> Self {
        let mut command = python::script("callback_receiver.py");
        command.args([style, secret]);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = stdout.next_line().await.unwrap().expect("the receiver doesn't start");
        Self { url: format!("http://127.0.0.1:{port}/video/aws?hook=1"), stdout, _process: process }
    }

    /// The content of the next accepted webhook.
    async fn accepted(&mut self) -> Value {
        serde_json::from_str(&self.stdout.next_line().await.unwrap().expect("an accepted webhook")).unwrap()
    }

    /// Sends a webhook of this style, signed with this secret.
    async fn notify(&self, style: &str, secret: &str, video: &Value) -> Result<(), WebhookError> {
        let config = Config::read(Environment::Loopback, |name| match name {
            "CALLBACK_URL" => Some(self.url.clone()),
            "CALLBACK_STYLE" => Some(style.into()),
            "CALLBACK_SECRET" | "AWS_AUTH_KEY" => Some(secret.into()),
            other => edge_setting(other, "sqlite:x"),
        });
        let webhook = Webhook::new(&config.unwrap().conversion.callback.unwrap());
        webhook.deliver(&serde_json::from_value(video.clone()).unwrap(), None).await
    }
}

fn video() -> Value {
    json!({
        "videoId": "5f72999541bc583c4819d915", "status": "ready", "progress": 100, "size": 5_000_000_000_u64,
        "durationMs": 20_400, "width": 1920, "height": 1080,
        "urls": {
            "hls": "https://cdn.example/ü/\"'\\/日本/🎬/\u{2028}assets/HLS/v.m3u8",
            "mp4": { "540": "https://cdn.example/MP4/v_540.mp4", "720": "https://cdn.example/MP4/v_720.mp4" },
            "thumbnails": ["https://cdn.example/Thumbnails/v.0000000.jpg"],
            "poster": "https://cdn.example/Thumbnails/v.0000000.jpg",
        },
        "createdAt": "2026-11-23T18:53:20Z", "updatedAt": "2026-11-23T18:54:20.25Z",
    })
}

/// Secrets as operators set them: from the library, from `openssl rand -base64 32` or `-hex 32`, or made up.
const SECRETS: [&str; 5] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfgh/QbwcF",
    "zJ0kXHVu+0cQ5rqKVG0o2l8vZzv3hYgq0mPqR1m1c9E=",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "not base64: a sentence with spaces, ümlauts & more",
];

#[tokio::test]
async fn standard_webhook_is_verified_by_the_standardwebhooks_library() {
    for secret in SECRETS {
        let mut receiver = Receiver::start("standard", secret).await;
        receiver.notify("standard", secret, &video()).await.unwrap();
        let event = receiver.accepted().await;
        assert_eq!((&event["type"], &event["data"]), (&json!("video.ready"), &video()), "{secret}");
        assert_eq!(event["timestamp"], "2026-11-23T18:54:20.25Z");
    }
}

#[tokio::test]
async fn standard_webhook_with_another_secret_is_rejected() {
    let receiver = Receiver::start("standard", SECRETS[0]).await;
    let error = receiver.notify("standard", SECRETS[2], &video()).await.unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
}

#[tokio::test]
async fn greloupis_webhook_is_read_by_the_original_backend() {
    let key = "a key with \"quotes\", 'others' and \\ in it";
    let mut receiver = Receiver::start("greloupis", key).await;
    receiver.notify("greloupis", key, &video()).await.unwrap();
    let fields = receiver.accepted().await;
    assert_eq!(fields["video_id"], "5f72999541bc583c4819d915");
    assert_eq!(fields["video_uri_high"], "https://cdn.example/MP4/v_720.mp4");
    assert_eq!(fields["video_uri_hls"], video()["urls"]["hls"]);
}

#[tokio::test]
async fn standard_webhook_is_rejected_by_the_original_backend() {
    // The original backend doesn't understand nested JSON, so the style `greloupis` must not send it.
    let key = SECRETS[2];
    let receiver = Receiver::start("greloupis", key).await;
    let error = receiver.notify("standard", key, &video()).await.unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
}
