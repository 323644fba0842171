//! What stands around the engine, `web/js/worker.js`: it is told what happens, gives tokens, and keeps what a
//! later page load needs. Everything said is a plain object that can be cloned, so that it can cross threads.

use crate::answers::Json;
use crate::client::object;
use crate::container::Media;
use crate::crc;
use crate::error::Failure;
use crate::machine::{Note, Saved, SavedPart, Stored, Task};
use crate::progress::Report;
use js_sys::{Promise, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// One upload's surroundings.
    #[derive(Clone)]
    pub type Host;

    /// Takes one event.
    #[wasm_bindgen(method)]
    fn tell(this: &Host, event: &JsValue);

    /// The bearer token to use now, or nothing.
    #[wasm_bindgen(method, catch)]
    fn token(this: &Host) -> Result<Promise, JsValue>;

    /// Takes the file of this fingerprint for this upload alone; what an earlier page load wrote down of it.
    /// Resolves when no other tab sends it.
    #[wasm_bindgen(method)]
    fn claim(this: &Host, fingerprint: &str) -> Promise;

    /// Writes something down.
    #[wasm_bindgen(method)]
    fn keep(this: &Host, note: &JsValue);

    /// Whether the connection of a request to this URL carries many at once.
    #[wasm_bindgen(method)]
    pub fn multiplexes(this: &Host, url: &str) -> bool;
}

/// What an earlier page load has left of an upload.
pub enum Claim {
    Nothing,
    /// It is under way.
    Open {
        upload: String,
        saved: Saved,
    },
    /// It is stored, and perhaps still being converted.
    Stored(Stored),
}

impl Host {
    pub async fn bearer(&self) -> Result<Option<String>, Failure> {
        let given = self.token().map_err(|_| Failure::no_token())?;
        let token = JsFuture::from(given).await.map_err(|_| Failure::no_token())?;
        if token.is_null_or_undefined() {
            return Ok(None);
        }
        token.as_string().map(Some).ok_or_else(Failure::no_token)
    }

    pub async fn claimed(&self, fingerprint: &str) -> Result<Claim, Failure> {
        // Refused only if another tab has canceled it meanwhile.
        let found = JsFuture::from(self.claim(fingerprint)).await.map_err(|_| Failure::canceled())?;
        Ok(read(&found).unwrap_or(Claim::Nothing))
    }

    pub fn write(&self, note: &Note) {
        let note = match note {
            Note::Opened { upload, video_id, part_size, checksum, expires_at } => object(&[
                ("upload", upload.as_str().into()),
                ("videoId", video_id.as_str().into()),
                ("partSize", (*part_size as f64).into()),
                ("checksum", (*checksum).into()),
                ("expiresAt", expires_at.map(|end| end as f64).into()),
            ]),
            Note::Part(SavedPart { part, etag, crc }) => object(&[
                ("part", (*part).into()),
                ("etag", etag.as_deref().into()),
                ("crc", crc.map(crc::to_base64).into()),
            ]),
            Note::Canceled => object(&[("canceled", true.into())]),
            Note::Over => object(&[("over", true.into())]),
        };
        self.keep(&note);
    }

    /// The file is stored; to be kept until the video is ready.
    pub fn write_stored(&self, stored: &Stored) {
        self.keep(&object(&[("stored", stored_object(stored))]));
    }

    pub fn state(&self, state: &str) {
        self.say("state", &[("state", state.into())]);
    }

    /// What the look into the file has found.
    pub fn media(&self, media: &Media) {
        self.say(
            "media",
            &[
                ("mime", media.mime.into()),
                ("durationMs", media.duration_ms.map(|ms| ms as f64).into()),
                ("width", media.width.into()),
                ("height", media.height.into()),
                ("rotation", media.rotation.into()),
                ("videoCodec", media.video.as_deref().into()),
                ("audioCodec", media.audio.as_deref().into()),
            ],
        );
    }

    pub fn progress(&self, report: Report) {
        self.say(
            "progress",
            &[
                ("sent", (report.sent as f64).into()),
                ("total", (report.total as f64).into()),
                ("bytesPerSecond", report.bytes_per_second.into()),
                ("etaSeconds", report.eta_seconds.into()),
            ],
        );
    }

    pub fn retry(&self, task: Task, attempt: u32, in_ms: u32, why: &Failure) {
        let part = match task {
            Task::Put(part) | Task::Hash(part) => Some(part),
            Task::Open | Task::Sign | Task::List | Task::Complete | Task::Abort => None,
        };
        self.say(
            "retry",
            &[
                ("partNumber", part.into()),
                ("attempt", attempt.into()),
                ("inMs", in_ms.into()),
                ("reason", (&*why.code).into()),
            ],
        );
    }

    pub fn uploaded(&self, stored: &Stored) {
        self.say("uploaded", &[("stored", stored_object(stored))]);
    }

    pub fn converting(&self, percent: u8) {
        self.say("converting", &[("percent", percent.into())]);
    }

    pub fn ready(&self, video: &JsValue) {
        self.say("ready", &[("video", video.clone())]);
    }

    /// The end, if it isn't a happy one.
    pub fn failed(&self, failure: &Failure) {
        self.say("failed", &[("code", (&*failure.code).into()), ("message", (&*failure.sentence).into())]);
    }

    fn say(&self, kind: &str, fields: &[(&str, JsValue)]) {
        let event = object(fields);
        let _ = Reflect::set(&event, &"type".into(), &kind.into());
        self.tell(&event);
    }
}

fn stored_object(stored: &Stored) -> JsValue {
    object(&[
        ("videoId", stored.video_id.as_str().into()),
        ("key", stored.key.as_str().into()),
        ("size", (stored.size as f64).into()),
        ("checksum", stored.checksum.as_deref().into()),
        ("verified", stored.verified.into()),
    ])
}

/// What [`Host::write`] and [`Host::write_stored`] have written, put together again.
fn read(found: &JsValue) -> Option<Claim> {
    if let Some(stored) = found.get("stored") {
        let verified = stored.get("verified")?.truth()?;
        return Some(Claim::Stored(Stored { verified, ..crate::answers::completed(&stored)? }));
    }
    let part = |part: &JsValue| {
        Some(SavedPart {
            part: part.count_at("part")?.try_into().ok()?,
            etag: part.text_at("etag"),
            crc: part.text_at("crc").and_then(|crc| crc::from_base64(&crc)),
        })
    };
    let saved = Saved {
        part_size: found.count_at("partSize")?,
        checksum: found.get("checksum")?.truth()?,
        parts: found.items_at("parts")?.iter().filter_map(part).collect(),
        canceled: found.get("canceled").is_some(),
    };
    Some(Claim::Open { upload: found.text_at("upload")?, saved })
}
