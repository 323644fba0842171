//! The format of Standard Webhooks 1.0, which its libraries verify. Pure.

use super::{Announcement, Message, WebhookError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use wire::VideoStatus;

/// The signed message for a video's final state, for one attempt at `now`, in seconds since 1970. `None` for other
/// states. Signed with each key, so that a receiver with any of them verifies it.
pub fn message(
    keys: &[&[u8]],
    announcement: &Announcement,
    now: u64,
) -> Option<Result<Message, WebhookError>> {
    let video = &announcement.video;
    let (kind, status) = match video.status {
        VideoStatus::Uploading | VideoStatus::Uploaded | VideoStatus::Converting => return None,
        VideoStatus::Ready => ("video.ready", "ready"),
        VideoStatus::Failed => ("video.failed", "failed"),
        VideoStatus::Canceled => ("video.canceled", "canceled"),
    };
    // Equal in every delivery, so that a receiver recognizes repetitions.
    let id = match announcement.attempt {
        0 => format!("video_{}_{status}", video.video_id),
        attempt => format!("video_{}_{status}_{attempt}", video.video_id),
    };
    let body = json!({ "type": kind, "timestamp": video.updated_at, "data": announcement }).to_string();
    let text = format!("{id}.{now}.{body}");
    let signatures: Result<Vec<String>, WebhookError> =
        keys.iter().map(|key| sign(key, &text).map(|signature| format!("v1,{signature}"))).collect();
    Some(signatures.map(|signatures| Message {
        headers: vec![
            ("webhook-id", id),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ],
        body,
    }))
}

fn sign(key: &[u8], text: &str) -> Result<String, WebhookError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| WebhookError::InvalidKey)?;
    mac.update(text.as_bytes());
    Ok(BASE64.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::announcement;
    use super::*;
    use serde_json::Value;

    fn for_status(status: VideoStatus, now: u64) -> Option<Message> {
        message(&[b"key"], &announcement("5f2c", status), now).map(Result::unwrap)
    }

    #[test]
    fn signature_equals_the_specifications_example() {
        // The example's secret is whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.
        let key = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let text = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        assert_eq!(sign(&key, text).unwrap(), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_has_a_signature() {
        let of = |keys: &[&[u8]]| {
            let message = message(keys, &announcement("5f2c", VideoStatus::Ready), 1).unwrap().unwrap();
            message.headers[2].1.clone()
        };
        assert_eq!(of(&[b"new", b"old"]), format!("{} {}", of(&[b"new"]), of(&[b"old"])));
    }

    #[test]
    fn final_states_have_a_type_and_others_no_message() {
        for (status, kind) in [
            (VideoStatus::Ready, "video.ready"),
            (VideoStatus::Failed, "video.failed"),
            (VideoStatus::Canceled, "video.canceled"),
        ] {
            let body: Value = serde_json::from_str(&for_status(status, 1).unwrap().body).unwrap();
            assert_eq!(body["type"], kind);
            assert_eq!(body["data"]["videoId"], "5f2c");
            assert_eq!((&body["data"]["owner"], &body["data"]["title"]), (&json!("anna"), &json!("A film")));
            assert_eq!(body["data"]["key"], "inputs/5f2c.mp4");
            assert_eq!(body["timestamp"], body["data"]["updatedAt"]);
        }
        for status in [VideoStatus::Uploading, VideoStatus::Uploaded, VideoStatus::Converting] {
            assert!(for_status(status, 1).is_none());
        }
    }

    #[test]
    fn later_attempt_differs_in_time_and_signature_only() {
        let (first, later) =
            (for_status(VideoStatus::Ready, 1).unwrap(), for_status(VideoStatus::Ready, 2).unwrap());
        assert_eq!((&first.headers[0], &first.body), (&later.headers[0], &later.body));
        assert_eq!(first.headers[0], ("webhook-id", "video_5f2c_ready".into()));
        assert_ne!(first.headers[1], later.headers[1]);
        assert_ne!(first.headers[2], later.headers[2]);
        assert_ne!(first.headers[0], for_status(VideoStatus::Failed, 1).unwrap().headers[0]);
    }
}
