//! Starts an upload in the page and collects its events and what the fake server saw.

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use uploader_core::crc64::{crc64, to_base64};
use wasm_bindgen::prelude::*;
use web::{UploadHandle, UploadHost};
use web_sys::Blob;

pub const SERVER: &str = env!(
    "GRELOUPIS_FAKE_SERVER",
    "the address of tests/support/fake_server; `cargo xtask test wasm` sets it"
);
pub const MIB: usize = 1 << 20;
/// Six parts of 5 MiB, the last one shorter.
pub const SIZE: usize = 27 * MIB + 123;

#[wasm_bindgen(inline_js = r"
export const getText = async (url) => (await fetch(url)).text();
export const createHost = (onEvent, token, record) => ({
  onEvent,
  token: async () => token(),
  claim: async (fingerprint, slot) => (onEvent({ type: 'claim', slot }), slot === 0 ? record : undefined),
  persist: (operation) => onEvent({ type: 'persist', ...operation }),
});
")]
extern "C" {
    #[wasm_bindgen(js_name = createHost)]
    fn create_host(on_event: &JsValue, token: &Function, record: &JsValue) -> UploadHost;

    #[wasm_bindgen(js_name = getText, catch)]
    async fn get_text(url: &str) -> Result<JsValue, JsValue>;
}

/// Pseudo-random bytes.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn blob(bytes: &[u8]) -> Blob {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).unwrap()
}

/// An upload in progress and its events so far.
pub struct Running {
    pub handle: UploadHandle,
    pub events: Rc<RefCell<Vec<JsValue>>>,
    /// The event that was waited for.
    pub end: oneshot::Receiver<JsValue>,
    pub on_event: Closure<dyn FnMut(JsValue)>,
    pub video: String,
}

pub struct Setting {
    /// Faults of the fake server, separated by commas.
    pub faults: &'static str,
    pub size: usize,
    pub concurrency: Option<u32>,
    /// The body of the page's token function.
    pub token: &'static str,
    pub allow_any_file: bool,
    /// The record of an earlier page load, in slot 0.
    pub record: JsValue,
    pub video: Option<String>,
    /// The type of the event to wait for; a failure always ends the wait.
    pub until: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            faults: "plain",
            size: SIZE,
            concurrency: None,
            token: "return 'jwt'",
            allow_any_file: true,
            record: JsValue::UNDEFINED,
            video: None,
            until: "uploaded",
        }
    }
}

pub fn start(setting: Setting) -> Running {
    let events = Rc::new(RefCell::new(Vec::new()));
    let (sender, end) = oneshot::channel();
    let mut sender = Some(sender);
    let collected = events.clone();
    let on_event = Closure::new(move |event: JsValue| {
        let kind = text(&event, "type");
        if (kind == setting.until || kind == "failed")
            && let Some(sender) = sender.take()
        {
            let _ = sender.send(event.clone());
        }
        collected.borrow_mut().push(event);
    });
    let new_id = || format!("{}-{}", setting.faults.replace(',', "-"), (js_sys::Math::random() * 1e9) as u32);
    let video = setting.video.clone().unwrap_or_else(new_id);
    let options = Object::new();
    let endpoint = format!("{SERVER}/{}/api", setting.faults);
    for (name, value) in [
        ("endpoint", endpoint.into()),
        ("videoId", video.as_str().into()),
        ("partSize", ((5 * MIB) as f64).into()),
        ("concurrency", setting.concurrency.into()),
        ("allowAnyFile", setting.allow_any_file.into()),
    ] {
        Reflect::set(&options, &name.into(), &value).unwrap();
    }
    let token = Function::new_no_args(setting.token);
    let host = create_host(on_event.as_ref(), &token, &setting.record);
    let handle = UploadHandle::new(blob(&bytes(setting.size)), options.into(), host).unwrap();
    Running { handle, events, end, on_event, video }
}

/// The last event, all events, and the fake server's record of the upload.
pub struct Outcome {
    pub last: JsValue,
    pub events: Vec<JsValue>,
    pub seen: JsValue,
}

impl Running {
    pub async fn outcome(self) -> Outcome {
        let last = self.end.await.unwrap();
        // Ends the polling of the conversion.
        self.handle.cancel();
        let seen = inspect(&self.video).await;
        Outcome { last, events: self.events.borrow().clone(), seen }
    }
}

pub async fn upload_with(faults: &'static str) -> Outcome {
    start(Setting { faults, ..Setting::default() }).outcome().await
}

pub async fn inspect(video: &str) -> JsValue {
    let json = get_text(&format!("{SERVER}/inspect/{video}")).await.unwrap();
    js_sys::JSON::parse(&json.as_string().unwrap()).unwrap()
}

pub fn get(object: &JsValue, field: &str) -> JsValue {
    Reflect::get(object, &field.into()).unwrap()
}

pub fn text(object: &JsValue, field: &str) -> String {
    get(object, field).as_string().unwrap_or_default()
}

/// A number at a path such as `calls.list`; 0 if it is absent.
pub fn number(object: &JsValue, path: &str) -> f64 {
    let found = path.split('.').fold(object.clone(), |o, name| Reflect::get(&o, &name.into()).unwrap());
    found.as_f64().unwrap_or(0.0)
}

impl Outcome {
    pub fn all(&self, kind: &str) -> Vec<&JsValue> {
        self.events.iter().filter(|event| text(event, "type") == kind).collect()
    }

    pub fn stored(&self) -> JsValue {
        get(&self.last, "stored")
    }

    /// Exactly these bytes are stored and reported so, and progress never went back.
    pub fn assert_stored(&self, size: usize) {
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

    /// It failed with this code, and nothing is left on the server.
    pub fn assert_failed(&self, code: &str) {
        assert_eq!((&*text(&self.last, "type"), &*text(&self.last, "code")), ("failed", code));
        assert_ne!(text(&self.last, "message"), "");
        assert_eq!(text(&self.seen, "state"), "aborted");
    }

    pub fn puts(&self) -> f64 {
        number(&self.seen, "puts")
    }

    pub fn retry_reasons(&self) -> Vec<String> {
        let mut reasons: Vec<_> = self.all("retry").iter().map(|event| text(event, "reason")).collect();
        reasons.sort();
        reasons.dedup();
        reasons
    }
}
