//! The format of the original site's backend. It reads the body with Python's `ast.literal_eval`, so values are strings
//! and numbers only; it sets every announced video to `streaming`, so only ready ones are announced. Pure.

use super::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use wire::{Video, VideoStatus, VideoUrls};

/// In characters: the limit of the backend's database.
const MAX_URL_LENGTH: usize = 200;

/// A value with the same literal in Python and JSON, unlike `null`, `true` and `false`.
enum Scalar {
    Text(String),
    Number(u64),
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => text.into(),
            Scalar::Number(number) => number.into(),
        }
    }
}

/// The message for a ready video. `None` for others: the backend would offer a failed video for playback.
pub fn message(key: &[u8], video: &Video) -> Option<Message> {
    match video.status {
        VideoStatus::Ready => {}
        VideoStatus::Failed | VideoStatus::Canceled => {
            tracing::info!(video = video.video_id, status = ?video.status, "no webhook: the original site takes ready videos only");
            return None;
        }
        VideoStatus::Uploading | VideoStatus::Uploaded | VideoStatus::Converting => return None,
    }
    let mut fields = BTreeMap::from([
        ("video_id", Scalar::Text(video.video_id.clone())),
        ("aws_auth_key", Scalar::Text(String::from_utf8_lossy(key).into_owned())),
    ]);
    // The backend's database has whole seconds.
    fields.extend(video.duration_ms.map(|ms| ("video_duration", Scalar::Number(ms.div_ceil(1000)))));
    if let Some(urls) = &video.urls {
        let named = [
            ("video_uri_low", mp4(urls, 540)),
            ("video_uri_mid", mp4(urls, 720)),
            ("video_uri_high", mp4(urls, 1080)),
            ("video_uri_hls", Some(&urls.hls)),
            ("video_thumbnail", urls.poster.as_ref()),
        ];
        let fitting = named.into_iter().filter_map(|(name, url)| {
            url.filter(|url| url.chars().count() <= MAX_URL_LENGTH)
                .map(|url| (name, Scalar::Text(url.clone())))
        });
        fields.extend(fitting);
    }
    let body: Value = fields.into_iter().map(|(name, scalar)| (name, Value::from(scalar))).collect();
    Some(Message { headers: Vec::new(), body: body.to_string() })
}

/// The largest file of at most that height, or else the smallest one. A small source has no large files.
fn mp4(urls: &VideoUrls, height: u32) -> Option<&String> {
    let mut files: Vec<(u32, &String)> =
        urls.mp4.iter().filter_map(|(height, url)| Some((height.parse().ok()?, url))).collect();
    files.sort_unstable();
    let fitting = files.iter().rev().find(|(file_height, _)| *file_height <= height);
    fitting.or(files.first()).map(|(_, url)| *url)
}

#[cfg(test)]
mod tests {
    use super::super::tests::video;
    use super::*;

    fn body(video: &Video) -> Value {
        serde_json::from_str(&message("schlüssel".as_bytes(), video).unwrap().body).unwrap()
    }

    #[test]
    fn body_has_strings_and_numbers_only() {
        let mut video = video("5f72999541bc583c4819d915", VideoStatus::Ready);
        let complete = body(&video);
        assert_eq!(complete["video_id"], "5f72999541bc583c4819d915");
        assert_eq!(complete["aws_auth_key"], "schlüssel");
        assert_eq!(
            complete["video_uri_high"],
            "https://cdn.example/assets/MP4/5f72999541bc583c4819d915_1080.mp4"
        );
        assert_eq!(
            complete["video_uri_low"],
            "https://cdn.example/assets/MP4/5f72999541bc583c4819d915_540.mp4"
        );
        assert_eq!(complete["video_duration"], 21);
        (video.urls, video.duration_ms) = (None, None);
        let minimal = body(&video);
        assert_eq!(minimal.as_object().unwrap().len(), 2);
        for field in complete.as_object().unwrap().values().chain(minimal.as_object().unwrap().values()) {
            assert!(field.is_string() || field.is_u64(), "{field}");
        }
    }

    #[test]
    fn small_source_fills_larger_urls_with_its_largest_file() {
        let mut video = video("v", VideoStatus::Ready);
        let urls = video.urls.as_mut().unwrap();
        urls.mp4.retain(|height, _| height == "540");
        let body = body(&video);
        assert_eq!(body["video_uri_high"], body["video_uri_low"]);
        assert_eq!(body["video_uri_mid"], body["video_uri_low"]);
    }

    #[test]
    fn too_long_url_is_left_out() {
        let mut video = video("v", VideoStatus::Ready);
        let of_length = |length: usize| format!("https://{}", "ü".repeat(length - 8));
        video.urls.as_mut().unwrap().hls = of_length(201);
        video.urls.as_mut().unwrap().poster = Some(of_length(200));
        let body = body(&video);
        assert_eq!((body.get("video_uri_hls"), body["video_thumbnail"].is_string()), (None, true));
    }

    #[test]
    fn video_that_is_not_ready_has_no_message() {
        for status in [VideoStatus::Failed, VideoStatus::Canceled, VideoStatus::Converting] {
            assert!(message(b"key", &video("v", status)).is_none());
        }
    }
}
