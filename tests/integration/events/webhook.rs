//! Callbacks as receivers see them that no one here wrote: `standardwebhooks`, and the original site's way.

use crate::support::stack::setting;
use edge::callback::{Callback, CallbackError};
use edge::config::{Config, Place};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A Python receiver with the secret that its site has.
struct Receiver {
    url: String,
    prints: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Receiver {
    async fn start(style: &str, secret: &str) -> Self {
        let python = std::env::var("GRELOUPIS_PYTHON").expect(
            "GRELOUPIS_PYTHON must name a Python with tests/python/requirements.txt: run `cargo xtask test`",
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/callback_receiver.py");
        let mut command = Command::new(python);
        command.args([script, style, secret]).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut prints = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = prints.next_line().await.unwrap().expect("the receiver doesn't start");
        Self { url: format!("http://127.0.0.1:{port}/video/aws?hook=1"), prints, _child: child }
    }

    async fn made(&mut self) -> Value {
        serde_json::from_str(&self.prints.next_line().await.unwrap().expect("it took nothing")).unwrap()
    }

    async fn hears(&self, style: &str, secret: &str, video: &Value) -> Result<(), CallbackError> {
        let config = Config::read(Place::Loopback, |name| match name {
            "CALLBACK_URL" => Some(self.url.clone()),
            "CALLBACK_STYLE" => Some(style.into()),
            "CALLBACK_SECRET" | "AWS_AUTH_KEY" => Some(secret.into()),
            other => setting(other, "sqlite:x"),
        });
        let callback = Callback::new(&config.unwrap().conversion.callback.unwrap());
        callback.announce(&serde_json::from_value(video.clone()).unwrap(), None).await
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

/// What a person may set: made by a library, by `openssl rand -base64 32` or `-hex 32`, or thought out.
const SECRETS: [&str; 5] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazfgh/QbwcF",
    "zJ0kXHVu+0cQ5rqKVG0o2l8vZzv3hYgq0mPqR1m1c9E=",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "not base64: a sentence with spaces, ümlauts & more",
];

#[tokio::test]
async fn the_library_of_standard_webhooks_verifies_ours_by_the_same_secret() {
    for secret in SECRETS {
        let mut receiver = Receiver::start("standard", secret).await;
        receiver.hears("standard", secret, &video()).await.unwrap();
        let event = receiver.made().await;
        assert_eq!((&event["type"], &event["data"]), (&json!("video.ready"), &video()), "{secret}");
        assert_eq!(event["timestamp"], "2026-11-23T18:54:20.25Z");
    }
}

#[tokio::test]
async fn and_refuses_what_another_secret_signed() {
    let receiver = Receiver::start("standard", SECRETS[0]).await;
    let error = receiver.hears("standard", SECRETS[2], &video()).await.unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
}

#[tokio::test]
async fn the_original_sites_backend_reads_its_own_form() {
    let key = "a key with \"quotes\", 'others' and \\ in it";
    let mut receiver = Receiver::start("greloupis", key).await;
    receiver.hears("greloupis", key, &video()).await.unwrap();
    let fields = receiver.made().await;
    assert_eq!(fields["video_id"], "5f72999541bc583c4819d915");
    assert_eq!(fields["video_uri_high"], "https://cdn.example/MP4/v_720.mp4");
    assert_eq!(fields["video_uri_hls"], video()["urls"]["hls"]);
}

#[tokio::test]
async fn and_chokes_on_the_standard_one_if_a_truth_value_were_in_it() {
    // What this style may not send: the receiver, given JSON with nested objects of ours, isn't content.
    let key = SECRETS[2];
    let receiver = Receiver::start("greloupis", key).await;
    let error = receiver.hears("standard", key, &video()).await.unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
}
