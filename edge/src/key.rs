//! Object keys and video ids, built and parsed here only; ETags. Pure.

use crate::captions::Language;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use std::fmt;

/// Prefix of uploaded objects.
pub const INCOMING_PREFIX: &str = "inputs/";
/// Prefix of uploaded captions.
pub const CAPTIONS_PREFIX: &str = "captions/";
/// In bytes. Those of a film have some 100 kB.
pub const MAX_CAPTIONS_SIZE: usize = 5 << 20;
const CAPTIONS_EXTENSIONS: [&str; 2] = ["vtt", "srt"];
const MAX_ID_LENGTH: usize = 64;
/// In bytes.
const RANDOM_ID_SIZE: usize = 12;
const MAX_EXTENSION_LENGTH: usize = 10;
/// The most characters of a file name that `VideoId::from_object_key` keeps.
const MAX_NAME_LENGTH: usize = 40;

/// A video's id: 1–64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VideoId(String);

impl VideoId {
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_ID_LENGTH).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (fits && plain).then(|| Self(text.to_owned()))
    }

    /// A new id of 24 hex digits. Random instead of ordered by time: S3 partitions its load by key prefix.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; RANDOM_ID_SIZE];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// Whether `text` has the form of [`VideoId::random`]'s ids, none of which is a prefix of another.
    pub fn is_random(text: &str) -> bool {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.len() == 2 * RANDOM_ID_SIZE && text.bytes().all(is_hex)
    }

    /// The id for an object with any key. It is the file's stem if that is a valid id directly at the top or under
    /// `inputs/`, or else the cleaned stem with a hash of the key, so that different keys have different ids.
    pub fn from_object_key(key: &str) -> Self {
        let name = key.strip_prefix(INCOMING_PREFIX).unwrap_or(key);
        let file = name.rsplit('/').next().unwrap_or(name);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        if file == name
            && let Some(id) = Self::parse(stem)
        {
            return id;
        }
        Self::derived(key)
    }

    /// The cleaned stem with a hash of the key.
    fn derived(key: &str) -> Self {
        let file = key.rsplit('/').next().unwrap_or(key);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let cleaned: String = stem.chars().map(clean).take(MAX_NAME_LENGTH).collect();
        Self(format!("{cleaned}-{}", hex::encode(&Sha256::digest(key)[..8])))
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

/// `inputs/{videoId}.{ext}`: the key of an uploaded object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingKey {
    video_id: VideoId,
    key: String,
}

impl IncomingKey {
    /// The key for a new upload. The extension is the file name's, or else the media type's; nothing else of the name
    /// is used.
    pub fn new(video_id: VideoId, file_name: &str, content_type: &str) -> Self {
        let extension = extension(file_name).unwrap_or_else(|| type_extension(content_type).into());
        let key = format!("{INCOMING_PREFIX}{video_id}.{extension}");
        Self { video_id, key }
    }

    /// Parses a decoded key from an event. `None`: it isn't the key of an upload.
    pub fn parse(key: &str) -> Option<Self> {
        let name = key.strip_prefix(INCOMING_PREFIX)?;
        let id = name.split_once('.').map_or(name, |(id, _)| id);
        Some(Self { video_id: VideoId::parse(id)?, key: key.to_owned() })
    }

    /// The keys that an object of this name can be: that of an upload, then that of an object which another tool has
    /// stored. Empty for a folder's marker and outside of `inputs/`.
    pub fn candidates(key: &str) -> Vec<Self> {
        let is_file =
            key.strip_prefix(INCOMING_PREFIX).is_some_and(|name| !name.is_empty() && !name.ends_with('/'));
        let stored = is_file.then(|| Self { video_id: VideoId::derived(key), key: key.to_owned() });
        let upload = Self::parse(key).filter(|_| is_file);
        upload.into_iter().chain(stored).collect()
    }

    pub fn video_id(&self) -> &VideoId {
        &self.video_id
    }

    pub fn as_str(&self) -> &str {
        &self.key
    }
}

/// `captions/{videoId}/{language}.{ext}`: the key of uploaded captions. A later file of the same language replaces an earlier
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionsKey {
    video_id: VideoId,
    language: Language,
    key: String,
}

impl CaptionsKey {
    /// Whether a file's name has the extension of captions.
    pub fn is_file_name(file_name: &str) -> bool {
        split_captions(file_name).is_some()
    }

    /// The key for an upload; the language is found in the file's name. `None`: it isn't a name of captions.
    pub fn new(video_id: VideoId, file_name: &str) -> Option<Self> {
        let (stem, extension) = split_captions(file_name)?;
        let language = Language::from_file_stem(stem);
        let key = format!("{CAPTIONS_PREFIX}{video_id}/{language}.{}", extension.to_ascii_lowercase());
        Some(Self { video_id, language, key })
    }

    /// Parses a decoded key from an event or a listing. `None`: it isn't the key of captions.
    pub fn parse(key: &str) -> Option<Self> {
        let (id, name) = key.strip_prefix(CAPTIONS_PREFIX)?.split_once('/')?;
        let (stem, _) = split_captions(name)?;
        Some(Self { video_id: VideoId::parse(id)?, language: Language::parse(stem)?, key: key.to_owned() })
    }

    pub fn video_id(&self) -> &VideoId {
        &self.video_id
    }

    pub fn language(&self) -> &Language {
        &self.language
    }

    pub fn as_str(&self) -> &str {
        &self.key
    }
}

/// Stem and extension of a file of captions.
fn split_captions(file_name: &str) -> Option<(&str, &str)> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    CAPTIONS_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)).then_some((stem, extension))
}

fn extension(file_name: &str) -> Option<String> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    let fits = (1..=MAX_EXTENSION_LENGTH).contains(&extension.len());
    (!stem.is_empty() && fits && extension.bytes().all(|b| b.is_ascii_alphanumeric()))
        .then(|| extension.to_ascii_lowercase())
}

fn type_extension(content_type: &str) -> &'static str {
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

/// Decodes a key of an S3 notification, which is form-encoded: `+` is a space. `None`: not UTF-8.
pub fn decode_event_key(encoded: &str) -> Option<String> {
    let spaces = encoded.replace('+', " ");
    percent_decode_str(&spaces).decode_utf8().ok().map(Into::into)
}

/// An ETag without the quotes that some senders include.
pub fn unquote_etag(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn object_keys_have_different_valid_ids() {
        let id = |key| VideoId::from_object_key(key).to_string();
        assert_eq!(id("5f2c.mp4"), "5f2c");
        assert_eq!(id("inputs/5f2c.MOV"), "5f2c");
        assert!(id("red flower.mp4").starts_with("red-flower-"));
        let ids = [id("a/x.mp4"), id("b/x.mp4"), id("x.mp4"), id("..mp4"), id("/.mp4"), id("")];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        for id in &ids {
            assert!(VideoId::parse(id).is_some(), "{id}");
        }
        assert!(VideoId::parse(&id(&"é".repeat(1000))).is_some());
    }

    fn id(text: &str) -> VideoId {
        VideoId::parse(text).unwrap()
    }

    #[test]
    fn invalid_id_is_not_parsed() {
        for bad in ["", "a b", "a/b", "..", "ä", "a.b", &"x".repeat(65)] {
            assert_eq!(VideoId::parse(bad), None, "{bad}");
        }
        assert!(VideoId::parse(&"x".repeat(64)).is_some());
        assert_eq!(VideoId::random().unwrap().as_str().len(), 24);
        assert_ne!(VideoId::random(), VideoId::random());
    }

    #[test]
    fn extension_is_the_names_or_the_types() {
        let key = |name: &str, kind: &str| IncomingKey::new(id("v"), name, kind).as_str().to_owned();
        assert_eq!(key("IMG_0001.MOV", ""), "inputs/v.mov");
        assert_eq!(key("a + b % # \" 🎬.mp4", "x"), "inputs/v.mp4");
        assert_eq!(key("noext", "video/quicktime"), "inputs/v.mov");
        assert_eq!(key(".mp4", "video/webm; codecs=vp9"), "inputs/v.webm");
        assert_eq!(key("a.../..", ""), "inputs/v.bin");
        assert_eq!(key("a.m p4", ""), "inputs/v.bin");
    }

    #[test]
    fn foreign_key_is_not_parsed() {
        assert_eq!(IncomingKey::parse("inputs/v.mp4").unwrap().video_id(), &id("v"));
        assert_eq!(IncomingKey::parse("inputs/v").unwrap().video_id(), &id("v"));
        for other in
            ["v.mp4", "inputs/", "inputs/.mp4", "inputs/a/b.mp4", "inputs/../b.mp4", "inputs/a b.mp4"]
        {
            assert_eq!(IncomingKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn stored_object_has_an_id_of_its_own() {
        let ids = |key: &str| {
            let keys = IncomingKey::candidates(key);
            assert!(keys.iter().all(|candidate| candidate.as_str() == key));
            keys.iter().map(|key| key.video_id().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids("inputs/v.mp4")[0], "v");
        assert_eq!(ids("inputs/v.mp4").len(), 2);
        assert!(ids("inputs/sub/my film.mp4")[0].starts_with("my-film-"));
        assert_ne!(ids("inputs/v.mp4")[1], ids("inputs/v.mov")[1]);
        for none in ["inputs/", "inputs/sub/", "other/v.mp4"] {
            assert!(ids(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn captions_have_a_key_of_their_language() {
        let key = |name: &str| CaptionsKey::new(id("v"), name).map(|key| key.as_str().to_owned());
        assert_eq!(key("film.de.VTT").as_deref(), Some("captions/v/de.vtt"));
        assert_eq!(key("film_en-US.srt").as_deref(), Some("captions/v/en-US.srt"));
        assert_eq!(key("a/b.srt").as_deref(), Some("captions/v/und.srt"));
        assert_eq!(key(".srt").as_deref(), Some("captions/v/und.srt"));
        for none in ["film.de.txt", "vtt", "film.vtt.mp4", ""] {
            assert_eq!(key(none), None, "{none}");
        }
        let parsed = CaptionsKey::parse("captions/v/pt-BR.srt").unwrap();
        assert_eq!((parsed.video_id(), parsed.language().to_string()), (&id("v"), "pt-BR".into()));
        for other in [
            "captions/v/film.srt",
            "captions/v/a/de.srt",
            "captions/a b/de.srt",
            "inputs/v.mp4",
            "captions/v/",
        ] {
            assert_eq!(CaptionsKey::parse(other), None, "{other}");
        }
        assert!(IncomingKey::candidates("captions/v/de.srt").is_empty());
    }

    #[test]
    fn event_key_is_form_decoded() {
        assert_eq!(decode_event_key("red+flower%2B%231.jpg").as_deref(), Some("red flower+#1.jpg"));
        assert_eq!(decode_event_key("100%").as_deref(), Some("100%"));
        assert_eq!(decode_event_key("%+1%zz").as_deref(), Some("% 1%zz"));
        assert_eq!(decode_event_key("%ff"), None);
    }

    proptest! {
        #[test]
        fn new_key_parses_back(name in "\\PC{0,40}", kind in "\\PC{0,20}") {
            let key = IncomingKey::new(id("v1_-"), &name, &kind);
            prop_assert_eq!(IncomingKey::parse(key.as_str()), Some(key));
        }

        #[test]
        fn captions_key_parses_back(name in "\\PC{0,20}[-_. ]?(de|pt_BR)?") {
            let key = CaptionsKey::new(id("v1_-"), &format!("{name}.SRT")).unwrap();
            prop_assert_eq!(CaptionsKey::parse(key.as_str()), Some(key));
        }

        #[test]
        fn event_key_decoding_never_panics(text in "\\PC*|(%[0-9a-fA-F+]{0,2})*") {
            let _ = decode_event_key(&text);
        }
    }
}
