//! What stands around the engine, `web/js/worker.js`: it is told what happens, gives tokens, and keeps what a
//! later page load needs. Everything said is a plain object that can be cloned, so that it can cross threads.

use crate::answers::Json;
use crate::lists::list_of;
use crate::values::{number, object, set};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use uploader_core::container::Media;
use uploader_core::crc64;
use uploader_core::error::UploadError;
use uploader_core::progress::ProgressReport;
use uploader_core::types::{PersistOp, SavedPart, SavedUpload, StoredFile, Task};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// One upload's surroundings in JavaScript.
    #[derive(Clone)]
    pub type Surroundings;

    /// Takes one event.
    #[wasm_bindgen(method)]
    fn tell(this: &Surroundings, event: &JsValue);

    /// Writes something down.
    #[wasm_bindgen(method)]
    fn keep(this: &Surroundings, note: &JsValue);

    /// Begins to do something; its outcome is given to [`Host::heard`] under the same number. `what` is
    ///
    /// - `wait`, for so many milliseconds;
    /// - `send`, a request;
    /// - `read`, the bytes of a range of the file, and `pieces`, the same to be had one by one with `next`;
    /// - `token`, the bearer token to use now, or nothing;
    /// - `claim`, the file of this fingerprint for this upload alone, when no other tab sends it: what an
    ///   earlier page load wrote down of it. Fails only if another tab has canceled it meanwhile.
    #[wasm_bindgen(method)]
    fn begin(this: &Surroundings, number: u32, what: &str, about: JsValue);

    /// Ends it early; nothing is heard of it.
    #[wasm_bindgen(method)]
    fn stop(this: &Surroundings, number: u32);
}

/// The surroundings, and what has been heard from them.
#[derive(Clone)]
pub struct Host {
    surroundings: Surroundings,
    outcomes: Rc<RefCell<Outcomes>>,
}

#[derive(Default)]
struct Outcomes {
    last: u32,
    /// Few, and soon taken; absent if it failed.
    heard: Vec<(u32, Option<JsValue>)>,
}

/// Something that the surroundings are about to do; dropping it stops it.
pub struct Asked {
    host: Host,
    number: u32,
    over: bool,
}

impl Future for Asked {
    /// Absent if it failed.
    type Output = Option<JsValue>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let heard = self.host.take(self.number);
        self.over = heard.is_some();
        heard.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // It may have been heard of and not been taken.
        if !self.over && self.host.take(self.number).is_none() {
            self.host.surroundings.stop(self.number);
        }
    }
}

/// The answer to a request, whatever its status.
pub struct Answer {
    pub status: u16,
    whole: JsValue,
}

/// A request under way. Boxed, so that all who wait for one share one piece of code.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, UploadError>>>>;

impl Answer {
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn text(&self) -> String {
        self.whole.text_at("text").unwrap_or_default()
    }

    /// Undefined where there is none.
    pub fn json(&self) -> JsValue {
        self.whole.get("json").unwrap_or_default()
    }

    /// A header; absent where CORS hides it.
    pub fn header(&self, name: &str) -> Option<String> {
        self.whole.get("headers")?.text_at(name)
    }

    /// The wait asked for by `Retry-After`, in milliseconds; 0 for none. A date there is not looked at.
    pub fn wish_ms(&self) -> u32 {
        (self.whole.count_at("retryAfter").unwrap_or(0) as u32).saturating_mul(1_000)
    }

    /// Its connection carries many requests at once.
    pub fn multiplexed(&self) -> bool {
        self.whole.get("multiplexed").is_some_and(|field| field.is_truthy())
    }
}

/// What an earlier page load has left of an upload.
pub enum Claim {
    Nothing,
    /// It is under way.
    Open {
        upload: String,
        saved: SavedUpload,
    },
    /// It is stored, and perhaps still being converted.
    Stored(StoredFile),
}

impl Host {
    pub fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, outcomes: Rc::default() }
    }

    /// See [`Surroundings::begin`].
    pub fn ask(&self, what: &str, about: JsValue) -> Asked {
        let mut outcomes = self.outcomes.borrow_mut();
        outcomes.last += 1;
        let number = outcomes.last;
        drop(outcomes);
        self.surroundings.begin(number, what, about);
        Asked { host: self.clone(), number, over: false }
    }

    /// Takes the outcome of what was asked for under that number.
    pub fn heard(&self, number: u32, outcome: Option<JsValue>) {
        self.outcomes.borrow_mut().heard.push((number, outcome));
    }

    fn take(&self, number: u32) -> Option<Option<JsValue>> {
        let heard = &mut self.outcomes.borrow_mut().heard;
        let place = heard.iter().position(|(other, _)| *other == number)?;
        Some(heard.swap_remove(place).1)
    }

    pub async fn sleep(&self, ms: u32) {
        self.ask("wait", ms.into()).await;
    }

    /// Sends a request, as `web/js/browser.js` takes it.
    pub fn send(&self, request: JsValue) -> Answering {
        let asked = self.ask("send", request);
        Box::pin(async move {
            // Fails before sending for a URL or header that isn't one, and after it for JSON that isn't any.
            let whole = asked.await.ok_or_else(UploadError::bad_answer)?;
            match whole.count_at("status") {
                Some(status @ 1..) => Ok(Answer { status: status as u16, whole }),
                _ => Err(UploadError::network()),
            }
        })
    }

    pub fn write(&self, note: &PersistOp) {
        let note = match note {
            PersistOp::Opened { upload, video_id, part_size, checksum, expires_at_ms } => object(&[
                ("upload", upload.as_str().into()),
                ("videoId", video_id.as_str().into()),
                ("partSize", number(*part_size)),
                ("checksum", (*checksum).into()),
                ("expiresAt", expires_at_ms.map(number).into()),
            ]),
            PersistOp::Part(SavedPart { part, etag, crc64: crc }) => object(&[
                ("part", (*part).into()),
                ("etag", etag.as_deref().into()),
                ("crc", crc.map(crc64::to_base64).into()),
            ]),
            PersistOp::Canceled => object(&[("canceled", true.into())]),
            PersistOp::Clear => object(&[("over", true.into())]),
        };
        self.surroundings.keep(&note);
    }

    /// The file is stored; to be kept until the video is ready.
    pub fn write_stored(&self, stored: &StoredFile) {
        self.surroundings.keep(&object(&[("stored", stored_object(stored))]));
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
                ("durationMs", media.duration_ms.map(number).into()),
                ("width", media.width.into()),
                ("height", media.height.into()),
                ("rotation", media.rotation.into()),
                ("videoCodec", media.video_codec.as_deref().into()),
                ("audioCodec", media.audio_codec.as_deref().into()),
            ],
        );
    }

    pub fn progress(&self, report: ProgressReport) {
        self.say(
            "progress",
            &[
                ("sent", number(report.sent)),
                ("total", number(report.total)),
                ("bytesPerSecond", report.bytes_per_second.into()),
                ("etaSeconds", report.eta_seconds.into()),
            ],
        );
    }

    pub fn retry(&self, task: Task, attempt: u32, in_ms: u32, why: &UploadError) {
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

    pub fn uploaded(&self, stored: &StoredFile) {
        self.say("uploaded", &[("stored", stored_object(stored))]);
    }

    pub fn converting(&self, percent: u8) {
        self.say("converting", &[("percent", percent.into())]);
    }

    pub fn ready(&self, video: &JsValue) {
        self.say("ready", &[("video", video.clone())]);
    }

    /// The end, if it isn't a happy one.
    pub fn failed(&self, failure: &UploadError) {
        self.say("failed", &[("code", (&*failure.code).into()), ("message", (&*failure.message).into())]);
    }

    fn say(&self, kind: &str, fields: &[(&str, JsValue)]) {
        let event = object(fields);
        set(&event, "type", &kind.into());
        self.surroundings.tell(&event);
    }
}

fn stored_object(stored: &StoredFile) -> JsValue {
    object(&[
        ("videoId", stored.video_id.as_str().into()),
        ("key", stored.key.as_str().into()),
        ("size", number(stored.size)),
        ("checksum", stored.checksum.as_deref().into()),
        ("verified", stored.verified.into()),
    ])
}

/// What [`Host::write`] and [`Host::write_stored`] have written, put together again.
pub fn read(found: &JsValue) -> Option<Claim> {
    if let Some(stored) = found.get("stored") {
        let verified = stored.get("verified")?.truth()?;
        return Some(Claim::Stored(StoredFile { verified, ..crate::answers::completed(&stored)? }));
    }
    let part = |part: &JsValue| {
        Some(SavedPart {
            part: part.count_at("part")?.try_into().ok()?,
            etag: part.text_at("etag"),
            crc64: part.text_at("crc").and_then(|crc| crc64::from_base64(&crc)),
        })
    };
    let saved = SavedUpload {
        part_size: found.count_at("partSize")?,
        checksum: found.get("checksum")?.truth()?,
        parts: list_of(found.items_at("parts")?.iter().filter_map(part)),
        canceled: found.get("canceled").is_some(),
    };
    Some(Claim::Open { upload: found.text_at("upload")?, saved })
}
