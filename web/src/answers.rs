//! Reads the edge's answers into what the machine knows. Pure: where the JSON comes from is the caller's
//! affair. A field that is missing or of another kind makes the answer unreadable; fields that are new don't.
//!
//! Requests go through `wire`'s own serializers. Its deserializers would more than double this part of the
//! download, so answers are read by hand; the tests below read back each type of `wire`.

use crate::lists::all;
use std::collections::BTreeMap;
use uploader_core::types::{Listing, OpenedUpload, PresignedPart, StoredFile};
use wire::{StoredPart, VideoStatus};

/// A JSON value, however it was parsed.
pub trait Json: Sized {
    /// A field of an object; nothing for null.
    fn get(&self, name: &str) -> Option<Self>;
    fn text(&self) -> Option<String>;
    /// A whole number from 0 on that a float holds exactly.
    fn count(&self) -> Option<u64>;
    fn truth(&self) -> Option<bool>;
    #[inline(never)]
    fn text_at(&self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }
    #[inline(never)]
    fn count_at(&self, name: &str) -> Option<u64> {
        self.get(name)?.count()
    }
    #[inline(never)]
    fn items_at(&self, name: &str) -> Option<Vec<Self>> {
        self.get(name)?.items()
    }
    /// The elements of an array.
    fn items(&self) -> Option<Vec<Self>>;
    /// The fields of an object of texts.
    fn texts(&self) -> Option<BTreeMap<String, String>>;
    /// A time as RFC 3339 writes it, in milliseconds since 1970.
    fn parse_time(text: &str) -> Option<u64>;
    fn time(&self) -> Option<u64> {
        Self::parse_time(&self.text()?)
    }
}

/// An error's body as far as it is needed here; lenient, as a proxy's may be anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// Empty where the body is no problem.
    pub code: String,
    pub detail: String,
    pub retryable: bool,
}

/// What is needed here of a `Video`; the page gets the whole of it untouched.
#[derive(Debug, PartialEq, Eq)]
pub struct Glance {
    pub status: VideoStatus,
    /// 0–100.
    pub progress: u8,
    /// The sentence of its error.
    pub error: Option<String>,
}

/// [`wire::UploadOpened`].
pub fn opened(json: &impl Json) -> Option<OpenedUpload> {
    Some(OpenedUpload {
        upload: json.text_at("upload")?,
        video_id: json.text_at("videoId")?,
        expires_at_ms: json.get("expiresAt").and_then(|end| end.time()),
        part_size: json.count_at("partSize")?,
        part_count: json.count_at("partCount")?.try_into().ok()?,
        checksum: json.text_at("checksum")? == "CRC64NVME",
        parts: signed(json)?,
    })
}

/// [`wire::SignedParts`].
pub fn signed(json: &impl Json) -> Option<Vec<PresignedPart>> {
    all(json.items_at("parts")?.iter().map(ticket))
}

fn ticket<J: Json>(json: &J) -> Option<PresignedPart> {
    let url = json.text_at("url")?;
    // Both by the server's clock, so that ours doesn't matter.
    let ends = json.get("expiresAt")?.time();
    let life_ms = ends.zip(signed_at::<J>(&url)).map(|(end, start)| end.saturating_sub(start));
    Some(PresignedPart {
        part: json.count_at("partNumber")?.try_into().ok()?,
        url,
        headers: json.get("headers").and_then(|headers| headers.texts()).unwrap_or_default(),
        ttl_ms: life_ms,
    })
}

/// When a URL was signed, in milliseconds since 1970: SigV4 says it as `X-Amz-Date=20261125T010203Z`.
fn signed_at<J: Json>(url: &str) -> Option<u64> {
    // `split_once` by a text would bring a search engine of three kilobytes along.
    let mut fields = url.as_bytes().split(|byte| matches!(byte, b'?' | b'&'));
    let digits = fields.find_map(|field| field.strip_prefix(b"X-Amz-Date="))?;
    let mut time = String::new();
    for (place, digit) in digits.iter().take(16).enumerate() {
        match place {
            4 | 6 => time.push('-'),
            11 | 13 => time.push(':'),
            _ => {}
        }
        time.push(char::from(*digit));
    }
    J::parse_time(&time)
}

/// [`wire::UploadStatus`].
pub fn listed(json: &impl Json) -> Option<Listing> {
    let state = match &*json.text_at("state")? {
        "open" => wire::MultipartState::Open,
        "completed" => wire::MultipartState::Completed,
        "aborted" => wire::MultipartState::Aborted,
        _ => return None,
    };
    let parts = all(json.items_at("parts")?.iter().map(stored_part))?;
    Some(Listing { state, parts })
}

fn stored_part(json: &impl Json) -> Option<StoredPart> {
    Some(StoredPart {
        part_number: json.count_at("partNumber")?.try_into().ok()?,
        size: json.count_at("size")?,
        etag: json.text_at("etag")?,
        checksum: json.text_at("checksum"),
    })
}

/// [`wire::UploadCompleted`].
pub fn completed(json: &impl Json) -> Option<StoredFile> {
    Some(StoredFile {
        video_id: json.text_at("videoId")?,
        key: json.text_at("key")?,
        size: json.count_at("size")?,
        checksum: json.text_at("checksum"),
        // Compared by the machine.
        verified: false,
    })
}

/// [`wire::Video`].
pub fn glance(json: &impl Json) -> Option<Glance> {
    Some(Glance {
        status: match &*json.text_at("status")? {
            "uploading" => VideoStatus::Uploading,
            "uploaded" => VideoStatus::Uploaded,
            "converting" => VideoStatus::Converting,
            "ready" => VideoStatus::Ready,
            "failed" => VideoStatus::Failed,
            "canceled" => VideoStatus::Canceled,
            _ => return None,
        },
        progress: json.count_at("progress")?.try_into().ok()?,
        error: json.get("error").and_then(|error| error.text_at("message")),
    })
}

/// [`wire::Problem`].
pub fn problem(json: &impl Json) -> Problem {
    let text = |name| json.text_at(name).unwrap_or_default();
    Problem {
        code: text("code"),
        detail: text("detail"),
        retryable: json.get("retryable").and_then(|field| field.truth()).unwrap_or_default(),
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use serde_json::{Value, json, to_value};
    use wire::{
        ChecksumKind, ErrorCode, SignedPart, SignedParts, UploadCompleted, UploadOpened, Video, VideoError,
    };

    impl Json for Value {
        fn get(&self, name: &str) -> Option<Self> {
            Value::get(self, name).filter(|value| !value.is_null()).cloned()
        }
        fn text(&self) -> Option<String> {
            self.as_str().map(String::from)
        }
        fn count(&self) -> Option<u64> {
            self.as_u64()
        }
        fn truth(&self) -> Option<bool> {
            self.as_bool()
        }
        fn items(&self) -> Option<Vec<Self>> {
            self.as_array().cloned()
        }
        fn texts(&self) -> Option<BTreeMap<String, String>> {
            let text = |(name, value): (&String, &Value)| Some((name.clone(), value.text()?));
            self.as_object()?.iter().map(text).collect()
        }
        fn parse_time(text: &str) -> Option<u64> {
            let seconds = text.strip_prefix("1970-01-01T00:00:")?.strip_suffix('Z')?;
            Some(seconds.parse::<u64>().ok()? * 1_000)
        }
    }

    fn part(headers: &[(&str, &str)]) -> SignedPart {
        SignedPart {
            part_number: 7,
            url: "https://store.test/7?X-Amz-Date=19700101T000003Z&X-Amz-Expires=9".into(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            expires_at: "1970-01-01T00:00:05Z".into(),
        }
    }

    fn video(status: VideoStatus, error: Option<VideoError>) -> Video {
        Video {
            video_id: "v".into(),
            status,
            progress: 42,
            size: 9,
            duration_ms: None,
            width: None,
            height: None,
            urls: None,
            error,
            created_at: String::new(),
            updated_at: String::new(),
        }
    }

    #[test]
    fn openings_and_signed_parts() {
        for (kind, checksum) in [(ChecksumKind::Crc64Nvme, true), (ChecksumKind::None, false)] {
            let answer = UploadOpened {
                upload: "token".into(),
                video_id: "v".into(),
                key: "k".into(),
                part_size: 8 << 20,
                part_count: 3,
                checksum: kind,
                expires_at: String::new(),
                parts: vec![part(&[])],
            };
            let read = opened(&to_value(answer).unwrap()).unwrap();
            assert_eq!((&*read.upload, read.part_size, read.part_count), ("token", 8 << 20, 3));
            assert_eq!((read.checksum, read.parts.len()), (checksum, 1));
        }
        let answer = SignedParts { parts: vec![part(&[("x-amz-a", "b")])] };
        let ticket = PresignedPart {
            part: 7,
            url: "https://store.test/7?X-Amz-Date=19700101T000003Z&X-Amz-Expires=9".into(),
            headers: [("x-amz-a".into(), "b".into())].into(),
            ttl_ms: Some(2_000),
        };
        assert_eq!(signed(&to_value(answer).unwrap()), Some(vec![ticket]));
    }

    #[test]
    fn lists() {
        let parts = vec![
            StoredPart { part_number: 1, size: 5, etag: "a".into(), checksum: None },
            StoredPart { part_number: 2, size: 6, etag: "b".into(), checksum: Some("c".into()) },
        ];
        let answer = wire::UploadStatus {
            state: wire::MultipartState::Open,
            part_size: 1,
            part_count: 2,
            parts: parts.clone(),
        };
        let listing = Listing { state: wire::MultipartState::Open, parts };
        assert_eq!(listed(&to_value(answer).unwrap()), Some(listing));
    }

    #[test]
    fn completions() {
        for checksum in [None, Some("c".to_string())] {
            let answer = UploadCompleted {
                video_id: "v".into(),
                key: "k".into(),
                size: 1 << 52,
                checksum: checksum.clone(),
                video: video(VideoStatus::Uploaded, None),
            };
            let stored = StoredFile {
                video_id: "v".into(),
                key: "k".into(),
                size: 1 << 52,
                checksum,
                verified: false,
            };
            assert_eq!(completed(&to_value(answer).unwrap()), Some(stored));
        }
    }

    #[test]
    fn videos_in_every_status() {
        use VideoStatus::*;
        for status in [Uploading, Uploaded, Converting, Ready, Failed, Canceled] {
            let error = VideoError { code: "1".into(), message: "No.".into() };
            let read = glance(&to_value(video(status, Some(error))).unwrap());
            assert_eq!(read, Some(Glance { status, progress: 42, error: Some("No.".into()) }));
        }
    }

    #[test]
    fn problems_of_every_code() {
        for code in ErrorCode::ALL {
            let read = problem(&to_value(wire::Problem::new(*code, 400, "A sentence.")).unwrap());
            let retryable = code.retryable();
            assert_eq!(read, Problem { code: code.as_str().into(), detail: "A sentence.".into(), retryable });
        }
        for odd in [json!(null), json!([]), json!("<html>"), json!({"code": 5, "detail": null})] {
            assert_eq!(problem(&odd), Problem::default());
        }
    }

    #[test]
    fn what_does_not_fit_is_unreadable() {
        for odd in [
            json!(null),
            json!({}),
            json!({"parts": {}}),
            json!({"parts": [{}]}),
            json!({"parts": [{"partNumber": -1, "url": "", "expiresAt": ""}]}),
            json!({"parts": [{"partNumber": 5_000_000_000u64, "url": "", "expiresAt": ""}]}),
            json!({"parts": [{"partNumber": 1, "url": 5, "expiresAt": ""}]}),
        ] {
            assert_eq!(signed(&odd), None, "{odd}");
            assert!(opened(&odd).is_none() && listed(&odd).is_none() && completed(&odd).is_none());
        }
        assert_eq!(glance(&json!({"status": "melting", "progress": 1})), None);
    }
}
