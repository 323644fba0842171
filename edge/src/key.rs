//! Object keys: made and parsed here and nowhere else. Pure.

use sha2::{Digest, Sha256};
use std::fmt;

/// The folder that browsers upload to.
pub const INCOMING: &str = "inputs/";
const MAX_ID: usize = 64;
const RANDOM_BYTES: usize = 12;
const MAX_EXTENSION: usize = 10;

/// A video's id: 1–64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VideoId(String);

impl VideoId {
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_ID).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (fits && plain).then(|| Self(text.to_owned()))
    }

    /// A new id of 24 hex digits. Random, not ordered by time: S3 splits its load by key prefix.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Whether it has the form of those made here, of which none begins like another.
    pub fn is_made_here(text: &str) -> bool {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.len() == 2 * RANDOM_BYTES && text.bytes().all(hex)
    }

    /// The id of an object that somebody has named: its file's stem where that is an id and lies at the top or
    /// under `inputs/`, or else something like it that no other key gets.
    pub fn of_object(key: &str) -> Self {
        let name = key.strip_prefix(INCOMING).unwrap_or(key);
        let file = name.rsplit('/').next().unwrap_or(name);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        if file == name
            && let Some(id) = Self::parse(stem)
        {
            return id;
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let like: String = stem.chars().map(plain).take(40).collect();
        let hash: String = Sha256::digest(key)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{like}-{hash}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VideoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `inputs/{videoId}.{ext}`: where an uploaded file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingKey {
    video_id: VideoId,
    key: String,
}

impl IncomingKey {
    /// The key for a new upload. The extension is the file name's, or else what the media type says; nothing
    /// else of the name goes into the key.
    pub fn new(video_id: VideoId, file_name: &str, content_type: &str) -> Self {
        let extension = extension(file_name).unwrap_or_else(|| by_type(content_type).into());
        let key = format!("{INCOMING}{video_id}.{extension}");
        Self { video_id, key }
    }

    /// Reads a (decoded) key from an event. `None`: not one of ours.
    pub fn parse(key: &str) -> Option<Self> {
        let name = key.strip_prefix(INCOMING)?;
        let id = name.split_once('.').map_or(name, |(id, _)| id);
        Some(Self { video_id: VideoId::parse(id)?, key: key.to_owned() })
    }

    pub fn video_id(&self) -> &VideoId {
        &self.video_id
    }

    pub fn as_str(&self) -> &str {
        &self.key
    }
}

fn extension(file_name: &str) -> Option<String> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    let fits = (1..=MAX_EXTENSION).contains(&extension.len());
    (!stem.is_empty() && fits && extension.bytes().all(|b| b.is_ascii_alphanumeric()))
        .then(|| extension.to_ascii_lowercase())
}

fn by_type(content_type: &str) -> &'static str {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "video/x-matroska" | "video/matroska" => "mkv",
        "video/x-msvideo" | "video/avi" => "avi",
        "video/mp2t" => "ts",
        "video/mpeg" => "mpg",
        "video/x-flv" => "flv",
        _ => "bin",
    }
}

/// Decodes a key as S3 notifications carry it: form-encoded, `+` for a space. `None`: not UTF-8.
pub fn decode_event_key(encoded: &str) -> Option<String> {
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = || u8::from_str_radix(encoded.get(at + 1..at + 3)?, 16).ok();
        match bytes[at] {
            b'+' => decoded.push(b' '),
            // `from_str_radix` takes a sign, a percent escape doesn't.
            b'%' if bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit) => match hex() {
                Some(byte) => {
                    decoded.push(byte);
                    at += 2;
                }
                None => decoded.push(b'%'),
            },
            byte => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn any_object_has_an_id_of_its_own() {
        let of = |key| VideoId::of_object(key).to_string();
        assert_eq!(of("5f2c.mp4"), "5f2c");
        assert_eq!(of("inputs/5f2c.MOV"), "5f2c");
        assert!(of("red flower.mp4").starts_with("red-flower-"));
        let ids = [of("a/x.mp4"), of("b/x.mp4"), of("x.mp4"), of("..mp4"), of("/.mp4"), of("")];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        for id in &ids {
            assert!(VideoId::parse(id).is_some(), "{id}");
        }
        assert!(VideoId::parse(&of(&"é".repeat(1000))).is_some());
    }

    fn id(text: &str) -> VideoId {
        VideoId::parse(text).unwrap()
    }

    #[test]
    fn ids_are_checked() {
        for bad in ["", "a b", "a/b", "..", "ä", "a.b", &"x".repeat(65)] {
            assert_eq!(VideoId::parse(bad), None, "{bad}");
        }
        assert!(VideoId::parse(&"x".repeat(64)).is_some());
        assert_eq!(VideoId::random().unwrap().as_str().len(), 24);
        assert_ne!(VideoId::random(), VideoId::random());
    }

    #[test]
    fn extension_comes_from_the_name_then_from_the_type() {
        let key = |name: &str, kind: &str| IncomingKey::new(id("v"), name, kind).as_str().to_owned();
        assert_eq!(key("IMG_0001.MOV", ""), "inputs/v.mov");
        assert_eq!(key("a + b % # \" 🎬.mp4", "x"), "inputs/v.mp4");
        assert_eq!(key("noext", "video/quicktime"), "inputs/v.mov");
        assert_eq!(key(".mp4", "video/webm; codecs=vp9"), "inputs/v.webm");
        assert_eq!(key("a.../..", ""), "inputs/v.bin");
        assert_eq!(key("a.m p4", ""), "inputs/v.bin");
    }

    #[test]
    fn only_our_keys_parse() {
        assert_eq!(IncomingKey::parse("inputs/v.mp4").unwrap().video_id(), &id("v"));
        assert_eq!(IncomingKey::parse("inputs/v").unwrap().video_id(), &id("v"));
        for other in
            ["v.mp4", "inputs/", "inputs/.mp4", "inputs/a/b.mp4", "inputs/../b.mp4", "inputs/a b.mp4"]
        {
            assert_eq!(IncomingKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn event_keys_are_form_decoded() {
        assert_eq!(decode_event_key("red+flower%2B%231.jpg").as_deref(), Some("red flower+#1.jpg"));
        assert_eq!(decode_event_key("100%").as_deref(), Some("100%"));
        assert_eq!(decode_event_key("%+1%zz").as_deref(), Some("% 1%zz"));
        assert_eq!(decode_event_key("%ff"), None);
    }

    proptest! {
        #[test]
        fn made_keys_parse_back(name in "\\PC{0,40}", kind in "\\PC{0,20}") {
            let key = IncomingKey::new(id("v1_-"), &name, &kind);
            prop_assert_eq!(IncomingKey::parse(key.as_str()), Some(key));
        }

        #[test]
        fn decoding_never_panics(text in "\\PC*|(%[0-9a-fA-F+]{0,2})*") {
            let _ = decode_event_key(&text);
        }
    }
}
