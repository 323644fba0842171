//! Starts an upload in the page and tells what came of it: what the engine said, and what the server saw.

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use uploader_core::crc64::{crc64, to_base64};
use wasm_bindgen::prelude::*;
use web::{Run, Surroundings};
use web_sys::Blob;

pub const FAKE_SERVER: &str =
    env!("GRELOUPIS_FAKE_SERVER", "the address of tests/support/fake_server; `cargo xtask test` sets it");
pub const MIB: usize = 1 << 20;

#[wasm_bindgen(inline_js = r"
export const getText = async (url) => (await fetch(url)).text();
export const surround = (browser, file, tell, token, found) => Object.assign(browser, {
  file,
  tell,
  token: async () => token(),
  claim: async () => found,
  keep: (note) => tell({ type: 'note', ...note }),
});
export const introduce = (browser, run) => (browser.run = run);
")]
extern "C" {
    pub fn surround(
        browser: Browser,
        file: &Blob,
        tell: &JsValue,
        token: &Function,
        found: &JsValue,
    ) -> Surroundings;

    /// As the face knows it.
    #[derive(Clone)]
    pub type Running;

    pub fn introduce(browser: &Surroundings, run: Run) -> Running;

    #[wasm_bindgen(method)]
    pub fn cancel(this: &Running);

    #[wasm_bindgen(method)]
    pub fn pause(this: &Running, paused: bool);

    #[wasm_bindgen(js_name = getText, catch)]
    pub async fn get_text(url: &str) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/js/browser.js")]
extern "C" {
    type Browser;

    #[wasm_bindgen(constructor)]
    pub fn new() -> Browser;
}

/// Bytes of which no two pieces are alike.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

pub fn blob(bytes: &[u8]) -> Blob {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).unwrap()
}

/// An upload under way, and all that it has told.
pub struct Sent {
    pub run: Running,
    pub told: Rc<RefCell<Vec<JsValue>>>,
    pub end: oneshot::Receiver<JsValue>,
    pub _tell: Closure<dyn FnMut(JsValue)>,
    pub video: String,
}

pub struct Setting {
    pub faults: &'static str,
    pub size: usize,
    pub at_once: Option<u32>,
    pub checks: bool,
    pub token: &'static str,
    pub any_file: bool,
    /// What an earlier page load has written down.
    pub found: JsValue,
    pub video: Option<String>,
    /// The event to wait for; a failure always ends it.
    pub until: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        // Six parts of 5 MiB, the last one shorter.
        Self {
            faults: "plain",
            size: 27 * MIB + 123,
            at_once: None,
            checks: true,
            token: "return 'jwt'",
            any_file: true,
            found: JsValue::UNDEFINED,
            video: None,
            until: "uploaded",
        }
    }
}

pub fn start(setting: Setting) -> Sent {
    let told = Rc::new(RefCell::new(Vec::new()));
    let (ended, end) = oneshot::channel();
    let mut ended = Some(ended);
    let memory = told.clone();
    let tell = Closure::new(move |event: JsValue| {
        let kind = text(&event, "type");
        if (kind == setting.until || kind == "failed")
            && let Some(ended) = ended.take()
        {
            let _ = ended.send(event.clone());
        }
        memory.borrow_mut().push(event);
    });
    let name = || format!("{}-{}", setting.faults.replace(',', "-"), (js_sys::Math::random() * 1e9) as u32);
    let video = setting.video.clone().unwrap_or_else(name);
    let file = blob(&bytes(setting.size));
    let order = Object::new();
    let endpoint = format!("{FAKE_SERVER}/{}/api", setting.faults);
    for (name, value) in [
        ("file", file.clone().into()),
        ("endpoint", endpoint.into()),
        ("videoId", video.as_str().into()),
        ("partSize", ((5 * MIB) as f64).into()),
        ("concurrency", setting.at_once.into()),
        ("checks", setting.checks.into()),
        ("anyFile", setting.any_file.into()),
    ] {
        Reflect::set(&order, &name.into(), &value).unwrap();
    }
    let token = Function::new_no_args(setting.token);
    let surroundings = surround(Browser::new(), &file, tell.as_ref(), &token, &setting.found);
    let run = introduce(&surroundings, Run::new(&order, surroundings.clone()));
    Sent { run, told, end, _tell: tell, video }
}

/// What came of it: the last event, all before it, and what the server saw.
pub struct Outcome {
    pub last: JsValue,
    pub told: Vec<JsValue>,
    pub seen: JsValue,
}

impl Sent {
    pub async fn outcome(self) -> Outcome {
        let last = self.end.await.unwrap();
        // Nobody waits for the conversion.
        self.run.cancel();
        let seen = inspect(&self.video).await;
        Outcome { last, told: self.told.borrow().clone(), seen }
    }
}

pub async fn send(faults: &'static str) -> Outcome {
    start(Setting { faults, ..Setting::default() }).outcome().await
}

pub async fn inspect(video: &str) -> JsValue {
    let json = get_text(&format!("{FAKE_SERVER}/inspect/{video}")).await.unwrap();
    js_sys::JSON::parse(&json.as_string().unwrap()).unwrap()
}

pub fn get(object: &JsValue, field: &str) -> JsValue {
    Reflect::get(object, &field.into()).unwrap()
}

pub fn text(object: &JsValue, field: &str) -> String {
    get(object, field).as_string().unwrap_or_default()
}

pub fn number(object: &JsValue, field: &str) -> f64 {
    let found = field.split('.').fold(object.clone(), |o, name| Reflect::get(&o, &name.into()).unwrap());
    found.as_f64().unwrap_or(0.0)
}

impl Outcome {
    pub fn all(&self, kind: &str) -> Vec<&JsValue> {
        self.told.iter().filter(|event| text(event, "type") == kind).collect()
    }

    pub fn stored(&self) -> JsValue {
        get(&self.last, "stored")
    }

    /// Stored: exactly these bytes, told as such, progress never back.
    pub fn is_stored(&self, size: usize) {
        assert_eq!(
            text(&self.last, "type"),
            "uploaded",
            "{} {}",
            text(&self.last, "code"),
            text(&self.last, "message")
        );
        assert_eq!(text(&self.seen, "state"), "completed");
        assert_eq!(number(&self.seen, "size"), size as f64);
        assert_eq!(text(&self.seen, "checksum"), to_base64(crc64(&bytes(size))));
        let sent: Vec<f64> = self.all("progress").iter().map(|event| number(event, "sent")).collect();
        assert!(sent.is_sorted(), "{sent:?}");
        assert_eq!(sent.last(), Some(&(size as f64)));
    }

    /// Failed with this code, and nothing is left of it.
    pub fn is_failed(&self, code: &str) {
        assert_eq!((&*text(&self.last, "type"), &*text(&self.last, "code")), ("failed", code));
        assert_ne!(text(&self.last, "message"), "");
        assert_eq!(text(&self.seen, "state"), "aborted");
    }

    pub fn puts(&self) -> f64 {
        number(&self.seen, "puts")
    }

    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<_> = self.all("retry").iter().map(|event| text(event, "reason")).collect();
        reasons.sort();
        reasons.dedup();
        reasons
    }
}

pub const SIZE: usize = 27 * MIB + 123;
