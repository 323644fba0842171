//! The style of the original site's backend, which reads the body with `ast.literal_eval` and sets whatever is
//! announced to `streaming`. So: strings and numbers only, and only what is ready is announced. Pure.

use super::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use wire::{Video, VideoStatus, VideoUrls};

/// In characters. The backend's database takes no longer URL.
const LONGEST_URL: usize = 200;

/// A value that is written in Python as it is in JSON: `null`, `true` and `false` aren't.
enum Plain {
    Text(String),
    Number(u64),
}

impl From<Plain> for Value {
    fn from(plain: Plain) -> Self {
        match plain {
            Plain::Text(text) => text.into(),
            Plain::Number(number) => number.into(),
        }
    }
}

/// What the backend is told of a finished video. `None` for any other: told of a failed one, it would play it.
pub fn message(key: &[u8], video: &Video) -> Option<Message> {
    match video.status {
        VideoStatus::Ready => {}
        VideoStatus::Failed | VideoStatus::Canceled => {
            tracing::info!(video = video.video_id, status = ?video.status, "the original site isn't told");
            return None;
        }
        VideoStatus::Uploading | VideoStatus::Uploaded | VideoStatus::Converting => return None,
    }
    let mut fields = BTreeMap::from([
        ("video_id", Plain::Text(video.video_id.clone())),
        ("aws_auth_key", Plain::Text(String::from_utf8_lossy(key).into_owned())),
    ]);
    // In seconds, a whole number, as the backend keeps it.
    fields.extend(video.duration_ms.map(|ms| ("video_duration", Plain::Number(ms.div_ceil(1000)))));
    if let Some(urls) = &video.urls {
        let named = [
            ("video_uri_low", mp4(urls, 540)),
            ("video_uri_mid", mp4(urls, 720)),
            ("video_uri_high", mp4(urls, 1080)),
            ("video_uri_hls", Some(&urls.hls)),
            ("video_thumbnail", urls.poster.as_ref()),
        ];
        let fitting = named.into_iter().filter_map(|(name, url)| {
            url.filter(|url| url.chars().count() <= LONGEST_URL).map(|url| (name, Plain::Text(url.clone())))
        });
        fields.extend(fitting);
    }
    let body: Value = fields.into_iter().map(|(name, plain)| (name, Value::from(plain))).collect();
    Some(Message { headers: Vec::new(), body: body.to_string() })
}

/// The file of that height. A small source has no large one: then the best there is.
fn mp4(urls: &VideoUrls, height: u32) -> Option<&String> {
    let mut files: Vec<(u32, &String)> =
        urls.mp4.iter().filter_map(|(height, url)| Some((height.parse().ok()?, url))).collect();
    files.sort_unstable();
    let fits = files.iter().rev().find(|(have, _)| *have <= height);
    fits.or(files.first()).map(|(_, url)| *url)
}

#[cfg(test)]
mod tests {
    use super::super::tests::video;
    use super::*;

    fn said(video: &Video) -> Value {
        serde_json::from_str(&message("schlüssel".as_bytes(), video).unwrap().body).unwrap()
    }

    #[test]
    fn strings_and_numbers_only() {
        let mut video = video("5f72999541bc583c4819d915", VideoStatus::Ready);
        let whole = said(&video);
        assert_eq!(whole["video_id"], "5f72999541bc583c4819d915");
        assert_eq!(whole["aws_auth_key"], "schlüssel");
        assert_eq!(
            whole["video_uri_high"],
            "https://cdn.example/assets/MP4/5f72999541bc583c4819d915_1080.mp4"
        );
        assert_eq!(whole["video_uri_low"], "https://cdn.example/assets/MP4/5f72999541bc583c4819d915_540.mp4");
        assert_eq!(whole["video_duration"], 21);
        (video.urls, video.duration_ms) = (None, None);
        let bare = said(&video);
        assert_eq!(bare.as_object().unwrap().len(), 2);
        for field in whole.as_object().unwrap().values().chain(bare.as_object().unwrap().values()) {
            assert!(field.is_string() || field.is_u64(), "{field}");
        }
    }

    #[test]
    fn small_sources_get_the_best_there_is() {
        let mut video = video("v", VideoStatus::Ready);
        let urls = video.urls.as_mut().unwrap();
        urls.mp4.retain(|height, _| height == "540");
        let said = said(&video);
        assert_eq!(said["video_uri_high"], said["video_uri_low"]);
        assert_eq!(said["video_uri_mid"], said["video_uri_low"]);
    }

    #[test]
    fn urls_that_the_backend_cannot_keep_are_left_out() {
        let mut video = video("v", VideoStatus::Ready);
        let of_length = |length: usize| format!("https://{}", "ü".repeat(length - 8));
        video.urls.as_mut().unwrap().hls = of_length(201);
        video.urls.as_mut().unwrap().poster = Some(of_length(200));
        let said = said(&video);
        assert_eq!((said.get("video_uri_hls"), said["video_thumbnail"].is_string()), (None, true));
    }

    #[test]
    fn only_what_is_ready_is_told() {
        for status in [VideoStatus::Failed, VideoStatus::Canceled, VideoStatus::Converting] {
            assert!(message(b"key", &video("v", status)).is_none());
        }
    }
}
