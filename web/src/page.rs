//! The page on the other side: it is told what happens, and asked for a token. Everything said is a plain
//! object that can be cloned, so that a worker can say it too.

use crate::error::Failure;
use crate::machine::{Stored, Task};
use crate::progress::Report;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// The page's two functions.
#[derive(Clone)]
pub struct Page {
    tell: Function,
    token: Function,
}

impl Page {
    /// `tell` takes one event; `token` answers a token, or a promise of one, or nothing.
    pub fn new(tell: Function, token: Function) -> Self {
        Self { tell, token }
    }

    /// The bearer token to use now; none for an edge that wants none.
    pub async fn token(&self) -> Result<Option<String>, JsValue> {
        let given = self.token.call0(&JsValue::UNDEFINED)?;
        let token = JsFuture::from(Promise::resolve(&given)).await?;
        if token.is_null_or_undefined() {
            return Ok(None);
        }
        token.as_string().map(Some).ok_or(JsValue::UNDEFINED)
    }

    pub fn state(&self, state: &str) {
        self.tell("state", &[("state", state.into())]);
    }

    pub fn progress(&self, report: Report) {
        self.tell(
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
        self.tell(
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
        self.tell(
            "uploaded",
            &[
                ("videoId", (&*stored.video_id).into()),
                ("key", (&*stored.key).into()),
                ("size", (stored.size as f64).into()),
                ("checksum", stored.checksum.as_deref().into()),
            ],
        );
    }

    pub fn converting(&self, percent: u8) {
        self.tell("converting", &[("percent", percent.into())]);
    }

    pub fn ready(&self, video: &JsValue) {
        self.tell("ready", &[("video", video.clone())]);
    }

    /// The end, if it isn't a happy one.
    pub fn failed(&self, failure: &Failure) {
        self.tell("failed", &[("code", (&*failure.code).into()), ("message", (&*failure.sentence).into())]);
    }

    fn tell(&self, kind: &str, fields: &[(&str, JsValue)]) {
        let event = Object::new();
        // Neither can fail: the object is new, and a listener that throws is the page's own affair.
        let _ = Reflect::set(&event, &"type".into(), &kind.into());
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_undefined()) {
            let _ = Reflect::set(&event, &(*name).into(), value);
        }
        let _ = self.tell.call1(&JsValue::UNDEFINED, &event);
    }
}
